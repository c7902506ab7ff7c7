"""What a request says that decides where it may go: the question that a router answers."""

from collections.abc import Sequence

import msgspec

from antiphon.engine.history import History
from antiphon.engine.meter import estimate_tokens
from antiphon.engine.record import Arrival
from antiphon.engine.shorten import weight
from antiphon.protocol.ids import response_id_text
from antiphon.protocol.items import (
    CustomToolCallOutput,
    FunctionCallOutput,
    InputAudio,
    InputFile,
    InputImage,
    InputItem,
    InputVideo,
    Message,
    Part,
)
from antiphon.protocol.records import Tenant
from antiphon.protocol.request import Request
from antiphon.protocol.target import Ask, Needs

__all__ = ["ask_for", "needs_of"]

_CONTENTS: dict[type[Part], str] = {InputImage: "image", InputAudio: "audio", InputVideo: "video", InputFile: "pdf"}


def ask_for(request: Request, tenant: Tenant, *, arrival: Arrival, history: History) -> Ask:
    """The question. A continued conversation belongs where it was; else the key of the prompt's cache says where."""
    went, affinity = "", request.prompt_cache_key or ""
    if history.ancestors:
        last = history.ancestors[-1]
        went = f"{last.provider}/{last.upstream_model}"
        affinity = affinity or response_id_text(history.ancestors[0].id)
    return Ask(
        model=request.model,
        door=request.dialect,
        tenant=tenant.id,
        key_id=arrival.caller.key_id,
        tags=arrival.tags,
        regions=arrival.regions,
        affinity=affinity and f"{tenant.id}\0{affinity}",
        went=went,
        fallbacks=request.fallbacks,
        fallback=request.fallback,
        needs=lambda: needs_of(request, history.items),
    )


def needs_of(request: Request, items: Sequence[InputItem]) -> Needs:
    """What the model must be able to take. Tokens are estimated from sizes."""
    size = sum(map(weight, items)) + len(request.instructions or "") + len(msgspec.json.encode(request.tools))
    contents = {_CONTENTS[type(part)] for item in items for part in _parts(item) if type(part) in _CONTENTS}
    return Needs(estimate_tokens(size) + (request.max_output_tokens or 0), frozenset(contents))


def _parts(item: InputItem) -> Sequence[Part]:
    match item.value:
        case Message(content=list(parts)):
            return parts
        case FunctionCallOutput(output=list(parts)) | CustomToolCallOutput(output=list(parts)):
            return parts
    return ()
