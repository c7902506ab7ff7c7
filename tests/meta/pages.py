"""The documentation, taken apart: pages, their code blocks, their links, the commands that they show."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]

_FENCE = re.compile(r"^```(?P<language>\w*)\n(?P<text>.*?)^```$", re.DOTALL | re.MULTILINE)
_LINK = re.compile(r"(?<!!)\[[^\]\n]*\]\((?P<to>[^)\s]+)\)")
_HEADING = re.compile(r"^#+ (?P<title>.+)$", re.MULTILINE)
_INLINE = re.compile(r"(?<!`)`([^`\n]+)`(?!`)")


class Block(NamedTuple):
    """A code block and where it stands."""

    page: str
    line: int
    language: str
    text: str

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


def pages() -> list[Path]:
    """Every page for people."""
    return [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").glob("*.md"))]


def blocks(*languages: str) -> list[Block]:
    """Code blocks in one of the languages; all without any."""
    return [
        Block(
            page.relative_to(ROOT).as_posix(), text.count("\n", 0, found.start()) + 1, found["language"], found["text"]
        )
        for page in pages()
        for text in [page.read_text()]
        for found in _FENCE.finditer(text)
        if not languages or found["language"] in languages
    ]


def prose(page: Path) -> str:
    """The page without its code blocks."""
    return _FENCE.sub("", page.read_text())


def inline_code() -> Iterator[tuple[str, str]]:
    """Every `word` in the prose, with its page."""
    for page in pages():
        for found in _INLINE.finditer(prose(page)):
            yield page.name, found[1]


def links() -> Iterator[tuple[Path, str]]:
    """Links to files of this repository and to headings, with their page."""
    for page in pages():
        for found in _LINK.finditer(prose(page)):
            if "://" not in found["to"]:
                yield page, found["to"]


def anchors(page: Path) -> set[str]:
    """What links may put behind `#`, by GitHub's rules."""
    return {
        re.sub(r"[^\w\- ]", "", found["title"].lower()).replace(" ", "-") for found in _HEADING.finditer(prose(page))
    }


def first_column(page: str, heading: str) -> list[str]:
    """The words in backticks in the first column of the table under a heading."""
    text = (ROOT / "docs" / page).read_text()
    _, found, after = text.partition(f"{heading}\n")
    assert found, f"{page} has no {heading}"
    section = re.split(r"^#+ ", after, maxsplit=1, flags=re.MULTILINE)[0]
    rows = [line for line in section.splitlines() if line.startswith("| `")]
    return [word for row in rows for word in _INLINE.findall(row.split("|")[1])]


def shown_commands() -> Iterator[tuple[Block, list[str]]]:
    """The `antiphon …` and `make …` lines of console and shell blocks, as words, with their block."""
    for block in blocks("console", "sh"):
        for line in block.text.splitlines():
            words = line.removeprefix("$ ").partition(" #")[0].split()
            if words:
                yield block, words
