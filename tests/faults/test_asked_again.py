"""What is asked again, and where: the column of docs/faults.md that says so, for upstreams of every dialect.

Each row has places of its own, so that none is spared for what another row's test did there.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Literal

import pytest

from tests.faults.clients import DOORS
from tests.faults.house import House, open_house, provider_at
from tests.faults.tongues import SPOKEN, TONGUES, Tongue
from tests.helpers.upstream import Reply, Seen

#: `here`: at the same place. `first others`: only where there is no other. `others`: never here. `never`: nowhere.
Again = Literal["here", "others first", "others", "never"]

JSON = {"content-type": "application/json"}
ROWS: Mapping[str, tuple[Callable[[Tongue], Reply], Again]] = {
    "u4": (lambda _: Reply(["stall"], framing="raw"), "others"),
    "u5": (lambda tongue: tongue.fails(429, "rate_limit"), "others first"),
    "u5a": (lambda tongue: tongue.fails(402, "quota"), "others"),
    "u6": (lambda tongue: tongue.fails(500, "server"), "here"),
    "u6-reset": (lambda _: Reply(["reset"], framing="raw"), "here"),
    "u7": (lambda tongue: tongue.fails(503, "overloaded"), "others first"),
    "u8": (lambda tongue: tongue.fails(400, "refused"), "never"),
    "u8a": (lambda tongue: tongue.fails(400, "too_long"), "never"),
    "u8b": (lambda tongue: tongue.fails(408, "slow"), "others"),
    "u8b-redirect": (lambda _: Reply([], status=307, headers={"location": "/elsewhere"}), "here"),
    "u9": (lambda tongue: tongue.fails(401, "credential"), "others"),
    "u10": (lambda tongue: tongue.fails(404, "no_model"), "others"),
    "u11": (lambda _: Reply([b"<html></html>"], headers={"content-type": "text/html"}), "here"),
    "u13": (lambda tongue: tongue.streamed(tongue.error_frame("rate_limit")), "others first"),
    "u14": (lambda _: Reply([b"{}"], headers={**JSON, "content-encoding": "br"}), "here"),
}

every_tongue = pytest.mark.parametrize("tongue", TONGUES.values(), ids=TONGUES)
every_row = pytest.mark.parametrize("row", ROWS)


class Failing:
    """An upstream whose first model, or whose first time, is as the row says, and which else answers."""

    def __init__(self, tongue: Tongue, row: str, *, once: bool) -> None:
        self._tongue = tongue
        self._fails = ROWS[row][0]
        self._once = once
        self.asked: list[str] = []

    def __call__(self, request: Seen) -> Reply:
        second = b"second" in request.body or "second" in request.path
        self.asked.append("there" if second else "here")
        is_over = self._once and len(self.asked) > 1
        return self._tongue.answer(request) if second or is_over else self._fails(self._tongue)


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """A name for each row and tongue that stands for two places, and one for each that stands for one."""
    names = [(tongue, row) for tongue in TONGUES.values() for row in ROWS]

    def providers(root: str) -> dict[str, Any]:
        return {f"{tongue.name}-{row}-{way}": provider_at(tongue, root) for tongue, row in names for way in ("1", "2")}

    def models() -> dict[str, Any]:
        pairs = {f"{tongue.name}-{row}": f"{tongue.name}-{row}" for tongue, row in names}
        return {name: {"targets": [f"{stem}-2/first", f"{stem}-2/second"]} for name, stem in pairs.items()}

    settings = {
        "limits": {"first_byte_s": 0.3, "idle_s": 5},
        "retries": {"attempts": 2, "max_wait_s": 0, "budget_percent": 100},
        "models": models(),
    }
    with open_house(tmp_path_factory.mktemp("places"), more=providers, **settings) as opened:
        yield opened


@every_tongue
@every_row
def test_u5_u6_u7_u8b_u11_u14_the_only_place_is_asked_again_where_that_can_help(
    places: House, tongue: Tongue, row: str
) -> None:
    failing = Failing(tongue, row, once=True)
    places.script(failing)
    got = places.ask(DOORS["responses"], f"{tongue.name}-{row}-1/first", stream=True)
    if ROWS[row][1] in ("here", "others first"):
        assert failing.asked == ["here", "here"]
        assert DOORS["responses"].stream(got.body).text == SPOKEN
    else:
        assert failing.asked == ["here"]
        assert got.status >= 400


@every_tongue
@every_row
def test_u4_u5_u5a_u6_u7_u9_u10_another_place_answers_where_that_can_help(
    places: House, tongue: Tongue, row: str
) -> None:
    failing = Failing(tongue, row, once=False)
    places.script(failing)
    got = places.ask(DOORS["responses"], f"{tongue.name}-{row}", stream=True)
    if ROWS[row][1] == "never":
        assert failing.asked == ["here"]
        assert got.status == 400
        return
    # A connection that was kept, and is reset when it is used again, is replaced once before that counts.
    tried = failing.asked[-2:] if row == "u6-reset" else failing.asked
    assert tried == ["here", "there"]
    assert DOORS["responses"].stream(got.body).text == SPOKEN
    assert got.headers["x-fallback-used"] == "true"
