"""The strict shape of a response resource: which keys must be there, and which of them may be null.

Written by hand from the published Open Responses schema, and narrower than the SDK's types, which forgive a missing
key. Extra keys are fine everywhere. Where we follow OpenAI against that schema, a comment says so.
"""

from collections.abc import Callable, Mapping
from typing import Any

Check = Callable[[Any, str], None]


def check_shape(response: Any) -> None:
    """Raise AssertionError, naming the path, unless this is a strict resource."""
    RESPONSE(response, "response")


def check_item_shape(item: Any) -> None:
    """The same for one output item."""
    ITEM(item, "item")


def _kind(name: str, *types: type) -> Check:
    def check(value: Any, path: str) -> None:
        fits = isinstance(value, types) and (bool in types or not isinstance(value, bool))
        assert fits, f"{path} must be {name}, is {value!r}"

    return check


TEXT = _kind("a string", str)
INTEGER = _kind("an integer", int)
NUMBER = _kind("a number", int, float)
BOOLEAN = _kind("a boolean", bool)
OBJECT = _kind("an object", dict)


def anything(_value: Any, _path: str) -> None:
    """No demand but to be there."""


def nullable(inner: Check) -> Check:
    def check(value: Any, path: str) -> None:
        if value is not None:
            inner(value, path)

    return check


def one_of(*words: str) -> Check:
    def check(value: Any, path: str) -> None:
        assert isinstance(value, str), f"{path} must be a string, is {value!r}"
        assert value in words, f"{path} must be one of {words}, is {value!r}"

    return check


def list_of(inner: Check) -> Check:
    def check(value: Any, path: str) -> None:
        assert isinstance(value, list), f"{path} must be an array, is {value!r}"
        for index, element in enumerate(value):
            inner(element, f"{path}[{index}]")

    return check


def record(needed: Mapping[str, Check], optional: Mapping[str, Check] | None = None) -> Check:
    """An object. Optional keys may be missing, but may be null only where their check allows it."""

    def check(value: Any, path: str) -> None:
        OBJECT(value, path)
        missing = needed.keys() - value.keys()
        assert not missing, f"{path} lacks {sorted(missing)}"
        for key, inner in {**needed, **(optional or {})}.items():
            if key in value:
                inner(value[key], f"{path}.{key}")

    return check


def tagged(kinds: Mapping[str, Check]) -> Check:
    """An object whose `type` decides."""

    def check(value: Any, path: str) -> None:
        OBJECT(value, path)
        kind = value.get("type")
        assert isinstance(kind, str), f"{path}.type must be a string, is {kind!r}"
        assert kind in kinds, f"{path}.type must be one of {sorted(kinds)}, is {kind!r}"
        kinds[kind](value, path)

    return check


STATUS = one_of("in_progress", "completed", "incomplete")
LOGPROB = {"token": TEXT, "logprob": NUMBER, "bytes": list_of(INTEGER)}
URL_CITATION = {"url": TEXT, "title": TEXT, "start_index": INTEGER, "end_index": INTEGER}

PART = tagged(
    {
        "output_text": record(
            {"text": TEXT, "annotations": list_of(tagged({"url_citation": record(URL_CITATION)}))},
            {"logprobs": list_of(record({**LOGPROB, "top_logprobs": list_of(record(LOGPROB))}))},
        ),
        "refusal": record({"refusal": TEXT}),
    }
)

#: Other item types exist in OpenAI's API; the published schema, and we so far, have no more than these.
ITEM = tagged(
    {
        "message": record(
            {"id": TEXT, "status": STATUS, "role": one_of("assistant"), "content": list_of(PART)},
            {"phase": one_of("commentary", "final_answer")},
        ),
        "function_call": record({"id": TEXT, "call_id": TEXT, "name": TEXT, "arguments": TEXT, "status": STATUS}),
        "custom_tool_call": record({"id": TEXT, "call_id": TEXT, "name": TEXT, "input": TEXT, "status": STATUS}),
        "web_search_call": record(
            {"id": TEXT, "status": one_of("in_progress", "searching", "completed", "failed"), "action": OBJECT}
        ),
        "reasoning": record(
            {"id": TEXT, "summary": list_of(tagged({"summary_text": record({"text": TEXT})}))},
            {
                "content": list_of(tagged({"reasoning_text": record({"text": TEXT})})),
                "encrypted_content": TEXT,
                "status": STATUS,  # not in the published schema, which lets extra keys be; OpenAI has it
            },
        ),
    }
)

_FUNCTION = record(
    {"name": TEXT, "description": nullable(TEXT), "parameters": nullable(OBJECT), "strict": nullable(BOOLEAN)}
)
_CUSTOM = record({"name": TEXT, "description": nullable(TEXT)}, {"format": OBJECT})


def tool(value: Any, path: str) -> None:
    """A tool. The published schema knows functions only; OpenAI echoes what was sent."""
    OBJECT(value, path)
    kinds = {"function": _FUNCTION, "custom": _CUSTOM, "namespace": _NAMESPACE}
    kinds.get(value.get("type"), record({"type": TEXT}))(value, path)


_NAMESPACE = record({"name": TEXT, "description": TEXT, "tools": list_of(tool)})

FORMAT = tagged(
    {
        "text": record({}),
        "json_object": record({}),
        # The published schema wants `schema: null` and `strict` not null; OpenAI echoes what was asked.
        "json_schema": record(
            {"name": TEXT, "description": nullable(TEXT), "schema": OBJECT, "strict": nullable(BOOLEAN)}
        ),
    }
)

_MODE = one_of("none", "auto", "required")
_NAMED = tagged(
    {
        "function": record({"name": TEXT}),
        "custom": record({"name": TEXT}),  # OpenAI's, as are allowed tools that are no functions
        "allowed_tools": record({"mode": one_of("auto", "required"), "tools": list_of(record({"type": TEXT}))}),
        "web_search_preview": record({}),
    }
)


def tool_choice(value: Any, path: str) -> None:
    """A mode, or an object."""
    (_MODE if isinstance(value, str) else _NAMED)(value, path)


REASONING = record(
    {
        # `minimal` and `max` are OpenAI's; the published schema has neither.
        "effort": nullable(one_of("none", "minimal", "low", "medium", "high", "xhigh", "max")),
        "summary": nullable(one_of("auto", "concise", "detailed")),
    }
)

USAGE = record(
    {
        "input_tokens": INTEGER,
        "output_tokens": INTEGER,
        "total_tokens": INTEGER,
        "input_tokens_details": record({"cached_tokens": INTEGER}),
        "output_tokens_details": record({"reasoning_tokens": INTEGER}),
    }
)

RESPONSE = record(
    {
        "id": TEXT,
        "object": one_of("response"),
        "created_at": INTEGER,
        "completed_at": nullable(INTEGER),
        "status": one_of("queued", "in_progress", "completed", "incomplete", "failed", "cancelled"),
        "incomplete_details": nullable(record({"reason": TEXT})),
        "model": TEXT,
        "previous_response_id": nullable(TEXT),
        "instructions": nullable(TEXT),
        "output": list_of(ITEM),
        "error": nullable(record({"code": TEXT, "message": TEXT})),
        "tools": list_of(tool),
        "tool_choice": tool_choice,
        "truncation": one_of("auto", "disabled"),
        "parallel_tool_calls": BOOLEAN,
        "text": record({"format": FORMAT}, {"verbosity": one_of("low", "medium", "high")}),
        "top_p": NUMBER,
        "presence_penalty": NUMBER,
        "frequency_penalty": NUMBER,
        "top_logprobs": INTEGER,
        "temperature": NUMBER,
        "reasoning": nullable(REASONING),
        "usage": nullable(USAGE),
        "max_output_tokens": nullable(INTEGER),
        "max_tool_calls": nullable(INTEGER),
        "store": BOOLEAN,
        "background": BOOLEAN,
        "service_tier": TEXT,
        "metadata": anything,
        "safety_identifier": nullable(TEXT),
        "prompt_cache_key": nullable(TEXT),
    }
)
