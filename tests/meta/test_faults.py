"""Every row of docs/faults.md has a test that is named after it, or says that it waits."""

import re

from tests.meta.pages import ROOT

_ROW = re.compile(r"^\| ([A-Z]\d+[a-z]?) \|", re.MULTILINE)
_TEST = re.compile(r"^(?:async )?def test_((?:[a-z]\d+[a-z]?_|to_)+)", re.MULTILINE)
_RANGE = re.compile(r"([a-z])(\d+)_to_[a-z](\d+)_")


def rows() -> tuple[list[str], list[str]]:
    """The ids of the rows that hold, and of those that wait."""
    page = (ROOT / "docs" / "faults.md").read_text()
    holding, _, waiting = page.partition("\n## Waiting\n")
    return _ROW.findall(holding), _ROW.findall(waiting)


def covered() -> set[str]:
    """The ids that tests are named after: `test_u1_u2_...`, `test_m1_to_m8_...`."""
    found = set()
    for file in (ROOT / "tests").rglob("test_*.py"):
        for names in _TEST.findall(file.read_text()):
            found.update(names.split("_"))
            for letter, first, last in _RANGE.findall(names):
                found.update(f"{letter}{number}" for number in range(int(first), int(last) + 1))
    return found


def test_every_row_has_a_test_that_is_named_after_it() -> None:
    holding, _ = rows()
    assert len(holding) > 40
    assert not [row for row in holding if row.lower() not in covered()]


def test_no_row_stands_twice_or_waits_for_what_is_there() -> None:
    holding, waiting = rows()
    assert len({*holding, *waiting}) == len(holding) + len(waiting)
    assert not [row for row in waiting if row.lower() in covered()], "move them to where they hold"
