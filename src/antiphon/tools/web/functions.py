"""The functions that a model is shown in place of the `web_search` tool. Their words are for weak models, too."""

import msgspec
from msgspec import Raw

from antiphon.protocol.request import FunctionTool

__all__ = ["FIND", "OPEN", "SEARCH", "web_functions"]

SEARCH = "web_search"
OPEN = "open_page"
FIND = "find_in_page"

# Bounded strings: where calls come from schema-constrained output, a model would else write without end, and a very
# small one writes as much as it may. A longer query of another model is taken all the same.
_QUERY = {"type": "string", "description": "A few words, as for a search engine.", "maxLength": 120}
_URL = {"type": "string", "description": "The page's address, from a result or a link.", "maxLength": 2048}
_PART = {"type": "integer", "description": "Which part of a long page. Left out: the first.", "minimum": 1}
_PATTERN = {"type": "string", "description": "Words to look for on the page.", "maxLength": 200}

# Very small models choose by what these say; see `providers.constrained.asking`.
_WANTS_SEARCH = (
    'Users say: "What are the news?", "Who is the president now?", "What is the weather today?", '
    '"Find out when the shop opens."'
)
_WANTS_PAGE = 'Users say: "Open the page https://example.com/a."'
_WANTS_PLACE = 'Users say: "Where on https://example.com/a do they write of bread?"'


def web_functions(*, place: str, pages: bool) -> tuple[FunctionTool, ...]:
    """The functions; `place` is about where the user is, or empty."""
    near = f" The user is near {place}." if place else ""
    search = _function(
        SEARCH,
        f"Searches the web. Gives numbered results with title, address and a piece of the text.{near}\n{_WANTS_SEARCH}",
        {"query": _QUERY},
        required=["query"],
    )
    if not pages:
        return (search,)
    return (
        search,
        _function(
            OPEN,
            f"Reads a web page, when a result's piece of text is not enough.\n{_WANTS_PAGE}",
            {"url": _URL, "part": _PART},
            required=["url"],
        ),
        _function(
            FIND,
            f"Shows the places on a web page where certain words stand.\n{_WANTS_PLACE}",
            {"url": _URL, "pattern": _PATTERN},
            required=["url", "pattern"],
        ),
    )


def _function(name: str, description: str, properties: dict[str, object], *, required: list[str]) -> FunctionTool:
    schema = {"type": "object", "properties": properties, "required": required, "additionalProperties": False}
    return FunctionTool(name, description, Raw(msgspec.json.encode(schema)), strict=False)
