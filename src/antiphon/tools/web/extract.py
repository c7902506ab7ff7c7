"""From the bytes of a page to text that a model can read. Runs in a thread, which nobody can stop: see `LIMIT`."""

import codecs
import html
import re

from msgspec import Struct

from antiphon.upstream.fetch import Visited

__all__ = ["KINDS", "Page", "page_of"]

#: What can be read. PDFs and everything else that is no text cannot.
KINDS = (
    "text/",
    "application/xhtml+xml",
    "application/json",
    "application/ld+json",
    "application/xml",
    "application/rss+xml",
    "application/atom+xml",
)
_HTML = ("text/html", "application/xhtml+xml")

#: Of HTML only this much is read. The time taken grows with the square of what hostile pages hold: 5 s at this size,
#: 15 s at twice as much (measured with trafilatura 2.3).
_HTML_BYTES = 1024 * 1024
_TITLE = re.compile(r"<title[^>]{0,200}>(.{0,500}?)</title", re.IGNORECASE | re.DOTALL)
#: Python's codecs that are no charsets: the first takes time that grows with the square, the others always raise.
_NO_CHARSETS = ("punycode", "idna", "undefined")
_META_CHARSET = re.compile(rb"<meta[^>]{0,200}charset=[\"']?([\w-]{1,40})", re.IGNORECASE)


class Page(Struct, frozen=True):
    """A page as text; of HTML what matters of it, as Markdown.

    Attributes:
        url: where it was, behind all redirects.
        cut: there is more than could be read.
    """

    url: str
    title: str
    text: str
    cut: bool = False


def page_of(visited: Visited) -> Page:
    """Blocks, up to some seconds for hostile HTML. Text that is not what its server says it is comes out garbled."""
    if visited.media_type not in _HTML:
        return Page(visited.url, "", _decoded(visited.body, visited.charset), visited.cut)
    head = visited.body[:4096]
    declared = _META_CHARSET.search(head)
    charset = visited.charset or (declared[1].decode("ascii", "replace") if declared else "")
    source = _decoded(visited.body[:_HTML_BYTES], charset)
    title = _TITLE.search(source[:100_000])
    return Page(
        visited.url,
        " ".join(html.unescape(title[1]).split())[:300] if title else "",
        _main_text(source, visited.url),
        visited.cut or len(visited.body) > _HTML_BYTES,
    )


def _main_text(source: str, url: str) -> str:
    from trafilatura import extract  # noqa: PLC0415 - an extra, and 0.3 s to import

    found = extract(source, url=url, output_format="markdown", include_links=True, include_comments=False)
    return found if found is not None else ""


def _decoded(body: bytes, charset: str) -> str:
    try:
        known = codecs.lookup(charset or "utf-8").name not in _NO_CHARSETS
        return body.decode(charset or "utf-8", "replace") if known else body.decode("utf-8", "replace")
    except (LookupError, ValueError):  # the latter for what cannot even be a name
        return body.decode("utf-8", "replace")
