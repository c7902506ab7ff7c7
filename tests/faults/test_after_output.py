"""What a provider does wrong once there was output: rows M1 to M14."""

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec
import pytest

from tests.faults.upstreams import Stage, open_stage
from tests.helpers.stream import Checked, check_response
from tests.helpers.upstream import Part, Reply, sse, stream, text_chunks, tool_call_chunks

EVENTS = {"content-type": "text/event-stream"}
HELLO = text_chunks("Hel", "lo.")
#: Role and text; then the finish; then the usage.
SPOKEN, FINISH, USAGE = HELLO[:3], HELLO[3], HELLO[4]
TOOL = {"type": "function", "name": "f", "parameters": {}}


def broken(*end: Part, done: bool = False) -> Reply:
    """Some text, and then this."""
    return stream(*SPOKEN, *end, done=done)


BROKEN = [
    pytest.param(broken("stall"), "upstream_stall", id="M1 stall"),
    pytest.param(broken("reset"), "upstream_reset", id="M2 reset"),
    pytest.param(broken("close"), "upstream_reset", id="M2 end without the last chunk"),
    pytest.param(broken(b'data: {"choices":[{"del', "reset"), "upstream_reset", id="M2 reset in a frame"),
    pytest.param(broken(b'data: {"choices":[{"del'), "upstream_reset", id="M2 end in a frame"),
    pytest.param(broken(), "upstream_truncated", id="M3 clean end without a finish"),
    pytest.param(broken(b"data: not json\n\n"), "upstream_protocol_error", id="M5 no JSON"),
    pytest.param(broken(b"data: [1,2]\n\n"), "upstream_protocol_error", id="M5 no object"),
    pytest.param(broken(b'data: {"choices":7}\n\n'), "upstream_protocol_error", id="M5 wrong shape"),
    pytest.param(broken(b'data: {"hello":"world"}\n\n'), "upstream_protocol_error", id="M5 no chunk"),
    pytest.param(broken(b'data: {"choices":[{"delta":{"content":7}}]}\n\n'), "upstream_protocol_error", id="M5 type"),
    pytest.param(
        broken(*sse({"error": {"message": "Boom.", "code": 500}}, done=False)), "upstream_error", id="M6 error frame"
    ),
    pytest.param(
        broken(*sse({"error": {"message": "Slow down.", "code": 429}}, done=False)),
        "rate_limit_exceeded",
        id="M6 rate limit",
    ),
    pytest.param(
        broken(b'event: error\ndata: {"message":"Busy.","type":"overloaded_error"}\n\n'),
        "upstream_overloaded",
        id="M6 error event",
    ),
    pytest.param(
        broken(b"data: " + b"x" * (9 * 1024 * 1024) + b"\n\n"), "upstream_protocol_error", id="M7 line over the cap"
    ),
    pytest.param(broken(*[b"\n" * 1024 * 1024] * 10, "stall"), "upstream_protocol_error", id="M7 endless whitespace"),
    pytest.param(
        broken(*[b": ping\n" * 150_000] * 10, "stall"), "upstream_protocol_error", id="M7 endless comments in a frame"
    ),
]


def partial(checked: Checked) -> None:
    """What was there is kept, marked as unfinished, and billed by an estimate."""
    assert checked.text == "Hello."
    assert [item["status"] for item in checked.items] == ["incomplete"]
    usage = checked.response["usage"]
    assert usage["estimated"] is True
    assert usage["output_tokens"] >= 1


@pytest.mark.parametrize(("reply", "reason"), BROKEN)
def test_m1_to_m8_a_broken_stream_fails_with_what_there_was(stage: Stage, reply: Reply, reason: str) -> None:
    checked = stage.stream(reply)
    assert checked.response["status"] == "failed"
    assert checked.response["error"].get("reason", checked.response["error"]["code"]) == reason
    expected = "rate_limit_exceeded" if reason == "rate_limit_exceeded" else "server_error"
    assert checked.response["error"]["code"] == expected
    assert sum(kind in {"response.completed", "response.failed", "response.incomplete"} for kind in checked.types) == 1
    partial(checked)
    status, code, output_tokens, estimated = stage.run_row(checked.response["id"])
    assert (status, code, estimated) == ("failed", reason, 1)
    assert output_tokens == checked.response["usage"]["output_tokens"]


@pytest.mark.parametrize("reply", [broken("reset"), broken(), broken(b"data: not json\n\n")])
def test_m2_m3_m5_the_partial_answer_is_stored_and_can_be_read_back_but_no_half_item_continued(
    stage: Stage, reply: Reply
) -> None:
    checked = stage.stream(reply, store=True)
    stored = stage.gateway.request("GET", f"/v1/responses/{checked.response['id']}")
    assert check_response(stored.json) == checked.response
    made = stage.whole(stream(*HELLO), previous_response_id=checked.response["id"], store=True)
    assert made["status"] == "completed"
    sent = stage.upstream.requests[-1].json["messages"]
    assert [message["role"] for message in sent] == ["user", "user"]


COMPLETE = [
    pytest.param([*SPOKEN, FINISH, USAGE], False, id="M4 no end marker"),
    pytest.param([*SPOKEN, FINISH, USAGE, b"data: [DONE]"], False, id="M4 no last newline"),
    pytest.param([*SPOKEN, FINISH, b"data: " + msgspec.json.encode(USAGE)], False, id="M4 usage without a newline"),
    pytest.param([*SPOKEN, FINISH, USAGE, "reset"], False, id="M4 reset behind the finish"),
    pytest.param([*SPOKEN, FINISH, FINISH, USAGE], True, id="M9 second finish"),
    pytest.param([*SPOKEN[:2], FINISH, SPOKEN[2], USAGE], True, id="M9 text behind the finish"),
    pytest.param([*SPOKEN, {**FINISH, "usage": USAGE["usage"]}], True, id="M10 usage in the finish"),
    pytest.param(
        [*SPOKEN, {**FINISH, "usage": {**USAGE["usage"], "completion_tokens": 1}}, USAGE], True, id="M10 usage twice"
    ),
]


@pytest.mark.parametrize(("parts", "done"), COMPLETE)
def test_m4_m9_m10_an_answer_that_is_all_there_is_completed(stage: Stage, parts: Sequence[Any], done: bool) -> None:
    checked = stage.stream(stream(*parts, done=done))
    assert checked.response["status"] == "completed"
    assert checked.text == "Hello."
    usage = checked.response["usage"]
    assert (usage["input_tokens"], usage["output_tokens"], usage.get("estimated")) == (11, 7, None)


def test_m10_without_any_usage_the_count_is_an_estimate_and_says_so(stage: Stage) -> None:
    checked = stage.stream(stream(*SPOKEN, FINISH))
    assert checked.response["status"] == "completed"
    assert checked.response["usage"]["estimated"] is True


def test_m8_a_never_ending_stream_ends_with_the_limit_of_the_run(tmp_path_factory: pytest.TempPathFactory) -> None:
    with open_stage(tmp_path_factory.mktemp("short"), limits={"run_s": 0.5, "idle_s": 5}) as short:
        endless = Reply([*sse(*SPOKEN, done=False), "stall"], headers=EVENTS, framing="chunked")
        checked = short.stream(endless)
        assert checked.response["status"] == "failed"
        assert checked.response["error"]["reason"] == "run_timeout"
        partial(checked)
        got = short.ask(Reply(["stall"], framing="raw"))
        assert (got.status, got.json["error"]["code"]) == (504, "run_timeout")


def split_every_byte(parts: Sequence[bytes]) -> list[Part]:
    return [bytes([byte]) for byte in b"".join(parts)]


def told(checked: Checked) -> list[Any]:
    """The events without what is different in every run."""
    own = checked.response["id"].removeprefix("resp_")
    events: list[Any] = msgspec.json.decode(msgspec.json.encode(checked.events).decode().replace(own, "ID"))
    for event in events:
        event.get("response", {}).pop("created_at", None)
        event.get("response", {}).pop("completed_at", None)
    return events


def test_m11_any_framing_gives_identical_events(stage: Stage) -> None:
    wire = sse(*text_chunks("Hé\u2028l", "lo. 😀\x85"))
    whole = b"".join(wire)
    expected = told(stage.stream(Reply([whole], headers=EVENTS)))
    shapes: list[Reply] = [
        Reply(split_every_byte(wire), headers=EVENTS, framing="chunked"),
        Reply([whole[n : n + 7] for n in range(0, len(whole), 7)], headers=EVENTS, framing="chunked"),
        Reply([whole.replace(b"\n", b"\r\n")], headers=EVENTS),
        Reply(split_every_byte([whole.replace(b"\n", b"\r\n")]), headers=EVENTS, framing="chunked"),
        Reply([whole.replace(b"\n", b"\r")], headers=EVENTS),
        Reply([b"\xef\xbb\xbf" + whole], headers=EVENTS),
        Reply([b": hi\n\n" + whole.replace(b"\n\n", b"\n\n: ping\n\nretry: 5\n\nid: 7\n\n")], headers=EVENTS),
        Reply([whole.replace(b"data: ", b"data:")], headers=EVENTS),
        Reply([whole], headers=EVENTS, framing="eof"),
        Reply([whole], headers={"content-type": "application/json"}),
    ]
    for reply in shapes:
        texts = [event["delta"] for event in told(stage.stream(reply)) if event["type"] == "response.output_text.delta"]
        assert "".join(texts) == "Hé\u2028llo. 😀\x85"
    assert told(stage.stream(shapes[2])) == expected


def test_m12_arguments_that_are_no_json_come_as_the_model_wrote_them(stage: Stage) -> None:
    for arguments in ('{"a": ', "not json", '{"a":1}{"b":2}', 'nul \\u0000 "', "\0"):
        checked = stage.stream(stream(*tool_call_chunks("f", arguments)), tools=[TOOL])
        assert checked.items[0]["arguments"] == arguments


def test_m12_nul_survives_and_a_pair_cut_in_two_is_joined(stage: Stage) -> None:
    def chunk(content: bytes) -> bytes:
        return b'data: {"id":"c","choices":[{"index":0,"delta":{"content":"%b"}}]}\n\n' % content

    pieces = [chunk(rb"a\u0000b \ud83d"), chunk(rb"\ude00 \ud800 alone")]
    checked = stage.stream(stream(*pieces, FINISH, USAGE), store=True)
    assert checked.text == "a\0b 😀 \ufffd alone"
    assert stage.gateway.request("GET", f"/v1/responses/{checked.response['id']}").json == checked.response


def call_chunk(*calls: dict[str, Any]) -> dict[str, Any]:
    return {"id": "c", "choices": [{"index": 0, "delta": {"tool_calls": list(calls)}, "finish_reason": None}]}


def test_m13_calls_without_id_and_calls_that_share_an_index_are_kept_apart(stage: Stage) -> None:
    finish = {"id": "c", "choices": [{"index": 0, "delta": {}, "finish_reason": "tool_calls"}]}
    no_ids = stream(
        call_chunk(
            {"index": 0, "function": {"name": "f", "arguments": '{"n":1}'}},
            {"index": 1, "function": {"name": "g", "arguments": '{"n":2}'}},
        ),
        finish,
    )
    same_index = stream(
        call_chunk({"index": 0, "id": "a", "function": {"name": "f", "arguments": '{"n":1}'}}),
        call_chunk({"index": 0, "id": "b", "function": {"name": "g", "arguments": '{"n":2}'}}),
        finish,
    )
    tools = [TOOL, {**TOOL, "name": "g"}]
    for reply in (no_ids, same_index):
        checked = stage.stream(reply, tools=tools)
        assert [(item["name"], item["arguments"]) for item in checked.items] == [("f", '{"n":1}'), ("g", '{"n":2}')]
        ids = [item["call_id"] for item in checked.items]
        assert all(ids)
        assert len(set(ids)) == 2


@pytest.mark.parametrize(("finish", "reason"), [("length", "max_output_tokens"), ("content_filter", "content_filter")])
def test_m14_a_stop_for_length_or_filter_is_incomplete(stage: Stage, finish: str, reason: str) -> None:
    checked = stage.stream(stream(*text_chunks("Hel", "lo.", finish=finish)))
    assert checked.types[-1] == "response.incomplete"
    assert checked.response["incomplete_details"] == {"reason": reason}
    assert checked.text == "Hello."
    assert checked.response["usage"].get("estimated") is None
    assert stage.run_row(checked.response["id"])[0] == "incomplete"
    made = stage.whole(stream(*text_chunks("Hello.", finish=finish)))
    assert (made["status"], made["incomplete_details"]) == ("incomplete", {"reason": reason})


@pytest.fixture(scope="module")
def streaming(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """Its provider is asked for streams even where the client wants one answer."""
    provider = {"test": {"stream": "always"}}
    with open_stage(
        tmp_path_factory.mktemp("always"), limits={"idle_s": 0.3, "first_byte_s": 0.3}, providers=provider
    ) as opened:
        yield opened


@pytest.mark.parametrize(("reply", "reason"), BROKEN)
def test_m1_to_m8_a_json_answer_from_a_broken_stream_is_an_http_error(
    streaming: Stage, reply: Reply, reason: str
) -> None:
    got = streaming.ask(reply, store=True)
    assert got.json["error"]["code"] == reason
    statuses = {"upstream_stall": 504, "rate_limit_exceeded": 429, "upstream_overloaded": 503}
    assert got.status == statuses.get(reason, 502)
    assert b"Hello" not in got.body
    assert streaming.gateway.sql("SELECT count(*) FROM responses WHERE status = 'completed'") == [(0,)]
