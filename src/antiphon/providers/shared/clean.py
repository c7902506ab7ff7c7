"""Makes an upstream's words fit to show to a client: no secrets, no internal addresses, no novels."""

import re

__all__ = ["clean"]

_LIMIT = 500
_REDACTED = "[redacted]"
_ADDRESS = "[address]"

_URL = re.compile(r"\b[a-z][a-z0-9+.-]{1,15}://[^\s\"'<>)\]}]+", re.IGNORECASE)
_HOST_OF_URL = re.compile(r"^[a-z][a-z0-9+.-]*://([^/?#]*)", re.IGNORECASE)
_PUBLIC_HOST = re.compile(r"^(?:[a-z0-9-]+\.)+[a-z]{2,}$", re.IGNORECASE)
_PRIVATE_SUFFIX = (
    ".local", ".localhost", ".internal", ".intranet", ".lan", ".home", ".corp", ".private", ".svc", ".cluster", ".arpa",
)  # fmt: skip
_INTERNAL = re.compile(
    r"\b(?:\d{1,3}\.){3}\d{1,3}(?::\d+)?\b"  # IPv4
    r"|\[[0-9a-f:.]*:[0-9a-f:.%]*\](?::\d+)?"  # IPv6 in brackets
    r"|(?<![\w:])(?:[0-9a-f]{1,4}:){7}[0-9a-f]{1,4}(?![\w:])"  # IPv6
    r"|(?<![\w:])(?:[0-9a-f]{1,4}(?::[0-9a-f]{1,4}){0,6})?::[0-9a-f:.]{0,39}"  # IPv6, shortened
    r"|\b(?:[\w-]+\.)*localhost(?::\d+)?\b"
    r"|\b(?:[\w-]+\.)+(?:local|localhost|internal|intranet|lan|home|corp|private|svc|cluster|arpa)\b(?::\d+)?"
    r"|(?<=host=')[^']*(?=')"  # what Python's HTTP clients print
    r"|(?<=host=\")[^\"]*(?=\")"
    r"|(?<=dial tcp )\S+|(?<=lookup )\S+(?= on )",  # what Go prints
    re.IGNORECASE,
)
_SECRET = re.compile(
    r"\b(?:bearer|basic)\s+[\w.~+/=*-]{6,}"
    r"|\beyJ[\w-]{8,}(?:\.[\w-]+){0,2}"  # a JSON web token
    r"|\b(?:sk|pk|rk|gsk|xai|hf|r8|nvapi|fw|csk|tgp|pplx|key|api[-_]?key|token|secret|org|proj|acct)[-_][\w*-]{6,}"
    r"|\bAIza[\w-]{10,}|\bAKIA[A-Z0-9]{12,}"
    r"|\b(?=[\w-]{0,64}\d)(?=[\w-]{0,64}[A-Za-z])[\w-]{32,}",  # long and mixed: a key, a digest, an id
    re.IGNORECASE,
)


def clean(text: str, *, secrets: tuple[str, ...] = ()) -> str:
    """One line of at most 500 characters. Public URLs keep their host and path, everything else about places goes.

    Args:
        text: what the upstream said.
        secrets: strings that must not be seen whatever they look like, e.g. the upstream's key.
    """
    for secret in secrets:
        if len(secret) >= 4:
            text = text.replace(secret, _REDACTED)
    if len(text) > 4 * _LIMIT:  # the last word goes too: half a secret looks like none
        text = text[: 4 * _LIMIT].rpartition(" ")[0]
    if not text.isprintable():  # controls, line breaks, marks that change the direction of writing
        text = " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())
    text = _URL.sub(_public_url, text.strip())
    text = _SECRET.sub(_REDACTED, text)
    text = _INTERNAL.sub(_ADDRESS, text)
    return text if len(text) <= _LIMIT else text[: _LIMIT - 1] + "\u2026"


def _public_url(match: re.Match[str]) -> str:
    url = match.group()
    authority = _HOST_OF_URL.match(url)
    host = authority.group(1) if authority else ""
    if not _PUBLIC_HOST.match(host) or host.lower().endswith(_PRIVATE_SUFFIX) or not url.lower().startswith("http"):
        return _ADDRESS
    return re.split(r"[?#]", url, maxsplit=1)[0]
