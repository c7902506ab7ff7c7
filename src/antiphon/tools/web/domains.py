"""Which hosts results and pages may come from. Pure."""

from urllib.parse import urlsplit

from msgspec import Struct
from yarl import URL

__all__ = ["DomainFilter", "ascii_url", "domain_of"]


class DomainFilter(Struct, frozen=True):
    """Domains in lower case, their subdomains included. Without `allowed` all are, except those `blocked`.

    An entry may have a path, as `example.com/docs`: then only what is below it counts.
    """

    allowed: tuple[str, ...] = ()
    blocked: tuple[str, ...] = ()

    def permits(self, url: str) -> bool:
        """Whether the page may be shown. Never for what is no web address."""
        try:
            parts = urlsplit(url)
            host = _in_ascii((parts.hostname or "").rstrip("."))
        except ValueError:
            return False
        if parts.scheme not in ("http", "https") or not host or not url.isprintable() or " " in url:
            return False
        if any(_covers(entry, host, path=parts.path) for entry in self.blocked):
            return False
        return not self.allowed or any(_covers(entry, host, path=parts.path) for entry in self.allowed)


def domain_of(entry: str) -> str | None:
    """A domain as clients write it (also with a scheme, or a path behind it) in one form; `None` if it is none."""
    text = entry.strip().lower()
    text = text.partition("://")[2] if "://" in text else text
    host, slash, path = text.removeprefix("*.").partition("/")
    labels = host.strip(".").split(".")
    plain = all(label and label.replace("-", "").replace("_", "").isalnum() for label in labels)
    if not plain or len(host) > 253 or len(path) > 1000 or not text.isprintable() or " " in text:
        return None
    try:
        name = _in_ascii(".".join(labels))
    except ValueError:
        return None
    return name + (f"/{path.rstrip('/')}" if slash and path.rstrip("/") else "")


def ascii_url(url: str) -> str:
    """The address as it is asked for, with its host's name as it is looked up. Raises `ValueError` where it is none."""
    return url if url.isascii() else str(URL(url))


def _in_ascii(host: str) -> str:
    """The name as it is looked up: `münchen.de` is `xn--mnchen-3ya.de`. Raises `ValueError` where it is none."""
    return host if host.isascii() else URL.build(scheme="http", host=host).raw_host or ""


def _covers(entry: str, host: str, *, path: str) -> bool:
    domain, slash, below = entry.partition("/")
    if host != domain and not host.endswith("." + domain):
        return False
    return not slash or path.lower() == f"/{below}" or path.lower().startswith(f"/{below}/")
