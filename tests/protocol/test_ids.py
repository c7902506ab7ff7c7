"""Identifiers: what is ours is read back, and everything else is nothing at all."""

import uuid

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from antiphon.lib.clock import SystemIds
from antiphon.protocol.ids import INPUT_ORDINAL, ResponseId, item_id, item_owner, parse_response_id, response_id_text
from tests.helpers.requests import RESPONSE_ID

HEX = "019361d47bf7700080000123456789ab"


@given(st.binary(min_size=16, max_size=16))
def test_response_id_round_trip(raw: bytes) -> None:
    assert parse_response_id(response_id_text(ResponseId(raw))) == raw


@given(
    st.sampled_from(["message", "function_call", "function_call_output", "reasoning", "compaction", "vendor:thing"]),
    st.binary(min_size=16, max_size=16),
    st.integers(0, 0xFFFF),
)
def test_item_id_names_its_response(kind: str, raw: bytes, ordinal: int) -> None:
    assert item_owner(item_id(kind, ResponseId(raw), ordinal)) == raw


def test_new_ids_are_time_ordered_uuids() -> None:
    ids = [SystemIds().new_response_id() for _ in range(100)]
    assert {uuid.UUID(bytes=raw).version for raw in ids} == {7}
    assert {uuid.UUID(bytes=raw).variant for raw in ids} == {uuid.RFC_4122}
    stamps = [raw[:6] for raw in ids]
    assert stamps == sorted(stamps)
    assert len(set(ids)) == 100


def test_item_ids_show_their_type() -> None:
    prefixes = {
        "message": "msg_",
        "function_call": "fc_",
        "function_call_output": "fco_",
        "reasoning": "rs_",
        "never heard of": "item_",
    }
    assert {kind: item_id(kind, RESPONSE_ID, 0).removesuffix(HEX + "0000") for kind in prefixes} == prefixes


def test_input_and_output_items_never_share_an_ordinal() -> None:
    assert item_id("message", RESPONSE_ID, INPUT_ORDINAL) != item_id("message", RESPONSE_ID, 0)


MALFORMED = [
    "",
    "resp_",
    HEX,
    f"resp_{HEX[:-1]}",
    f"resp_{HEX}0",
    f"resp_{HEX.upper()}",
    f"RESP_{HEX}",
    f"resp-{HEX}",
    f"resp_{HEX[:-1]}g",
    f"resp_{HEX[:-1]} ",
    f" resp_{HEX}",
    f"resp_{HEX}\n",
    f"resp_ {HEX[1:]}",
    f"resp_{HEX[:-1]}\x00",
    f"resp_{HEX[:-1]}٣",  # a digit, but not one of ours
    f"resp_{HEX[:-1]}\ud800",
    f"msg_{HEX}0000",
    str(uuid.UUID(HEX)),
    "resp_0x" + HEX[2:],
    "resp_" + "_" * 32,
]


@pytest.mark.parametrize("text", MALFORMED)
def test_malformed_response_id_is_no_id(text: str) -> None:
    assert parse_response_id(text) is None


@pytest.mark.parametrize(
    "text",
    [
        *MALFORMED[:-3],
        f"msg_{HEX}",
        f"msg_{HEX}00zz",
        f"msg_{HEX}000",
        f"msg_{HEX.upper()}0000",
        f"msg_{HEX} 000",
        "_" * 41,
    ],
)
def test_malformed_item_id_has_no_owner(text: str) -> None:
    assert text.startswith("msg_" + HEX + "0000") or item_owner(text) is None


@given(st.text())
@example("resp_")
def test_any_text_is_an_id_or_nothing(text: str) -> None:
    assert parse_response_id(text) is None
    assert item_owner(text) is None
