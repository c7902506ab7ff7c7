import pytest

from antiphon.cli.moments import read_moment

NOW = 1_800_000_000


@pytest.mark.parametrize(
    ("text", "direction", "expected"),
    [
        ("30d", 1, NOW + 30 * 86_400),
        ("30d", -1, NOW - 30 * 86_400),
        (" 2 w ", 1, NOW + 1_209_600),
        ("90s", -1, NOW - 90),
        ("5m", -1, NOW - 300),
        ("12h", 1, NOW + 43_200),
        ("2027-01-31", 1, 1_801_353_600),
        ("2027-01-31T18:00", -1, 1_801_418_400),
        ("2027-01-31T18:00+02:00", -1, 1_801_411_200),
    ],
)
def test_spans_and_dates_are_read(text: str, direction: int, expected: int) -> None:
    assert read_moment(text, now=NOW, direction=1 if direction > 0 else -1) == expected


@pytest.mark.parametrize("text", ["", "soon", "3x", "-3d", "2027-13-01", "999999999w", "d"])
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        read_moment(text, now=NOW, direction=1)
