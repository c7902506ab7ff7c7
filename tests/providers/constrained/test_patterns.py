"""Patterns in the few words that decoders follow."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from antiphon.providers.constrained.patterns import narrowed

UNDERSTOOD = {
    "^[a-z]{2,5}$": "^[a-z]{2,5}$",
    r"^\d{3}-\w+$": r"^[0-9]{3}\-[0-9A-Z_a-z]{1,32}$",
    "^(?:ab|cd)+$": "^(ab|cd){1,32}$",
    "abc": "^abc$",
    r"^a\s\.b$": r"^a[ ]\.b$",
    r"^\+?[1-9]\d{1,14}$": r"^\+{0,1}[1-9][0-9]{1,14}$",
    "a|b": "^(a|b)$",
    "^a*?b{3,}$": "^a{0,32}b{3,35}$",
    r"^a/b \(c\)\$$": r"^a/b \(c\)\$$",
    "^é[à]$": "^é[à]$",
    r"^[\w-]$": "^[0-9A-Z_a-z-]$",
}


@pytest.mark.parametrize(("pattern", "expected"), UNDERSTOOD.items())
def test_an_understood_pattern_is_written_anew(pattern: str, expected: str) -> None:
    assert narrowed(pattern) == expected


@pytest.mark.parametrize(
    "pattern",
    [
        "^(?=a)b$", "^a|b$", r"\bword\b", r"^(a)\1$", "^a$b$", "(", "[", "[b-a]", r"^\p{L}$", 'say "hi"', r"a\\b", "a\n",
        "a" * 600, "a{300}", "a{2}{3}", "a**", "[[a]]", "(" * 20 + ")" * 20, r'^["\\]$', "(?i)a", r"\n", "a{5", "\\",
    ],
)  # fmt: skip
def test_what_is_not_understood_is_left_out(pattern: str) -> None:
    assert narrowed(pattern) is None


@pytest.mark.parametrize("pattern", [*UNDERSTOOD, "^[^a-c]{2}$", r"^.\S\D$", "^x?(y|z{2}){1,3}$"])
@given(data=st.data())
@settings(max_examples=30, deadline=None)
def test_the_new_one_matches_only_what_the_old_one_does(pattern: str, data: st.DataObject) -> None:
    narrower = narrowed(pattern)
    assert narrower is not None
    text = data.draw(st.from_regex(narrower.removesuffix("$") + r"\Z"))
    assert re.search(pattern, text, re.ASCII)
    assert not set(text) & set('"\\\n')


@given(st.text(alphabet=r"ab^$.[]()|*+?{}2,-\dws", max_size=14))
@settings(max_examples=500, deadline=None)
def test_any_text_may_be_a_pattern(pattern: str) -> None:
    narrower = narrowed(pattern)
    if narrower is not None:
        re.compile(narrower)
