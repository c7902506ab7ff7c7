"""What a client asks, what the model does, and so what has to come out: without a word of any wire format.

`doors` turn the client's side of a scenario into requests of their dialects, `upstreams` the model's side into answers
of theirs. What is expected of both follows from the scenario alone.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

__all__ = [
    "IMAGE",
    "SCENARIOS",
    "TOOLS",
    "Asks",
    "Call",
    "Fails",
    "Line",
    "Offer",
    "Piece",
    "Refused",
    "Says",
    "Scenario",
    "Thought",
    "Tokens",
    "Turn",
    "Words",
    "expected_transcript",
]

#: One thing that was said, and by whom: ("user", "Hi"), ("call", name, arguments), ("result", name, text), ...
Line = tuple[Any, ...]

#: The smallest PNG there is, in base64.
IMAGE = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg=="  # pixels, no secret

TOOLS: Mapping[str, Mapping[str, Any]] = {
    "get_weather": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    "get_time": {"type": "object", "properties": {}},
}

SCHEMA: Mapping[str, Any] = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "degrees": {"type": "integer"}},
    "required": ["city", "degrees"],
    "additionalProperties": False,
}


@dataclass(frozen=True)
class Thought:
    """A thought that is shown, and the mark without which the vendor does not take it back."""

    text: str
    seal: str


@dataclass(frozen=True)
class Words:
    text: str


@dataclass(frozen=True)
class Call:
    id: str
    name: str
    arguments: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Refused:
    text: str


Piece = Thought | Words | Call | Refused


@dataclass(frozen=True)
class Tokens:
    """All that went in, of it read from and written to a cache; all that came out, of it thought."""

    input: int = 11
    cached: int = 0
    written: int = 0
    output: int = 7
    reasoning: int = 0


@dataclass(frozen=True)
class Says:
    """An answer. `breaks`: how its stream goes wrong behind the pieces."""

    pieces: Sequence[Piece]
    ending: Literal["done", "length", "filter"] = "done"
    tokens: Tokens = Tokens()
    breaks: Literal["", "cut", "error"] = ""

    @property
    def text(self) -> str:
        return "".join(piece.text for piece in self.pieces if isinstance(piece, Words))

    @property
    def refusal(self) -> str:
        return "".join(piece.text for piece in self.pieces if isinstance(piece, Refused))

    @property
    def thoughts(self) -> str:
        return "".join(piece.text for piece in self.pieces if isinstance(piece, Thought))

    @property
    def calls(self) -> list[Call]:
        return [piece for piece in self.pieces if isinstance(piece, Call)]


@dataclass(frozen=True)
class Fails:
    """No answer at all. `status` and `code`: what a client of OpenAI's dialects is told."""

    how: Literal["overloaded", "rate_limit", "too_long", "wrong_key"]
    status: int
    code: str | None = None


@dataclass(frozen=True)
class Asks:
    """The client's turn: results for calls by their tools' names, then an image, then words."""

    text: str = ""
    image: bool = False
    results: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Turn:
    asks: Asks
    does: Says | Fails


@dataclass(frozen=True)
class Offer:
    """What goes with every request of a conversation."""

    system: str = ""
    tools: bool = False
    schema: Mapping[str, Any] | None = None
    limit: int | None = None
    thinks: bool = False


@dataclass(frozen=True)
class Scenario:
    """A conversation. `streams`: the ways in which it can be had."""

    name: str
    turns: Sequence[Turn]
    offer: Offer = Offer()
    streams: Sequence[bool] = (False, True)


def expected_transcript(scenario: Scenario, upto: int) -> list[Line]:
    """What the model has to hear at that turn: all that was said, in order. Thoughts only where calls follow them."""
    lines: list[Line] = [("system", scenario.offer.system)] if scenario.offer.system else []
    for number, turn in enumerate(scenario.turns[: upto + 1]):
        lines += _asked(turn.asks)
        if number < upto and isinstance(turn.does, Says):
            lines += _said(turn.does)
    return lines


def _asked(asks: Asks) -> Iterator[Line]:
    for name, output in asks.results.items():
        yield ("result", name, output)
    if asks.image:
        yield ("image", IMAGE)
    if asks.text:
        yield ("user", asks.text)


def _said(says: Says) -> Iterator[Line]:
    for piece in says.pieces:
        match piece:
            case Thought() if says.calls:
                yield ("thought", piece.text)
            case Words() | Refused():
                yield ("model", piece.text)
            case Call():
                yield ("call", piece.name, dict(piece.arguments))


def _one(name: str, ask: str, *pieces: Piece, **fields: Any) -> Scenario:
    """A conversation of one turn."""
    kept = {key: fields.pop(key) for key in ("offer", "streams") if key in fields}
    return Scenario(name, [Turn(Asks(ask), Says(pieces, **fields))], **kept)


def _failing(how: Any, status: int, code: str | None = None) -> Scenario:
    return Scenario(f"{how} before the answer", [Turn(Asks("Hi"), Fails(how, status, code))])


_TOOLS = Offer(tools=True)
_THINKS = Offer(thinks=True, limit=16000)
_OSLO = Call("call_oslo", "get_weather", {"city": "Oslo"})
_TIME = Call("call_time", "get_time")
_ODD = "Zürich 😀 “450.000”\n\ttab \\ slash"

SCENARIOS: Sequence[Scenario] = (
    _one("text", "Hi, Ünïcode 😀", Words(_ODD), offer=Offer(system="Be brief.")),
    Scenario(
        "three texts",
        [
            Turn(Asks("One?"), Says([Words("Two.")])),
            Turn(Asks("Three?"), Says([Words("Four.")])),
            Turn(Asks("Five?"), Says([Words("Six.")])),
        ],
        Offer(system="Count."),
    ),
    _one("one call", "Weather?", _OSLO, offer=_TOOLS),
    _one("parallel calls", "Both?", Words("Both, then."), _OSLO, _TIME, offer=_TOOLS),
    Scenario(
        "call and result",
        [
            Turn(Asks("Weather?"), Says([_OSLO])),
            Turn(Asks(results={"get_weather": "rain"}), Says([Words("It rains.")])),
            Turn(Asks("Thanks."), Says([Words("Welcome.")])),
        ],
        _TOOLS,
    ),
    Scenario(
        "two results",
        [
            Turn(Asks("Both?"), Says([Words("Both, then."), _OSLO, _TIME])),
            Turn(Asks(results={"get_weather": "rain", "get_time": "noon"}), Says([Words("Rain at noon.")])),
        ],
        _TOOLS,
    ),
    Scenario(
        "reasoning over three turns",
        [
            Turn(Asks("Weather, then time?"), Says([Thought("The weather first.", "RXNlYWwx"), _OSLO])),
            Turn(Asks(results={"get_weather": "rain"}), Says([Thought("Now the time.", "RXNlYWwy"), _TIME])),
            Turn(
                Asks(results={"get_time": "noon"}), Says([Thought("That is all.", "RXNlYWwz"), Words("Rain at noon.")])
            ),
            Turn(Asks("Sure?"), Says([Words("Quite.")])),
        ],
        Offer(tools=True, thinks=True, limit=16000),
    ),
    Scenario("image", [Turn(Asks("What is it?", image=True), Says([Words("A dot.")]))]),
    _one("structured output", "Weather?", Words('{"city":"Oslo","degrees":3}'), offer=Offer(schema=SCHEMA)),
    _one("length", "Tell", Words("Once upon"), ending="length", offer=Offer(limit=64)),
    _one("length in the thought", "Think", Thought("Let me", "RXNlYWw0"), ending="length", offer=_THINKS),
    _one("filter", "Something bad", Words("Take one"), ending="filter"),
    _one("refusal", "Something bad", Refused("I cannot help with that.")),
    _one("usage", "Think", Words("Hm."), tokens=Tokens(150, 100, 40, 37, 30), offer=_THINKS),
    _failing("overloaded", 503, "upstream_overloaded"),
    _failing("rate_limit", 429, "rate_limit_exceeded"),
    _failing("too_long", 400, "context_length_exceeded"),
    _failing("wrong_key", 502),
    _one("error in the stream", "Tell", Words("Once upon"), breaks="error", streams=[True]),
    _one("cut stream", "Tell", Words("Once upon"), breaks="cut", streams=[True]),
)
