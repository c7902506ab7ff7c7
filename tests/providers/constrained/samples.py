"""Values as a constrained decoder may write them: anything that a narrow schema allows, and nothing else."""

from collections.abc import Callable
from typing import Any

from hypothesis import strategies as st

__all__ = ["values_of"]

_FORMATS: dict[str, Callable[[], st.SearchStrategy[str]]] = {
    "date": lambda: st.dates().map(str),
    "time": lambda: st.times().map(lambda value: f"{value.isoformat()}Z"),
    "date-time": lambda: st.datetimes().map(lambda value: f"{value.isoformat()}Z"),
    "uuid": lambda: st.uuids().map(str),
}


def values_of(schema: dict[str, Any]) -> st.SearchStrategy[Any]:
    """Values of a schema as llama.cpp reads it: what it does not know, it does not keep to."""
    if "anyOf" in schema:
        return st.one_of(*(values_of(one) for one in schema["anyOf"]))
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    return _TYPES[schema["type"]](schema)


def _integers(schema: dict[str, Any]) -> st.SearchStrategy[Any]:
    low, high = schema.get("minimum"), schema.get("maximum")
    return st.integers(-(10**16) if low is None else low, 10**16 if high is None else high)


def _numbers(_: dict[str, Any]) -> st.SearchStrategy[Any]:
    return st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(10**16), 10**16)


def _objects(schema: dict[str, Any]) -> st.SearchStrategy[Any]:
    if "properties" not in schema:
        return st.dictionaries(st.text(max_size=5), values_of(schema["additionalProperties"]), max_size=3)
    assert schema["additionalProperties"] is False
    fields = {name: values_of(one) for name, one in schema["properties"].items()}
    required = set(schema["required"]) if "required" in schema else set()
    optional = {name: one for name, one in fields.items() if name not in required}
    return st.fixed_dictionaries({name: fields[name] for name in fields if name in required}, optional=optional)


def _arrays(schema: dict[str, Any]) -> st.SearchStrategy[Any]:
    if "prefixItems" in schema:
        return st.tuples(*(values_of(one) for one in schema["prefixItems"])).map(list)
    longest = min(schema["maxItems"], schema.get("minItems", 0) + 3)
    return st.lists(values_of(schema["items"]), min_size=schema.get("minItems", 0), max_size=longest)


def _texts(schema: dict[str, Any]) -> st.SearchStrategy[str]:
    if "pattern" in schema:
        return st.from_regex(schema["pattern"].removesuffix("$") + r"\Z")
    if "format" in schema:
        return _FORMATS[schema["format"]]()
    return st.text(min_size=schema.get("minLength", 0), max_size=schema["maxLength"])


_TYPES: dict[str, Callable[[dict[str, Any]], st.SearchStrategy[Any]]] = {
    "object": _objects,
    "array": _arrays,
    "string": _texts,
    "integer": _integers,
    "number": _numbers,
    "boolean": lambda _: st.booleans(),
    "null": lambda _: st.none(),
}
