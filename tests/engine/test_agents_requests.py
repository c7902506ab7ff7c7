"""Requests as the known agents and libraries send them: accepted whole, and their next turn too.

Shapes only; the words are ours. What they were seen to send is described with the compatibility notes.
"""

import uuid
from typing import Any

from tests.engine.stage import Stage, output_text
from tests.helpers.upstream import Reply, Seen, answer, chat_json, stream, text_chunks, tool_call_chunks

Json = dict[str, Any]


def _agents_model(request: Seen) -> Reply:
    """Calls the first tool, and once it has the output ends with a text."""
    messages = request.json["messages"]
    if messages[-1]["role"] == "tool":
        text = f"Done: {messages[-1]['content']}"
        return stream(*text_chunks(text)) if request.wants_stream else answer(chat_json(text))
    name = request.json["tools"][0]["function"]["name"]
    if request.wants_stream:
        return stream(*tool_call_chunks(name, '{"command":["ls"]}'))
    return answer(chat_json(None, tool_calls=[{"id": "call_1", "name": name, "arguments": '{"command":["ls"]}'}]))


def _message(role: str, text: str, **fields: Any) -> Json:
    kind = "output_text" if role == "assistant" else "input_text"
    return {"type": "message", "role": role, "content": [{"type": kind, "text": text}], **fields}


def test_a_terminal_agent_that_keeps_its_own_history(stage: Stage) -> None:
    """Client-made item ids, `store: false`, everything replayed by value, `client_metadata`, a hosted tool."""
    model = stage.model(_agents_model)
    tools: list[Json] = [
        {
            "type": "function",
            "name": "shell",
            "description": "Runs a command. " * 100,
            "strict": False,
            "parameters": {
                "type": "object",
                "properties": {"command": {"type": "array", "items": {"type": "string"}}},
                "required": ["command"],
                "additionalProperties": False,
            },
        },
        {"type": "web_search", "external_web_access": False},
    ]
    body: Json = {
        "instructions": "You are a careful agent. " * 1200,
        "tools": tools,
        "tool_choice": "auto",
        "parallel_tool_calls": True,
        "reasoning": {"summary": "auto"},
        "store": False,
        "include": ["reasoning.encrypted_content"],
        "prompt_cache_key": str(uuid.UUID(int=7)),
        "client_metadata": {"x-installation": "1"},
        "text": {"verbosity": "low"},
    }
    history = [
        _message("developer", "<permissions>read only</permissions>", id=f"msg_{uuid.UUID(int=1)}"),
        _message("user", "<environment>linux</environment>", id=f"msg_{uuid.UUID(int=2)}"),
        _message("user", "List the files.", id=f"msg_{uuid.UUID(int=3)}"),
    ]
    first = model.stream(history, **body)
    (call,) = first.items
    assert (call["type"], call["name"], call["status"]) == ("function_call", "shell", "completed")
    history += [
        {key: call[key] for key in ("type", "id", "name", "arguments", "call_id")},
        {
            "type": "function_call_output",
            "call_id": call["call_id"],
            "output": "a.txt",
            "id": f"fco_{uuid.UUID(int=4)}",
        },
    ]
    final = model.stream(history, **body)
    assert final.text == "Done: a.txt"
    roles = [message["role"] for message in model.heard()]
    assert roles == ["system", "user", "user", "assistant", "tool"]
    assert "read only" in model.heard()[0]["content"]


def test_a_library_that_replays_by_reference(stage: Stage) -> None:
    """`store: true` by default and `item_reference`s instead of values; parts instead of strings."""
    model = stage.model(_agents_model)
    tools = [
        {"type": "function", "name": "shell", "description": None, "parameters": {"type": "object"}, "strict": False}
    ]
    question = {"role": "user", "content": [{"type": "input_text", "text": "List the files."}]}
    system = {"role": "system", "content": "Be careful."}
    called = model.stream([system, question], tools=tools, tool_choice="auto", max_output_tokens=500)
    added = next(event for event in called.events if event["type"] == "response.output_item.added")
    assert added["item"]["id"]
    (call,) = called.items
    output = {"type": "function_call_output", "call_id": call["call_id"], "output": '"a.txt"'}
    replay = [system, question, {"type": "item_reference", "id": call["id"]}, output]
    final = model.stream(replay, tools=tools, tool_choice="auto")
    assert final.text == 'Done: "a.txt"'
    (message,) = final.items
    more = [*replay, {"type": "item_reference", "id": message["id"]}, question]
    model.stream(more, tools=tools)
    roles = [message["role"] for message in model.heard()]
    assert roles == ["system", "user", "assistant", "tool", "assistant", "user"]


def test_a_library_that_sends_plain_strings_and_dumps_items_back(stage: Stage) -> None:
    """`include: []`, no `stream` key, items of the answer dumped whole, with their nulls."""
    model = stage.model(_agents_model)
    tools = [
        {
            "type": "function",
            "name": "shell",
            "parameters": {"type": "object", "properties": {}, "required": [], "additionalProperties": False},
            "strict": True,
            "description": "",
        }
    ]
    body: Json = {"include": [], "tools": tools, "instructions": "Be careful.", "prompt_cache_retention": None}
    history: list[Json] = [{"content": "List the files.", "role": "user"}]
    (call,) = model.ask(history, **body)["output"]
    history += [
        {**call, "namespace": None, "caller": None},
        {
            "call_id": call["call_id"],
            "output": [{"type": "input_text", "text": "a.txt"}],
            "type": "function_call_output",
        },
    ]
    response = model.ask(history, **body)
    assert output_text(response) == "Done: a.txt"
    (message,) = response["output"]
    history += [{**message, "phase": None}, {"content": "Thanks", "role": "user"}]
    model.ask(history, **body)
    assert model.heard()[-2] == {"role": "assistant", "content": "Done: a.txt"}


def test_a_library_that_spells_everything_out(stage: Stage) -> None:
    """`stream: false`, typed messages, calls replayed without ids, texts in parts with empty annotations."""
    model = stage.model(_agents_model)
    tools = [{"type": "function", "name": "shell", "parameters": {"type": "object"}, "strict": None}]
    body: Json = {"stream": False, "tool_choice": "auto", "tools": tools, "temperature": None, "top_p": None}
    history: list[Json] = [_message("user", "List the files.")]
    (call,) = model.ask(history, **body)["output"]
    history += [
        {"type": "function_call", "name": "shell", "arguments": call["arguments"], "call_id": call["call_id"]},
        {"type": "function_call_output", "output": "a.txt", "call_id": call["call_id"]},
    ]
    response = model.ask(history, **body)
    assert response["usage"]["total_tokens"] > 0
    assistant = _message("assistant", output_text(response), id=response["output"][0]["id"])
    assistant["content"][0] |= {"annotations": [], "logprobs": []}
    model.ask([*history, assistant, _message("user", "Thanks")], **body)
    assert [message["role"] for message in model.heard()] == ["user", "assistant", "tool", "assistant", "user"]


def test_messages_with_null_or_empty_content_are_taken(stage: Stage) -> None:
    model = stage.model(answer(chat_json("Yes.")))
    history: list[Json] = [
        {"role": "user", "content": "One"},
        {"role": "assistant", "content": None},
        {"role": "assistant", "content": []},
        {"role": "user", "content": [{"type": "text", "text": "Two"}]},
    ]
    assert model.ask(history)["status"] == "completed"
    assert [message["content"] for message in model.heard() if message["role"] == "user"] == ["One", "Two"]


def test_traces_of_hosted_tools_in_a_replay_are_left_out_by_name(stage: Stage) -> None:
    model = stage.model(answer(chat_json("Yes.")))
    searched = {
        "type": "web_search_call",
        "id": "ws_1",
        "status": "completed",
        "action": {"type": "search", "query": "q"},
    }
    got = model.send([_message("user", "News?"), searched, _message("assistant", "None."), _message("user", "Sure?")])
    assert got.status == 200
    assert got.headers["x-antiphon-ignored"] == "input[1]"
    assert [message["role"] for message in model.heard()] == ["user", "assistant", "user"]


def test_paths_without_a_version_are_taken(stage: Stage) -> None:
    model = stage.model(answer(chat_json("Yes.")))
    got = model.gateway.request("POST", "/responses", body={"model": model.name, "input": "Hello"})
    assert got.status == 200


def test_the_key_may_come_as_other_clients_send_it(stage: Stage) -> None:
    model = stage.model(answer(chat_json("Yes.")))
    body = {"model": model.name, "input": "Hello"}
    headers = {"x-api-key": model.gateway.key}
    assert model.gateway.request("POST", "/v1/responses", body=body, headers=headers, key=None).status == 200
    wrong = {"x-api-key": "sk-wrong"}
    assert model.gateway.request("POST", "/v1/responses", body=body, headers=wrong).status == 200, "bearer wins"
