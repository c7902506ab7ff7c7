"""The corpus of exchanges: `tests/corpus/<protocol>/<provider>/<case>/`.

    request.json            a create body; its model is `<provider>/<upstream model>`
    state.json              place in the input -> what the provider gave with that item and wants back
    upstream-request.json   what the codec must send
    upstream.sse | .json    what the upstream answered, byte for byte
    answer.json             status, headers, content type, where they are not 200 and the obvious
    deltas.jsonl            what the decoder must say; for an HTTP error fault.json instead
    source                  where the exchange comes from

`ANTIPHON_CORPUS_WRITE=1` makes the tests write the expected files instead of reading them; read the difference then.
"""

import os
import random
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec
from msgspec import Raw, Struct, structs

from antiphon.dialects.responses import parse_create
from antiphon.protocol.deltas import Broke, Delta
from antiphon.protocol.faults import Fault
from antiphon.protocol.items import ItemState
from antiphon.protocol.request import Request
from antiphon.protocol.target import Credential, Secret, Target
from antiphon.providers.anthropic.codec import AnthropicCodec
from antiphon.providers.base import Codec, Decoder, Encoded
from antiphon.providers.chat.codec import ChatCodec
from antiphon.providers.gemini.codec import GeminiCodec
from antiphon.providers.registry import quirks
from antiphon.providers.responses.codec import ResponsesCodec

__all__ = [
    "CASES",
    "CODECS",
    "GEMINI_URL",
    "SECRET",
    "Answer",
    "Case",
    "cut_at_random",
    "cut_evenly",
    "expected",
    "fault_json",
    "lines",
    "replay",
    "target_for",
    "with_state",
]

CORPUS = Path(__file__).parent.parent / "corpus"
SECRET = "sk-corpus-secret-0001"
GEMINI_URL = "https://generativelanguage.googleapis.com/v1beta"
CODECS: Mapping[str, Codec] = {
    "anthropic": AnthropicCodec(),
    "chat": ChatCodec(),
    "gemini": GeminiCodec(),
    "responses": ResponsesCodec(),
}


class Answer(Struct, frozen=True):
    """`answer.json`."""

    status: int = 200
    content_type: str = ""
    headers: dict[str, str] = {}


class Case(Struct, frozen=True):
    """One folder."""

    folder: Path

    @property
    def name(self) -> str:
        return "/".join(self.folder.parts[-3:])

    @property
    def protocol(self) -> str:
        return self.folder.parts[-3]

    @property
    def provider(self) -> str:
        return self.folder.parts[-2]

    @property
    def is_stream(self) -> bool:
        return (self.folder / "upstream.sse").exists()

    def request(self) -> Request:
        request = parse_create((self.folder / "request.json").read_bytes())
        states = self.folder / "state.json"
        if not states.exists():
            return request
        return with_state(request, msgspec.json.decode(states.read_bytes(), type=dict[str, Raw]))

    def target(self) -> Target:
        return target_for(self.request().model, self.protocol)

    def body(self) -> bytes:
        return (self.folder / ("upstream.sse" if self.is_stream else "upstream.json")).read_bytes()

    def answer(self) -> Answer:
        path = self.folder / "answer.json"
        answer = msgspec.json.decode(path.read_bytes(), type=Answer) if path.exists() else Answer()
        if answer.content_type:
            return answer
        kind = "text/event-stream; charset=utf-8" if self.is_stream else "application/json; charset=UTF-8"
        return structs.replace(answer, content_type=kind)

    def encoded(self) -> Encoded:
        return CODECS[self.protocol].encode(self.request(), self.target(), media={})

    def said(self, *pieces: bytes) -> list[Delta]:
        """What a decoder says when the answer comes in these pieces."""
        codec = CODECS[self.protocol]
        return replay(codec.decoder(self.request(), self.target(), content_type=self.answer().content_type), pieces)

    def fault(self) -> Fault:
        answer = self.answer()
        codec = CODECS[self.protocol]
        return codec.fault(answer.status, answer.headers, body=self.body(), target=self.target())


CASES = [Case(path.parent) for path in sorted(CORPUS.glob("*/*/*/request.json"))]


def target_for(model: str, protocol: str = "chat", **changes: object) -> Target:
    """A target at the provider that the model's name begins with, which speaks that protocol."""
    provider, _, name = model.partition("/")
    facts = quirks(provider)
    target = Target(
        provider=provider,
        model=name,
        protocol=protocol,
        quirks=provider,
        base_url=facts.base_url or "https://upstream.example/v1",
        credential=Credential("main", Secret(SECRET)),
        fetches_urls=facts.fetches_urls,
    )
    if protocol == "gemini":  # its facts are those of its chat endpoint
        target = structs.replace(target, base_url=GEMINI_URL, fetches_urls=True)
    return structs.replace(target, **changes)


def with_state(request: Request, states: Mapping[str, Raw]) -> Request:
    """The request as the engine hands it on: with what the provider gave with some of the items."""
    items = list(request.input)
    for place, payload in states.items():
        state = ItemState(bytes(payload), model=request.model)
        items[int(place)] = structs.replace(items[int(place)], state=state, provider=request.model.partition("/")[0])
    return structs.replace(request, input=tuple(items))


def cut_evenly(body: bytes, size: int) -> list[bytes]:
    return [body[place : place + size] for place in range(0, len(body), size)]


def cut_at_random(body: bytes, dice: random.Random) -> list[bytes]:
    """Up to twelve pieces, some of them empty."""
    cuts = sorted(dice.randrange(len(body) + 1) for _ in range(dice.randrange(1, 12)))
    return [body[start:end] for start, end in zip([0, *cuts], [*cuts, len(body)], strict=True)]


def replay(decoder: Decoder, pieces: Sequence[bytes]) -> list[Delta]:
    """Everything the decoder says to these reads and the end."""
    found: list[Delta] = []
    for piece in pieces:
        found += decoder.feed(piece)
    return found + decoder.eof()


def lines(deltas: Sequence[Delta]) -> list[bytes]:
    """Deltas as lines of JSON: what two replays are compared by."""
    return [msgspec.json.encode(_plain(delta)) for delta in deltas]


def fault_json(fault: Fault) -> dict[str, object]:
    """What of a fault the corpus fixes; `detail` is for logs and may change."""
    return {
        "kind": type(fault).__name__,
        "status": fault.status,
        "type": fault.type,
        "code": fault.code,
        "param": fault.param,
        "retryable": fault.retryable,
        "retry_after_s": fault.retry_after_s,
        "message": fault.message,
    }


def expected(path: Path, actual: bytes) -> bytes:
    """The content of an expected file, or the actual one just written."""
    if os.environ.get("ANTIPHON_CORPUS_WRITE"):
        path.write_bytes(actual)
    return path.read_bytes()


def _plain(delta: Delta) -> dict[str, object]:
    fields: dict[str, object] = {"delta": type(delta).__name__}
    if isinstance(delta, Broke):
        return {**fields, **fault_json(delta.fault)}
    for name, value in structs.asdict(delta).items():
        if value is not None and value is not msgspec.UNSET and value != ():
            fields[name] = list(value) if isinstance(value, tuple) else value
    return {name: Raw(bytes(value)) if isinstance(value, Raw) else value for name, value in fields.items()}
