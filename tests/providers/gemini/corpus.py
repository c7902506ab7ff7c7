"""The corpus of exchanges with generateContent: `tests/providers/gemini/corpus/<case>/`.

    request.json            a create body; its model is `<provider>/<upstream model>`
    state.json              place in the input -> the state that the provider gave with that item
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
from antiphon.protocol.items import ItemState
from antiphon.protocol.request import Request
from antiphon.protocol.target import Target
from antiphon.providers.base import Decoder
from antiphon.providers.gemini.codec import GeminiCodec
from tests.providers.corpus import target_for as any_target

__all__ = ["BASE_URL", "CASES", "CODEC", "Case", "Status", "target_for", "with_state"]

CODEC = GeminiCodec()
BASE_URL = "https://generativelanguage.googleapis.com/v1beta"


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
        return with_state(request, msgspec.json.decode(states.read_bytes(), type=dict[str, Raw]))

    def target(self) -> Target:
        return target_for(self.request().model)

    def body(self) -> bytes:
        return (self.folder / ("answer.sse" if self.is_stream else "answer.json")).read_bytes()

    def status(self) -> Status:
        path = self.folder / "status.json"
        return msgspec.json.decode(path.read_bytes(), type=Status) if path.exists() else Status()

    def decoder(self) -> Decoder:
        kind = "text/event-stream" if self.is_stream else "application/json; charset=UTF-8"
        return CODEC.decoder(self.request(), self.target(), content_type=kind)


CASES = [Case(path.parent) for path in sorted((Path(__file__).parent / "corpus").glob("*/request.json"))]


def target_for(model: str, **changes: object) -> Target:
    """A target at the provider that the model's name begins with, which speaks generateContent."""
    fields: dict[str, object] = {"protocol": "gemini", "base_url": BASE_URL, "fetches_urls": True, **changes}
    return any_target(model, **fields)


def with_state(request: Request, states: dict[str, Raw]) -> Request:
    """The request as the engine hands it on: with what the provider gave with some of the items."""
    items = list(request.input)
    for place, payload in states.items():
        state = ItemState(bytes(payload), model=request.model)
        items[int(place)] = structs.replace(items[int(place)], state=state, provider=request.model.partition("/")[0])
    return structs.replace(request, input=tuple(items))
