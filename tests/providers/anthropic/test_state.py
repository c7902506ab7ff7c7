"""What an item keeps of the provider's own, read again: garbage is nothing, and never an exception."""

import msgspec
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw

from antiphon.providers.anthropic.state import read_state


@given(st.binary(max_size=100))
def test_a_state_of_somebody_else_is_none(data: bytes) -> None:
    found = read_state(data)
    assert found is None or all(isinstance(block, Raw) for block in found)


@given(st.recursive(st.none() | st.integers() | st.text(max_size=5), lambda inner: st.lists(inner, max_size=3)))
def test_a_state_that_is_no_list_of_blocks_is_none(value: object) -> None:
    assert read_state(msgspec.json.encode(value)) in (None, [])
