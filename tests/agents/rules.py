"""What vendors refuse whatever their wire format: in tools and their results, and in the names of users."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

__all__ = ["broken_tools", "broken_users"]

# As the strictest of them have it.
_USER = re.compile(r"[a-zA-Z0-9_-]{1,64}")
_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_-]{0,63}")


def broken_tools(tools: Sequence[tuple[str, Any]]) -> str:
    """The first rule that tools (names and schemas, `None` for plain text) break, or nothing."""
    names = [name for name, _ in tools]
    if len(set(names)) < len(names):
        return f"tools: two have the same name: {sorted(names)}"
    for name, schema in tools:
        if not _NAME.fullmatch(name):
            return f"tools: the name {name!r} does not match {_NAME.pattern}"
        if schema is None:
            continue
        if not isinstance(schema, dict) or schema.get("type") != "object":
            return f"tools: the parameters of {name!r} must be an object's schema"
        if "properties" in schema and not isinstance(schema["properties"], dict):
            return f"tools: the properties of {name!r} must be an object"
    return ""


def broken_users(body: Mapping[str, Any]) -> str:
    """The first rule that the names of users and caches break, or nothing."""
    names = {field: body[field] for field in ("user", "safety_identifier", "prompt_cache_key") if field in body}
    names |= {field: value for field, value in body.get("metadata", {}).items() if field == "user_id"}
    return next((f"Invalid {field!r}: {name!r}" for field, name in names.items() if not _USER.fullmatch(name)), "")
