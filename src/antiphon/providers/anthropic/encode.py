"""A request written from its canonical fields."""

from msgspec import Struct

from antiphon.protocol.request import Notice, Request
from antiphon.protocol.target import Target
from antiphon.providers.anthropic.messages import Transcript, WireMessage
from antiphon.providers.anthropic.models import facts_of
from antiphon.providers.anthropic.params import ParamWriter
from antiphon.providers.anthropic.parts import Block, PartWriter
from antiphon.providers.base import InlineMedia

__all__ = ["Written", "write_request"]

#: The vendor refuses more marks of cached prefixes than this.
_MOST_MARKS = 4


class Written(Struct, frozen=True):
    """A request's body without model, stream and overlay; the betas that it needs; what was not done as asked."""

    body: dict[str, object]
    betas: tuple[str, ...] = ()
    notices: tuple[Notice, ...] = ()


def write_request(request: Request, target: Target, *, media: InlineMedia) -> Written:
    """Write it.

    Raises:
        RequestFault: 400 `unsupported_parameter` for what cannot be said to this upstream.
    """
    facts = facts_of(target.model)
    parts = PartWriter(target, media)
    transcript = Transcript(facts, target, parts=parts)
    if request.instructions:
        transcript.instruct(request.instructions)
    for item in request.input:
        transcript.add(item)
    params = ParamWriter(request, facts, called=list(transcript.called), lost_thought=transcript.lost_thought())
    params.write()
    for prompt in params.prompts:
        transcript.instruct(prompt)
    messages = transcript.messages(prefill=facts.prefill and not params.thinks)
    notices = [*params.notices, *transcript.notices]
    notices += [Notice(field, "dropped", "not_supported_by_upstream") for field in request.vendor_only]
    if _unmark(transcript.system, messages):
        notices.append(Notice("input", "approximated", "too_many_cache_breakpoints"))
    body: dict[str, object] = {}
    system = transcript.system
    if system:
        plain = len(system) == 1 and "cache_control" not in system[0]
        body["system"] = system[0]["text"] if plain else system
    body["messages"] = [{"role": message.role, "content": _shortened(message)} for message in messages]
    return Written({**body, **params.body}, tuple(sorted(parts.betas)), tuple(notices))


def _shortened(message: WireMessage) -> object:
    """One plain text stays a string."""
    first = message.content[0]
    if len(message.content) == 1 and isinstance(first, dict) and first.keys() == {"type", "text"}:
        return first["text"]
    return message.content


def _unmark(system: list[Block], messages: list[WireMessage]) -> bool:
    """Take away the first marks where there are too many: the last ones cover the longest prefixes."""
    blocks = [*system, *(block for message in messages for block in message.content if isinstance(block, dict))]
    marked = [block for block in _with_inner(blocks) if "cache_control" in block]
    for block in marked[:-_MOST_MARKS]:
        del block["cache_control"]
    return len(marked) > _MOST_MARKS


def _with_inner(blocks: list[Block]) -> list[Block]:
    """These blocks and those inside of tool results, in order."""
    found: list[Block] = []
    for block in blocks:
        inner = block.get("content")
        if isinstance(inner, list):
            found += [part for part in inner if isinstance(part, dict)]
        found.append(block)
    return found
