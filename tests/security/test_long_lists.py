"""A list in a request may have many entries, and takes time by its length, never by its square.

Everything here runs in the event loop, where a second for one tenant is a second for all. What is allowed is far above
what is needed and far below what a square would take.
"""

import time
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from msgspec import Raw

from antiphon.dialects.messages.parse import parse_messages
from antiphon.engine.shorten import shorten
from antiphon.engine.thoughts import _wanted
from antiphon.protocol.faults import RequestFault
from antiphon.protocol.request import Request
from antiphon.protocol.target import Target
from antiphon.providers.chat.codec import ChatCodec
from antiphon.providers.gemini.schema import reduced
from antiphon.providers.responses.codec import ResponsesCodec
from tests.helpers.chat_requests import chat_request
from tests.helpers.requests import make_request

Json = dict[str, Any]

MANY = 20_000
ALLOWED_S = 25.0

USER: Json = {"role": "user", "content": "x"}
FUNCTIONS: list[Json] = [{"type": "function", "function": {"name": f"f{number}"}} for number in range(MANY)]
FLAT: list[Json] = [{"type": "function", "name": f"f{number}", "parameters": {}} for number in range(MANY)]


def called(number: int) -> Json:
    return {"id": f"c{number}", "type": "function", "function": {"name": "f", "arguments": "{}"}}


def answered(number: int, content: object = "z") -> Json:
    return {"role": "tool", "tool_call_id": f"c{number}", "content": content}


def calls_side_by_side() -> Request:
    calls = [called(number) for number in range(MANY)]
    answers = [answered(number) for number in range(MANY)]
    return chat_request(messages=[USER, {"role": "assistant", "tool_calls": calls}, *answers])


def turns_with_calls() -> Request:
    turns = [
        (USER, {"role": "assistant", "tool_calls": [called(number)]}, answered(number)) for number in range(MANY // 2)
    ]
    return chat_request(messages=[message for turn in turns for message in turn])


def allowed_functions() -> Request:
    choice = {"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": FUNCTIONS}}
    return chat_request(tools=FUNCTIONS, tool_choice=choice)


def allowed_tools() -> Request:
    choice = [{"type": "function", "name": tool["name"]} for tool in FLAT]
    return make_request(tools=FLAT, tool_choice={"type": "allowed_tools", "mode": "auto", "tools": choice})


def allowed_namespaces() -> Request:
    space = {"type": "namespace", "name": "n", "description": "d", "tools": FLAT}
    choice = [{"type": "namespace", "name": "n"}] * MANY
    return make_request(tools=[space], tool_choice={"type": "allowed_tools", "mode": "auto", "tools": choice})


def images_in_a_result() -> Request:
    image = {"type": "image_url", "image_url": "data:image/png;base64,AA"}
    return chat_request(
        messages=[USER, {"role": "assistant", "tool_calls": [called(1)]}, answered(1, [image] * (MANY // 2))]
    )


def searches() -> Request:
    return make_request(tools=[{"type": "web_search", "number": number} for number in range(MANY)])


def cleared_results() -> Request:
    uses = [{"type": "tool_use", "id": f"c{number}", "name": "f", "input": {}} for number in range(MANY)]
    results = [{"type": "tool_result", "tool_use_id": f"c{number}", "content": "z"} for number in range(MANY)]
    edit = {"type": "clear_tool_uses_20250919", "exclude_tools": [f"g{number}" for number in range(MANY)]}
    body = {
        "model": "m",
        "max_tokens": 5,
        "messages": [USER, {"role": "assistant", "content": uses}, {"role": "user", "content": results}],
        "context_management": {"edits": [edit]},
    }
    return parse_messages(msgspec.json.encode(body)).request


@pytest.mark.parametrize(
    "make",
    [
        calls_side_by_side,
        turns_with_calls,
        allowed_functions,
        allowed_tools,
        allowed_namespaces,
        images_in_a_result,
        searches,
        cleared_results,
    ],
)
def test_a_long_list_is_read_and_written_in_time(make: Callable[[], Request]) -> None:
    began = time.process_time()
    request = make()
    _wanted(request.input, all_calls=True)
    shorten(request.input, keep=0.4)
    ChatCodec().encode(request, Target("up", "m", "chat", "deepseek", "http://up/v1"), media={})
    ResponsesCodec().encode(request, Target("up", "m", "responses", "llamacpp", "http://up/v1"), media={})
    assert time.process_time() - began < ALLOWED_S


def test_edits_of_the_context_are_few() -> None:
    """Each goes through all messages."""
    edits = [{"type": "clear_tool_uses_20250919"}] * 17
    body = {"model": "m", "max_tokens": 5, "messages": [USER], "context_management": {"edits": edits}}
    with pytest.raises(RequestFault) as caught:
        parse_messages(msgspec.json.encode(body))
    assert caught.value.param == "context_management.edits"


def schema(**fields: object) -> bytes:
    return bytes(reduced(Raw(msgspec.json.encode(fields))))


def test_what_references_point_at_is_not_written_out_without_end() -> None:
    pointing = {f"p{number}": {"$ref": "#/$defs/a"} for number in range(4000)}
    written = schema(**{"$defs": {"a": {"description": "x" * 100_000}}, "properties": pointing})
    assert len(written) < 2 * 1024 * 1024


def test_long_lists_in_schemas_are_joined_in_time() -> None:
    began = time.process_time()
    both = [{word: [f"{letter}{number}" for number in range(MANY)]} for word in ("enum",) for letter in "ab"]
    assert len(msgspec.json.decode(schema(allOf=both))["enum"]) == 2 * MANY
    assert time.process_time() - began < ALLOWED_S


@pytest.mark.parametrize(
    "bent",
    [
        {"properties": {"a": {}}, "required": [["a"], {}, "a"]},
        {"format": {}},
        {"format": ["date-time"]},
        {"type": [["string"], {}]},
        {"allOf": [{"enum": [[]]}, {"required": [{}]}], "const": {}},
    ],
)
def test_a_schema_of_whatever_types_can_be_reduced(bent: dict[str, object]) -> None:
    assert isinstance(msgspec.json.decode(schema(**bent)), dict)
