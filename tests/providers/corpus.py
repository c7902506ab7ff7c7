"""The corpus of exchanges: `tests/corpus/<provider>/<case>/`.

    request.json            a create body; its model is `<provider>/<upstream model>`
    upstream-request.json   what the codec must send
    upstream.sse | .json    what the upstream answered, byte for byte
    answer.json             status, headers, content type, where they are not 200 and the obvious
    deltas.jsonl            what the decoder must say; for an HTTP error fault.json instead
    source                  where the exchange comes from

`ANTIPHON_CORPUS_WRITE=1` makes the tests write the expected files instead of reading them; read the difference then.
"""

import os
from collections.abc import Sequence
from pathlib import Path

import msgspec
from msgspec import Raw, Struct

from antiphon.dialects.responses import parse_create
from antiphon.protocol.deltas import Broke, Delta
from antiphon.protocol.faults import Fault
from antiphon.protocol.request import Request
from antiphon.protocol.target import Credential, Secret, Target
from antiphon.providers.base import Decoder
from antiphon.providers.chat.codec import ChatCodec
from antiphon.providers.registry import quirks

__all__ = ["CASES", "CODEC", "Answer", "Case", "expected", "fault_json", "lines", "replay", "target_for"]

CORPUS = Path(__file__).parent.parent / "corpus"
CODEC = ChatCodec()
SECRET = "sk-corpus-secret-0001"


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
        return f"{self.folder.parent.name}/{self.folder.name}"

    @property
    def is_stream(self) -> bool:
        return (self.folder / "upstream.sse").exists()

    def request(self) -> Request:
        return parse_create((self.folder / "request.json").read_bytes())

    def target(self) -> Target:
        return target_for(self.request().model)

    def body(self) -> bytes:
        return (self.folder / ("upstream.sse" if self.is_stream else "upstream.json")).read_bytes()

    def answer(self) -> Answer:
        path = self.folder / "answer.json"
        answer = msgspec.json.decode(path.read_bytes(), type=Answer) if path.exists() else Answer()
        if answer.content_type:
            return answer
        kind = "text/event-stream; charset=utf-8" if self.is_stream else "application/json"
        return msgspec.structs.replace(answer, content_type=kind)

    def decoder(self) -> Decoder:
        return CODEC.decoder(self.request(), self.target(), content_type=self.answer().content_type)


CASES = [Case(path.parent) for path in sorted(CORPUS.glob("*/*/request.json"))]


def target_for(model: str, **changes: object) -> Target:
    """A target at the provider that the model's name begins with."""
    provider, _, name = model.partition("/")
    target = Target(
        provider=provider,
        model=name,
        protocol="chat",
        quirks=provider,
        base_url=quirks(provider).base_url or "https://upstream.example/v1",
        credential=Credential("main", Secret(SECRET)),
        fetches_urls=quirks(provider).fetches_urls,
    )
    return msgspec.structs.replace(target, **changes)


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
    for name, value in msgspec.structs.asdict(delta).items():
        if value is not None and value is not msgspec.UNSET and value != ():
            fields[name] = list(value) if isinstance(value, tuple) else value
    return {name: Raw(bytes(value)) if isinstance(value, Raw) else value for name, value in fields.items()}
