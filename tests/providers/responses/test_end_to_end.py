"""The whole gateway between the official client and an upstream that speaks Responses, over real sockets."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.helpers import responses_wire as native
from tests.helpers.gateway import Gateway
from tests.helpers.stream import Json, check_response, check_stream
from tests.helpers.upstream import Brain, Reply, Seen, ThreadedUpstream, answer, error

WEATHER = {
    "type": "function",
    "name": "get_weather",
    "description": "Weather of a city",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
    "strict": False,
}


@contextmanager
def between(brain: Brain | Reply, folder: Path, **provider: Any) -> Iterator[tuple[Gateway, ThreadedUpstream]]:
    with ThreadedUpstream(brain) as up:
        settings = {"base_url": up.url, "protocol": "responses", "quirks": "openai", "api_key": "sk-up", **provider}
        with Gateway(None, folder, config={"providers": {"test": settings}}) as gateway:
            yield gateway, up


def says(*output: Json, **fields: Any) -> Brain:
    return lambda request: native.reply(request, output, **fields)


def thinks_and_calls(request: Seen) -> Reply:
    """Thinks, calls, and with the output answers; a new thought each time, which it wants back."""
    items = request.json["input"]
    turn = sum(item.get("type") == "function_call_output" for item in items)
    thought = native.thought(f"Thought {turn}.", sealed=f"gAAAA{turn}+/=", number=turn)
    if turn < 2:
        call = native.call("get_weather", f'{{"city": "{turn}"}}', number=turn)
        return native.reply(request, [thought, call])
    return native.reply(request, [thought, native.message("Rain.")])


def outputs(response: Any) -> list[dict[str, Any]]:
    return [
        {"type": "function_call_output", "call_id": item["call_id"], "output": "wet"}
        for item in response["output"]
        if item["type"] == "function_call"
    ]


def sent_thoughts(seen: Seen) -> list[tuple[str, str]]:
    return [(one["id"], one["encrypted_content"]) for one in seen.json["input"] if one.get("type") == "reasoning"]


def asked(item: Mapping[str, Any]) -> Json:
    return {"type": "message", "role": "user", "content": [{"type": "input_text", "text": item["text"]}]}


QUESTION = asked({"text": "Weather in Paris?"})
UPSTREAM_THOUGHTS = [("rs_native0", "gAAAA0+/="), ("rs_native1", "gAAAA1+/=")]


def test_the_upstreams_request_is_the_clients_but_for_model_and_state(tmp_path: Path) -> None:
    body: Json = {
        "model": "test/gpt-5",
        "input": [QUESTION, {"role": "assistant", "content": "Where?"}, {"role": "user", "content": "There."}],
        "instructions": "Be brief.",
        "stream": True,
        "stream_options": {"include_obfuscation": True},
        "tools": [WEATHER, {"type": "web_search", "search_context_size": "low"}, {"type": "custom", "name": "patch"}],
        "tool_choice": {"type": "allowed_tools", "mode": "auto", "tools": [{"type": "web_search"}]},
        "parallel_tool_calls": False,
        "max_output_tokens": 500,
        "max_tool_calls": 3,
        "reasoning": {"effort": "low", "summary": "auto", "context": "auto"},
        "text": {"format": {"type": "text"}, "verbosity": "low"},
        "temperature": 1,
        "top_logprobs": 2,
        "truncation": "disabled",
        "service_tier": "flex",
        "include": ["web_search_call.action.sources", "message.output_text.logprobs"],
        "context_management": [{"type": "compaction", "compact_threshold": 1000}],
        "prompt_cache_options": {"mode": "implicit"},
        "client_metadata": {"session": "x"},
        "something_new": [1, {"two": None}],
    }
    ours = {"metadata": {"a": "b"}, "store": True, "background": False, "prompt_cache_key": "k", "user": "u"}
    with between(says(native.message("Hi.")), tmp_path) as (gateway, up):
        got = gateway.request("POST", "/v1/responses", body={**body, **ours})
    sent = up.requests[0].json
    assert up.requests[0].path == "/v1/responses"
    assert up.requests[0].headers["authorization"] == "Bearer sk-up"
    assert (sent.pop("model"), sent.pop("store")) == ("gpt-5", False)
    assert len(sent.pop("prompt_cache_key")) == len(sent.pop("user")) == 32
    assert sent.pop("include") == [*body.pop("include"), "reasoning.encrypted_content"]
    assert body.pop("model") == "test/gpt-5"
    assert sent == body
    assert "x-antiphon-ignored" not in got.headers


def test_the_clients_stream_is_the_upstreams_but_for_ids_and_what_is_echoed(tmp_path: Path) -> None:
    cited = {"type": "url_citation", "start_index": 0, "end_index": 5, "url": "https://e.com", "title": "E"}
    action = {"type": "search", "query": "q", "sources": [{"type": "url", "url": "https://e.com"}]}
    output = [
        native.thought("Look.", "Then say.", sealed="gAAAA"),
        {"id": "ws_native", "type": "web_search_call", "status": "completed", "action": action},
        native.message("Hello there.", annotations=[cited], phase="final_answer"),
        native.call("get_weather", '{"city": "Paris"}', async_=True),
    ]
    with between(says(*output, billing={"payer": "openai"}), tmp_path) as (gateway, _):
        body = gateway.stream(model="test/gpt-5", input="Hi", tools=[WEATHER, {"type": "web_search"}])
    checked = check_stream(body)
    sent = [event for event in native.events(output) if "response" not in event]
    got = [event for event in checked.events if "response" not in event]
    assert [bare(event) for event in got] == [bare(event) for event in sent]
    assert checked.response["usage"]["input_tokens_details"]["cached_tokens"] == 64
    assert checked.response["billing"] == {"payer": "openai"}
    assert checked.response["model"] == "test/gpt-5"


def bare(event: Json) -> Json:
    """An event without ids, and without what our form always says and OpenAI's does not, or the reverse."""
    kept = {key: value for key, value in event.items() if key not in ("item_id", "sequence_number", "name")}
    item = kept.get("item")
    if item is None:
        return kept
    item = {key: value for key, value in item.items() if key not in ("id", "encrypted_content")}
    if item["type"] == "reasoning":
        item.pop("status", None)
    if item["type"] == "web_search_call":
        item.pop("action")
    return {**kept, "item": item}


def test_reasoning_survives_three_turns_that_the_client_replays(tmp_path: Path) -> None:
    for stream in (False, True):
        folder = tmp_path / str(stream)
        folder.mkdir()
        with between(thinks_and_calls, folder) as (gateway, up):
            history: list[Json] = [QUESTION]
            for _ in range(3):
                request: Json = {
                    "model": "test/gpt-5",
                    "input": history,
                    "store": False,
                    "include": ["reasoning.encrypted_content"],
                    "tools": [WEATHER],
                }
                got = check_stream(gateway.stream(**request)).response if stream else gateway.create(**request).json
                assert "gAAAA" not in msgspec.json.encode(got).decode()
                history = [*history, *got["output"], *outputs(got)]
            assert got["output"][-1]["content"][0]["text"] == "Rain."
            assert sent_thoughts(up.requests[2]) == UPSTREAM_THOUGHTS
            for item in up.requests[2].json["input"]:
                assert item.get("type") == "reasoning" or "id" not in item


def test_reasoning_survives_turns_that_are_kept_here(tmp_path: Path) -> None:
    with between(thinks_and_calls, tmp_path) as (gateway, up):
        got = gateway.create(model="test/gpt-5", input=[QUESTION], tools=[WEATHER]).json
        for _ in range(2):
            got = gateway.create(
                model="test/gpt-5", input=outputs(got), previous_response_id=got["id"], tools=[WEATHER]
            ).json
    assert got["output"][-1]["content"][0]["text"] == "Rain."
    assert sent_thoughts(up.requests[2]) == UPSTREAM_THOUGHTS
    assert all(not seen.json.keys() & {"previous_response_id", "conversation"} for seen in up.requests)
    assert b"resp_" not in b"".join(seen.body for seen in up.requests)


def test_reasoning_survives_clients_that_never_send_it(tmp_path: Path) -> None:
    with between(thinks_and_calls, tmp_path) as (gateway, up):
        history: list[Json] = [QUESTION]
        for _ in range(3):
            got = gateway.create(model="test/gpt-5", input=history, store=False, tools=[WEATHER]).json
            kept = [item for item in got["output"] if item["type"] != "reasoning"]
            history = [*history, *kept, *outputs(got)]
    assert sent_thoughts(up.requests[2]) == UPSTREAM_THOUGHTS


def test_a_sealed_thought_of_the_clients_own_goes_through_as_it_is(tmp_path: Path) -> None:
    own = {"type": "reasoning", "id": "rs_own", "summary": [], "encrypted_content": "gAAAAown+/="}
    with between(says(native.message("Hi.")), tmp_path) as (gateway, up):
        assert gateway.create(model="test/gpt-5", input=[QUESTION, own, QUESTION]).status == 200
    assert up.requests[0].json["input"][1] == own


def test_the_official_client_streams_parses_and_continues(tmp_path: Path) -> None:
    with between(thinks_and_calls, tmp_path) as (gateway, _), gateway.openai() as client:
        with client.responses.stream(model="test/gpt-5", input=[QUESTION], tools=[WEATHER]) as stream:  # type: ignore[list-item]  # plain JSON is what the client takes too
            kinds = [event.type for event in stream]
            first = stream.get_final_response()
        assert kinds[-1] == "response.completed"
        call = first.output[-1]
        assert call.type == "function_call"
        second = client.responses.create(
            model="test/gpt-5",
            previous_response_id=first.id,
            input=[{"type": "function_call_output", "call_id": call.call_id, "output": "wet"}],
        )
    assert second.output[0].type == "reasoning"
    assert second.usage is not None
    assert second.usage.output_tokens_details.reasoning_tokens == 20


UNKNOWN: Sequence[Json] = (
    {"id": "ig_n", "type": "image_generation_call", "status": "completed", "result": "iVBORw0KGgo=", "size": "1x1"},
    {"id": "x_n", "type": "acme:thing", "status": "completed", "number": 1, "nested": {"a": [None]}},
    native.message("Done."),
)


@pytest.mark.parametrize("stream", [False, True])
def test_items_of_unknown_types_are_shown_kept_and_sent_back(tmp_path: Path, *, stream: bool) -> None:
    with between(says(*UNKNOWN), tmp_path) as (gateway, up):
        request: Json = {"model": "test/gpt-5", "input": "Draw", "tools": [{"type": "image_generation"}]}
        if stream:
            text = gateway.stream(**request)
            events = [msgspec.json.decode(line[6:]) for line in text.split(b"\n") if line.startswith(b"data: {")]
            got = events[-1]["response"]
        else:
            got = gateway.create(**request).json
        again = gateway.request("GET", f"/v1/responses/{got['id']}").json
        replayed = gateway.request("GET", f"/v1/responses/{got['id']}?stream=true")
        gateway.create(model="test/gpt-5", input="More", previous_response_id=got["id"])
    assert again["output"] == got["output"]
    assert replayed.status == 200
    assert msgspec.json.encode(got["output"][1]) in replayed.body
    assert [without_id(item) for item in got["output"]] == [without_id(item) for item in UNKNOWN]
    assert [without_id(item) for item in up.requests[1].json["input"][1:4]] == [without_id(item) for item in UNKNOWN]


def without_id(item: Json) -> Json:
    return {key: value for key, value in item.items() if key != "id"}


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"tools": [{"type": "file_search", "vector_store_ids": ["vs_1"]}]}, "tools[0].vector_store_ids"),
        ({"tools": [{"type": "code_interpreter", "container": "cntr_1"}]}, "tools[0].container"),
        (
            {"tools": [{"type": "code_interpreter", "container": {"type": "auto", "file_ids": ["file-1"]}}]},
            "tools[0].container.file_ids",
        ),
        ({"tools": [{"type": "mcp", "server_label": "x", "connector_id": "connector_1"}]}, "tools[0].connector_id"),
        (
            {"tools": [{"type": "mcp", "server_label": "x", "server_url": "http://10.0.0.1/mcp"}]},
            "tools[0].server_url",
        ),
        (
            {"tools": [{"type": "image_generation", "input_image_mask": {"file_id": "file-1"}}]},
            "tools[0].input_image_mask.file_id",
        ),
        (
            {"input": [{"role": "user", "content": [{"type": "input_file", "file_id": "file-1"}]}]},
            "input[0].content[0].file_id",
        ),
        (
            {"input": [{"type": "computer_call_output", "call_id": "c", "output": {"file_id": "f"}}]},
            "input[0].output.file_id",
        ),
    ],
)
def test_objects_at_the_upstreams_account_are_refused(tmp_path: Path, fields: Json, param: str) -> None:
    with between(says(native.message("Hi.")), tmp_path) as (gateway, up):
        got = gateway.create(**{"model": "test/gpt-5", "input": "Hi", **fields})
    assert (got.status, got.json["error"]["param"]) == (400, param)
    assert up.requests == []


def test_calls_beyond_the_limits_never_reach_the_client(tmp_path: Path) -> None:
    other = {**WEATHER, "name": "other"}
    calls = [native.call("other", "{}", number=1), native.call("get_weather", "{}", number=2), native.message("Hi.")]
    choice = {"type": "allowed_tools", "mode": "auto", "tools": [{"type": "function", "name": "get_weather"}]}
    with between(says(*calls), tmp_path) as (gateway, _):
        request: Json = {"model": "test/gpt-5", "input": "Hi", "tools": [WEATHER, other]}
        chosen = check_stream(gateway.stream(**request, tool_choice=choice))
        capped = check_response(gateway.create(**request, max_tool_calls=1).json)
    assert [item.get("name", item["type"]) for item in chosen.items] == ["get_weather", "message"]
    assert [item.get("name", item["type"]) for item in capped["output"]] == ["other", "message"]


def test_a_stream_that_is_cut_ends_in_failed_with_what_there_was(tmp_path: Path) -> None:
    whole = native.events([native.message("Hello there, friend.")])
    parts = [native.sse([event]) for event in whole[:6]]
    cut = Reply(parts, headers={"content-type": "text/event-stream"}, framing="chunked")
    with between(cut, tmp_path) as (gateway, _):
        checked = check_stream(gateway.stream(model="test/gpt-5", input="Hi"))
    assert checked.response["status"] == "failed"
    assert checked.response["error"]["reason"] == "upstream_truncated"
    assert checked.text == "Hello there, f"


def test_failures_of_the_upstream_have_their_own_status_or_end_the_stream(tmp_path: Path) -> None:
    limit = {"code": "rate_limit_exceeded", "message": "Slow down. Please try again in 3s."}

    def brain(request: Seen) -> Reply:
        if request.json["input"] == "error":
            return error(400, "Unsupported value: 'x'", type="invalid_request_error", param="reasoning.effort")
        output = [native.message("Half", status="incomplete")] if request.json["input"] == "late" else []
        return native.reply(request, output, status="failed", error=limit)

    with between(brain, tmp_path) as (gateway, _):
        refused = gateway.create(model="test/gpt-5", input="error")
        early = gateway.create(model="test/gpt-5", input="early", stream=True)
        late = check_stream(gateway.stream(model="test/gpt-5", input="late"))
        whole = gateway.create(model="test/gpt-5", input="early")
    assert (refused.status, refused.json["error"]["param"]) == (400, "reasoning.effort")
    assert (early.status, early.headers["retry-after"]) == (429, "3")
    assert whole.status == 429
    assert (late.response["error"]["code"], late.text) == ("rate_limit_exceeded", "Half")


def test_images_are_fetched_for_upstreams_that_must_not_fetch(tmp_path: Path) -> None:
    image = {"role": "user", "content": [{"type": "input_image", "image_url": "http://127.0.0.1:9/cat.png"}]}
    with between(says(native.message("A cat.")), tmp_path) as (gateway, up):
        got = gateway.create(model="test/gpt-5", input=[image])
    assert got.status == 400  # the guarded fetcher goes to no internal address
    assert up.requests == []


def test_an_answer_in_one_piece_becomes_a_stream(tmp_path: Path) -> None:
    def whole(_request: Seen) -> Reply:
        return answer(native.native_json([native.thought("Hm.", sealed="g"), native.message("Hello.")]))

    with between(whole, tmp_path) as (gateway, up):
        checked = check_stream(gateway.stream(model="test/gpt-5", input="Hi"))
    assert up.requests[0].wants_stream
    assert checked.text == "Hello."


COMPACTED: Json = {"id": "cmp_native", "type": "compaction", "encrypted_content": "gAAAcomp+/="}


@pytest.mark.parametrize("store", [False, True])
def test_a_compaction_leaves_in_an_envelope_and_goes_home_as_it_came(tmp_path: Path, store: bool) -> None:
    asked = {"model": "test/gpt-5", "store": store}
    with between(says(COMPACTED, native.message("Hi.")), tmp_path) as (gateway, up):
        first = gateway.request("POST", "/v1/responses", body={**asked, "input": "Hi"}).json
        more: Json = {"role": "user", "content": "More."}
        if store:
            body = {**asked, "input": [more], "previous_response_id": first["id"]}
        else:
            body = {**asked, "input": [*first["output"], more]}
        second = gateway.request("POST", "/v1/responses", body=body)
        listed = gateway.request("GET", f"/v1/responses/{second.json['id']}/input_items") if store else second
    assert first["output"][0]["encrypted_content"].startswith("antiphon/")
    assert COMPACTED["encrypted_content"].encode() not in second.body + listed.body
    sent = [item for item in up.requests[1].json["input"] if item.get("type") == "compaction"]
    assert sent == [{"type": "compaction", "encrypted_content": COMPACTED["encrypted_content"]}]
    assert "x-antiphon-ignored" not in second.headers


@pytest.mark.parametrize("store", [False, True])
def test_a_compaction_is_dropped_by_name_where_nobody_can_read_it(tmp_path: Path, store: bool) -> None:
    asked = {"store": store}
    with between(says(COMPACTED, native.message("Hi.")), tmp_path) as (gateway, up):
        first = gateway.request("POST", "/v1/responses", body={**asked, "model": "test/gpt-5", "input": "Hi"}).json
        more: Json = {"role": "user", "content": "More."}
        history = {"previous_response_id": first["id"]} if store else {}
        items = [more] if store else [*first["output"], more]
        body = {**asked, **history, "model": "test/gpt-5-mini", "input": items}
        second = gateway.request("POST", "/v1/responses", body=body)
    assert second.headers["x-antiphon-ignored"] == ("previous_response_id" if store else "input[0]")
    assert b"compaction" not in up.requests[1].body


def test_a_compaction_that_the_client_has_from_elsewhere_is_passed_on(tmp_path: Path) -> None:
    blob: Json = {"type": "compaction", "encrypted_content": "gAAAelsewhere"}
    with between(says(native.message("Hi.")), tmp_path) as (gateway, up):
        gateway.request(
            "POST", "/v1/responses", body={"model": "test/gpt-5", "input": [blob, QUESTION], "store": False}
        )
    assert up.requests[0].json["input"][0] == blob


def test_no_response_of_ours_is_named_to_the_upstream(tmp_path: Path) -> None:
    with between(says(native.message("Hi.")), tmp_path) as (gateway, up):
        first = gateway.request("POST", "/v1/responses", body={"model": "test/gpt-5", "input": "Hi"}).json
        options = {"mode": "explicit", "comparison_response_id": first["id"]}
        body = {"model": "test/gpt-5", "input": "Hi", "prompt_cache_options": options}
        second = gateway.request("POST", "/v1/responses", body=body)
    assert up.requests[1].json["prompt_cache_options"] == {"mode": "explicit"}
    assert second.headers["x-antiphon-ignored"] == "prompt_cache_options.comparison_response_id"
