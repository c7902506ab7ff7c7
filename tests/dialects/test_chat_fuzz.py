"""Bodies bent at random: something to answer or a RequestFault, never anything else; and every answer is legal."""

import os

import msgspec
import pytest

from antiphon.dialects.chat import ChatAnswer, parse_chat
from antiphon.protocol.echo import begin_response
from antiphon.protocol.faults import RequestFault
from tests.helpers.chat_bent import bent_bodies
from tests.helpers.requests import CREATED_AT, RESPONSE_ID

BODIES = int(os.environ.get("ANTIPHON_FUZZ_N", "5000"))


@pytest.mark.parametrize("seed", range(4))
def test_bent_bodies_are_read_or_refused(seed: int) -> None:
    read = 0
    refused: list[RequestFault] = []
    for body in bent_bodies(seed, BODIES // 4):
        try:
            asked = parse_chat(body)
        except RequestFault as fault:
            refused.append(fault)
            continue
        read += 1
        response = begin_response(asked.request, RESPONSE_ID, created_at=CREATED_AT)
        assert msgspec.json.decode(ChatAnswer().encode(response))["choices"]
        for item in asked.request.input:
            msgspec.json.decode(item.raw)
    assert read > BODIES // 400
    assert all(fault.status == 400 and fault.message for fault in refused)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"null",
        b'"x"',
        b"{",
        b"{}x",
        b'{"model":"m","messages":[{"role":"user","content":"\xff"}]}',
        b'{"model":"m","messages":[{"role":"user","content":"\\ud800"}]}',
        b'{"model":"m","messages":[{"role":"user","content":"x"}],"zzz":NaN}',
        b'{"model":"m","messages":[{"role":"user","content":"x"}],"zzz":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b'{"model":"m","messages":' + b"[" * 100_000,
    ],
)
def test_what_is_no_request_is_refused(body: bytes) -> None:
    with pytest.raises(RequestFault) as caught:
        parse_chat(body)
    assert caught.value.status == 400
