"""Requests in the words of the Messages API: what they ask for, and what is wrong with them."""

from typing import Any

import msgspec
import pytest

from antiphon.dialects.messages.count import estimate_input
from antiphon.dialects.messages.params import KNOWN_FIELDS, MessagesParams
from antiphon.dialects.messages.parse import Parsed, parse_count, parse_messages
from antiphon.dialects.messages.signature import pack
from antiphon.edge.openapi.messages import MESSAGES_SCHEMAS
from antiphon.protocol.faults import RequestFault
from antiphon.protocol.items import FunctionCall, FunctionCallOutput, OtherItem
from antiphon.protocol.request import FunctionTool, HostedTool, Request, ToolChoice

Json = dict[str, Any]

USER: Json = {"role": "user", "content": "Hi"}
PNG: Json = {"type": "base64", "media_type": "image/png", "data": "iVBO"}
PDF: Json = {"type": "base64", "media_type": "application/pdf", "data": "JVBE"}
CALL: Json = {"type": "tool_use", "id": "toolu_1", "name": "f", "input": {"a": 1}}
ASKED: Json = {"role": "assistant", "content": [CALL]}
TOOL: Json = {"name": "f", "description": "d", "input_schema": {"type": "object"}}


def parsed(*messages: Json, **fields: object) -> Parsed:
    body = {"model": "m", "max_tokens": 100, "messages": list(messages) or [USER], **fields}
    return parse_messages(msgspec.json.encode(body))


def request(*messages: Json, **fields: Any) -> Request:
    return parsed(*messages, **fields).request


def items(*messages: Json) -> list[Json]:
    return [msgspec.json.decode(item.raw) for item in request(*messages).input]


def user(*blocks: Json) -> Json:
    return {"role": "user", "content": list(blocks)}


def said(role: str, *parts: Json) -> Json:
    return {"type": "message", "role": role, "content": list(parts)}


def given(text: str) -> Json:
    return {"type": "input_text", "text": text}


def result(**fields: object) -> Json:
    return {"type": "tool_result", "tool_use_id": "toolu_1", **fields}


def output(value: object) -> Json:
    return {"type": "function_call_output", "call_id": "toolu_1", "output": value}


#: Blocks of a user, and the parts that stand for them.
PARTS: list[tuple[str, Json, list[Json]]] = [
    ("text", {"type": "text", "text": "Hi", "cache_control": {"type": "ephemeral"}}, [given("Hi")]),
    ("image", {"type": "image", "source": PNG}, [{"type": "input_image", "image_url": "data:image/png;base64,iVBO"}]),
    (
        "image by url",
        {"type": "image", "source": {"type": "url", "url": "https://a.example/x.png"}},
        [{"type": "input_image", "image_url": "https://a.example/x.png"}],
    ),
    (
        "image by id",
        {"type": "image", "source": {"type": "file", "file_id": "file_1"}},
        [{"type": "input_image", "file_id": "file_1"}],
    ),
    (
        "pdf",
        {"type": "document", "source": PDF, "title": "T.pdf", "context": "Read it."},
        [
            given("Read it."),
            {"type": "input_file", "filename": "T.pdf", "file_data": "data:application/pdf;base64,JVBE"},
        ],
    ),
    (
        "pdf without a name",
        {"type": "document", "source": PDF},
        [{"type": "input_file", "filename": "document.pdf", "file_data": "data:application/pdf;base64,JVBE"}],
    ),
    (
        "document by url",
        {"type": "document", "source": {"type": "url", "url": "https://a.example/x.pdf"}},
        [{"type": "input_file", "file_url": "https://a.example/x.pdf"}],
    ),
    (
        "document by id",
        {"type": "document", "source": {"type": "file", "file_id": "file_1"}},
        [{"type": "input_file", "file_id": "file_1"}],
    ),
    (
        "plain text",
        {
            "type": "document",
            "source": {"type": "text", "media_type": "text/plain", "data": "Once."},
            "title": "Tale",
        },
        [given("Tale\n\nOnce.")],
    ),
    (
        "blocks in a document",
        {
            "type": "document",
            "title": "T",
            "source": {"type": "content", "content": [{"type": "text", "text": "a"}, {"type": "image", "source": PNG}]},
        },
        [given("T"), given("a"), {"type": "input_image", "image_url": "data:image/png;base64,iVBO"}],
    ),
    (
        "search result",
        {"type": "search_result", "source": "s", "title": "T", "content": [{"type": "text", "text": "a"}]},
        [given("T\ns\n\na")],
    ),
    ("tool reference", {"type": "tool_reference", "tool_name": "f"}, [given("The tool 'f' is available.")]),
]


@pytest.mark.parametrize(("block", "parts"), [case[1:] for case in PARTS], ids=[case[0] for case in PARTS])
def test_blocks_of_a_user_become_parts(block: Json, parts: list[Json]) -> None:
    assert items(user(block)) == [said("user", *parts)]
    answered = result(content=[{"type": "text", "text": "x"}, block])
    assert items(USER, ASKED, user(answered))[-1] == output([given("x"), *parts])


#: Messages, and the items that stand for them.
CONVERSATIONS: list[tuple[str, list[Json], list[Json]]] = [
    ("text", [USER], [said("user", given("Hi"))]),
    (
        "system in the middle",
        [USER, {"role": "system", "content": "Now."}],
        [said("user", given("Hi")), said("system", given("Now."))],
    ),
    (
        "system in blocks",
        [{"role": "system", "content": [{"type": "text", "text": "Now."}]}],
        [said("system", given("Now."))],
    ),
    ("empty content is nothing", [{"role": "user", "content": ""}, {"role": "assistant", "content": []}], []),
    (
        "an assistant's text",
        [{"role": "assistant", "content": "a"}],
        [said("assistant", {"type": "output_text", "text": "a"})],
    ),
    (
        "a turn with all of it",
        [
            {
                "role": "assistant",
                "content": [
                    {"type": "thinking", "thinking": "hm", "signature": "seal"},
                    {"type": "redacted_thinking", "data": "hidden"},
                    {"type": "text", "text": "a"},
                    {"type": "text", "text": "b"},
                    CALL,
                ],
            },
            user({"type": "text", "text": "also"}, result(content="42")),
        ],
        [
            {"type": "reasoning", "summary": [{"type": "summary_text", "text": "hm"}], "encrypted_content": "seal"},
            {"type": "reasoning", "summary": [], "encrypted_content": "hidden"},
            said(
                "assistant",
                {"type": "output_text", "text": "a", "annotations": []},
                {"type": "output_text", "text": "b", "annotations": []},
            ),
            {"type": "function_call", "call_id": "toolu_1", "name": "f", "arguments": '{"a":1}'},
            output("42"),
            said("user", given("also")),
        ],
    ),
    (
        "a thought that was not shown",
        [{"role": "assistant", "content": [{"type": "thinking", "thinking": "", "signature": pack("hm", "seal")}]}],
        [{"type": "reasoning", "summary": [{"type": "summary_text", "text": "hm"}], "encrypted_content": "seal"}],
    ),
    (
        "a thought without a seal",
        [{"role": "assistant", "content": [{"type": "thinking", "thinking": "hm", "signature": ""}]}],
        [{"type": "reasoning", "summary": [{"type": "summary_text", "text": "hm"}]}],
    ),
    (
        "a search of the web",
        [
            {
                "role": "assistant",
                "content": [
                    {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {"query": "rain"}},
                    {
                        "type": "web_search_tool_result",
                        "tool_use_id": "s",
                        "content": [{"type": "web_search_result", "url": "https://a.example/"}],
                    },
                    {
                        "type": "text",
                        "text": "Sunny",
                        "citations": [
                            {"type": "web_search_result_location", "url": "https://a.example/", "title": "A"},
                            {"type": "char_location", "document_index": 0},
                        ],
                    },
                ],
            }
        ],
        [
            {
                "type": "web_search_call",
                "status": "completed",
                "action": {
                    "type": "search",
                    "query": "rain",
                    "sources": [{"type": "url", "url": "https://a.example/"}],
                },
            },
            said(
                "assistant",
                {
                    "type": "output_text",
                    "text": "Sunny",
                    "annotations": [
                        {
                            "type": "url_citation",
                            "start_index": 0,
                            "end_index": 5,
                            "url": "https://a.example/",
                            "title": "A",
                        }
                    ],
                },
            ),
        ],
    ),
    (
        "a search that failed",
        [
            {
                "role": "assistant",
                "content": [
                    {
                        "type": "web_search_tool_result",
                        "tool_use_id": "s",
                        "content": {"type": "web_search_tool_result_error", "error_code": "unavailable"},
                    }
                ],
            }
        ],
        [
            {
                "type": "web_search_call",
                "status": "failed",
                "action": {"type": "search", "query": "", "sources": []},
            }
        ],
    ),
]


@pytest.mark.parametrize(
    ("messages", "expected"), [case[1:] for case in CONVERSATIONS], ids=[case[0] for case in CONVERSATIONS]
)
def test_messages_become_items(messages: list[Json], expected: list[Json]) -> None:
    assert items(*messages) == expected


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, ""),
        ({"content": None}, ""),
        ({"content": []}, ""),
        ({"content": "42", "is_error": False}, "42"),
        ({"content": "No such file", "is_error": True}, "Error: No such file"),
        ({"content": "Error: no such file", "is_error": True}, "Error: no such file"),
        ({"is_error": True}, "Error:"),
        (
            {"content": [{"type": "image", "source": PNG}], "is_error": True},
            [given("Error:"), {"type": "input_image", "image_url": "data:image/png;base64,iVBO"}],
        ),
        (
            {"content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}], "is_error": True},
            [given("Error: a"), given("b")],
        ),
    ],
)
def test_a_result_is_an_output_that_says_when_it_is_an_error(fields: Json, expected: object) -> None:
    assert items(USER, ASKED, user(result(**fields)))[-1] == output(expected)


def test_what_only_anthropic_knows_stays_what_it_is() -> None:
    block = {"type": "container_upload", "file_id": "file_1"}
    ran = {"type": "server_tool_use", "id": "s", "name": "code_execution", "input": {}}
    made = request(user(block), {"role": "assistant", "content": [ran]}, ASKED, user(result(content=[{"type": "new"}])))
    others = [(item.value.type, item.path) for item in made.input if isinstance(item.value, OtherItem)]
    assert others == [
        ("container_upload", "messages[0].content[0]"),
        ("server_tool_use", "messages[1].content[0]"),
        ("new", "messages[3].content[0].content[0]"),
    ]


#: A field, and what it means.
FIELDS: list[tuple[Json, dict[str, object]]] = [
    ({"system": "Be kind."}, {"instructions": "Be kind."}),
    ({"system": ""}, {"instructions": None}),
    ({"system": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]}, {"instructions": "a\n\nb"}),
    ({"max_tokens": 7}, {"max_output_tokens": 7}),
    ({"temperature": 0.5, "top_p": 0.9, "top_k": 4}, {"temperature": 0.5, "top_p": 0.9, "top_k": 4}),
    ({"top_k": 0}, {"top_k": None}),
    ({"stop_sequences": ["END"]}, {"stop": ("END",)}),
    ({"metadata": {"user_id": '{"device":"d"}'}}, {"user": '{"device":"d"}'}),
    ({"service_tier": "standard_only"}, {"service_tier": "default"}),
    ({"service_tier": "auto"}, {"service_tier": "auto"}),
    ({"stream": True}, {"stream": True}),
    ({"stream": None}, {"stream": False, "store": False, "dialect": "messages"}),
]


@pytest.mark.parametrize(("fields", "expected"), FIELDS)
def test_fields(fields: Json, expected: dict[str, object]) -> None:
    made = request(**fields)
    assert {name: getattr(made, name) for name in expected} == expected
    assert made.include == {"reasoning.encrypted_content"}
    assert made.vendor_only == ()


@pytest.mark.parametrize(
    ("fields", "effort", "summary"),
    [
        ({}, None, None),
        ({"thinking": {"type": "disabled"}, "output_config": {"effort": "high"}}, "none", None),
        ({"thinking": {"type": "adaptive"}}, None, "auto"),
        ({"thinking": {"type": "adaptive", "display": "omitted"}, "output_config": {"effort": "high"}}, "high", None),
        ({"thinking": {"type": "enabled", "budget_tokens": 1024}}, "minimal", "auto"),
        ({"thinking": {"type": "enabled", "budget_tokens": 4000}}, "low", "auto"),
        ({"thinking": {"type": "enabled", "budget_tokens": 10000, "display": "summarized"}}, "medium", "auto"),
        ({"thinking": {"type": "enabled", "budget_tokens": 31999, "display": "omitted"}}, "high", None),
        ({"thinking": {"type": "enabled", "budget_tokens": 31999}, "output_config": {"effort": "max"}}, "max", "auto"),
        ({"thinking": {"type": "between_tools"}}, None, "auto"),
        ({"output_config": {"effort": "low"}}, "low", None),
    ],
)
def test_thinking(fields: Json, effort: str | None, summary: str | None) -> None:
    made = parsed(**fields)
    assert (made.request.reasoning.effort, made.request.reasoning.summary) == (effort, summary)
    assert made.omits_thinking == (fields.get("thinking", {}).get("display") == "omitted")


@pytest.mark.parametrize("field", ["output_config", "output_format"])
def test_a_schema_is_the_format_of_the_text(field: str) -> None:
    schema = {"type": "json_schema", "schema": {"type": "object"}}
    made = request(**{field: {"format": schema} if field == "output_config" else schema})
    assert (made.text.format.type, bytes(made.text.format.schema)) == ("json_schema", b'{"type":"object"}')
    assert made.text.format.strict is None


def test_tools() -> None:
    search = {"type": "web_search_20260209", "name": "web_search", "allowed_domains": ["a.example"], "max_uses": 2}
    bash = {"type": "bash_20250124", "name": "bash"}
    made = request(tools=[{**TOOL, "type": "custom", "strict": True}, search, bash, {**TOOL, "name": "g"}])
    function, found, ran, second = made.tools
    assert isinstance(function, FunctionTool)
    assert (function.name, function.description, function.strict) == ("f", "d", True)
    assert bytes(function.parameters) == b'{"type":"object"}'
    assert isinstance(found, HostedTool)
    assert found.type == "web_search"
    assert msgspec.json.decode(found.raw) == {"type": "web_search", "filters": {"allowed_domains": ["a.example"]}}
    assert isinstance(ran, HostedTool)
    assert (ran.type, msgspec.json.decode(ran.raw)) == ("bash_20250124", bash)
    assert isinstance(second, FunctionTool)
    assert made.vendor_only == ("tools.max_uses",)  # two tools run at the provider, and only it can tell them apart
    assert made.max_tool_calls is None
    (found,) = request(tools=[{**SEARCH, "blocked_domains": ["b.example"]}]).tools
    assert isinstance(found, HostedTool)
    assert msgspec.json.decode(found.raw)["filters"] == {"blocked_domains": ["b.example"]}


@pytest.mark.parametrize(("uses", "most", "left_out"), [(2, 2, ()), (0, None, ("tools.max_uses",)), (None, None, ())])
def test_the_most_uses_of_a_search_are_the_most_calls(uses: int | None, most: int | None, left_out: Any) -> None:
    made = request(tools=[TOOL, {**SEARCH, "max_uses": uses}])
    assert (made.max_tool_calls, made.vendor_only) == (most, left_out)


SEARCH: Json = {"type": "web_search_20250305", "name": "web_search"}


@pytest.mark.parametrize(
    ("choice", "mode", "name", "hosted"),
    [
        ({"type": "auto"}, "auto", None, None),
        ({"type": "any"}, "required", None, None),
        ({"type": "none"}, "none", None, None),
        ({"type": "tool", "name": "f"}, "function", "f", None),
        ({"type": "tool", "name": "web_search"}, "auto", None, "web_search"),
    ],
)
def test_tool_choice(choice: Json, mode: str, name: str | None, hosted: str | None) -> None:
    made = request(tools=[TOOL, SEARCH], tool_choice={**choice, "disable_parallel_tool_use": True})
    assert (made.tool_choice.mode, made.tool_choice.name, made.tool_choice.hosted) == (mode, name, hosted)
    assert made.parallel_tool_calls is False
    assert request(tools=[TOOL], tool_choice={"type": "auto"}).parallel_tool_calls is None
    assert request().tool_choice == ToolChoice()


@pytest.mark.parametrize("name", ["mcp_servers", "compaction", "fallbacks"])
def test_what_changes_the_meaning_is_like_a_tool_that_nobody_else_has(name: str) -> None:
    made = request(tools=[TOOL], **{name: {"type": "something"}})
    assert made.tools[-1] == HostedTool(name, made.tools[-1].raw)  # type: ignore[union-attr]  # that it is
    assert made.vendor_only == ()
    assert request(**{name: None}).tools == ()


#: What no other vendor can be told, by the name under which that is reported.
VENDOR_ONLY: list[tuple[str, Json]] = [
    ("cache_control", {"cache_control": {"type": "ephemeral"}}),
    ("cache_control", {"system": [{"type": "text", "text": "a", "cache_control": {"type": "ephemeral"}}]}),
    ("cache_control", {"tools": [{**TOOL, "cache_control": {"type": "ephemeral"}}]}),
    ("thinking.budget_tokens", {"thinking": {"type": "enabled", "budget_tokens": 5000}}),
    ("output_config.task_budget", {"output_config": {"task_budget": {"type": "tokens", "total": 5}}}),
    ("context_management", {"context_management": {"edits": [{"type": "compact_20260112"}]}}),
    ("context_management", {"context_management": {"edits": [{"type": "clear_thinking_20251015", "keep": {}}]}}),
    ("container", {"container": "container_1"}),
    ("unheard_of", {"unheard_of": 1}),
    ("tools.defer_loading", {"tools": [{**TOOL, "defer_loading": True}]}),
    ("tools.eager_input_streaming", {"tools": [{**TOOL, "eager_input_streaming": True}]}),
    ("tools.input_examples", {"tools": [{**TOOL, "input_examples": [{}]}]}),
    ("tools.allowed_callers", {"tools": [{**TOOL, "allowed_callers": ["code_execution_20250825"]}]}),
]


@pytest.mark.parametrize(("name", "fields"), VENDOR_ONLY)
def test_what_no_other_vendor_can_be_told_is_known_by_name(name: str, fields: Json) -> None:
    assert request(**fields).vendor_only == (name,)


@pytest.mark.parametrize(
    "fields",
    [
        {"context_management": {"edits": [{"type": "clear_thinking_20251015", "keep": "all"}]}},
        {"context_management": {"edits": [{"type": "clear_thinking_20251015", "keep": {"type": "all"}}]}},
        {"context_management": {"edits": []}},
        {"context_management": {"edits": [{"type": "clear_tool_uses_20250919"}]}},
        {"tools": [{**TOOL, "allowed_callers": ["direct"], "defer_loading": False}]},
        {"betas": ["a"]},
    ],
)
def test_what_changes_nothing_is_not_reported(fields: Json) -> None:
    assert request(**fields).vendor_only == ()


def history(*results: object) -> list[Json]:
    """A conversation with one call for each of these results."""
    messages: list[Json] = [USER]
    for number, content in enumerate(results):
        used = {**CALL, "id": f"toolu_{number}", "name": "f" if number else "precious"}
        messages.append({"role": "assistant", "content": [used]})
        messages.append(user({"type": "tool_result", "tool_use_id": f"toolu_{number}", "content": content}))
    return messages


def clearing(**fields: object) -> Json:
    return {"context_management": {"edits": [{"type": "clear_tool_uses_20250919", **fields}]}}


LONG = "r" * 4000
AT_ONCE: Json = {"trigger": {"type": "tool_uses", "value": 1}}

#: What shall be cleared of five results, which of them go, and whether the inputs of their calls go too.
CLEARINGS: list[tuple[str, Json, list[int], bool]] = [
    ("not due", {}, [], False),
    ("not due by uses", {"trigger": {"type": "tool_uses", "value": 5}}, [], False),
    ("due by uses", {"trigger": {"type": "tool_uses", "value": 4}}, [0, 1], False),
    ("due by tokens", {"trigger": {"type": "input_tokens", "value": 1000}}, [0, 1], False),
    ("keeps as many", {**AT_ONCE, "keep": {"type": "tool_uses", "value": 1}}, [0, 1, 2, 3], False),
    ("keeps all there are", {**AT_ONCE, "keep": {"type": "tool_uses", "value": 9}}, [], False),
    ("spares some", {**AT_ONCE, "exclude_tools": ["precious"]}, [1], False),
    ("inputs too", {**AT_ONCE, "clear_tool_inputs": True}, [0, 1], True),
    ("inputs of some", {**AT_ONCE, "clear_tool_inputs": ["precious", "f"]}, [0, 1], True),
    ("inputs of others", {**AT_ONCE, "clear_tool_inputs": ["g"]}, [0, 1], False),
    ("enough", {**AT_ONCE, "clear_at_least": {"type": "input_tokens", "value": 1500}}, [0, 1], False),
    ("too little", {**AT_ONCE, "clear_at_least": {"type": "input_tokens", "value": 5000}}, [], False),
]


@pytest.mark.parametrize(
    ("edit", "gone", "inputs"), [case[1:] for case in CLEARINGS], ids=[case[0] for case in CLEARINGS]
)
def test_old_results_make_way(edit: Json, gone: list[int], *, inputs: bool) -> None:
    made = parsed(*history(*[LONG] * 5), **clearing(**edit))
    outputs = [item.value.output for item in made.request.input if isinstance(item.value, FunctionCallOutput)]
    assert [number for number, output in enumerate(outputs) if output != LONG] == gone
    assert {output for output in outputs if output != LONG} <= {"[Old tool result content cleared]"}
    arguments = [item.value.arguments for item in made.request.input if isinstance(item.value, FunctionCall)]
    assert [number for number, text in enumerate(arguments) if text == "{}"] == (gone if inputs else [])
    assert made.edits is not None
    assert [edit.cleared_tool_uses for edit in made.edits] == ([len(gone)] if gone else [])
    assert all(900 * len(gone) < edit.cleared_input_tokens <= 1000 * len(gone) for edit in made.edits)


def test_the_body_for_the_same_vendor_is_not_edited() -> None:
    body = {"model": "m", "max_tokens": 9, "messages": history(*[LONG] * 5), **clearing(**AT_ONCE)}
    made = parse_messages(msgspec.json.encode(body))
    assert made.edits
    assert made.request.body == msgspec.json.encode(body)


def test_results_that_must_be_fetched_for_the_same_vendor_stay() -> None:
    picture = [{"type": "image", "source": {"type": "url", "url": "https://a.example/x.png"}}]
    made = parsed(*history(picture, LONG, LONG, LONG, LONG, LONG), **clearing(**AT_ONCE))
    assert made.edits
    assert made.edits[0].cleared_tool_uses == 2
    assert made.request.input[2].value.output != "[Old tool result content cleared]"  # type: ignore[union-attr]  # it is


def test_who_asks_for_nothing_is_told_nothing() -> None:
    assert parsed().edits is None
    assert parsed(context_management={"edits": [{"type": "clear_thinking_20251015", "keep": "all"}]}).edits == ()


def test_marks_and_citations_in_messages_are_known_by_name() -> None:
    marked = {"type": "text", "text": "a", "cache_control": {"type": "ephemeral"}}
    cited = {"type": "document", "source": PDF, "citations": {"enabled": True}}
    assert request(user(marked, cited)).vendor_only == ("cache_control", "citations")


def test_the_body_goes_along_with_the_betas() -> None:
    body = b' {"model":"m","max_tokens":1,"messages":[],"x":1.50}'
    assert parse_messages(body).request.body == body
    assert parse_messages(body, betas="a, b,,a").request.body == b'{"betas":["a","b"],' + body.lstrip()[1:]
    named = b'{"betas":["a"],"model":"m","max_tokens":1,"messages":[]}'
    assert parse_messages(named, betas="a").request.body == named
    assert msgspec.json.decode(parse_messages(named, betas="b").request.body)["betas"] == ["a", "b"]


#: A body, and the field at fault.
WRONG: list[tuple[Json, str | None]] = [
    ({"model": None}, "model"),
    ({"model": ""}, "model"),
    ({"max_tokens": None}, "max_tokens"),
    ({"max_tokens": 0}, "max_tokens"),
    ({"messages": None}, "messages"),
    ({"messages": "Hi"}, "messages"),
    ({"messages": [{"role": "robot", "content": ""}]}, "messages[0].role"),
    ({"messages": [{"role": "user"}]}, "messages[0].content"),
    ({"messages": [user({"text": "a"})]}, "messages[0].content[0].type"),
    ({"messages": [user({"type": "text"})]}, "messages[0].content[0].text"),
    ({"messages": [user({"type": "image", "source": {"type": "moon"}})]}, "messages[0].content[0].source.type"),
    ({"messages": [{"role": "assistant", "content": [{**CALL, "input": "x"}]}]}, "messages[0].content[0].input"),
    ({"messages": [user(result(content=[{"type": "text"}]))]}, "messages[0].content[0].content[0].text"),
    ({"temperature": 1.5}, "temperature"),
    ({"thinking": {"type": "enabled"}}, "thinking.budget_tokens"),
    ({"thinking": {"type": "hard"}}, "thinking.type"),
    ({"output_config": {"effort": "huge"}}, "output_config.effort"),
    ({"output_config": {"format": {"type": "json_schema", "schema": []}}}, "output_config.format.schema"),
    ({"tools": [{"input_schema": {}}]}, "tools[0].name"),
    ({"tools": [{"name": "f"}]}, "tools[0].input_schema"),
    ({"tools": ["f"]}, "tools[0]"),
    ({"tool_choice": {"type": "any"}}, "tool_choice"),
    ({"tool_choice": {"type": "tool", "name": "g"}, "tools": [TOOL]}, "tool_choice.name"),
    ({"thread": {"type": "create"}}, "thread"),
    ({"metadata": {"user_id": 5}}, "metadata.user_id"),
    (clearing(trigger={"type": "tool_uses", "value": -1}), "context_management.edits.value"),
    (clearing(keep="all"), "context_management.edits"),
    ({"cache_control": []}, "cache_control"),
]


@pytest.mark.parametrize(("fields", "param"), WRONG, ids=lambda value: str(value)[:60])
def test_what_is_wrong_is_refused_with_its_place(fields: Json, param: str | None) -> None:
    body = {"model": "m", "max_tokens": 100, "messages": [USER], **fields}
    with pytest.raises(RequestFault) as caught:
        parse_messages(msgspec.json.encode(body))
    assert (caught.value.status, caught.value.param) == (400, param)
    if param is not None:
        assert param in caught.value.message


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b'{"model":"m","max_tokens":1,"messages":[]',
        b'{"model":5,',
        b"\xff",
        b"[" * 100_000,
    ],
    ids=lambda body: body[:20].decode("latin-1"),
)
def test_what_is_no_json_is_told_so(body: bytes) -> None:
    for parse in (parse_messages, parse_count):
        with pytest.raises(RequestFault) as caught:
            parse(body)
        assert caught.value.code == "invalid_json"


def test_a_number_that_cannot_be_kept_is_told_so() -> None:
    with pytest.raises(RequestFault) as caught:
        parse_messages(b'{"max_tokens":1e999}')
    assert caught.value.code == "invalid_json"


def test_counting_needs_no_limit() -> None:
    made = parse_count(b'{"model":"m","messages":[{"role":"user","content":"Hello you"}]}')
    assert made.max_output_tokens is None
    assert estimate_input(made) == 7


def test_an_estimate_grows_with_everything_that_the_model_reads() -> None:
    sizes = [
        estimate_input(made)
        for made in (
            request(),
            request(system="s" * 400),
            request(system="s" * 400, tools=[TOOL]),
            request(USER, ASKED, user(result(content="r" * 400)), system="s" * 400, tools=[TOOL]),
            request(USER, ASKED, user(result(content=[{"type": "image", "source": PNG}])), system="s" * 400),
        )
    ]
    assert sizes == sorted(sizes)
    assert len(set(sizes)) == len(sizes)
    assert sizes[-1] > 1600


def test_description_has_the_fields_that_are_parsed() -> None:
    described = MESSAGES_SCHEMAS["CreateMessage"]["properties"]
    assert isinstance(described, dict)
    assert set(described) == set(MessagesParams.__struct_fields__)
    assert set(MessagesParams.__struct_fields__) >= KNOWN_FIELDS
