"""What counts as a citation, and that it does not matter how the text arrives."""

from itertools import pairwise

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from antiphon.tools.sources import Source, SourceBook
from antiphon.tools.web.citations import Citation, CitationFinder

SOURCES = (
    Source("https://a.example/x", "A"),
    Source("http://b.example/y_(z)", "B"),
    Source("https://c.example/?q=1", "C"),
)
PIECES = [
    *(
        "[",
        "](",
        ")",
        "(",
        " ",
        "\n",
        ".",
        ",",
        ":",
        "<",
        ">",
        "]",
        "【",
        "】",
        "†",
        '"t"',
        "é",
        "😀",
        "text",
        "h",
        "ht",
    ),
    *("https://a.example/x", "http://b.example/y_(z)", "https://c.example/?q=1", "https://no.example", "https://"),
    *("[1]", "【2】", "【3†L1】", "[9]", "1"),
]


def cited(*parts: str) -> list[Citation]:
    finder = CitationFinder(SourceBook(SOURCES))
    return [one for part in parts for one in finder.feed(part)] + finder.end()


def spans(text: str) -> list[tuple[str, str]]:
    return [(text[one.start : one.end], one.source.title) for one in cited(text)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Yes [A](https://a.example/x).", [("[A](https://a.example/x)", "A")]),
        ("Yes ([see there](http://b.example/y_(z))).", [("[see there](http://b.example/y_(z))", "B")]),
        ('[t](https://c.example/?q=1 "A title")', [('[t](https://c.example/?q=1 "A title")', "C")]),
        ("[t](<https://a.example/x>)", [("[t](<https://a.example/x>)", "A")]),
        ("Read https://a.example/x.", [("https://a.example/x", "A")]),
        ("(https://a.example/x/#part)", [("https://a.example/x/#part", "A")]),
        ("(http://b.example/y_(z))", [("http://b.example/y_(z)", "B")]),
        ("HTTPS://A.example/x", [("HTTPS://A.example/x", "A")]),
        ("One [1], two 【2】, three 【3†L5-L7】.", [("[1]", "A"), ("【2】", "B"), ("【3†L5-L7】", "C")]),
    ],
)
def test_what_was_found_and_is_named_is_cited(text: str, expected: list[tuple[str, str]]) -> None:
    assert spans(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "[made up](https://made-up.example/x) and https://no.example",
        "items[1] and f(x)[2] and [7] and [0]",
        "[1]: https://no.example",
        "[label] (https://",
        "[unclosed](ftp://a.example/x",
        "he said: the thing",
    ],
)
def test_what_was_not_found_is_no_citation(text: str) -> None:
    assert cited(text) == []


def test_offsets_count_characters() -> None:
    text = "Crème 😀 日本: [A](https://a.example/x)"
    assert [(one.start, one.end) for one in cited(text)] == [(text.index("["), len(text))]


def test_annotation_has_the_form_of_the_responses_api() -> None:
    (one,) = cited("[A](https://a.example/x)")
    assert msgspec.json.decode(one.annotation) == {
        "type": "url_citation",
        "start_index": 0,
        "end_index": 24,
        "url": "https://a.example/x",
        "title": "A",
    }


def test_citation_is_told_before_the_text_ends() -> None:
    finder = CitationFinder(SourceBook(SOURCES))
    assert finder.feed("See [A](https://a.exam") == []
    assert [one.source.title for one in finder.feed("ple/x) and")] == ["A"]


def test_source_that_is_found_later_counts_from_then_on() -> None:
    book = SourceBook()
    finder = CitationFinder(book)
    assert finder.feed("https://a.example/x then ") == []
    book.add(SOURCES[0])
    assert len(finder.feed("https://a.example/x then ")) == 1


def test_candidate_without_end_is_let_go() -> None:
    finder = CitationFinder(SourceBook(SOURCES))
    for _ in range(40):
        finder.feed("[label](" + "x" * 500)
    assert len(finder._held) < 5000


@given(st.lists(st.sampled_from(PIECES), max_size=14).map("".join), st.data())
def test_every_way_of_splitting_the_text_finds_the_same(text: str, data: st.DataObject) -> None:
    whole = cited(text)
    assert cited(*text) == whole
    at = data.draw(st.integers(0, len(text)))
    assert cited(text[:at], text[at:]) == whole
    assert all(0 <= one.start < one.end <= len(text) for one in whole)
    assert all(one.end <= after.start for one, after in pairwise(whole))
