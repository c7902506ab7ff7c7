"""`MODEL:web`: the same model with web search, and the two fields that say how much of it.

Through every door alike: the suffix and the fields become the dialect's own search tool, in the body too, so that all
behind sees a request as any other, and an upstream of the same dialect is never sent what it does not know.
"""

from collections.abc import Callable, Sequence

import msgspec
from msgspec import Raw, Struct, structs

from antiphon.protocol.request import WEB_SEARCH, HostedTool, Notice, Request, Tool, WebLength

__all__ = ["WebWish", "read_web_wish"]

_SUFFIX = ":web"
_COUNT, _LENGTH = "web_results_count", "web_content_length"
_DEFAULT_COUNT = 5
_SIZES: dict[WebLength, str] = {"short": "low", "medium": "medium", "full": "high"}
_ANTHROPIC = {"type": "web_search_20250305", "name": WEB_SEARCH}

_fields = msgspec.json.Decoder(dict[str, Raw])
_listed = msgspec.json.Decoder(list[Raw] | None)
_encode = msgspec.json.Encoder().encode


class WebWish(Struct, frozen=True):
    """What a request wants of the web beside its tools.

    Attributes:
        body: the request's body without it, and with the dialect's own search tool; parse this one.
        asked_model: the name with its suffix, empty where there is none.
        results, length: as the client said, `None` where it did not.
    """

    body: bytes
    asked_model: str
    results: int | None
    length: WebLength | None

    def onto(self, request: Request) -> Request:
        """The request that was parsed from `body`, with the wish in its tool."""
        if not request.searches_web:
            said = {_COUNT: self.results, _LENGTH: self.length}
            notices = [Notice(name, "dropped", "no_web_search") for name, value in said.items() if value is not None]
            return structs.replace(request, notices=(*request.notices, *notices))
        tools = tuple(self._filled(tool) if isinstance(tool, HostedTool) else tool for tool in request.tools)
        return structs.replace(
            request,
            tools=tools,
            tools_echo=_echoed(request, tools),
            asked_model=self.asked_model,
            web=bool(self.asked_model),
            web_results=self.results,
        )

    def _filled(self, tool: HostedTool) -> HostedTool:
        """The tool with what it does not say itself."""
        if not tool.type.startswith(WEB_SEARCH):
            return tool
        wanted: dict[str, object] = {**_sized(self.length)}
        if self.asked_model or self.results:
            wanted["max_results"] = self.results or _DEFAULT_COUNT
        return HostedTool(tool.type, Raw(_encode({**wanted, **_fields.decode(tool.raw)})))


def read_web_wish(request: Request, body: bytes, *, is_model: Callable[[str], bool]) -> WebWish | None:
    """What is wanted of the web, where the suffix or one of the fields is there. Costs nearly nothing where not.

    Args:
        request: as parsed from `body`.
        body: the client's.
        is_model: whether that is a model's own name. Its suffix means nothing then.
    """
    name = request.model
    by_name = name.endswith(_SUFFIX) and len(name) > len(_SUFFIX) and not is_model(name)
    if not by_name and request.web_results is None and request.web_length is None:
        return None
    fields: dict[str, object] = {**_fields.decode(body)}
    for field in (_COUNT, _LENGTH):
        fields.pop(field, None)
    if by_name:
        fields["model"] = name.removesuffix(_SUFFIX)
        if request.fallbacks:
            fields["fallback_models"] = [
                one if is_model(one) else one.removesuffix(_SUFFIX) for one in request.fallbacks
            ]
        if not request.searches_web:
            _add_tool(fields, request)
    return WebWish(_encode(fields), name if by_name else "", request.web_results, request.web_length)


def _add_tool(fields: dict[str, object], request: Request) -> None:
    sized = _sized(request.web_length)
    if request.dialect == "chat":
        fields["web_search_options"] = sized
        return
    tool: object = _ANTHROPIC if request.dialect == "messages" else {"type": WEB_SEARCH, **sized}
    tools = fields.get("tools")
    fields["tools"] = [*((_listed.decode(tools) or ()) if isinstance(tools, Raw) else ()), tool]


def _echoed(request: Request, tools: Sequence[Tool]) -> Raw | None:
    """The tools in canonical form, with what was filled in: whoever takes a tool out of them looks for it as it is."""
    if request.tools_echo is None:
        return None
    filled = {
        bytes(before.raw): after.raw
        for before, after in zip(request.tools, tools, strict=True)
        if isinstance(before, HostedTool) and isinstance(after, HostedTool)
    }
    return Raw(_encode([filled.get(bytes(raw), raw) for raw in _listed.decode(request.tools_echo) or ()]))


def _sized(length: WebLength | None) -> dict[str, str]:
    return {"search_context_size": _SIZES[length]} if length else {}
