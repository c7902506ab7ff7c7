"""Thoughts of every shape go back to their vendor as they came, whatever the client makes of them in between."""

import pytest

from tests.matrix.doors import DOORS
from tests.matrix.scenarios import Asks, Call, Line, Offer, Piece, Says, Scenario, Thought, Turn, Words
from tests.matrix.stage import Stage
from tests.matrix.test_matrix import UPSTREAMS

_OFFER = Offer(tools=True, thinks=True, limit=16000)
_CALL = Call("call_a", "get_weather", {"city": "Oslo"})
_OTHER = Call("call_b", "get_time")
_FIRST, _SECOND = Thought("The weather.", "RXNlYWwx"), Thought("Of Oslo, that is.", "RXNlYWwy")
_SEALED = Thought("", "RXNlYWwz")

_SHAPES = {
    "without words": [_SEALED, _CALL],
    "without words, before text": [_SEALED, Words("Let me see."), _CALL],
    "before text": [_FIRST, Words("Let me see."), _CALL],
    "before parallel calls": [_FIRST, _CALL, _OTHER],
}
#: Where every thought is an item of its own.
_BLOCKS = {
    "two in a row": [_FIRST, _SECOND, _CALL],
    "the second without words": [_FIRST, _SEALED, _CALL],
    "around text": [_FIRST, Words("Let me see."), _SECOND, _CALL],
    "before each call": [_FIRST, _CALL, _SECOND, _OTHER],
}
_CASES = [
    *((name, pieces, upstream) for name, pieces in _SHAPES.items() for upstream in UPSTREAMS),
    *((name, pieces, upstream) for name, pieces in _BLOCKS.items() for upstream in ("anthropic", "native")),
]


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize(("shape", "pieces", "upstream"), _CASES, ids=[f"{case[0]}-{case[2]}" for case in _CASES])
def test_thoughts_go_back_where_they_stood(
    stage: Stage, shape: str, pieces: list[Piece], upstream: str, door: str, streamed: bool
) -> None:
    says = Says(pieces)
    question = f"Weather, {shape}?"  # with the calls' ids it stands for the conversation
    results = {call.name: "ok" for call in says.calls}
    turns = [Turn(Asks(question), says), Turn(Asks(results=results), Says([Words("Rain.")]))]
    model = stage.upstream = UPSTREAMS[upstream](Scenario("thoughts", turns, _OFFER))
    client = DOORS[door](stage.gateway, f"{model.provider}/{model.model}", _OFFER)
    try:
        heard = client.ask(turns[0].asks, streamed=streamed)
        assert heard.text == says.text
        assert [name for name, _ in heard.calls] == [call.name for call in says.calls]
        assert client.ask(turns[1].asks, streamed=streamed).text == "Rain."
    finally:
        client.close()
    assert not model.broken
    answers = [("result", call.name, "ok") for call in says.calls]
    assert model.transcript(1) == [("user", question), *_lines(pieces, upstream), *answers]


def _lines(pieces: list[Piece], upstream: str) -> list[Line]:
    lines: list[Line] = []
    for piece in pieces:
        match piece:
            case Thought() if piece.text or upstream != "chat":  # in clear there is nothing to send back
                lines.append(("thought", piece.text))
            case Words():
                lines.append(("model", piece.text))
            case Call():
                lines.append(("call", piece.name, dict(piece.arguments)))
    if upstream == "gemini" and any(isinstance(piece, Words) for piece in pieces):
        lines[0], lines[1] = lines[1], lines[0]  # its signature stands at the call, or at the text before it
    return lines
