"""Failed decodes told to the client: the place, the reason, the values that would do; never more than a line."""

from typing import Annotated, Literal

import msgspec
import pytest
from msgspec import Meta, Struct

from antiphon.protocol.validation import validation_fault


class Cat(Struct, tag="cat", tag_field="kind"):
    colour: Literal["black", "white"]


class Dog(Struct, tag="dog", tag_field="kind"):
    size: Annotated[int, Meta(ge=1)]


class Home(Struct):
    pets: list[Cat | Dog] | None = None
    best: Cat | None = None
    labels: dict[Annotated[str, Meta(max_length=3)], Annotated[str, Meta(max_length=3)]] | None = None


CASES = [
    (b'{"pets":[{"kind":"cow"}]}', "pets[0].kind", "Invalid value 'cow'. Accepted: 'cat', 'dog'."),
    (b'{"pets":[{"kind":"cat","colour":"red"}]}', "pets[0].colour", "Invalid enum value 'red'. Accepted: 'black', 'white'."),
    (b'{"best":{"kind":"dog"}}', "best.kind", "Invalid value 'dog'. Accepted: 'cat'."),
    (b'{"pets":[{"kind":"dog"}]}', "pets[0].size", "Object missing required field 'size'."),
    (b'{"pets":[{"kind":"dog","size":0}]}', "pets[0].size", "Expected 'int' >= 1."),
    (b'{"labels":{"abcd":"a"}}', "labels", "a key: Expected 'str' of length <= 3."),
    (b'{"labels":{"a":"abcd"}}', "labels", "Expected 'str' of length <= 3."),
    (b'{"best":{"kind":"cat","colour":"x - at `$.pets"}}', "best.colour", "Invalid enum value 'x - at '$.pets'. Accepted: 'black', 'white'."),
    (b'{"best":{"kind":"cat","colour":"x - at `key` in `$.pets"}}', "best.colour", "Accepted: 'black', 'white'."),
    (b"[]", None, "Expected 'object', got 'array'."),
]  # fmt: skip


@pytest.mark.parametrize(("body", "param", "words"), CASES)
def test_place_reason_and_accepted_values_are_named(body: bytes, param: str | None, words: str) -> None:
    with pytest.raises(msgspec.ValidationError) as caught:
        msgspec.json.decode(body, type=Home)
    fault = validation_fault(caught.value, expected=Home)
    assert fault.param == param
    assert fault.message.endswith(words)


def test_place_is_told_from_the_root_of_the_request() -> None:
    with pytest.raises(msgspec.ValidationError) as caught:
        msgspec.json.decode(b'{"kind":"dog"}', type=Dog)
    assert validation_fault(caught.value, prefix="zoo[2]").param == "zoo[2].size"


def test_quoted_value_is_cut() -> None:
    with pytest.raises(msgspec.ValidationError) as caught:
        msgspec.json.decode(b'{"best":{"kind":"cat","colour":"%b"}}' % (b"x" * 10_000), type=Home)
    message = validation_fault(caught.value, expected=Home).message
    assert message.endswith("…. Accepted: 'black', 'white'.")
    assert len(message) < 300
