"""Every scenario through every door before every kind of upstream, in one piece and as a stream.

The client hears what the model said, and the model hears what the client said: all of it, in order, with the thoughts
that its vendor wants back.
"""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.matrix.door import Door, Heard
from tests.matrix.doors import DOORS
from tests.matrix.openai_upstreams import ChatUpstream, NativeUpstream
from tests.matrix.scenarios import SCENARIOS, Fails, Offer, Says, Scenario, expected_transcript
from tests.matrix.stage import Stage
from tests.matrix.upstream import Upstream
from tests.matrix.vendor_upstreams import AnthropicUpstream, GeminiUpstream

UPSTREAMS: dict[str, type[Upstream]] = {
    "chat": ChatUpstream,
    "anthropic": AnthropicUpstream,
    "gemini": GeminiUpstream,
    "native": NativeUpstream,
}

#: A client of Anthropic's API is told the same in other words.
_IN_ANTHROPICS_WORDS = {
    "overloaded": (529, "overloaded_error"),
    "rate_limit": (429, "rate_limit_error"),
    "too_long": (400, "invalid_request_error"),
    "wrong_key": (502, "api_error"),
}


def _cases() -> Iterator[Any]:
    for scenario in SCENARIOS:
        for door in DOORS:
            for upstream in UPSTREAMS:
                for streamed in scenario.streams:
                    way = "stream" if streamed else "whole"
                    name = f"{scenario.name.replace(' ', '-')}-{door}-{upstream}-{way}"
                    yield pytest.param(scenario, door, upstream, streamed, id=name)


@pytest.mark.parametrize(("scenario", "door", "upstream", "streamed"), list(_cases()))
def test_every_scenario_through_every_door_and_upstream(
    stage: Stage, scenario: Scenario, door: str, upstream: str, streamed: bool
) -> None:
    model = stage.upstream = UPSTREAMS[upstream](scenario)
    client = DOORS[door](stage.gateway, f"{model.provider}/{model.model}", scenario.offer)
    try:
        for number, turn in enumerate(scenario.turns):
            heard = client.ask(turn.asks, streamed=streamed)
            assert not model.broken, model.broken
            assert len(model.requests) == number + 1
            if isinstance(turn.does, Fails):
                _check_failure(heard, turn.does, door=door)
            else:
                _check_answer(heard, turn.does, model=model, client=client)
            assert model.transcript(number) == expected_transcript(scenario, number)
            _check_offer(model.offered(number), scenario.offer)
            assert bool(model.requests[number].json.get("stream")) == streamed or upstream == "gemini"
    finally:
        client.close()


def _check_answer(heard: Heard, says: Says, *, model: Upstream, client: Door) -> None:
    if says.breaks:
        assert heard.failure is not None
        assert heard.failure.status is None
        assert heard.text == says.text
        return
    assert heard.failure is None
    ending, refusal = model.ending(says), model.refusal(says)
    assert heard.text + heard.refusal == says.text + refusal
    assert heard.refusal == refusal or not client.knows_refusals
    assert heard.ending == (client.refusal_ending(ending) if says.refusal else ending)
    assert heard.thoughts == says.thoughts
    assert heard.calls == [(call.name, dict(call.arguments)) for call in says.calls]
    assert heard.tokens == model.tokens(says.tokens)


def _check_failure(heard: Heard, fails: Fails, *, door: str) -> None:
    assert heard.failure is not None
    status, code = _IN_ANTHROPICS_WORDS[fails.how] if door == "messages" else (fails.status, fails.code)
    assert heard.failure.status == status
    if code is not None:
        assert heard.failure.code == code
    assert "sk-up" not in heard.failure.message


def _check_offer(came: Offer, offer: Offer) -> None:
    assert came.tools == offer.tools
    assert came.schema == offer.schema
    assert came.thinks == offer.thinks
    assert came.limit == offer.limit or offer.limit is None
