"""The corpus of exchanges with upstreams that speak Responses: `tests/providers/responses/corpus/<case>/`.

    request.json            a create body; its model is `<provider>/<upstream model>`
    state.json              place in the input -> what the upstream wants back with that reasoning item
    upstream-request.json   what the codec must send
    answer.sse | .json      what the upstream answered, byte for byte
    status.json             status and headers of an error
    deltas.jsonl            what the decoder must say; for an error fault.json instead
    source                  where the wire format is documented

`ANTIPHON_CORPUS_WRITE=1` makes the tests write the expected files instead of reading them; read the difference then.
"""

from pathlib import Path

import msgspec
from msgspec import Raw, Struct, structs

from antiphon.dialects.responses import parse_create
from antiphon.protocol.assembler import Assembler, Outcome
from antiphon.protocol.deltas import Broke, Delta, OutcomeDelta, Stopped
from antiphon.protocol.events import Event
from antiphon.protocol.items import ItemState
from antiphon.protocol.request import Request
from antiphon.protocol.target import Target
from antiphon.protocol.usage import Usage
from antiphon.providers.base import Decoder
from antiphon.providers.responses.codec import ResponsesCodec
from tests.helpers.requests import make_assembler
from tests.helpers.stream import Json
from tests.providers.corpus import replay
from tests.providers.corpus import target_for as any_target

__all__ = ["CASES", "CODEC", "SSE", "Case", "client_stream", "decoder", "read", "seen_by_client", "target_for"]

CODEC = ResponsesCodec()
SSE = "text/event-stream; charset=utf-8"


class Status(Struct, frozen=True):
    """`status.json`."""

    status: int = 200
    headers: dict[str, str] = {}


class Case(Struct, frozen=True):
    """One folder."""

    folder: Path

    @property
    def name(self) -> str:
        return self.folder.name

    @property
    def is_stream(self) -> bool:
        return (self.folder / "answer.sse").exists()

    def request(self) -> Request:
        request = parse_create((self.folder / "request.json").read_bytes())
        states = self.folder / "state.json"
        if not states.exists():
            return request
        items = list(request.input)
        for place, payload in msgspec.json.decode(states.read_bytes(), type=dict[str, Raw]).items():
            state = ItemState(bytes(payload), model=request.model)
            provider = request.model.partition("/")[0]
            items[int(place)] = structs.replace(items[int(place)], state=state, provider=provider)
        return structs.replace(request, input=tuple(items))

    def target(self) -> Target:
        return target_for(self.request().model)

    def body(self) -> bytes:
        return (self.folder / ("answer.sse" if self.is_stream else "answer.json")).read_bytes()

    def status(self) -> Status:
        path = self.folder / "status.json"
        return msgspec.json.decode(path.read_bytes(), type=Status) if path.exists() else Status()

    def decoder(self) -> Decoder:
        kind = SSE if self.is_stream else "application/json"
        return CODEC.decoder(self.request(), self.target(), content_type=kind)


CASES = [Case(path.parent) for path in sorted((Path(__file__).parent / "corpus").glob("*/request.json"))]


def target_for(model: str, **changes: object) -> Target:
    """A target at the provider that the model's name begins with, which speaks Responses."""
    return any_target(model, **{"protocol": "responses", **changes})


def decoder(model: str = "openai/gpt-5", *, kind: str = SSE, **fields: object) -> Decoder:
    """A decoder for the answer to such a request."""
    request = parse_create(msgspec.json.encode({"model": model, "input": "Hi", **fields}))
    return CODEC.decoder(request, target_for(model), content_type=kind)


def read(body: bytes, **options: object) -> list[Delta]:
    """The deltas of a whole body."""
    made = decoder(**options)  # type: ignore[arg-type]  # tests hand on what they were given
    return replay(made, [body])


def client_stream(deltas: list[Delta], assembler: Assembler | None = None) -> list[Json]:
    """What a client would see, told as the engine does it, in short."""
    return [msgspec.json.decode(msgspec.json.encode(event)) for event in seen_by_client(deltas, assembler)]


def seen_by_client(deltas: list[Delta], assembler: Assembler | None = None) -> list[Event]:
    """The same as events."""
    assembler = assembler or make_assembler()
    events = assembler.open()
    outcome = Outcome("failed")
    for delta in deltas:
        if isinstance(delta, Stopped):
            if delta.reason == "completed":
                outcome = Outcome("completed", Usage(1, 1, 2), completed_at=2)
            else:
                outcome = Outcome("incomplete", Usage(1, 1, 2), delta.reason)
        elif isinstance(delta, Broke):
            outcome = Outcome("failed", fault=delta.fault)
        elif not isinstance(delta, OutcomeDelta):
            events += assembler.feed([delta])
    closing, terminal = assembler.finish(outcome)
    return [*events, *closing, terminal]
