"""Every field of a create request: accepted, mapped, ignored by name, or refused with the place and the reason."""

from typing import Any

import msgspec
import pytest
from msgspec import Raw

from antiphon.dialects.responses import parse_create
from antiphon.dialects.responses.params import INCLUDES, CreateParams
from antiphon.protocol.faults import RequestFault
from antiphon.protocol.items import InputText, Message, OtherItem
from antiphon.protocol.request import ReasoningConfig, TextConfig, TextFormat
from antiphon.providers.hosted import drop_fields
from tests.helpers.requests import RESPONSE_ID, create_body, make_request

RESPONSE_TEXT = "resp_" + RESPONSE_ID.hex()
SCHEMA = {"type": "object", "properties": {"b": {}, "a": {}}}
FORMAT = {"type": "json_schema", "name": "n", "schema": SCHEMA, "description": "d", "strict": True}

#: Field, accepted value, and what the request says then.
ACCEPTED: list[tuple[str, object, str, object]] = [
    ("model", "provider/model:tag", "model", "provider/model:tag"),
    ("instructions", "Be kind.", "instructions", "Be kind."),
    ("fallback_models", ["a", "b/c"], "fallbacks", ("a", "b/c")),
    ("fallback_timeout", 2500, "fallback_s", 2.5),
    ("fallback_enabled", False, "fallback", False),
    ("instructions", "", "instructions", ""),
    ("previous_response_id", RESPONSE_TEXT, "previous_response_id", RESPONSE_ID),
    ("web_results_count", 10, "web_results", 10),
    ("web_content_length", "short", "web_length", "short"),
    ("stream", True, "stream", True),
    ("stream", False, "stream", False),
    ("store", True, "store", True),
    ("store", False, "store", False),
    ("include", sorted(INCLUDES), "include", INCLUDES),
    ("include", [], "include", frozenset()),
    ("metadata", {"k" * 64: "v" * 512}, "metadata", {"k" * 64: "v" * 512}),
    ("metadata", {str(n): "" for n in range(16)}, "metadata", {str(n): "" for n in range(16)}),
    ("parallel_tool_calls", False, "parallel_tool_calls", False),
    ("max_tool_calls", 1, "max_tool_calls", 1),
    ("max_output_tokens", 1, "max_output_tokens", 1),
    ("max_tokens", 9, "max_output_tokens", 9),
    ("temperature", 0, "temperature", 0.0),
    ("temperature", 2, "temperature", 2.0),
    ("top_p", 0, "top_p", 0.0),
    ("top_p", 1, "top_p", 1.0),
    ("top_k", 40, "top_k", 40),
    ("min_p", 0.05, "min_p", 0.05),
    ("top_logprobs", 0, "top_logprobs", 0),
    ("top_logprobs", 20, "top_logprobs", 20),
    ("presence_penalty", -2, "presence_penalty", -2.0),
    ("frequency_penalty", 2, "frequency_penalty", 2.0),
    ("seed", 2**63 - 1, "seed", 2**63 - 1),
    ("seed", -1, "seed", -1),
    ("stop", "END", "stop", ("END",)),
    ("stop", ["a", "b"], "stop", ("a", "b")),
    ("logit_bias", {"50256": -100}, "logit_bias", {"50256": -100.0}),
    ("text", {}, "text", TextConfig()),
    ("text", {"format": None, "verbosity": None}, "text", TextConfig()),
    ("text", {"format": {"type": "text"}}, "text", TextConfig()),
    ("text", {"format": {"type": "json_object"}}, "text", TextConfig(TextFormat("json_object"))),
    ("text", {"verbosity": "low"}, "text", TextConfig(verbosity="low")),
    ("text", {"verbosity": "concise"}, "text", TextConfig(verbosity="low")),
    ("text", {"verbosity": "medium"}, "text", TextConfig(verbosity="medium")),
    ("text", {"verbosity": "normal"}, "text", TextConfig(verbosity="medium")),
    ("text", {"verbosity": "high"}, "text", TextConfig(verbosity="high")),
    ("text", {"verbosity": "verbose"}, "text", TextConfig(verbosity="high")),
    ("reasoning", {}, "reasoning", ReasoningConfig()),
    ("reasoning", {"effort": "none"}, "reasoning", ReasoningConfig("none")),
    ("reasoning", {"effort": "minimal"}, "reasoning", ReasoningConfig("minimal")),
    ("reasoning", {"effort": "low"}, "reasoning", ReasoningConfig("low")),
    ("reasoning", {"effort": "medium"}, "reasoning", ReasoningConfig("medium")),
    ("reasoning", {"effort": "high"}, "reasoning", ReasoningConfig("high")),
    ("reasoning", {"effort": "xhigh"}, "reasoning", ReasoningConfig("xhigh")),
    ("reasoning", {"effort": "max"}, "reasoning", ReasoningConfig("max")),
    ("reasoning", {"summary": "auto"}, "reasoning", ReasoningConfig(None, "auto")),
    ("reasoning", {"summary": "concise"}, "reasoning", ReasoningConfig(None, "concise")),
    ("reasoning", {"generate_summary": "detailed"}, "reasoning", ReasoningConfig(None, "detailed")),
    ("truncation", "disabled", "truncation", "disabled"),
    ("truncation", "auto", "truncation", "auto"),
    ("service_tier", "flex", "service_tier", "flex"),
    ("prompt_cache_key", "k", "prompt_cache_key", "k"),
    ("safety_identifier", "s", "safety_identifier", "s"),
    ("user", "u", "user", "u"),
    ("background", False, "notices", ()),
    ("n", 1, "notices", ()),
    ("stream_options", {"include_obfuscation": True}, "notices", ()),
]


@pytest.mark.parametrize(
    ("name", "value", "attribute", "expected"), ACCEPTED, ids=[f"{row[0]}={row[1]!r:.30}" for row in ACCEPTED]
)
def test_field_is_accepted(name: str, value: object, attribute: str, expected: object) -> None:
    assert getattr(make_request(**{name: value}), attribute) == expected


def test_every_field_may_be_null_but_model_and_input() -> None:
    absent = dict.fromkeys(set(CreateParams.__struct_fields__) - {"model", "input"})
    assert msgspec.structs.replace(make_request(**absent), body=make_request().body) == make_request()


def test_defaults_are_those_of_the_api() -> None:
    request = make_request()
    assert (request.stream, request.store, request.truncation, request.tools) == (False, True, "disabled", ())
    assert (request.temperature, request.max_output_tokens, request.parallel_tool_calls) == (None, None, None)
    assert (request.metadata, request.include, request.stop, request.notices) == ({}, frozenset(), (), ())


def test_max_output_tokens_wins_over_max_tokens() -> None:
    assert make_request(max_tokens=5, max_output_tokens=7).max_output_tokens == 7


def test_new_name_of_summary_wins_over_the_old_one() -> None:
    assert make_request(reasoning={"summary": "auto", "generate_summary": "detailed"}).reasoning.summary == "auto"


def test_json_schema_is_kept_as_it_was_written() -> None:
    config = make_request(text={"format": FORMAT}).text.format
    assert (config.type, config.name, config.description, config.strict) == ("json_schema", "n", "d", True)
    assert bytes(config.schema) == msgspec.json.encode(SCHEMA)


def test_strictness_is_copied_never_invented() -> None:
    bare = {"type": "json_schema", "name": "n", "schema": SCHEMA}
    assert make_request(text={"format": bare}).text.format.strict is None


def test_string_input_is_a_user_message() -> None:
    (item,) = make_request(input='Say "hi"\x00').input
    assert item.value == Message("user", [InputText('Say "hi"\x00')])
    content = [{"type": "input_text", "text": 'Say "hi"\x00'}]
    assert msgspec.json.decode(item.raw) == {"type": "message", "role": "user", "content": content}


def test_items_are_kept_as_they_were_sent() -> None:
    items = b'[ {"role":"user", "content":null,"unknown":[1e0]} , {"type":"function_call","call_id":"c","name":"f"} ]'
    request = parse_create(b'{"model":"m","input":%b}' % items)
    assert [item.raw for item in request.input] == [
        b'{"role":"user", "content":null,"unknown":[1e0]}',
        b'{"type":"function_call","call_id":"c","name":"f"}',
    ]
    assert [item.path for item in request.input] == ["input[0]", "input[1]"]


def test_previous_response_may_come_without_input() -> None:
    assert parse_create(msgspec.json.encode({"model": "m", "previous_response_id": RESPONSE_TEXT})).input == ()


def test_items_of_other_types_are_kept() -> None:
    request = make_request(input=[{"type": "web_search_call", "id": "ws_1"}, {"role": "user", "content": "a"}])
    assert [item.path for item in request.input] == ["input[0]", "input[1]"]
    assert request.input[0].value == OtherItem("web_search_call", "ws_1")


#: Fields that change nothing in the answer: named in a notice.
IGNORED: list[tuple[str, object, str]] = [
    ("background_options", {"completion_window": "2h"}, "background_options"),
    ("client_metadata", {"a": 1}, "client_metadata"),
    ("context_management", [{"type": "compaction"}], "context_management"),
    ("prompt_cache_options", {"mode": "implicit"}, "prompt_cache_options"),
    ("prompt_cache_retention", "24h", "prompt_cache_retention"),
    ("access_programs", {}, "access_programs"),
    ("image", {}, "image"),
    ("never_heard_of", None, "never_heard_of"),
    ("compression", {"enabled": True}, "compression"),
    ("Ünïcode \r\n", 1, "Ünïcode \r\n"),
]


@pytest.mark.parametrize(("name", "value", "where"), IGNORED, ids=[row[0] for row in IGNORED])
def test_field_is_ignored_by_name(name: str, value: object, where: str) -> None:
    request = make_request(**{name: value})
    notices = [*request.notices, *drop_fields(request)]
    assert [(notice.where, notice.kind) for notice in notices] == [(where, "dropped")]


def test_fields_that_only_one_vendor_knows_are_left_to_its_codec() -> None:
    request = make_request(client_metadata={"a": 1}, zzz=None, access_programs=None)
    assert request.vendor_only == ("zzz", "client_metadata")
    assert request.notices == ()
    assert request.body == create_body(client_metadata={"a": 1}, zzz=None, access_programs=None)


def test_unknown_field_changes_nothing_else() -> None:
    known = make_request(temperature=0.5, tools=[{"type": "function", "name": "f"}])
    same = make_request(temperature=0.5, tools=[{"type": "function", "name": "f"}], zzz={"a": []})
    assert msgspec.structs.replace(same, vendor_only=(), body=known.body) == known


#: Fields that would change what the answer means.
UNSERVABLE: list[tuple[str, object]] = [
    ("background", True),
    ("conversation", "conv_1"),
    ("conversation", {"id": "conv_1"}),
    ("prompt", {"id": "pmpt_1"}),
    ("moderation", {}),
    ("n", 2),
    ("n", 0),
]


@pytest.mark.parametrize(("name", "value"), UNSERVABLE)
def test_field_that_cannot_be_served_is_refused(name: str, value: object) -> None:
    fault = refused(**{name: value})
    assert (fault.status, fault.code, fault.param) == (400, "unsupported_parameter", name)
    assert name in fault.message


def refused(**fields: Any) -> RequestFault:
    with pytest.raises(RequestFault) as caught:
        parse_create(create_body(**fields))
    assert (caught.value.status, caught.value.type) == (400, "invalid_request_error")
    return caught.value


#: Wrong values: the field, the place named, and words of the message.
WRONG: list[tuple[str, object, str, str]] = [
    ("model", 7, "model", "str"),
    ("model", "", "model", ">= 1"),
    ("model", "x" * 257, "model", "<= 256"),
    ("input", 7, "input", "str | array"),
    ("input", {"role": "user"}, "input", "str | array"),
    ("input", [{"role": "user", "content": [{"type": "input_text", "text": 7}]}], "input[0].content[0].text", "str"),
    ("instructions", ["a"], "instructions", "str"),
    ("previous_response_id", 7, "previous_response_id", "str"),
    ("stream", "yes", "stream", "bool"),
    ("stream", 1, "stream", "bool"),
    ("store", "no", "store", "bool"),
    ("include", "all", "include", "array"),
    ("include", [7], "include[0]", "str"),
    ("include", ["message.output_text.logprobs", "everything"], "include[1]", "reasoning.encrypted_content"),
    ("metadata", ["a"], "metadata", "object"),
    ("metadata", {"a": 1}, "metadata", "'metadata'"),
    ("metadata", {"a": None}, "metadata", "'metadata'"),
    ("metadata", {"k" * 65: "v"}, "metadata", "a key: Expected 'str' of length <= 64"),
    ("metadata", {"k": "v" * 513}, "metadata", "<= 512"),
    ("metadata", {str(n): "" for n in range(17)}, "metadata", "<= 16"),
    ("parallel_tool_calls", "no", "parallel_tool_calls", "bool"),
    ("max_tool_calls", 0, "max_tool_calls", ">= 1"),
    ("max_output_tokens", 0, "max_output_tokens", ">= 1"),
    ("max_output_tokens", 1.5, "max_output_tokens", "int"),
    ("max_output_tokens", "5", "max_output_tokens", "int"),
    ("max_output_tokens", 2**53, "max_output_tokens", "<="),
    ("max_tokens", -1, "max_tokens", ">= 1"),
    ("temperature", -0.1, "temperature", ">= 0"),
    ("temperature", 2.1, "temperature", "<= 2"),
    ("temperature", "hot", "temperature", "float"),
    ("top_p", 1.01, "top_p", "<= 1"),
    ("top_p", -1, "top_p", ">= 0"),
    ("top_k", 0, "top_k", ">= 1"),
    ("min_p", 2, "min_p", "<= 1"),
    ("top_logprobs", 21, "top_logprobs", "<= 20"),
    ("top_logprobs", -1, "top_logprobs", ">= 0"),
    ("presence_penalty", 2.5, "presence_penalty", "<= 2"),
    ("frequency_penalty", -2.5, "frequency_penalty", ">= -2"),
    ("seed", 2**63, "seed", "<="),
    ("seed", 0.5, "seed", "int"),
    ("stop", 7, "stop", "str"),
    ("stop", ["a", 7], "stop[1]", "str"),
    ("logit_bias", {"1": 101}, "logit_bias", "<= 100"),
    ("logit_bias", [1], "logit_bias", "object"),
    ("text", "json", "text", "object"),
    ("text", {"verbosity": "chatty"}, "text.verbosity", "Accepted: 'concise', 'high', 'low', 'medium', 'normal', 'verbose'"),
    ("text", {"format": "json"}, "text.format", "object"),
    ("text", {"format": {"type": "yaml"}}, "text.format.type", "Accepted: 'json_object', 'json_schema', 'text'"),
    ("text", {"format": {"type": "json_schema", "name": "n"}}, "text.format.schema", "Missing"),
    ("text", {"format": {"type": "json_schema", "schema": {}}}, "text.format.name", "Missing"),
    ("text", {"format": {"type": "json_schema", "name": "n", "schema": []}}, "text.format.schema", "JSON Schema object"),
    ("text", {"format": {"type": "json_schema", "name": "n" * 65, "schema": {}}}, "text.format.name", "<= 64"),
    ("reasoning", "high", "reasoning", "object"),
    ("reasoning", {"effort": "extreme"}, "reasoning.effort", "Accepted: 'high', 'low', 'max', 'medium', 'minimal', 'none', 'xhigh'"),
    ("reasoning", {"summary": "long"}, "reasoning.summary", "Accepted: 'auto', 'concise', 'detailed'"),
    ("truncation", "middle", "truncation", "Accepted: 'auto', 'disabled'"),
    ("service_tier", 7, "service_tier", "str"),
    ("service_tier", "t" * 65, "service_tier", "<= 64"),
    ("prompt_cache_key", 7, "prompt_cache_key", "str"),
    ("safety_identifier", [], "safety_identifier", "str"),
    ("user", {}, "user", "str"),
    ("background", "yes", "background", "bool"),
    ("n", "2", "n", "int"),
    ("tools", {}, "tools", "array"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "value", "param", "words"), WRONG, ids=[f"{row[0]}={row[1]!r:.30}" for row in WRONG])
def test_wrong_value_is_refused_with_its_place(name: str, value: object, param: str, words: str) -> None:
    fault = refused(**{name: value})
    assert fault.param == param
    assert words in fault.message
    assert fault.code in ("invalid_value", "missing_required_parameter")


def test_wrong_value_beside_an_unknown_field_is_refused_too() -> None:
    assert refused(zzz=1, temperature=3).param == "temperature"
    assert refused(temperature=3, zzz=1).param == "temperature"


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({}, "model"),
        ({"input": "a"}, "model"),
        ({"model": None, "input": "a"}, "model"),
        ({"model": "m"}, "input"),
        ({"model": "m", "input": None}, "input"),
    ],
)
def test_model_and_input_must_be_there(body: dict[str, object], param: str) -> None:
    with pytest.raises(RequestFault) as caught:
        parse_create(msgspec.json.encode(body))
    assert (caught.value.code, caught.value.param) == ("missing_required_parameter", param)


@pytest.mark.parametrize("text", ["", "resp_1", "conv_1", RESPONSE_TEXT.upper(), RESPONSE_TEXT + "0", "x" * 5000])
def test_malformed_previous_id_is_answered_like_an_unknown_one(text: str) -> None:
    fault = refused(previous_response_id=text)
    assert (fault.code, fault.param) == ("previous_response_not_found", "previous_response_id")
    assert len(fault.message) < 200


def test_every_field_stands_in_a_table() -> None:
    """A new field is not done before it is known here what becomes of it."""
    tested = {row[0] for row in (*ACCEPTED, *IGNORED, *UNSERVABLE)} | {"input", "tools", "tool_choice"}
    assert set(CreateParams.__struct_fields__) - tested == set()


def test_schema_is_not_read() -> None:
    schema = b'{"maximum":1e999,"big":%b}' % (b"9" * 40)
    body = b'{"model":"m","input":"a","text":{"format":{"type":"json_schema","name":"n","schema":%b}}}' % schema
    assert parse_create(body).text.format.schema == Raw(schema)


def test_log_probabilities_may_be_asked_for_in_two_ways() -> None:
    assert not make_request().wants_logprobs
    assert make_request(top_logprobs=2).wants_logprobs
    assert make_request(include=["message.output_text.logprobs"]).wants_logprobs
