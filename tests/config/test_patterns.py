import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from antiphon.config.patterns import Pattern, matches_any


@pytest.mark.parametrize(
    ("pattern", "name", "captured"),
    [
        ("gpt-4", "gpt-4", ()),
        ("gpt-4", "gpt-4o", None),
        ("gpt-*", "gpt-4", ("4",)),
        ("gpt-*", "gpt-", ("",)),
        ("gpt-*", "gpt", None),
        ("*", "anything/at all", ("anything/at all",)),
        ("*", "", ("",)),
        ("*-mini", "gpt-5-mini", ("gpt-5",)),
        ("a*b*c", "a1b2c", ("1", "2")),
        ("a*b*c", "abc", ("", "")),
        ("a*b*c", "abbc", ("", "b")),
        ("a*a", "a", None),
        ("**", "ab", ("", "ab")),
        ("a.c", "abc", None),
        ("[a]*", "a", None),
    ],
)
def test_patterns(pattern: str, name: str, captured: tuple[str, ...] | None) -> None:
    assert Pattern(pattern).match(name) == captured


@given(st.text("ab*", max_size=8), st.text("abc", max_size=12))
def test_patterns_agree_with_regular_expressions(pattern: str, name: str) -> None:
    expression = re.compile("(.*?)".join(map(re.escape, pattern.split("*"))), re.DOTALL)
    expected = expression.fullmatch(name)
    assert Pattern(pattern).match(name) == (expected.groups() if expected else None)


def test_hostile_names_cost_nothing() -> None:
    pattern = Pattern("*a*a*a*a*a*a*a*b")
    start = time.perf_counter()
    assert pattern.match("a" * 100_000) is None
    assert time.perf_counter() - start < 0.5


def test_any_of_several() -> None:
    assert matches_any(("x", "gpt-*"), "gpt-4")
    assert not matches_any(("x", "gpt-*"), "o3")
    assert not matches_any((), "o3")
