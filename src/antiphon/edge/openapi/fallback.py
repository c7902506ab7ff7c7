"""The three fields of every request that say where else it may go."""

from collections.abc import Mapping

from antiphon.edge.openapi.schemas import Schema

__all__ = ["FALLBACK_FIELDS", "FALLBACK_TEXTS"]

FALLBACK_TEXTS: Mapping[str, str] = {
    "fallback_models": "Models to try, in this order, when the first one has failed before there was output.",
    "fallback_timeout": "Milliseconds to wait for output before another place is tried, as long as one would be.",
    "fallback_enabled": "Whether any other place may be tried. Left out: as the operator says.",
}

FALLBACK_FIELDS: Mapping[str, Schema] = {
    "fallback_models": {
        "type": ["array", "null"],
        "items": {"type": "string", "minLength": 1, "maxLength": 256},
        "maxItems": 5,
        "description": FALLBACK_TEXTS["fallback_models"],
    },
    "fallback_timeout": {
        "type": ["integer", "null"],
        "minimum": 1,
        "maximum": 3_600_000,
        "description": FALLBACK_TEXTS["fallback_timeout"],
    },
    "fallback_enabled": {"type": ["boolean", "null"], "description": FALLBACK_TEXTS["fallback_enabled"]},
}
