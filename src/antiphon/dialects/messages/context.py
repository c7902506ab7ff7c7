"""`context_management` for models whose provider does not have it: old results of tools make way.

Only the items are edited, never the body, so that a provider of this dialect still does it itself. What is cleared is
the text of results, and of calls where that is asked for: the model sees that there was something.
"""

from collections.abc import Sequence
from typing import Annotated

import msgspec
from msgspec import Meta, Struct, structs

from antiphon.dialects.messages.count import estimate_input
from antiphon.dialects.messages.params import ContextParams, EditParams
from antiphon.protocol.items import FunctionCall, FunctionCallOutput, InputFile, InputImage, InputItem, decode_item
from antiphon.protocol.request import Request

__all__ = ["AppliedEdit", "is_done_here", "manage"]

_CLEAR_TOOL_USES = "clear_tool_uses_20250919"
_CLEAR_THINKING = "clear_thinking_20251015"
_KEEPS_ALL = (b'"all"', b'{"type":"all"}')
_CLEARED = "[Old tool result content cleared]"
_KEEP = 3

_encode = msgspec.json.Encoder().encode


class AppliedEdit(Struct, frozen=True):
    """What was done, as the answer tells it."""

    type: str
    cleared_tool_uses: int
    cleared_input_tokens: int


class _Amount(Struct, frozen=True):
    value: Annotated[int, Meta(ge=0)]
    type: str = ""


_TRIGGER = _Amount(100_000, "input_tokens")

_amount: msgspec.json.Decoder[_Amount | None] = msgspec.json.Decoder(_Amount | None)
_inputs: msgspec.json.Decoder[bool | frozenset[str] | None] = msgspec.json.Decoder(bool | frozenset[str] | None)


def is_done_here(edit: EditParams) -> bool:
    """Whether the gateway does it where the provider does not, or nobody needs to: thoughts stay by themselves."""
    return edit.type == _CLEAR_TOOL_USES or (edit.type == _CLEAR_THINKING and bytes(edit.keep) in _KEEPS_ALL)


def manage(request: Request, context: ContextParams | None) -> tuple[Request, tuple[AppliedEdit, ...]]:
    """The request as a provider without context management shall see it, and what was done to it.

    Raises:
        msgspec.ValidationError: an edit has amounts that are none.
    """
    applied: list[AppliedEdit] = []
    for edit in (context.edits if context else None) or ():
        if edit.type == _CLEAR_TOOL_USES:
            request, cleared = _cleared(request, edit)
            applied += [cleared] if cleared else []
    return request, tuple(applied)


class _Clearing(Struct, frozen=True):
    """How results are cleared. Amounts that were not named are Anthropic's own."""

    kept: int
    trigger: _Amount
    least: int
    excluded: frozenset[str]
    inputs: bool | frozenset[str] | None

    @classmethod
    def of(cls, edit: EditParams) -> "_Clearing":
        kept, least = _amount.decode(edit.keep), _amount.decode(edit.clear_at_least)
        return cls(
            _KEEP if kept is None else kept.value,
            _amount.decode(edit.trigger) or _TRIGGER,
            0 if least is None else least.value,
            frozenset(edit.exclude_tools or ()),
            _inputs.decode(edit.clear_tool_inputs),
        )


def _cleared(request: Request, edit: EditParams) -> tuple[Request, AppliedEdit | None]:
    how = _Clearing.of(edit)
    uses = _clearable(request.input, how.excluded)
    before = estimate_input(request)
    reached = len(uses) if how.trigger.type == "tool_uses" else before
    doomed = set(uses[: max(0, len(uses) - how.kept)])
    if reached <= how.trigger.value or not doomed:
        return request, None
    after = structs.replace(request, input=tuple(_edited(item, doomed, inputs=how.inputs) for item in request.input))
    saved = before - estimate_input(after)
    if saved < max(1, how.least):
        return request, None
    return after, AppliedEdit(edit.type, len(doomed), saved)


def _clearable(items: Sequence[InputItem], excluded: frozenset[str]) -> list[str]:
    """Ids of the calls whose results may go, oldest first."""
    names = {item.value.call_id: item.value.name for item in items if isinstance(item.value, FunctionCall)}
    return [
        item.value.call_id
        for item in items
        if isinstance(item.value, FunctionCallOutput)
        and names.get(item.value.call_id) not in excluded
        and not _fetches(item.value)
    ]


def _fetches(output: FunctionCallOutput) -> bool:
    """Whether something in it has a URL: that of a body that goes on as it came has to be fetched all the same."""
    parts = output.output if isinstance(output.output, list) else []
    return any(
        (isinstance(part, InputImage) and (part.image_url or "").startswith("http"))
        or (isinstance(part, InputFile) and part.file_url is not None)
        for part in parts
    )


def _edited(item: InputItem, doomed: set[str], *, inputs: bool | frozenset[str] | None) -> InputItem:
    match item.value:
        case FunctionCallOutput(call_id=call_id) if call_id in doomed:
            fields = {"type": "function_call_output", "call_id": call_id, "output": _CLEARED}
        case FunctionCall(call_id=call_id, name=name) if call_id in doomed and _takes(inputs, name):
            fields = {"type": "function_call", "call_id": call_id, "name": name, "arguments": "{}"}
        case _:
            return item
    raw = _encode(fields)
    return structs.replace(item, value=decode_item(raw, path=item.path), raw=raw)


def _takes(inputs: bool | frozenset[str] | None, name: str) -> bool:  # noqa: FBT001 - what stands on the wire
    return inputs is True or (isinstance(inputs, frozenset) and name in inputs)
