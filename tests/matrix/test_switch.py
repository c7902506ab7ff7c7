"""A conversation goes on with a model of another vendor, in the middle of a turn: with all that was said, and no thought
that the other one cannot have had.
"""

import pytest

from tests.matrix.doors import DOORS
from tests.matrix.scenarios import Asks, Call, Line, Offer, Says, Scenario, Thought, Turn, Words
from tests.matrix.stage import Stage
from tests.matrix.test_matrix import UPSTREAMS

_OFFER = Offer(system="Be brief.", tools=True, thinks=True, limit=16000)
_FIRST = Turn(
    Asks("Weather, whoever you are?"),
    Says([Thought("The weather, then.", "RXNlYWwx"), Call("call_a", "get_weather", {"city": "Oslo"})]),
)
_THEN = Turn(Asks(results={"get_weather": "rain"}), Says([Thought("So it rains.", "RXNlYWwy"), Words("It rains.")]))
_BACK = Turn(Asks("Sure?"), Says([Words("Quite.")]))

#: What Google documents for calls that came from elsewhere.
_FOREIGN_CALL = ("thought", "unknown seal skip_thought_signature_validator")

_HEARD: list[Line] = [
    ("system", "Be brief."),
    ("user", "Weather, whoever you are?"),
    ("call", "get_weather", {"city": "Oslo"}),
    ("result", "get_weather", "rain"),
]


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize(("before", "after"), [(a, b) for a in UPSTREAMS for b in UPSTREAMS if a != b])
def test_another_vendor_takes_over_and_hands_back(stage: Stage, before: str, after: str, door: str) -> None:
    first = UPSTREAMS[before](Scenario("first", [_FIRST, _BACK], _OFFER))
    second = UPSTREAMS[after](Scenario("second", [_THEN], _OFFER))
    client = DOORS[door](stage.gateway, f"{first.provider}/{first.model}", _OFFER)
    try:
        stage.upstream = first
        client.ask(_FIRST.asks, streamed=True)
        stage.upstream = second
        client.switch(f"{second.provider}/{second.model}")
        assert client.ask(_THEN.asks, streamed=True).text == "It rains."
        stage.upstream = first
        client.switch(f"{first.provider}/{first.model}")
        assert client.ask(_BACK.asks, streamed=True).text == "Quite."
    finally:
        client.close()
    assert not first.broken
    assert not second.broken
    assert [line for line in second.transcript(0) if line != _FOREIGN_CALL] == _HEARD
    said = [line for line in first.transcript(1) if line[0] != "thought"]
    assert said == [*_HEARD, ("model", "It rains."), ("user", "Sure?")]
    assert "So it rains." not in first.requests[1].body.decode()
