"""Schemas made narrower: what a decoder may write by them fits the client's own schema, and has an end."""

import os
from typing import Any

import jsonschema
import msgspec
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from msgspec import Raw

from antiphon.providers.constrained.schema import Narrow, UnusableSchemaError, narrow
from tests.providers.constrained.samples import values_of

Json = dict[str, Any]
LONGEST = 200
EXAMPLES = min(int(os.environ.get("ANTIPHON_FUZZ_N", "6000")) // 20, 5000)


def narrowed(schema: object) -> Narrow:
    return narrow(Raw(msgspec.json.encode(schema)), longest_text=LONGEST)


def field(schema: object, **beside: Any) -> Any:
    """What becomes of one required field."""
    found = narrowed({"type": "object", "properties": {"x": schema}, "required": ["x"], **beside})
    return found.schema["properties"]["x"]  # type: ignore[index]  # an object's


TEXT = {"type": "string", "maxLength": LONGEST}
SCALAR = {"anyOf": [TEXT, {"type": "number"}, {"type": "boolean"}, {"type": "null"}]}
NO_FIELDS = {"type": "object", "properties": {}, "additionalProperties": False}


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        ({"type": "string"}, TEXT),
        ({"type": "string", "description": "d", "default": "x"}, TEXT),
        ({"type": "string", "maxLength": 5}, {"type": "string", "maxLength": 5}),
        ({"type": "string", "maxLength": 10**6}, TEXT),
        ({"type": "string", "minLength": 300}, {"type": "string", "minLength": 300, "maxLength": 300}),
        ({"type": "string", "format": "date"}, {"type": "string", "format": "date"}),
        ({"type": "string", "format": "email"}, TEXT),
        ({"type": "string", "pattern": r"^\d{3}$"}, {"type": "string", "pattern": "^[0-9]{3}$"}),
        ({"type": "string", "enum": ["a", "b"]}, {"enum": ["a", "b"]}),
        ({"type": "string", "enum": ["a", 1, None]}, {"enum": ["a"]}),
        ({"const": {"a": 1}}, {"enum": [{"a": 1}]}),
        ({"type": "boolean"}, {"type": "boolean"}),
        ({"type": ["string", "null"]}, {"anyOf": [TEXT, {"type": "null"}]}),
        ({"type": "integer", "minimum": 1.5, "maximum": 9}, {"type": "integer", "minimum": 2, "maximum": 9}),
        ({"type": "integer", "exclusiveMinimum": 3}, {"type": "integer", "minimum": 4}),
        ({"type": "integer", "minimum": 3, "exclusiveMinimum": True}, {"type": "integer", "minimum": 4}),
        ({"type": "integer", "minimum": -(10**30)}, {"type": "integer"}),
        ({"type": "integer", "minimum": -(10**400)}, {"type": "integer"}),
        ({"enum": [10**400, 2.5, 1], "maximum": 2}, {"enum": [1]}),
        ({"type": "integer", "multipleOf": 5, "minimum": 3, "maximum": 16}, {"enum": [5, 10, 15]}),
        ({"type": "number"}, {"type": "number"}),
        ({"type": "number", "minimum": 0, "maximum": 200}, {"type": "integer", "minimum": 0, "maximum": 200}),
        ({"type": "number", "minimum": 0, "maximum": 0.3, "multipleOf": 0.15}, {"enum": [0, 0.15, 0.3]}),
        ({}, SCALAR),
        (True, SCALAR),
        ({"type": "object"}, {"type": "object", "additionalProperties": SCALAR}),
        ({"type": "object", "additionalProperties": False}, NO_FIELDS),
        ({"properties": {"a": {"type": "null"}}}, {**NO_FIELDS, "properties": {"a": {"type": "null"}}}),
        ({"required": ["a"]}, {**NO_FIELDS, "properties": {"a": SCALAR}, "required": ["a"]}),
        ({"type": "array", "maxItems": 0}, {"enum": [[]]}),
        ({"items": {"type": "boolean"}}, {"type": "array", "items": {"type": "boolean"}, "maxItems": 16}),
        ({"type": "array", "items": {"type": "string"}, "minItems": 20, "maxItems": 90}, {
            "type": "array", "items": {"type": "string", "maxLength": LONGEST // 4}, "minItems": 20, "maxItems": 20,
        }),
        ({"type": "array", "prefixItems": [{"type": "null"}], "items": False}, {
            "type": "array", "prefixItems": [{"type": "null"}], "minItems": 1, "maxItems": 1,
        }),
        ({"allOf": [{"type": "integer", "minimum": 2}, {"type": "number", "maximum": 5}]}, {
            "type": "integer", "minimum": 2, "maximum": 5,
        }),
        ({"allOf": [{"properties": {"a": {"type": "null"}}}, {"properties": {"b": {}}, "additionalProperties": False}]}, {
            **NO_FIELDS, "properties": {"b": SCALAR},
        }),
        ({"allOf": [{"prefixItems": [{"minimum": 2}]}, {"items": {"type": "integer"}}]}, {
            "type": "array", "prefixItems": [{"type": "integer", "minimum": 2}], "minItems": 1, "maxItems": 1,
        }),
        ({"type": "string", "anyOf": [{"maxLength": 3}, {"const": "longer"}, {"type": "integer"}]}, {
            "anyOf": [{"type": "string", "maxLength": 3}, {"enum": ["longer"]}],
        }),
    ],
)  # fmt: skip
def test_what_becomes_of(schema: object, expected: Json) -> None:
    assert field(schema) == expected


def test_references_are_written_out() -> None:
    definitions = {"$defs": {"a/b": {"type": "boolean"}}}
    assert field({"$ref": "#/$defs/a~1b"}, **definitions) == {"type": "boolean"}
    assert field({"$ref": "#/$defs/a~1b", "description": "d"}, **definitions) == {"type": "boolean"}


def test_a_type_that_holds_itself_ends_where_it_may() -> None:
    tree = {"type": "object", "properties": {"kids": {"type": "array", "items": {"$ref": "#/$defs/tree"}}}}
    found = field({"$ref": "#/$defs/tree"}, **{"$defs": {"tree": {**tree, "required": ["kids"]}}})
    innermost = found["properties"]["kids"]["items"]["properties"]["kids"]
    assert innermost == {"enum": [[]]}


@pytest.mark.parametrize(
    ("schema", "why"),
    [
        ({"$ref": "#/$defs/nowhere"}, "leads nowhere"),
        ({"$ref": "https://example.com/schema"}, "leads nowhere"),
        ({"$ref": "#/$defs/endless"}, "comes to an end"),
        ({"type": "string", "minLength": 5, "maxLength": 3}, "comes to an end"),
        ({"allOf": [{"type": "string"}, {"type": "integer"}]}, "comes to an end"),
        (False, "comes to an end"),
        ({"$ref": "#/$defs/wide0"}, "too large"),
        ({"description": "x" * 70_000}, "longer than 65536 bytes"),
    ],
)
def test_what_nobody_can_be_held_to_is_refused(schema: object, why: str) -> None:
    endless = {"properties": {"more": {"$ref": "#/$defs/endless"}}, "required": ["more"]}
    wide = {
        f"wide{level}": {"properties": {name: {"$ref": f"#/$defs/wide{level + 1}"} for name in "abcdefgh"}}
        for level in range(6)
    }
    definitions = {"endless": endless, **wide, "wide6": {"type": "null"}}
    with pytest.raises(UnusableSchemaError, match=why):
        field(schema, **{"$defs": definitions})


@pytest.mark.parametrize("parameters", [None, {}, {"type": "object"}, {"type": "object", "properties": {}}])
def test_a_function_without_parameters_gets_none(parameters: object) -> None:
    assert narrowed(parameters).schema == NO_FIELDS


def test_a_map_stays_one_where_it_is_said() -> None:
    found = narrowed({"type": "object", "additionalProperties": {"type": "integer"}}).schema
    assert found == {"type": "object", "additionalProperties": {"type": "integer"}}


@pytest.mark.parametrize(
    ("schema", "loose"),
    [
        ({"type": "string", "pattern": "^(?=a)b$"}, ("pattern",)),
        ({"type": "array", "uniqueItems": True}, ("uniqueItems",)),
        ({"type": "array", "uniqueItems": False}, ()),
        ({"type": "number", "minimum": 0}, ("minimum",)),
        ({"not": {"const": 1}}, ("not",)),
        ({"oneOf": [{"type": "string"}, {"type": ["integer", "null"]}]}, ()),
        ({"oneOf": [{"type": "integer"}, {"type": "number"}]}, ("oneOf",)),
        ({"oneOf": [{"type": "object"}, {}]}, ("oneOf",)),
        ({"oneOf": [{"$ref": "#/$defs/a"}, {"$ref": "#/$defs/b"}]}, ()),
        ({"oneOf": [{"$ref": "#/$defs/a"}, {"$ref": "#/$defs/a"}]}, ("oneOf",)),
        ({"oneOf": [{"enum": ["a", "b"]}, {"const": "c"}, {"type": "integer"}]}, ()),
        ({"oneOf": [{"enum": ["a", "b"]}, {"const": "b"}]}, ("oneOf",)),
        ({"allOf": [{"type": "string", "pattern": "a"}, {"pattern": "b"}]}, ("pattern",)),
        (
            {"allOf": [{"properties": {"a": {}}, "required": ["a"]}], "additionalProperties": False},
            ("additionalProperties",),
        ),
    ],
)
def test_what_is_not_kept_to_is_named(schema: Json, loose: tuple[str, ...]) -> None:
    definitions = {
        name: {"type": "object", "properties": {"kind": {"const": name}}, "required": ["kind"]} for name in "ab"
    }
    whole = {"type": "object", "properties": {"x": schema}, "required": ["x"], "$defs": definitions}
    assert narrowed(whole).loose == loose


_BOUND = st.integers(-20, 20) | st.floats(-20, 20).map(lambda value: round(value, 2))
_LENGTH = st.integers(0, 4)
_VALUE = st.one_of(st.none(), st.booleans(), st.integers(-9, 9), st.sampled_from([0.5, -1.0]), st.text(max_size=3))
_PATTERNS = st.sampled_from(
    [
        r"^\d{2,3}$",
        "abc",
        "^(a|b)+$",
        r"^[\w.]+@x$",
        r"^.{2}$",
        r"^\S*x",
        "a|b",
        r"^[^a-y]$",
        r"\d",
        "^-?x",
        r"^\W\D\s$",
    ]
)


def _leaves() -> st.SearchStrategy[Json]:
    texts = st.fixed_dictionaries(
        {"type": st.just("string")},
        optional={"minLength": _LENGTH, "maxLength": _LENGTH, "format": st.sampled_from(["date", "uuid", "email"])},
    )
    numbers = st.fixed_dictionaries(
        {"type": st.sampled_from(["integer", "number"])},
        optional={
            "minimum": _BOUND,
            "maximum": _BOUND,
            "exclusiveMinimum": _BOUND,
            "exclusiveMaximum": _BOUND,
            "multipleOf": st.sampled_from([1, 2, 3, 0.5, 0.1, 0.01]),
        },
    )
    return st.one_of(
        texts,
        numbers,
        st.fixed_dictionaries({"type": st.just("string"), "pattern": _PATTERNS}),
        st.fixed_dictionaries({"enum": st.lists(_VALUE, min_size=1, max_size=4)}),
        st.fixed_dictionaries({"const": _VALUE}),
        st.sampled_from([{}, {"type": "boolean"}, {"type": "null"}, {"type": ["integer", "null"]}, {"type": "object"}]),
        st.just({"$ref": "#/$defs/own"}),
    )


def _around(inner: st.SearchStrategy[Json]) -> st.SearchStrategy[Json]:
    fields = st.dictionaries(st.sampled_from("abc"), inner, max_size=3)
    return st.one_of(
        st.fixed_dictionaries(
            {"type": st.just("object"), "properties": fields},
            optional={
                "required": st.lists(st.sampled_from("abcd"), unique=True, max_size=3),
                "additionalProperties": st.booleans() | inner,
            },
        ),
        st.fixed_dictionaries(
            {"type": st.just("array")}, optional={"items": inner, "minItems": _LENGTH, "maxItems": _LENGTH}
        ),
        st.fixed_dictionaries({"type": st.just("array"), "prefixItems": st.lists(inner, min_size=1, max_size=3)}),
        st.fixed_dictionaries({"anyOf": st.lists(inner, min_size=1, max_size=3)}, optional={"title": st.just("t")}),
        st.fixed_dictionaries({"oneOf": st.lists(inner, min_size=1, max_size=3)}),
        st.fixed_dictionaries({"allOf": st.lists(inner, min_size=1, max_size=2)}),
        st.fixed_dictionaries({"allOf": st.lists(inner, min_size=1, max_size=2), "properties": fields}),
    )


SCHEMAS = st.recursive(_leaves(), _around, max_leaves=8)


@given(st.data(), st.dictionaries(st.sampled_from("xyz"), SCHEMAS, max_size=3), SCHEMAS)
@settings(max_examples=EXAMPLES, deadline=None)
def test_whatever_is_written_by_the_narrow_schema_fits_the_clients(
    data: st.DataObject, fields: Json, own: Json
) -> None:
    schema = {"type": "object", "properties": fields, "required": list(fields), "$defs": {"own": own}}
    try:
        found = narrowed(schema)
    except UnusableSchemaError:
        return
    if not found.loose:
        value = data.draw(values_of(found.schema))
        try:
            jsonschema.Draft202012Validator(schema).validate(value)
        except RecursionError:  # such a schema has no end for the validator either
            assume(False)


_WORDS = st.sampled_from(
    [
        *("type", "properties", "required", "items", "enum", "const", "anyOf", "allOf", "oneOf", "pattern"),
        *("minLength", "$ref", "prefixItems", "additionalProperties", "minItems", "maxItems", "minimum", "format"),
    ]
)
_SAID = st.sampled_from(
    ["object", "array", "string", "number", "integer", "null", "#", "#/properties/x", "(", "[a", "a{9"]
)
_SCRAP = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | _SAID
_SCRAPS = st.recursive(
    _SCRAP, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_WORDS, inner, max_size=4), max_leaves=12
)


@example({"additionalProperties": {"format": []}})
@given(st.dictionaries(_WORDS, _SCRAPS, max_size=4))
@settings(max_examples=EXAMPLES, deadline=None)
def test_what_is_no_schema_is_read_or_refused(schema: Json) -> None:
    try:
        found = narrowed(schema)
    except UnusableSchemaError:
        return
    assert {"type", "enum", "anyOf"} & found.schema.keys()


def test_what_is_nested_too_deeply_is_refused() -> None:
    own: Json = {"$ref": "#/$defs/own"}
    for _ in range(200):
        own = {"allOf": [own]}
    with pytest.raises(UnusableSchemaError):
        field({"$ref": "#/$defs/own"}, **{"$defs": {"own": own}})
