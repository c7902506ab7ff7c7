"""What a provider wants back with its thoughts comes back, whoever keeps it: the gateway, the client, or nobody."""

import base64
from collections.abc import Iterator
from typing import Any

import pytest

from antiphon.engine.seal import is_envelope
from tests.engine.stage import Json, Model, Stage, open_stage, user
from tests.helpers.gateway import Gateway
from tests.helpers.upstream import Reply, Seen, ThreadedUpstream, answer, chat_json, stream, text_chunks

TOOLS = [{"type": "function", "name": "weather", "parameters": {"type": "object"}}]
SEALED = ["reasoning.encrypted_content"]


@pytest.fixture(scope="module")
def thinkers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """Providers that want different things back."""
    names = ("deepseek", "openrouter", "gemini", "openai")
    with open_stage(tmp_path_factory.mktemp("thinkers"), quirks=names, provider={"protocol": "chat"}) as opened:
        yield opened


def deepseek(seen: Seen) -> Reply:
    """Two rounds of thought and a call, then the answer; refuses tool turns that come without their thought."""
    replayed = [message for message in seen.json["messages"] if message.get("tool_calls")]
    if any(not message.get("reasoning_content") for message in replayed):
        return Reply([b'{"error":{"message":"reasoning_content must be passed back"}}'], status=400)
    number = len(replayed)
    if number == 2:
        return _said(seen, {"content": "Sunny."}, "stop")
    call = {"index": 0, "id": f"call_{number}", "type": "function", "function": {"name": "weather", "arguments": "{}"}}
    return _said(seen, {"reasoning_content": f"Thought {number}.", "tool_calls": [call]}, "tool_calls")


def openrouter(seen: Seen) -> Reply:
    """Thoughts with a signature, in pieces, and one that is sealed."""
    number = sum(bool(message.get("tool_calls")) for message in seen.json["messages"])
    if number == 2:
        return _said(seen, {"content": "Sunny."}, "stop")
    call = {"index": 0, "id": f"call_{number}", "type": "function", "function": {"name": "weather", "arguments": "{}"}}
    pieces = [
        [{"type": "reasoning.text", "text": f"Thought {number}", "format": "anthropic-claude-v1", "index": 0}],
        [{"type": "reasoning.text", "text": ".", "format": "anthropic-claude-v1", "index": 0}],
        [{"type": "reasoning.text", "text": "", "signature": f"sig{number}==", "index": 0}],
        [{"type": "reasoning.encrypted", "data": f"enc{number}", "id": f"rs_{number}", "index": 1}],
    ]
    if not seen.wants_stream:
        return _said(seen, {"reasoning_details": details(number), "tool_calls": [call]}, "tool_calls")
    deltas: list[Json] = [{"reasoning_details": piece} for piece in pieces]
    chunks = [_chunk(delta) for delta in [*deltas, {"tool_calls": [call]}]]
    return stream(*chunks, _chunk({}, "tool_calls"))


def details(number: int) -> list[Json]:
    """What OpenRouter must get back, to the letter."""
    return [
        {
            "type": "reasoning.text",
            "text": f"Thought {number}.",
            "format": "anthropic-claude-v1",
            "index": 0,
            "signature": f"sig{number}==",
        },
        {"type": "reasoning.encrypted", "data": f"enc{number}", "id": f"rs_{number}", "index": 1},
    ]


def gemini(seen: Seen) -> Reply:
    """A call with a signature, then the answer."""
    if any(message["role"] == "tool" for message in seen.json["messages"]):
        return _said(seen, {"content": "Sunny."}, "stop")
    google = {"google": {"thought_signature": "c2ln"}}
    called = {"name": "weather", "arguments": "{}"}
    call = {"index": 0, "id": "function-call-1", "type": "function", "function": called, "extra_content": google}
    return _said(seen, {"tool_calls": [call]}, "tool_calls")


def _said(seen: Seen, message: Json, finish: str) -> Reply:
    if seen.wants_stream:
        return stream(_chunk(message), _chunk({}, finish))
    body = chat_json(None, finish=finish)
    body["choices"][0]["message"].update(message)
    return answer(body)


def _chunk(delta: Json, finish: str | None = None) -> Json:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice]}


def _run(model: Model, content: object, *, streamed: bool, **body: Any) -> Json:
    if streamed:
        return model.stream(content, tools=TOOLS, **body).response
    return model.ask(content, tools=TOOLS, **body)


def _outputs(response: Json) -> list[Json]:
    calls = [item for item in response["output"] if item["type"] == "function_call"]
    return [{"type": "function_call_output", "call_id": call["call_id"], "output": "sun"} for call in calls]


def _text(response: Json) -> str:
    return "".join(part["text"] for item in response["output"] for part in item.get("content", ()))


def _stateless(model: Model, *, keeps: str, streamed: bool, question: str = "Weather?") -> Json:
    """Three turns of a client that sends everything anew, and of thoughts what `keeps` says."""
    items: list[Json] = [user(question)]
    while True:
        include = SEALED if keeps != "nothing" else []
        response = _run(model, items, streamed=streamed, store=False, include=include)
        for item in response["output"]:
            if item["type"] != "reasoning" or keeps == "everything":
                items.append(item)
            elif keeps == "seals":
                items.append({"type": "reasoning", "summary": [], "encrypted_content": item["encrypted_content"]})
        if not _outputs(response):
            return response
        items += _outputs(response)


def _stored(model: Model, *, streamed: bool) -> list[Json]:
    response = _run(model, "Weather?", streamed=streamed)
    found = [response]
    while _outputs(response):
        response = _run(model, _outputs(response), streamed=streamed, previous_response_id=response["id"])
        found.append(response)
    return found


WAYS = pytest.mark.parametrize("streamed", [True, False], ids=["stream", "json"])
KEPT = pytest.mark.parametrize("keeps", ["everything", "seals", "nothing"])


@WAYS
@KEPT
def test_thoughts_of_three_turns_survive_a_client_without_state(thinkers: Stage, keeps: str, streamed: bool) -> None:
    model = thinkers.model(deepseek, provider="like-deepseek", name="deepseek-reasoner")
    assert _text(_stateless(model, keeps=keeps, streamed=streamed)) == "Sunny."
    replayed = [message for message in model.heard() if message.get("tool_calls")]
    assert [message["reasoning_content"] for message in replayed] == ["Thought 0.", "Thought 1."]


@WAYS
def test_thoughts_of_three_stored_turns_survive(thinkers: Stage, streamed: bool) -> None:
    model = thinkers.model(deepseek, provider="like-deepseek", name="deepseek-reasoner")
    assert _text(_stored(model, streamed=streamed)[-1]) == "Sunny."


@WAYS
@KEPT
def test_reasoning_details_go_back_to_the_letter(thinkers: Stage, keeps: str, streamed: bool) -> None:
    model = thinkers.model(openrouter, provider="like-openrouter")
    assert _text(_stateless(model, keeps=keeps, streamed=streamed)) == "Sunny."
    replayed = [message for message in model.heard() if message.get("tool_calls")]
    assert [message["reasoning_details"] for message in replayed] == [details(0), details(1)]
    assert not any("reasoning" in message for message in replayed)


@WAYS
def test_reasoning_details_of_stored_turns_go_back_to_the_letter(thinkers: Stage, streamed: bool) -> None:
    model = thinkers.model(openrouter, provider="like-openrouter")
    assert _text(_stored(model, streamed=streamed)[-1]) == "Sunny."
    replayed = [message for message in model.heard() if message.get("tool_calls")]
    assert [message["reasoning_details"] for message in replayed] == [details(0), details(1)]


@WAYS
@pytest.mark.parametrize("stored", [True, False])
def test_signatures_of_calls_come_back_with_the_call(thinkers: Stage, stored: bool, streamed: bool) -> None:
    model = thinkers.model(gemini, provider="like-gemini", name="gemini-3-pro")
    if stored:
        _stored(model, streamed=streamed)
    else:
        _stateless(model, keeps="everything", streamed=streamed)
    (call,) = next(message["tool_calls"] for message in model.heard() if message.get("tool_calls"))
    assert call["extra_content"] == {"google": {"thought_signature": "c2ln"}}


def test_thoughts_survive_a_forgetful_client_of_chat_completions(thinkers: Stage) -> None:
    model = thinkers.model(deepseek, provider="like-deepseek", name="deepseek-reasoner")
    tools = [{"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}}]
    messages: list[Json] = [user("Chat weather?")]
    for _ in range(3):
        body = {"model": model.name, "messages": messages, "tools": tools}
        got = thinkers.gateway.request("POST", "/v1/chat/completions", body=body)
        assert got.status == 200, got.body
        said = got.json["choices"][0]["message"]
        messages.append({"role": "assistant", "content": said["content"], "tool_calls": said.get("tool_calls")})
        calls = said.get("tool_calls") or ()
        messages += [{"role": "tool", "tool_call_id": call["id"], "content": "sun"} for call in calls]
    assert messages[-1]["content"] == "Sunny."


def test_thoughts_survive_a_forgetful_client_of_messages(thinkers: Stage) -> None:
    model = thinkers.model(deepseek, provider="like-deepseek", name="deepseek-reasoner")
    tools = [{"name": "weather", "input_schema": {"type": "object"}}]
    messages: list[Json] = [user("Messages weather?")]
    for _ in range(3):
        body = {"model": model.name, "messages": messages, "tools": tools, "max_tokens": 100}
        got = thinkers.gateway.request("POST", "/v1/messages", body=body)
        assert got.status == 200, got.body
        kept = [block for block in got.json["content"] if "thinking" not in block["type"]]
        messages.append({"role": "assistant", "content": kept})
        if calls := [block["id"] for block in kept if block["type"] == "tool_use"]:
            results = [{"type": "tool_result", "tool_use_id": call, "content": "sun"} for call in calls]
            messages.append({"role": "user", "content": results})
    assert messages[-1]["content"][0]["text"] == "Sunny."


def test_a_call_of_somebody_else_gets_the_value_that_is_documented_for_it(thinkers: Stage) -> None:
    model = thinkers.model(gemini, provider="like-gemini", name="gemini-3-pro")
    call = {"type": "function_call", "call_id": "function-call-1", "name": "weather", "arguments": "{}"}
    model.ask([user("Mine?"), call, {"type": "function_call_output", "call_id": "function-call-1", "output": "x"}])
    (sent,) = model.heard()[1]["tool_calls"]
    assert sent["extra_content"]["google"]["thought_signature"] == "skip_thought_signature_validator"


def test_states_are_stored_sealed_and_shown_only_on_request(thinkers: Stage) -> None:
    model = thinkers.model(openrouter, provider="like-openrouter")
    response = model.ask("Weather?", tools=TOOLS, include=SEALED)
    ((kept, states),) = model.turns("response, states")
    assert b"enc0" not in states
    assert b"sig0" not in states
    assert b"encrypted_content" not in kept
    path = f"responses/{response['id']}"
    assert "encrypted_content" not in model.get(path).json["output"][0]
    shown = model.get(f"{path}?include=reasoning.encrypted_content").json
    assert is_envelope(shown["output"][0].pop("encrypted_content"))
    assert is_envelope(response["output"][0].pop("encrypted_content"))
    assert shown == response


def test_an_envelope_that_was_asked_for_later_opens_as_well(thinkers: Stage) -> None:
    model = thinkers.model(openrouter, provider="like-openrouter")
    response = model.ask("Weather?", tools=TOOLS)
    shown = model.get(f"responses/{response['id']}?include[]=reasoning.encrypted_content").json
    items = [user("Weather?"), *shown["output"], *_outputs(shown)]
    model.ask(items, tools=TOOLS, store=False)
    assert model.heard()[1]["reasoning_details"] == details(0)


def test_input_items_show_envelopes_only_on_request(thinkers: Stage) -> None:
    model = thinkers.model(openrouter, provider="like-openrouter")
    first = model.ask("Weather?", tools=TOOLS, include=SEALED)
    second = model.ask([*first["output"], *_outputs(first)], tools=TOOLS)
    third = model.ask(_outputs(second), previous_response_id=second["id"], tools=TOOLS)
    path = f"responses/{third['id']}/input_items"
    assert b"encrypted_content" not in model.get(path).body
    shown = model.get(f"{path}?include[]=reasoning.encrypted_content").json["data"]
    thoughts = [item for item in shown if item["type"] == "reasoning"]
    assert len(thoughts) == 2
    assert all(is_envelope(item["encrypted_content"]) for item in thoughts)


def test_a_stored_stream_is_shown_again_with_its_envelopes(thinkers: Stage) -> None:
    model = thinkers.model(openrouter, provider="like-openrouter")
    response = model.ask("Weather?", tools=TOOLS)
    query = "stream=true&include[]=reasoning.encrypted_content"
    assert b'"encrypted_content":"antiphon/v1/' in model.get(f"responses/{response['id']}?{query}").body
    assert b"encrypted_content" not in model.get(f"responses/{response['id']}?stream=true").body


def test_a_referenced_thought_brings_its_state_into_the_new_turn(thinkers: Stage) -> None:
    model = thinkers.model(openrouter, provider="like-openrouter")
    first = model.ask("Weather?", tools=TOOLS)
    references = [{"type": "item_reference", "id": item["id"]} for item in first["output"]]
    second = model.ask([user("Weather?"), *references, *_outputs(first)], tools=TOOLS)
    assert model.heard()[1]["reasoning_details"] == details(0)
    model.ask(_outputs(second), previous_response_id=second["id"], tools=TOOLS)
    assert model.heard()[1]["reasoning_details"] == details(0)


def _changed(envelope: str) -> str:
    whole = bytearray(base64.b64decode(envelope))
    whole[-1] ^= 1
    return base64.b64encode(whole).decode()


def test_a_changed_envelope_costs_its_thought_and_nothing_else(thinkers: Stage) -> None:
    model = thinkers.model(openrouter, provider="like-openrouter")
    first = model.ask("Weather?", tools=TOOLS, store=False, include=SEALED)
    thought, call = first["output"]
    broken = {**thought, "encrypted_content": _changed(thought["encrypted_content"])}
    got = model.send([user("Weather?"), broken, call, *_outputs(first)], tools=TOOLS)
    assert got.status == 200
    assert got.headers["x-antiphon-ignored"] == "input[1]"
    assert b"Thought 0" not in model.requests[-1].body
    notice = {"where": "input[1]", "kind": "dropped", "reason": "foreign_seal"}
    assert notice.items() <= model.record(got.json["id"])["notices"][0].items()
    again = model.send(_outputs(got.json), previous_response_id=got.json["id"])
    assert again.headers["x-antiphon-ignored"] == "previous_response_id"


def test_an_envelope_of_another_tenant_does_not_open(thinkers: Stage) -> None:
    model = thinkers.model(openrouter, provider="like-openrouter")
    first = model.ask("Weather?", tools=TOOLS, store=False, include=SEALED)
    got = model.as_tenant("ben").send([user("Weather?"), *first["output"], *_outputs(first)], tools=TOOLS)
    assert got.status == 200
    assert got.headers["x-antiphon-ignored"] == "input[1]"
    assert b"enc0" not in model.requests[-1].body
    assert b"Thought 0" not in model.requests[-1].body


def test_what_others_have_sealed_stays_here(thinkers: Stage) -> None:
    model = thinkers.model(openrouter, provider="like-openrouter")
    blob = {"type": "reasoning", "summary": [{"type": "summary_text", "text": "Foreign."}], "encrypted_content": "gAAA"}
    got = model.send([user("Hi"), blob, {"role": "assistant", "content": "Hello"}, user("Well?")])
    assert got.status == 200
    assert got.headers["x-antiphon-ignored"] == "input[1]"
    assert b"gAAA" not in model.requests[-1].body
    assert b"Foreign." not in model.requests[-1].body


def test_tenants_with_the_same_call_never_see_each_others_thoughts(thinkers: Stage) -> None:
    model = thinkers.model(deepseek, provider="like-deepseek", name="deepseek-reasoner")
    first = model.ask("Weather?", tools=TOOLS, store=False)
    (call,) = [item for item in first["output"] if item["type"] == "function_call"]
    items = [user("Weather?"), call, *_outputs(first)]
    assert model.as_tenant("ben").send(items, tools=TOOLS, store=False).status == 400  # the provider misses the thought
    assert b"Thought 0" not in model.requests[-1].body
    assert model.send(items, tools=TOOLS, store=False).status == 200


def test_another_question_with_the_same_call_id_gets_no_thoughts(thinkers: Stage) -> None:
    model = thinkers.model(deepseek, provider="like-deepseek", name="deepseek-reasoner")
    first = model.ask("Weather in Oslo?", tools=TOOLS, store=False)
    (call,) = [item for item in first["output"] if item["type"] == "function_call"]
    model.send([user("Weather in Bergen?"), call, *_outputs(first)], tools=TOOLS, store=False)
    assert b"Thought 0" not in model.requests[-1].body


@WAYS
def test_a_call_without_a_thought_does_not_get_that_of_an_earlier_one_with_its_id(
    thinkers: Stage, streamed: bool
) -> None:
    """Some providers number their calls anew in every answer, and the user asks the same again."""
    call = {"index": 0, "id": "call_0", "type": "function", "function": {"name": "weather", "arguments": "{}"}}

    def thoughtless(seen: Seen) -> Reply:
        asked = any(message.get("tool_calls") for message in seen.json["messages"])
        return (
            _said(seen, {"content": "Sunny."}, "stop") if asked else _said(seen, {"tool_calls": [call]}, "tool_calls")
        )

    question = f"And {'streamed' if streamed else 'whole'}?"
    thinking = thinkers.model(deepseek, provider="like-deepseek", name="deepseek-reasoner")
    thinking.ask(question, tools=TOOLS, store=False)
    model = thinkers.model(thoughtless, provider="like-deepseek", name="deepseek-reasoner")
    first = _run(model, question, streamed=streamed, store=False)
    (again,) = first["output"]
    model.ask([user(question), again, *_outputs(first)], tools=TOOLS, store=False)
    assert b"Thought 0" not in model.requests[-1].body


def test_thoughts_in_front_of_text_come_back_in_front_of_it(thinkers: Stage) -> None:
    call = {"id": "call_x", "type": "function", "function": {"name": "weather", "arguments": "{}"}}
    message: Json = {"content": "I look.", "reasoning_details": details(0), "tool_calls": [call]}
    model = thinkers.model(lambda seen: _said(seen, message, "tool_calls"), provider="like-openrouter")
    first = model.ask("Look?", tools=TOOLS, store=False)
    assert [item["type"] for item in first["output"]] == ["reasoning", "message", "function_call"]
    model.ask([user("Look?"), *first["output"][1:], *_outputs(first)], tools=TOOLS, store=False)
    sent = model.heard()[1]
    assert sent["reasoning_details"] == details(0)
    assert sent["content"] == "I look."


def test_providers_that_want_nothing_back_cost_nothing(thinkers: Stage) -> None:
    model = thinkers.model(deepseek, provider="like-openai")
    before = thinkers.gateway.sql("SELECT count(*) FROM call_states")
    model.ask("Anything kept?", tools=TOOLS)
    assert thinkers.gateway.sql("SELECT count(*) FROM call_states") == before


def test_deleting_a_response_deletes_the_thoughts_before_its_calls(thinkers: Stage) -> None:
    model = thinkers.model(deepseek, provider="like-deepseek", name="deepseek-reasoner")
    first = model.ask("To be deleted?", tools=TOOLS)
    (call,) = [item for item in first["output"] if item["type"] == "function_call"]
    assert model.delete(first).status == 200
    model.send([user("To be deleted?"), call, *_outputs(first)], tools=TOOLS, store=False)
    assert b"Thought 0" not in model.requests[-1].body


@WAYS
def test_a_conversation_changes_its_provider_in_the_middle(thinkers: Stage, streamed: bool) -> None:
    one = thinkers.model(openrouter, provider="like-openrouter")
    first = _run(one, "Weather?", streamed=streamed)
    other = thinkers.model(stream(*text_chunks("Sunny.")), provider="like-gemini", name="gemini-3-pro")
    got = other.send(_outputs(first), previous_response_id=first["id"], tools=TOOLS, stream=True)
    assert got.status == 200
    assert got.headers["x-antiphon-ignored"] == "previous_response_id"
    _, assistant, result = other.heard()
    assert [call["id"] for call in assistant["tool_calls"]] == ["call_0"]
    assert result == {"role": "tool", "content": "sun", "tool_call_id": "call_0"}
    assert not {"reasoning", "reasoning_content", "reasoning_details"} & assistant.keys()
    assert b"enc0" not in other.requests[-1].body
    assert b"Thought" not in other.requests[-1].body


def test_a_client_without_state_changes_the_provider_in_the_middle_and_back(thinkers: Stage) -> None:
    one = thinkers.model(openrouter, provider="like-openrouter")
    first = one.ask("Weather?", tools=TOOLS, store=False, include=SEALED)
    other = thinkers.model(answer(chat_json("Sunny.")), provider="like-deepseek", name="deepseek-reasoner")
    items = [user("Weather?"), *first["output"], *_outputs(first)]
    got = other.send(items, tools=TOOLS, store=False, include=SEALED)
    assert got.headers["x-antiphon-ignored"] == "input[1]"
    assert b"Thought" not in other.requests[-1].body
    one.ask([*items, *got.json["output"], user("And tomorrow?")], tools=TOOLS, store=False)
    assert one.heard()[1]["reasoning_details"] == details(0)


def _key(letter: str) -> str:
    return base64.b64encode(letter.encode() * 32).decode()


def test_keys_rotate_without_losing_a_conversation(tmp_path_factory: pytest.TempPathFactory) -> None:
    data_dir = tmp_path_factory.mktemp("rotation")
    with ThreadedUpstream(openrouter) as up:
        provider = {"test": {"base_url": up.url, "quirks": "openrouter", "protocol": "chat", "api_key": "sk-up"}}

        def send(keys: str, **body: Any) -> tuple[Json, str]:
            config = {"providers": provider, "store": {"seal_keys": keys}}
            with Gateway(None, data_dir, config=config) as gateway:
                got = gateway.create(tools=TOOLS, include=SEALED, **body)
                assert got.status == 200, got.body
                return got.json, got.headers.get("x-antiphon-ignored", "")

        first, _ = send(_key("a"), input="Weather?")
        stateless = [user("Weather?"), *first["output"], *_outputs(first)]
        stored = {"input": _outputs(first), "previous_response_id": first["id"]}
        for body, missing in ((stored, "previous_response_id"), ({"input": stateless, "store": False}, "input[1]")):
            _, ignored = send(f"{_key('b')},{_key('a')}", **body)
            assert ignored == ""
            assert up.requests[-1].json["messages"][1]["reasoning_details"] == details(0)
            _, ignored = send(_key("b"), **body)
            assert ignored == missing
            assert b"enc0" not in up.requests[-1].body


def test_nothing_is_kept_for_calls_where_the_operator_says_so(tmp_path_factory: pytest.TempPathFactory) -> None:
    with open_stage(
        tmp_path_factory.mktemp("forgetful"),
        quirks=("deepseek",),
        provider={"protocol": "chat"},
        config={"store": {"call_state_hours": 0}},
    ) as stage:
        model = stage.model(deepseek, provider="like-deepseek", name="deepseek-reasoner")
        first = model.ask("Weather?", tools=TOOLS, store=False)
        (call,) = [item for item in first["output"] if item["type"] == "function_call"]
        assert model.send([user("Weather?"), call, *_outputs(first)], tools=TOOLS, store=False).status == 400
        assert stage.gateway.sql("SELECT count(*) FROM call_states") == [(0,)]


def test_kept_thoughts_are_not_readable_in_the_database(thinkers: Stage) -> None:
    model = thinkers.model(deepseek, provider="like-deepseek", name="deepseek-reasoner")
    model.ask("Readable?", tools=TOOLS, store=False)
    rows = thinkers.gateway.sql("SELECT body FROM call_states")
    assert rows
    assert not any(b"Thought" in body for (body,) in rows)
