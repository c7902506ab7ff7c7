"""Rows M1 to M14, whichever dialect the upstream speaks and through whichever door the client came."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from typing import Any

import msgspec
import pytest

from tests.faults.clients import DOORS, Told
from tests.faults.house import House, new_model, open_house
from tests.faults.tongues import EVENTS, HELLO, SPOKEN, TONGUES, Call, Stop, Tongue, Words
from tests.helpers.upstream import Part, Reply

every_tongue = pytest.mark.parametrize("tongue", TONGUES.values(), ids=TONGUES)

MIB = 1024 * 1024
STATUSES = {"upstream_stall": 504, "run_timeout": 504, "rate_limit_exceeded": 429, "upstream_overloaded": 503}


def breakages(tongue: Tongue) -> Mapping[str, tuple[Sequence[Part], str]]:
    """What comes behind the last word, by name, and the code that it ends in."""
    half = tongue.spoken()[-1][:-8]
    closed = {"responses": 3, "anthropic": 1}.get(tongue.name, 0)  # frames that end the item, and not yet the answer
    behind: list[Part] = [*tongue.frames()[-tongue.closing :][:closed], "reset"]
    shapes = {f"M5 shape {number}": ([frame], "upstream_protocol_error") for number, frame in enumerate(tongue.bent)}
    return {
        "M1 stall": (["stall"], "upstream_stall"),
        "M1 stall inside a frame": ([half, "stall"], "upstream_stall"),
        "M2 reset": (["reset"], "upstream_reset"),
        "M2 reset between items": (behind, "upstream_reset"),
        "M2 end without the last chunk": (["close"], "upstream_reset"),
        "M2 reset in a frame": ([half, "reset"], "upstream_reset"),
        "M2 end in a frame": ([half], "upstream_reset"),
        "M3 clean end without a finish": ([], "upstream_truncated"),
        "M5 no JSON": ([b"data: not json\n\n"], "upstream_protocol_error"),
        "M5 no object": ([b"data: [1,2]\n\n"], "upstream_protocol_error"),
        **shapes,
        "M6 error": ([tongue.error_frame("server")], "upstream_error"),
        "M6 rate limit": ([tongue.error_frame("rate_limit")], "rate_limit_exceeded"),
        "M6 overload": ([tongue.error_frame("overloaded")], "upstream_overloaded"),
        "M7 line over the cap": ([b"data: " + b"x" * (9 * MIB) + b"\n\n"], "upstream_protocol_error"),
        "M7 endless whitespace": ([b"\n" * MIB] * 10, "upstream_protocol_error"),
        "M7 endless comments": ([b": ping\n" * 150_000] * 10, "upstream_protocol_error"),
    }


BROKEN = [
    pytest.param(tongue, parts, code, id=f"{tongue.name} {name}")
    for tongue in TONGUES.values()
    for name, (parts, code) in breakages(tongue).items()
]


@pytest.mark.parametrize(("tongue", "parts", "code"), BROKEN)
def test_m1_m2_m3_m5_m6_m7_a_broken_stream_fails_with_what_there_was(
    house: House, tongue: Tongue, parts: Sequence[Part], code: str
) -> None:
    house.script(tongue.streamed(*tongue.spoken(), *parts))
    for door in DOORS.values():
        model = new_model(tongue.name)
        told = house.told(door, model, stream=True)
        assert (told.ending, told.text, told.failure) == ("failed", SPOKEN, door.failure(code)), door.name
        house.expect(model, ("failed", code, ..., ..., 1))


@pytest.mark.parametrize(("tongue", "parts", "code"), BROKEN)
def test_m1_m2_m3_m5_m6_m7_an_answer_in_one_piece_from_a_broken_stream_is_an_http_error(
    house: House, tongue: Tongue, parts: Sequence[Part], code: str
) -> None:
    house.script(tongue.streamed(*tongue.spoken(), *parts))
    for door in DOORS.values():
        model = new_model(f"always-{tongue.name}")
        got = house.ask(door, model, stream=False)
        assert door.refused(got) == door.refusal(STATUSES.get(code, 502), code), door.name
        assert SPOKEN.encode() not in got.body
        house.expect(model, ("failed", code, ..., ..., 1))


@every_tongue
def test_m2_m5_a_body_that_breaks_off_or_is_half_is_an_http_error(house: House, tongue: Tongue) -> None:
    body = tongue.body()
    headers = {"content-type": "application/json"}
    cut: list[tuple[Reply, str]] = [
        (Reply([body[:40], "reset"], headers=headers, framing="chunked"), "upstream_reset"),
        (Reply([body[:40], "close"], headers=headers, declared_length=len(body)), "upstream_reset"),
        (Reply([body[:40]], headers=headers), "upstream_protocol_error"),
    ]
    for (reply, code), door in product(cut, DOORS.values()):
        house.script(reply)
        got = house.ask(door, new_model(tongue.name), stream=False)
        assert door.refused(got) == door.refusal(502, code), (door.name, got.body)


@pytest.fixture(scope="module")
def hurried(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """No run may take long here."""
    with open_house(tmp_path_factory.mktemp("hurried"), limits={"run_s": 0.4, "idle_s": 5}) as opened:
        yield opened


@every_tongue
def test_m8_a_never_ending_stream_ends_with_the_limit_of_the_run(hurried: House, tongue: Tongue) -> None:
    hurried.script(tongue.streamed(*tongue.spoken(), "stall"))
    for door in DOORS.values():
        model = new_model(tongue.name)
        told = hurried.told(door, model, stream=True)
        assert (told.ending, told.text, told.failure) == ("failed", SPOKEN, door.failure("run_timeout"))
        hurried.expect(model, ("failed", "run_timeout", ..., ..., 1))
    hurried.script(Reply(["stall"], framing="raw"))
    for door in DOORS.values():
        got = hurried.ask(door, new_model(tongue.name), stream=False)
        assert door.refused(got) == door.refusal(504, "run_timeout")


def completions(tongue: Tongue) -> Mapping[str, Sequence[Part]]:
    """Answers that are all there, however they end, with usage."""
    frames = tongue.frames()
    *begin, last = frames
    whole = b"".join(frames)
    answers: dict[str, Sequence[Part]] = {
        "M4 no last newline": [whole.rstrip()],
        "M4 reset behind the end": [*frames, "reset"],
        "M4 silence behind the end": [*frames, "stall"],
        "M9 all of the end twice": [*frames, *frames[-tongue.closing :]],
    }
    if len(frames[-tongue.closing :]) > 1 and tongue.name != "responses":  # there the last frame is all of the end
        answers |= {"M4 no end marker": begin, "M4 reset for an end marker": [*begin, "reset"]}
    if tongue.name == "chat":
        finish = frames[-3]
        answers |= {"M9 second finish": [*frames[:-2], finish, *frames[-2:]]}
        answers |= {"M9 text behind the finish": [*frames[:-4], finish, frames[-4], *frames[-2:]]}
    if tongue.name == "gemini":  # some of its models give a reason with every chunk
        answers |= {"M9 text behind the finish": [*begin[:-1], last, begin[-1]]}
    return answers


@pytest.mark.parametrize(
    ("tongue", "parts"),
    [
        pytest.param(tongue, parts, id=f"{tongue.name} {name}")
        for tongue in TONGUES.values()
        for name, parts in completions(tongue).items()
    ],
)
def test_m4_m9_m10_an_answer_that_is_all_there_is_completed(
    house: House, tongue: Tongue, parts: Sequence[Part]
) -> None:
    house.script(tongue.streamed(*parts))
    for door in DOORS.values():
        model = new_model(tongue.name)
        told = house.told(door, model, stream=True)
        assert (told.ending, told.text, told.tokens) == ("completed", SPOKEN, (11, 7)), door.name
        house.expect(model, ("completed", None, 11, 7, 0))


@every_tongue
def test_m10_without_any_usage_the_count_is_an_estimate(house: House, tongue: Tongue) -> None:
    house.script(tongue.streamed(*tongue.frames(usage=False)))
    for door in DOORS.values():
        model = new_model(tongue.name)
        assert house.told(door, model, stream=True).ending == "completed"
        house.expect(model, ("completed", None, ..., ..., 1))


def framings(frames: Sequence[bytes]) -> Iterator[Reply]:
    """The same stream in the ways that it can come."""
    whole = b"".join(frames).replace(b"\r\n", b"\n")
    for bent in (whole, whole.replace(b"\n", b"\r\n"), whole.replace(b"\n", b"\r")):
        yield Reply([bent], headers=EVENTS)
        yield Reply([bent], headers=EVENTS, framing="eof")
        yield Reply([bytes([byte]) for byte in bent], headers=EVENTS, framing="chunked")
        yield Reply([bent[n : n + 7] for n in range(0, len(bent), 7)], headers=EVENTS, framing="chunked")
    yield Reply([b"\xef\xbb\xbf" + whole], headers=EVENTS)
    yield Reply([b": hi\n\n" + whole.replace(b"\n\n", b"\n\n: ping\n\nretry: 5\n\nid: 7\n\n")], headers=EVENTS)
    yield Reply([whole.replace(b"data: ", b"data:")], headers=EVENTS)
    yield Reply([whole], headers={"content-type": "application/json"})


@every_tongue
def test_m11_any_framing_gives_the_same(house: House, tongue: Tongue) -> None:
    said = "Hé\u2028l\x85lo. 😀"
    for number, reply in enumerate(framings(tongue.frames([Words(said)]))):
        house.script(reply)
        for door in DOORS.values():
            told = house.told(door, new_model(tongue.name), stream=True)
            assert (told.ending, told.text, told.tokens) == ("completed", said, (11, 7)), (door.name, number)


@every_tongue
def test_m12_nul_survives_and_a_pair_cut_in_two_is_joined(house: House, tongue: Tongue) -> None:
    first, second = rb"a\u0000b \ud83d", rb"\ude00 \ud800 alone"
    frames = [
        frame.replace(b'"A"', b'"%b"' % first)
        .replace(b'"B"', b'"%b"' % second)
        .replace(b'"AB"', b'"%b"' % (first + second))
        for frame in tongue.frames([Words("AB")])
    ]
    house.script(tongue.streamed(*frames))
    for door in DOORS.values():
        assert house.told(door, new_model(tongue.name), stream=True).text == "a\0b 😀 \ufffd alone", door.name


NO_JSON = ('{"a": ', "not json", '{"a":1}{"b":2}', 'nul \\u0000 "', "\0")


@pytest.mark.parametrize("name", ["chat", "responses", "anthropic"])
@pytest.mark.parametrize("arguments", NO_JSON)
def test_m12_arguments_that_are_no_json_come_as_the_model_wrote_them(house: House, name: str, arguments: str) -> None:
    """Gemini's arguments are an object, and can be nothing else."""
    tongue = TONGUES[name]
    house.script(tongue.streamed(*with_arguments(tongue, arguments)))
    for door in (DOORS["responses"], DOORS["chat"]):
        told = house.told(door, new_model(name), stream=True, tools=["f"])
        assert [call[1:] for call in told.calls] == [("f", arguments)]
    told = house.told(DOORS["messages"], new_model(name), stream=True, tools=["f"])
    assert [call[1] for call in told.calls] == ["f"]


def with_arguments(tongue: Tongue, arguments: str) -> list[bytes]:
    """A call with just these, in whatever pieces."""
    frames = tongue.frames([Call("f", {"mark": "AB"})])
    inner = msgspec.json.encode(arguments)
    placed = False
    made = []
    whole = msgspec.json.encode(msgspec.json.encode({"mark": "AB"}).decode())
    for frame in frames:
        head, _, data = frame.partition(b"data: ")
        if not data.startswith(b"{"):
            made.append(frame)
            continue
        piece = _argument_piece(msgspec.json.decode(data))
        if piece:
            inner_piece = b'""' if placed else inner
            placed = True
            data = data.replace(msgspec.json.encode(piece), inner_piece)
        made.append(head + b"data: " + data.replace(whole, inner))
    assert placed
    return made


def _argument_piece(event: Any) -> str:
    """What this frame adds to the arguments."""
    if "choices" in event:
        calls = event["choices"][0]["delta"].get("tool_calls") if event["choices"] else None
        return str(calls[0]["function"].get("arguments", "")) if calls else ""
    delta = event.get("delta", "")
    if event["type"] == "response.function_call_arguments.delta":
        return str(delta)
    return str(delta.get("partial_json", "")) if isinstance(delta, dict) else ""


def test_m13_calls_without_ids_and_calls_that_share_an_index_are_kept_apart(house: House) -> None:
    calls = [Call("f", {"n": 1}), Call("g", {"n": 2})]
    chat, gemini, anthropic, native = (TONGUES[name] for name in ("chat", "gemini", "anthropic", "responses"))
    replies = {
        "chat": [chat.streamed(*chat.frames(calls)), chat.streamed(*without(chat.frames(calls), b'"id":"call_%d",'))],
        "gemini": [gemini.streamed(*gemini.frames(calls))],
        "anthropic": [anthropic.streamed(*without(anthropic.frames(calls), b'"id":"toolu_%d",'))],
        "responses": [native.streamed(*without(native.frames(calls), b'"call_id":"call_native%d",'))],
    }
    for name, scripts in replies.items():
        for reply, door in product(scripts, DOORS.values()):
            house.script(reply)
            check_calls(house.told(door, new_model(name), stream=True, tools=["f", "g"]), f"{name} {door.name}")


def without(frames: Sequence[bytes], pattern: bytes) -> list[bytes]:
    for number in range(2):
        frames = [frame.replace(pattern % number, b"") for frame in frames]
    return list(frames)


def check_calls(told: Told, where: str) -> None:
    assert [(name, msgspec.json.decode(text)) for _, name, text in told.calls] == [("f", {"n": 1}), ("g", {"n": 2})], (
        where
    )
    ids = [call[0] for call in told.calls]
    assert all(ids), where
    assert len(set(ids)) == 2, where


@every_tongue
@pytest.mark.parametrize("stop", ["length", "filter"])
def test_m14_a_stop_for_length_or_filter_is_incomplete(house: House, tongue: Tongue, stop: Stop) -> None:
    for door, stream in product(DOORS.values(), (False, True)):
        house.script(lambda request: tongue.answer(request, HELLO, stop=stop))
        model = new_model(tongue.name)
        told = house.told(door, model, stream=stream)
        assert (told.ending, told.text, told.tokens) == (stop, SPOKEN, (11, 7)), door.name
        house.expect(model, ("incomplete", None, 11, 7, 0))
