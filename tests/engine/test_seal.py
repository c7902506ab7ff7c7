"""Envelopes open for whom they were made, unchanged, and for nobody else."""

import base64
import itertools
import secrets
import time

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from antiphon.engine.seal import Origin, Sealer, is_envelope
from antiphon.protocol.records import Tenant

ANNA, BEN = Tenant("anna"), Tenant("ben")
OLD, NEW = b"o" * 32, b"n" * 32
HOME = Origin("anthropic", "claude", "ANTHROPIC_API_KEY")
SEALER = Sealer([NEW, OLD])


@given(payload=st.binary(max_size=4096), provider=st.text(), model=st.text(), alias=st.text())
def test_an_envelope_gives_back_what_was_put_in(payload: bytes, provider: str, model: str, alias: str) -> None:
    origin = Origin(provider, model, alias)
    envelope = SEALER.seal(ANNA, origin, payload)
    assert is_envelope(envelope)
    assert SEALER.open(ANNA, envelope) == (origin, payload)


def test_an_envelope_is_plain_base64_and_tells_nothing() -> None:
    envelope = SEALER.seal(ANNA, HOME, b"the secret thought" * 20)
    inside = base64.b64decode(envelope, validate=True)
    assert b"thought" not in inside
    assert b"anthropic" not in inside
    assert b"anna" not in inside
    assert envelope != SEALER.seal(ANNA, HOME, b"the secret thought" * 20)


def test_another_tenant_cannot_open_it() -> None:
    assert SEALER.open(BEN, SEALER.seal(ANNA, HOME, b"x")) is None


@pytest.mark.parametrize("payload", [b"payload", b"payloads", b"payloads!"])
def test_any_changed_character_spoils_it(payload: bytes) -> None:
    envelope = SEALER.seal(ANNA, HOME, payload)
    for at in range(len("antiphon/v1/"), len(envelope)):
        other = "A" if envelope[at] != "A" else "B"
        assert SEALER.open(ANNA, envelope[:at] + other + envelope[at + 1 :]) is None


def test_any_cut_spoils_it() -> None:
    envelope = SEALER.seal(ANNA, HOME, b"payload")
    assert all(SEALER.open(ANNA, envelope[:length]) is None for length in range(12, len(envelope)))


@given(st.text(max_size=200))
def test_garbage_behind_the_head_opens_nothing_and_never_raises(text: str) -> None:
    assert SEALER.open(ANNA, "antiphon/v1/" + text) is None


@given(st.binary(max_size=200))
def test_locked_garbage_opens_nothing_and_never_raises(locked: bytes) -> None:
    assert SEALER.unlock(ANNA, locked, purpose=b"turn") is None


def test_what_was_locked_for_one_place_does_not_open_in_another() -> None:
    locked = SEALER.lock(ANNA, b"content", purpose=b"turn 1")
    assert SEALER.unlock(ANNA, locked, purpose=b"turn 1") == b"content"
    assert SEALER.unlock(ANNA, locked, purpose=b"turn 2") is None
    assert SEALER.unlock(BEN, locked, purpose=b"turn 1") is None


def test_keys_rotate() -> None:
    before, during, after = Sealer([OLD]), Sealer([NEW, OLD]), Sealer([NEW])
    old_envelope = before.seal(ANNA, HOME, b"old")
    new_envelope = during.seal(ANNA, HOME, b"new")
    assert during.open(ANNA, old_envelope) == (HOME, b"old")
    assert during.open(ANNA, new_envelope) == (HOME, b"new")
    assert after.open(ANNA, new_envelope) == (HOME, b"new")
    assert after.open(ANNA, old_envelope) is None
    assert before.open(ANNA, new_envelope) is None


@pytest.mark.parametrize("blob", ["", "gAAAAABo", "antiphon/v2/AAAA", "AntiPhon/v1/", "sk-"])
def test_what_others_make_is_no_envelope(blob: str) -> None:
    assert not is_envelope(blob)


def test_sealing_a_signature_costs_a_few_microseconds() -> None:
    payload = secrets.token_bytes(1500)
    SEALER.seal(ANNA, HOME, payload)

    def cost_s() -> float:
        began = time.process_time()
        for _ in itertools.repeat(None, 1000):
            SEALER.seal(ANNA, HOME, payload)
        return (time.process_time() - began) / 1000

    assert min(cost_s() for _ in range(10)) < 15e-6  # 3.5, and 7 under a tracer


def test_what_was_sealed_before_dialects_were_kept_has_none() -> None:
    packed = msgspec.msgpack.encode(["anthropic", "claude", "ANTHROPIC_API_KEY"])
    assert msgspec.msgpack.decode(packed, type=Origin) == HOME
    assert structs.replace(HOME, protocol="responses").reads(HOME)
    assert not HOME.reads(structs.replace(HOME, protocol="chat"))
