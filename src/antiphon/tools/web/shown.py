"""What the model reads: results, pages and places in pages, as text with the words of strangers marked. Pure."""

import re
from collections.abc import Sequence
from itertools import islice

from antiphon.tools.web.engine import Hit
from antiphon.tools.web.extract import Page
from antiphon.tools.web.untrusted import CITE, DATA, cleaned, wrapped

__all__ = ["failure", "found_places", "page_part", "parts_of", "results"]

_MOST_PLACES = 8
#: Places are counted up to here, and of a pattern so many words are looked for: a page may be one letter many times.
_MOST_COUNTED = 1000
_MOST_WORDS = 16
_AROUND = 200


def results(numbered: Sequence[tuple[int, Hit]], *, snippet_chars: int, mark: str) -> str:
    """Results with their numbers."""
    if not numbered:
        return "The search found nothing. Try other or fewer words."
    blocks = []
    for number, hit in numbered:
        lines = [f"[{number}] {_line(hit.title, 300)}", hit.url]
        lines += [_line(hit.published, 30)] if hit.published else []
        lines += [_cut(cleaned(hit.snippet), snippet_chars)] if hit.snippet else []
        blocks.append("\n".join(lines))
    return "\n".join([DATA, wrapped("\n\n".join(blocks), mark=mark), CITE])


def parts_of(page: Page, *, chars: int) -> int:
    """In how many parts of that size the page is shown."""
    return max(1, -(-len(page.text) // chars))


def page_part(page: Page, part: int, *, chars: int, mark: str) -> str:
    """One part of a page, from 1."""
    parts = parts_of(page, chars=chars)
    text = page.text[(part - 1) * chars : part * chars]
    head = [f"{_line(page.title, 300)}", page.url, f"Part {part} of {parts}", ""]
    tail = [f"For more, open the page with part {part + 1}."] if part < parts else []
    tail += ["The page is longer than what could be read."] if page.cut and part == parts else []
    return "\n".join([DATA, wrapped("\n".join([*head, text]), mark=mark), *tail, CITE])


def found_places(page: Page, pattern: str, *, mark: str) -> str:
    """The places where words stand in a page. Spaces and capitals do not matter; there are no wildcards."""
    words = [re.escape(word) for word in pattern.split()[:_MOST_WORDS]]
    places_found = re.finditer(r"\s++".join(words), page.text, re.IGNORECASE) if words else iter(())
    found = list(islice(places_found, _MOST_COUNTED))
    if not found:
        return "These words are not on the page. Try fewer words, or open the page."
    places = []
    for one in found[:_MOST_PLACES]:
        start, end = max(0, one.start() - _AROUND), min(len(page.text), one.end() + _AROUND)
        places.append(f"… {' '.join(page.text[start:end].split())} …")
    count = f"{len(found)} places" if len(found) < _MOST_COUNTED else f"{len(found)} places or more"
    head = f"{count}, the first {len(places)}:" if len(found) > len(places) else f"{count}:"
    block = wrapped("\n\n".join([f"{_line(page.title, 300)}\n{page.url}", *places]), mark=mark)
    return f"{DATA}\n{head}\n{block}\n{CITE}"


def failure(what: str, why: str) -> str:
    """What the model is told when a call did not work."""
    return f"{what} failed: {why} Go on without it, or try something else; if it matters, say that it failed."


def _line(text: str, chars: int) -> str:
    return _cut(" ".join(cleaned(text).split()), chars)


def _cut(text: str, chars: int) -> str:
    return text if len(text) <= chars else text[: chars - 1].rstrip() + "…"
