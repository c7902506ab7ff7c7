"""The functions that a model is shown in place of the `web_search` tool. Their words are for weak models, too."""

import msgspec
from msgspec import Raw

from antiphon.protocol.request import FunctionTool

__all__ = ["FIND", "OPEN", "SEARCH", "web_functions"]

SEARCH = "web_search"
OPEN = "open_page"
FIND = "find_in_page"

# Bounded strings: where calls come from schema-constrained output, a model would else write without end.
_QUERY = {"type": "string", "description": "A few words, as for a search engine.", "maxLength": 400}
_URL = {"type": "string", "description": "The page's address, from a result or a link.", "maxLength": 2048}
_PART = {"type": "integer", "description": "Which part of a long page. Left out: the first.", "minimum": 1}
_PATTERN = {"type": "string", "description": "Words to look for on the page.", "maxLength": 200}


def web_functions(*, place: str, pages: bool) -> tuple[FunctionTool, ...]:
    """The functions; `place` is about where the user is, or empty."""
    near = f" The user is near {place}." if place else ""
    search = _function(
        SEARCH,
        f"Searches the web. Gives numbered results with title, address and a piece of the text.{near}",
        {"query": _QUERY},
        required=["query"],
    )
    if not pages:
        return (search,)
    return (
        search,
        _function(
            OPEN,
            "Reads a web page, when a result's piece of text is not enough.",
            {"url": _URL, "part": _PART},
            required=["url"],
        ),
        _function(
            FIND,
            "Shows the places on a web page where certain words stand.",
            {"url": _URL, "pattern": _PATTERN},
            required=["url", "pattern"],
        ),
    )


def _function(name: str, description: str, properties: dict[str, object], *, required: list[str]) -> FunctionTool:
    schema = {"type": "object", "properties": properties, "required": required, "additionalProperties": False}
    return FunctionTool(name, description, Raw(msgspec.json.encode(schema)), strict=False)
