"""Calls and their results in plain words, for a model whose template knows neither."""

from collections.abc import Iterable, Sequence

import msgspec

from antiphon.protocol.items import (
    CustomToolCall,
    CustomToolCallOutput,
    FunctionCall,
    FunctionCallOutput,
    InputItem,
    InputText,
    Message,
    Part,
)
from antiphon.providers.names import wire_name

__all__ = ["calls_since_user", "example_turns", "has_calls", "retold"]

_CALLED = "I call {name} with {arguments}"
_RESULT = "Result of {name}:\n"
_ITS = "the tool"
_PATH = "input"

_encode = msgspec.json.Encoder().encode


def has_calls(items: Iterable[InputItem]) -> bool:
    """Whether there is something to retell."""
    kinds = (FunctionCall, CustomToolCall, FunctionCallOutput, CustomToolCallOutput)
    return any(isinstance(item.value, kinds) for item in items)


def calls_since_user(items: Iterable[InputItem]) -> int:
    """How many calls the model has made since the user said something."""
    calls = 0
    for item in items:
        if isinstance(item.value, Message) and item.value.role == "user":
            calls = 0
        elif isinstance(item.value, FunctionCall | CustomToolCall):
            calls += 1
    return calls


def retold(items: Sequence[InputItem]) -> tuple[InputItem, ...]:
    """The items with messages in place of calls and results, and results that follow each other in one message.

    Itself where there is nothing to retell.
    """
    if not has_calls(items):
        return tuple(items)
    names: dict[str, str] = {}
    found: list[InputItem] = []
    results: list[Part] = []
    for item in items:
        value = item.value
        if isinstance(value, FunctionCallOutput | CustomToolCallOutput):
            results += _result(value, names.get(value.call_id, _ITS))
            continue
        if results:
            found.append(_message(Message("user", results), item))
            results = []
        if isinstance(value, FunctionCall | CustomToolCall):
            name = names[value.call_id] = wire_name(value.name, value.namespace)
            arguments = value.input if isinstance(value, CustomToolCall) else value.arguments or "{}"
            found.append(_message(Message("assistant", _CALLED.format(name=name, arguments=arguments)), item))
        else:
            found.append(item)
    if results:
        found.append(_message(Message("user", results), items[-1]))
    return tuple(found)


def example_turns(*turns: tuple[str, str]) -> list[InputItem]:
    """Turns that never were: what the user says, and the name that the model writes."""
    said = ((Message("user", asked), Message("assistant", _encode(name).decode())) for asked, name in turns)
    return [InputItem(message, _encode(message), _PATH) for pair in said for message in pair]


def _result(output: FunctionCallOutput | CustomToolCallOutput, name: str) -> list[Part]:
    said = _RESULT.format(name=name)
    if output.output is None or isinstance(output.output, str):
        return [InputText(said + (output.output or ""))]
    return [InputText(said), *output.output]


def _message(message: Message, item: InputItem) -> InputItem:
    return InputItem(message, _encode(message), item.path)
