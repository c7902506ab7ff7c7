"""Codex's tools over a real socket: custom tools, namespaces, hosted and deferred tools, over several turns.

Numbers are those of the list of bugs that bridges like this one had in the field.
"""

import uuid
from typing import Any

import msgspec
import pytest

from tests.engine.stage import Model, Stage, output_text, user
from tests.helpers.upstream import Reply, Seen, answer, chat_json, stream, text_chunks

Json = dict[str, Any]

PATCH = '*** Begin Patch\n*** Update File: a.py\n-print("a\\n")\n+print("ä 😀\\t\\\\")\n*** End Patch\n'
GRAMMAR = {"type": "grammar", "syntax": "lark", "definition": "start: begin hunk+ end"}
SHELL: Json = {"type": "function", "name": "shell", "strict": False, "parameters": {"type": "object", "properties": {}}}
APPLY: Json = {"type": "custom", "name": "apply_patch", "description": "Edits files.", "format": GRAMMAR}
TOOLS: list[Json] = [
    SHELL,
    APPLY,
    {"type": "namespace", "name": "mcp__files", "description": "Files.", "tools": [{**SHELL, "name": "read"}, APPLY]},
    {"type": "namespace", "name": "mcp__mail", "description": "", "tools": [{**SHELL, "name": "read"}]},
    {"type": "web_search", "external_web_access": False},
]
#: What the model calls, and what the client must see of it.
CALLED = [
    ("shell", '{"cmd":"ls"}', {"type": "function_call", "name": "shell", "arguments": '{"cmd":"ls"}'}),
    ("apply_patch", None, {"type": "custom_tool_call", "name": "apply_patch", "input": PATCH}),
    ("mcp__files__read", "{}", {"type": "function_call", "name": "read", "namespace": "mcp__files", "arguments": "{}"}),
    ("mcp__files__apply_patch", None, {"type": "custom_tool_call", "name": "apply_patch", "namespace": "mcp__files", "input": PATCH}),
    ("mcp__mail__read", "{}", {"type": "function_call", "name": "read", "namespace": "mcp__mail", "arguments": "{}"}),
]  # fmt: skip
BODY: Json = {
    "instructions": "You are a careful agent.",
    "tools": TOOLS,
    "tool_choice": "auto",
    "parallel_tool_calls": True,
    "reasoning": {"summary": "auto"},
    "store": False,
    "include": ["reasoning.encrypted_content"],
    "prompt_cache_key": str(uuid.UUID(int=7)),
    "client_metadata": {"x-codex-installation-id": "1"},
}


def all_at_once(request: Seen) -> Reply:
    """Calls everything twice, turn after turn; then it is done."""
    outputs = [message for message in request.json["messages"] if message["role"] == "tool"]
    if len(outputs) >= 2 * len(CALLED):
        return stream(*text_chunks("Done.")) if request.wants_stream else answer(chat_json("Done."))
    wrapped = msgspec.json.encode({"input": PATCH}).decode()
    calls = [
        {"id": f"call_{len(outputs) + number}", "name": name, "arguments": arguments or wrapped}
        for number, (name, arguments, _) in enumerate(CALLED)
    ]
    return stream(*chunks(calls)) if request.wants_stream else answer(chat_json(None, tool_calls=calls))


def chunks(calls: list[Json]) -> list[Json]:
    """All calls interleaved, three characters at a time."""
    deltas: list[Json] = [
        {"index": n, "id": call["id"], "type": "function", "function": {"name": call["name"], "arguments": ""}}
        for n, call in enumerate(calls)
    ]
    for place in range(0, max(len(call["arguments"]) for call in calls), 3):
        for n, call in enumerate(calls):
            if piece := call["arguments"][place : place + 3]:
                deltas.append({"index": n, "function": {"arguments": piece}})
    told = [{"choices": [{"index": 0, "delta": {"tool_calls": [delta]}, "finish_reason": None}]} for delta in deltas]
    return [*told, {"choices": [{"index": 0, "delta": {}, "finish_reason": "tool_calls"}]}]


def outputs_of(items: list[Json]) -> list[Json]:
    """What the client answers: the output's type follows the call's."""
    return [
        {"type": f"{item['type']}_output", "call_id": item["call_id"], "output": f"out {item['call_id']}"}
        for item in items
    ]


def ask(model: Model, content: object, *, streamed: bool, **body: object) -> Json:
    response: Json = model.stream(content, **body).response if streamed else model.ask(content, **body)
    return response


def check_calls(items: list[Json]) -> None:
    for item, (_, _, wanted) in zip(items, CALLED, strict=True):
        assert {key: item.get(key) for key in wanted} == wanted
        assert "namespace" in wanted or "namespace" not in item
        assert item["status"] == "completed"


def check_upstream(heard: list[Json], *, turns: int) -> None:
    """Bugs 20 and 58: every turn's calls stand in one message, every output behind it, all under their flat names."""
    assistants = [message for message in heard if message["role"] == "assistant"]
    assert len(assistants) == turns
    for message in assistants:
        assert [call["function"]["name"] for call in message["tool_calls"]] == [name for name, _, _ in CALLED]
        texts = [msgspec.json.decode(call["function"]["arguments"]) for call in message["tool_calls"]]
        assert [text.get("input") for text in texts] == [None, PATCH, None, PATCH, None]
    roles = [message["role"] for message in heard[2:]]
    assert roles == ["assistant", *["tool"] * len(CALLED)] * turns
    for tool in heard:
        if tool["role"] == "tool":
            assert tool["content"] == f"out {tool['tool_call_id']}"


@pytest.mark.parametrize("streamed", [True, False], ids=["stream", "whole"])
def test_bugs_23_25_55_56_codex_keeps_its_own_history(stage: Stage, *, streamed: bool) -> None:
    model = stage.model(all_at_once)
    history: list[Json] = [user("Change it.")]
    for turn in range(2):
        response = ask(model, history, streamed=streamed, **BODY)
        check_calls(response["output"])
        assert response["tools"][1:] == [
            {"type": "custom", "name": "apply_patch", "description": "Edits files.", "format": GRAMMAR},
            *response["tools"][2:],
        ]
        assert response["tools"][4] == TOOLS[4]
        history += response["output"] if turn else [stripped(item) for item in response["output"]]
        history += outputs_of(response["output"])
    final = ask(model, history, streamed=streamed, **BODY)
    assert output_text(final) == "Done."
    check_upstream(model.heard(), turns=2)


def stripped(item: Json) -> Json:
    """As libraries replay an item: without its id and status."""
    return {key: value for key, value in item.items() if key not in ("id", "status")}


@pytest.mark.parametrize("streamed", [True, False], ids=["stream", "whole"])
def test_bugs_21_23_55_namespaces_and_custom_calls_survive_in_stored_turns(stage: Stage, *, streamed: bool) -> None:
    model = stage.model(all_at_once)
    body = {**BODY, "store": True}
    response = ask(model, "Change it.", streamed=streamed, **body)
    for _ in range(2):
        check_calls(response["output"])
        assert model.get(f"responses/{response['id']}").json["output"] == response["output"]
        outputs = outputs_of(list(reversed(response["output"])))
        response = ask(model, outputs, streamed=streamed, previous_response_id=response["id"], **body)
    assert output_text(response) == "Done."
    heard = model.heard()
    assert [message["role"] for message in heard].count("tool") == 2 * len(CALLED)
    listed = model.get(f"responses/{response['id']}/input_items?limit=100").json["data"]
    kinds = [item["type"] for item in listed]
    assert kinds.count("custom_tool_call") == kinds.count("custom_tool_call_output") == 4
    assert {item.get("namespace") for item in listed} == {None, "mcp__files", "mcp__mail"}


def test_bug_21_an_output_without_its_call_is_refused(stage: Stage) -> None:
    model = stage.model(all_at_once)
    first = model.ask("Change it.", tools=TOOLS)
    unknown = {"type": "custom_tool_call_output", "call_id": "call_nope", "output": "x"}
    problem = model.refuse([unknown], previous_response_id=first["id"], tools=TOOLS)
    assert "call_nope" in problem["message"]
    assert problem["param"] == "input[0]"


def test_bug_22_outputs_without_a_call_id_are_refused_clearly(stage: Stage) -> None:
    model = stage.model(all_at_once)
    for kind in ("function_call_output", "custom_tool_call_output"):
        assert model.refuse([{"type": kind, "output": "x"}])["param"] == "input[0].call_id"


def test_bug_20_calls_between_texts_are_one_message(stage: Stage) -> None:
    model = stage.model(answer(chat_json("Ok.")))
    calls: list[Json] = [
        {"type": "custom_tool_call", "call_id": "a", "name": "apply_patch", "input": "x"},
        {"role": "assistant", "content": "And"},
        {"type": "function_call", "call_id": "b", "name": "shell", "arguments": "{}"},
    ]
    outputs = [
        {"type": "function_call_output", "call_id": "b", "output": "2"},
        user("Hurry"),
        {"type": "custom_tool_call_output", "call_id": "a", "output": "1"},
    ]
    model.ask([user("Go"), *calls, *outputs], tools=TOOLS)
    heard = model.heard()
    assert [message["role"] for message in heard] == ["user", "assistant", "tool", "tool", "user"]
    assert [call["id"] for call in heard[1]["tool_calls"]] == ["a", "b"]


def test_bug_23_events_of_a_custom_call(stage: Stage) -> None:
    model = stage.model(all_at_once)
    checked = model.stream("Go", tools=[APPLY], tool_choice={"type": "custom", "name": "apply_patch"})
    mine = [event for event in checked.events if event.get("item_id") == checked.items[1]["id"]]
    assert {event["type"] for event in mine} == {
        "response.custom_tool_call_input.delta",
        "response.custom_tool_call_input.done",
    }
    assert "".join(event["delta"] for event in mine if "delta" in event) == mine[-1]["input"] == PATCH
    assert len(mine) > 10, "it streams"
    sent = model.requests[0].json
    assert sent["tool_choice"] == {"type": "function", "function": {"name": "apply_patch"}}


def test_bug_23_a_cut_custom_call_is_incomplete(stage: Stage) -> None:
    cut = chunks([{"id": "c", "name": "apply_patch", "arguments": '{"input":"*** Begin\\n+half'}])[:-1]
    model = stage.model(stream(*cut, {"choices": [{"index": 0, "delta": {}, "finish_reason": "length"}]}))
    checked = model.stream("Go", tools=[APPLY])
    assert checked.response["status"] == "incomplete"
    (call,) = checked.items
    assert (call["status"], call["input"]) == ("incomplete", "*** Begin\n+half")


def test_bug_24_the_grammar_is_told_at_every_depth(stage: Stage) -> None:
    model = stage.model(answer(chat_json("Ok.")))
    more = {
        "type": "additional_tools",
        "role": "developer",
        "tools": [{"type": "namespace", "name": "x", "tools": [APPLY]}],
    }
    model.ask([user("Go"), more], tools=TOOLS)
    offered = {tool["function"]["name"]: tool["function"] for tool in model.requests[0].json["tools"]}
    for name in ("apply_patch", "mcp__files__apply_patch", "x__apply_patch"):
        assert "start: begin hunk+ end" in offered[name]["description"]
        assert list(offered[name]["parameters"]["properties"]) == ["input"]


def test_bug_25_what_is_dropped_is_named_and_what_cannot_be_is_refused(stage: Stage) -> None:
    model = stage.model(answer(chat_json("Ok.")))
    deferred = {**SHELL, "name": "later", "defer_loading": True}
    got = model.send("Go", **{**BODY, "tools": [deferred, {"type": "tool_search"}, TOOLS[4]]})
    assert got.status == 200
    ignored = got.headers["x-antiphon-ignored"]
    assert {"tools[1].tool_search", "tools[2].web_search", "client_metadata"} <= set(ignored.split(","))
    assert [tool["function"]["name"] for tool in model.requests[0].json["tools"]] == ["later"]
    problem = model.refuse("Go", tools=[SHELL, {"type": "local_shell"}])
    assert (problem["code"], problem["param"]) == ("unsupported_parameter", "tools[1].type")
    assert "local_shell" in problem["message"]
    problem = model.refuse([user("Go"), {"type": "local_shell_call", "call_id": "c"}])
    assert (problem["code"], problem["param"]) == ("unsupported_parameter", "input[1].type")


def test_bug_25_tools_that_an_earlier_turn_brought_are_there_in_later_ones(stage: Stage) -> None:
    model = stage.model(answer(chat_json("Ok.")))
    more = {"type": "additional_tools", "role": "developer", "tools": [{**SHELL, "name": "later"}]}
    first = model.ask([user("Go"), more], tools=[SHELL])
    model.ask("On", previous_response_id=first["id"], tools=[SHELL])
    for turn in (0, 1):
        assert [tool["function"]["name"] for tool in model.requests[turn].json["tools"]] == ["shell", "later"]


def test_bug_26_without_tools_left_nothing_speaks_of_tools(stage: Stage) -> None:
    model = stage.model(answer(chat_json("Ok.")))
    model.ask("Go", tools=[TOOLS[4]], tool_choice="required", parallel_tool_calls=False)
    model.ask("Go", tools=[], tool_choice="auto")
    for request in model.requests:
        assert not {"tools", "tool_choice", "parallel_tool_calls"} & request.json.keys()


def test_bug_55_flat_names_with_the_separator_stay_flat(stage: Stage) -> None:
    names = ["mcp__files__read2", "foo-bar", "a__b"]
    calls = [{"id": f"c{n}", "name": name, "arguments": "{}"} for n, name in enumerate([*names, "foo__bar", "made.up"])]
    model = stage.model(answer(chat_json(None, tool_calls=calls)))
    space = {"type": "namespace", "name": "foo", "tools": [{**SHELL, "name": "bar"}]}
    response = model.ask("Go", tools=[*({**SHELL, "name": name} for name in names), space])
    got = [(item["name"], item.get("namespace")) for item in response["output"]]
    assert got == [*((name, None) for name in names), ("bar", "foo"), ("made.up", None)]


def test_bug_56_collisions_are_refused(stage: Stage) -> None:
    model = stage.model(answer(chat_json("Ok.")))
    problem = model.refuse("Go", tools=[{**SHELL, "name": "mcp__files__read"}, TOOLS[2]])
    assert (problem["code"], problem["param"]) == ("invalid_value", "tools")
    assert "mcp__files__read" in problem["message"]
    problem = model.refuse("Go", tools=[APPLY, {**SHELL, "name": "apply_patch"}])
    assert problem["param"] == "tools[1].name"
    assert not model.requests


def test_the_official_client_reads_all_of_it(stage: Stage) -> None:
    model = stage.model(all_at_once)
    with stage.gateway.openai() as client:
        whole: Any = client.responses.create(model=model.name, input="Go", tools=TOOLS)  # type: ignore[arg-type]  # plain JSON
        with client.responses.stream(model=model.name, input="Go", tools=TOOLS) as events:  # type: ignore[arg-type]  # plain JSON
            kinds = {event.type for event in events}
            streamed: Any = events.get_final_response()
    for response in (whole, streamed):
        assert [(item.type, item.namespace) for item in response.output] == [
            (wanted["type"], wanted.get("namespace")) for _, _, wanted in CALLED
        ]
        assert response.output[1].input == PATCH
        assert [tool.type for tool in response.tools] == [tool["type"] for tool in TOOLS]
    assert {"response.custom_tool_call_input.delta", "response.custom_tool_call_input.done"} <= kinds


def test_custom_tools_are_native_where_the_provider_has_them(stage: Stage) -> None:
    called: Json = {"id": "call_1", "type": "custom", "custom": {"name": "mcp__files__apply_patch", "input": PATCH}}
    body = chat_json(None, finish="tool_calls")
    body["choices"][0]["message"]["tool_calls"] = [called]
    model = stage.model([answer(body), answer(chat_json("Ok."))], provider="like-openai")
    first = model.ask("Go", tools=TOOLS)
    (call,) = first["output"]
    assert (call["type"], call["namespace"], call["input"]) == ("custom_tool_call", "mcp__files", PATCH)
    model.ask(outputs_of([call]), previous_response_id=first["id"], tools=TOOLS)
    assert model.heard()[1]["tool_calls"] == [called]
    kinds = [tool["type"] for tool in model.requests[0].json["tools"]]
    assert kinds == ["function", "custom", "function", "custom", "function"]


def test_allowed_tools_hold_in_namespaces_too(stage: Stage) -> None:
    model = stage.model(all_at_once)
    allowed = [
        {"type": "function", "name": "read", "namespace": "mcp__mail"},
        {"type": "custom", "name": "apply_patch"},
    ]
    response = model.ask("Go", tools=TOOLS, tool_choice={"type": "allowed_tools", "mode": "auto", "tools": allowed})
    assert [(item["name"], item.get("namespace")) for item in response["output"]] == [
        ("apply_patch", None),
        ("read", "mcp__mail"),
    ]
    offered = [tool["function"]["name"] for tool in model.requests[0].json["tools"]]
    assert offered == ["apply_patch", "mcp__mail__read"]


@pytest.mark.parametrize("streamed", [True, False], ids=["stream", "whole"])
def test_max_tool_calls_caps_the_clients_own_calls(stage: Stage, *, streamed: bool) -> None:
    model = stage.model(all_at_once)
    response = ask(model, "Go", streamed=streamed, tools=TOOLS[:4], max_tool_calls=2)
    assert [item["name"] for item in response["output"]] == ["shell", "apply_patch"]
    notices = [notice for notice in model.record(response["id"])["notices"] if notice["where"] == "max_tool_calls"]
    assert [notice["asked"] for notice in notices] == ["read", "apply_patch", "read"]


def test_max_tool_calls_is_for_hosted_tools_where_there_are_some(stage: Stage) -> None:
    model = stage.model(all_at_once)
    assert len(model.ask("Go", tools=TOOLS, max_tool_calls=2)["output"]) == len(CALLED)
