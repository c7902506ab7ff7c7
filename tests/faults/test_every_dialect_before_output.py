"""Rows U1 to U14, whichever dialect the upstream speaks and through whichever door the client came."""

import gzip
import socket
import ssl
import zlib
from collections.abc import Iterator, Sequence
from itertools import product

import msgspec
import pytest
import zstandard

from tests.faults.clients import DOORS, Door
from tests.faults.house import House, new_model, open_house, provider_at
from tests.faults.tongues import EVENTS, HELLO, SPOKEN, TONGUES, Call, Kind, Tongue
from tests.helpers.authority import CERTIFICATE
from tests.helpers.authority import KEY as TLS_KEY
from tests.helpers.gateway import Answer
from tests.helpers.upstream import Act, Reply, Seen, ThreadedUpstream

JSON = {"content-type": "application/json"}

every_tongue = pytest.mark.parametrize("tongue", TONGUES.values(), ids=TONGUES)


class Refusals:
    """What a row promises: asked through every door, the client gets this, and the ledger has that.

    Args:
        ways: in one piece, as a stream.
    """

    def __init__(
        self, house: House, tongue: Tongue, *, ways: Sequence[bool] = (False, True), provider: str = ""
    ) -> None:
        self.house, self.tongue = house, tongue
        self._provider = provider or tongue.name
        self._asks = list(product(DOORS.values(), ways))

    def check(self, reply: Reply, status: int, code: str | None) -> list[Answer]:
        """The upstream answers so, and this is told of it."""
        self.house.script(reply)
        return self.refused(status, code)

    def refused(self, status: int, code: str | None) -> list[Answer]:
        """This is told, and nothing is stored or billed."""
        stored = self.house.gateway.sql("SELECT count(*) FROM responses")
        answers = [self._refused(door, status, code, stream=stream) for door, stream in self._asks]
        assert self.house.gateway.sql("SELECT count(*) FROM responses") == stored
        return answers

    def _refused(self, door: Door, status: int, code: str | None, *, stream: bool) -> Answer:
        model = new_model(self._provider)
        got = self.house.ask(door, model, stream=stream)
        where = f"{door.name}, {'a stream' if stream else 'in one piece'}: {got.body!r:.200}"
        assert got.status != 200, where
        assert door.refused(got) == door.refusal(status, code), where
        self.house.expect(model, ("failed", code or "invalid_request_error", None, None, 0))
        return got


@pytest.fixture
def refusals(house: House, tongue: Tongue) -> Refusals:
    return Refusals(house, tongue)


@pytest.fixture(scope="module")
def astray(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """Its providers cannot be reached: for four reasons, which their names begin with."""
    directory = tmp_path_factory.mktemp("astray")
    (directory / "certificate.pem").write_text(CERTIFICATE)
    (directory / "key.pem").write_text(TLS_KEY)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(directory / "certificate.pem", directory / "key.pem")
    with socket.socket() as reserved, ThreadedUpstream(Reply()) as plain, ThreadedUpstream(Reply(), tls=tls) as safe:
        reserved.bind(("127.0.0.1", 0))  # bound and not listening: connecting is refused
        ways = {
            "closed": f"http://127.0.0.1:{reserved.getsockname()[1]}",
            "nowhere": "http://nowhere.invalid",
            "plain": plain.url.removesuffix("/v1").replace("http:", "https:"),
            "untrusted": safe.url.removesuffix("/v1"),
        }
        providers = {
            f"{way}-{name}": provider_at(tongue, root) for way, root in ways.items() for name, tongue in TONGUES.items()
        }
        with open_house(directory, limits={"connect_s": 0.5}, providers=providers) as opened:
            yield opened
        assert not plain.requests
        assert not safe.requests


@every_tongue
@pytest.mark.parametrize("way", ["closed", "nowhere", "plain", "untrusted"])
def test_u1_u2_u3_an_upstream_that_cannot_be_reached_is_502(astray: House, tongue: Tongue, way: str) -> None:
    Refusals(astray, tongue, provider=f"{way}-{tongue.name}").refused(502, "upstream_unreachable")


@every_tongue
def test_u4_a_stream_that_does_not_begin_is_504(house: House, tongue: Tongue) -> None:
    Refusals(house, tongue, ways=[True]).check(Reply(["stall"], framing="raw"), 504, "upstream_timeout")


@every_tongue
@pytest.mark.parametrize(
    ("headers", "wait"), [({"retry-after": "7"}, "7"), ({"retry-after-ms": "1500"}, "2"), ({}, None)]
)
def test_u5_a_rate_limit_is_passed_on(refusals: Refusals, headers: dict[str, str], wait: str | None) -> None:
    got = refusals.check(refusals.tongue.fails(429, "rate_limit", headers=headers), 429, "rate_limit_exceeded")
    assert {answer.headers.get("retry-after") for answer in got} == {wait}


STATUSES: Sequence[tuple[str, int, Kind, int, str | None]] = (
    ("U5a", 402, "quota", 503, "upstream_quota"),
    ("U5a", 429, "quota", 503, "upstream_quota"),
    ("U6", 500, "server", 502, "upstream_error"),
    ("U6", 502, "server", 502, "upstream_error"),
    ("U6", 504, "server", 502, "upstream_error"),
    ("U8a", 400, "too_long", 400, "context_length_exceeded"),
    ("U8a", 413, "too_large", 413, "request_too_large"),
    ("U8b", 408, "slow", 504, "upstream_timeout"),
    ("U9", 401, "credential", 502, "upstream_credential_error"),
    ("U9", 403, "credential", 502, "upstream_credential_error"),
    ("U10", 404, "no_model", 404, "model_not_found"),
)


@every_tongue
@pytest.mark.parametrize(
    ("answered", "kind", "status", "code"),
    [case[1:] for case in STATUSES],
    ids=[f"{case[0]}-{case[1]}" for case in STATUSES],
)
def test_u5a_u6_u8a_u8b_u9_u10_a_status_means_the_same_from_everybody(
    refusals: Refusals, answered: int, kind: Kind, status: int, code: str | None
) -> None:
    if answered == 504 and refusals.tongue.name == "gemini":  # so Google says that its own time is up
        status, code = 504, "upstream_timeout"
    refusals.check(refusals.tongue.fails(answered, kind), status, code)


@every_tongue
@pytest.mark.parametrize("body", [b"", b"<html>Bad gateway</html>", b'{"detail":7}', b"\xff\xfe"])
def test_u6_a_failure_that_explains_nothing_is_502(refusals: Refusals, body: bytes) -> None:
    refusals.check(Reply([body], status=502, headers={"content-type": "text/html"}), 502, "upstream_error")


@every_tongue
@pytest.mark.parametrize("act", ["reset", "close"])
def test_u6_an_upstream_that_hangs_up_without_an_answer_is_502(refusals: Refusals, act: Act) -> None:
    refusals.check(Reply([act], framing="raw"), 502, "upstream_error")


@every_tongue
@pytest.mark.parametrize("answered", [503, 529])
def test_u7_an_overloaded_upstream_is_503_with_a_time_to_wait(refusals: Refusals, answered: int) -> None:
    got = refusals.check(refusals.tongue.fails(answered, "overloaded"), 503, "upstream_overloaded")
    assert all(int(answer.headers["retry-after"]) >= 1 for answer in got)


@every_tongue
@pytest.mark.parametrize("answered", [400, 422])
def test_u8_what_the_upstream_refuses_is_400(refusals: Refusals, answered: int) -> None:
    said = "The schema of f is bad. key sk-upstream at http://10.0.0.5:8000/v1 (host=vllm-3.internal)"
    for got in refusals.check(refusals.tongue.fails(answered, "refused", said=said), 400, None):
        message = got.json["error"]["message"]
        assert "The schema of f is bad." in message
        for secret in ("10.0.0.5", "vllm-3"):
            assert secret not in message


@every_tongue
@pytest.mark.parametrize("answered", [301, 304, 307])
def test_u8b_a_redirect_is_never_followed(refusals: Refusals, answered: int) -> None:
    before = len(refusals.house.upstream.requests)
    elsewhere = {"location": refusals.house.upstream.url + "/elsewhere"}
    refusals.check(Reply([], status=answered, headers=elsewhere), 502, "upstream_protocol_error")
    assert all("elsewhere" not in request.path for request in refusals.house.upstream.requests[before:])


NO_ANSWERS = {
    "a page": Reply([b"<html>Welcome</html>"], headers={"content-type": "text/html"}),
    "a page as JSON": Reply([b"<!doctype html><html></html>"], headers=JSON),
    "a page as a stream": Reply([b"<html></html>"], headers=EVENTS, framing="chunked"),
    "nothing": Reply([], headers=JSON),
    "an empty stream": Reply([], headers=EVENTS, framing="chunked"),
    "only comments": Reply([b"\n\n : nothing\n\n"], headers=EVENTS, framing="chunked"),
    "a picture": Reply([b"\x89PNG\r\n"], headers={"content-type": "image/png"}),
    "a text": Reply([b"Hello, this is text."], headers={"content-type": "text/plain"}),
    "no object": Reply([b'"yes"'], headers=JSON),
    "half of one": Reply([b"{"], headers=JSON),
    "another object": Reply([b'{"object":"list","data":[]}'], headers=JSON),
    "no HTTP": Reply([b"hello\r\n\r\n"], framing="raw"),
    "a length that is none": Reply([b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n{}"], framing="raw"),
}


@every_tongue
@pytest.mark.parametrize("reply", NO_ANSWERS.values(), ids=NO_ANSWERS)
def test_u11_what_is_no_answer_is_502(refusals: Refusals, reply: Reply) -> None:
    refusals.check(reply, 502, "upstream_protocol_error")


@every_tongue
def test_u12_one_body_instead_of_a_stream_becomes_a_stream(house: House, tongue: Tongue) -> None:
    house.script(tongue.in_one([*HELLO, Call("f", {"a": 1})]))
    for door in DOORS.values():
        model = new_model(tongue.name)
        told = house.told(door, model, stream=True, tools=["f"])
        assert (told.text, told.ending, told.tokens) == (SPOKEN, "completed", (11, 7))
        assert [(name, msgspec.json.decode(arguments)) for _, name, arguments in told.calls] == [("f", {"a": 1})]
        house.expect(model, ("completed", None, 11, 7, 0))


@every_tongue
def test_u12_a_stream_instead_of_one_body_becomes_an_answer(house: House, tongue: Tongue) -> None:
    house.script(tongue.streamed(*tongue.frames()))
    for door in DOORS.values():
        assert house.told(door, new_model(tongue.name), stream=False).text == SPOKEN


IN_BAND: Sequence[tuple[Kind, int, str | None]] = (
    ("rate_limit", 429, "rate_limit_exceeded"),
    ("overloaded", 503, "upstream_overloaded"),
    ("credential", 502, "upstream_credential_error"),
    ("server", 502, "upstream_error"),
    ("too_long", 400, "context_length_exceeded"),
    ("refused", 400, None),
)


@every_tongue
@pytest.mark.parametrize(("kind", "status", "code"), IN_BAND, ids=[case[0] for case in IN_BAND])
@pytest.mark.parametrize("where", ["body", "first frame"])
def test_u13_an_error_inside_a_200_counts_as_what_it_says(
    refusals: Refusals, kind: Kind, status: int, code: str | None, where: str
) -> None:
    tongue = refusals.tongue
    frames = tongue.streamed(tongue.error_frame(kind))
    reply = Reply([msgspec.json.encode(tongue.error(kind))], headers=JSON) if where == "body" else frames
    refusals.check(reply, status, code)


@every_tongue
@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
def test_u14_compression_that_was_not_asked_for_is_undone(house: House, tongue: Tongue, encoding: str) -> None:
    def brain(request: Seen) -> Reply:
        plain = tongue.answer(request)
        whole = b"".join(part for part in plain.parts if isinstance(part, bytes))
        packed = gzip.compress(whole) if encoding == "gzip" else zlib.compress(whole)
        return Reply(
            [packed[:40], packed[40:]], headers={**plain.headers, "content-encoding": encoding}, framing="chunked"
        )

    house.script(brain)
    for door, stream in product(DOORS.values(), (False, True)):
        assert house.told(door, new_model(tongue.name), stream=stream).text == SPOKEN


UNREADABLE = {
    "br": ("br", b"{}"),
    "zstd": ("zstd", zstandard.compress(b"{}")),
    "twice": ("gzip, gzip", gzip.compress(gzip.compress(b"{}"))),
    "unknown": ("x-unknown", b"{}"),
    "damaged": ("gzip", b"\0" * 50),
    "bomb": ("gzip", gzip.compress(b" " * 100_000_000)),
}


@every_tongue
@pytest.mark.parametrize(("encoding", "body"), UNREADABLE.values(), ids=UNREADABLE)
def test_u14_other_compression_and_bombs_are_refused(refusals: Refusals, encoding: str, body: bytes) -> None:
    reply = Reply([body], headers={**JSON, "content-encoding": encoding})
    refusals.check(reply, 502, "upstream_protocol_error")
