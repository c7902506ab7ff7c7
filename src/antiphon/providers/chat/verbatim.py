"""A client of this dialect before an upstream of this dialect: its body goes on as it came, but for what must differ.

What must differ is found by writing the request twice, for this upstream and for one that takes everything: where both
say the same, the client's own bytes stay. To an upstream of which nothing is known, all goes as it came; what holds for
every one is the model, what the gateway keeps to itself, hashed identifiers, and the rules for media.
"""

from collections.abc import Iterator, Mapping

import msgspec
from msgspec import Raw, Struct, structs

from antiphon.protocol.items import CustomToolCall, InputItem
from antiphon.protocol.request import WEB_SEARCH, CustomTool, HostedTool, Notice, Request
from antiphon.protocol.target import Target
from antiphon.providers.base import InlineMedia
from antiphon.providers.chat.messages import Transcript
from antiphon.providers.chat.params import ParamWriter
from antiphon.providers.chat.searches import native_search, write_search
from antiphon.providers.chat.wire import WireMessage
from antiphon.providers.names import wire_name
from antiphon.providers.quirks.base import ALL_EFFORTS, Quirks
from antiphon.providers.shared.account import check_account, check_fields, drop_elsewhere

__all__ = ["Edited", "edit_body", "is_verbatim"]

_LACKS = "not_supported_by_upstream"
#: What the gateway keeps to itself.
_OURS = ("n", "store", "metadata")
#: Fields in which names of all kinds can stand, being a schema's or a client's own. The rest is looked through.
_LOOKED_AT = frozenset({"messages", "tools", "functions", "response_format", "tool_choice", "prediction"})
_IDENTIFIERS = ("user", "safety_identifier", "prompt_cache_key")
_SEARCHES = b'"' + WEB_SEARCH.encode()
_LEGACY = ("functions", "function_call")

#: An upstream that takes everything that there is.
_NATIVE = Quirks(
    name="native",
    token_limit_field="max_completion_tokens",  # noqa: S106 - a field's name, no secret
    top_k=True,
    min_p=True,
    stop_max=2**31,
    service_tier=True,
    verbosity=True,
    safety_identifier=True,
    prompt_cache_key=True,
    user_field=True,
    developer_role=True,
    assistant_parts=True,
    refusal_field=True,
    files=True,
    audio=True,
    image_in_tool_output=True,
    fetches_urls=True,
    strict_tools=True,
    custom_tools=True,
    allowed_tools=True,
    reasoning_request="reasoning_effort",
    efforts=ALL_EFFORTS,
    reasoning_replay="reasoning_content",
    reasoning_replay_when="always",
)

_fields = msgspec.json.Decoder(dict[str, Raw])
_tools = msgspec.json.Decoder(list[Raw])
_type = msgspec.json.Decoder(dict[str, Raw])
_encode = msgspec.json.Encoder().encode


class Edited(Struct, frozen=True):
    """The client's body after what must differ, without `model` and the fields of a stream."""

    body: dict[str, object]
    notices: tuple[Notice, ...]


def is_verbatim(request: Request) -> bool:
    """Whether the client speaks this dialect, and its body is there."""
    return request.dialect == "chat" and bool(request.body)


def edit_body(request: Request, target: Target, quirks: Quirks, *, media: InlineMedia) -> Edited:
    """What to send instead of a request that was written anew.

    Raises:
        RequestFault: 400 for what this upstream cannot be asked.
    """
    facts = quirks
    if quirks.name == "generic":
        facts = structs.replace(_NATIVE, fetches_urls=quirks.fetches_urls, custom_tools=quirks.custom_tools)
    body: dict[str, object] = dict(_fields.decode(request.body))
    for name in _OURS:
        body.pop(name, None)
    notices = drop_elsewhere(body)
    check_fields(body, target, known=_LOOKED_AT)
    for index, tool in enumerate(request.tools):
        if isinstance(tool, HostedTool):
            check_account(tool.raw, target, path=f"tools[{index}]")
    ours = _params(request, facts)
    _edit_params(request, body, facts, ours=ours)
    notices += _put_search(request, body, quirks)
    messages = _Messages(request, target, media=media)
    written, more = messages.write(facts, ours.prompt)
    if messages.differ(written, ours.prompt, known=facts is quirks):
        body["messages"] = written
        lost = (name for name in request.vendor_only if name.startswith("messages["))
        notices += [Notice(name, "dropped", _LACKS) for name in lost]
        notices += more
    return Edited(body, (*notices, *ours.notices))


def _params(request: Request, quirks: Quirks) -> ParamWriter:
    """Everything but the messages. Tools of the vendor itself stay as they came."""
    own = tuple(tool for tool in request.tools if not isinstance(tool, HostedTool))
    choice = structs.replace(request.tool_choice, hosted=None)
    writer = ParamWriter(structs.replace(request, tools=own, tool_choice=choice), quirks)
    writer.write()
    return writer


def _edit_params(request: Request, body: dict[str, object], quirks: Quirks, *, ours: ParamWriter) -> None:
    """Put what differs into the body. A field that only this dialect's upstreams know is the client's own business."""
    theirs, wanted = _params(request, _NATIVE).body, ours.body
    if "reasoning" in body:  # an object of some vendors, which can say more than an effort
        if quirks.reasoning_request in ("reasoning_object", "reasoning_switch"):
            wanted = {name: value for name, value in wanted.items() if name != "reasoning"}
        elif quirks.name != _NATIVE.name:
            del body["reasoning"]
            body.update((name, wanted[name]) for name in ("reasoning_effort",) if name in wanted)
    for name in theirs.keys() - wanted.keys() - set(request.vendor_only):
        body.pop(name, None)
    for name, value in wanted.items():
        if name not in request.vendor_only and not _same(name, value, theirs, request=request):
            body[name] = value if name != "tools" else [*_listed(value), *_hosted(body.get("tools"))]
    _edit_legacy(body, quirks, wanted=wanted)
    for name in _IDENTIFIERS:
        if name in body and name in wanted:
            body[name] = wanted[name]


def _put_search(request: Request, body: dict[str, object], quirks: Quirks) -> list[Notice]:
    """Ask for a search as this provider is asked for it, whatever the client wrote."""
    notices: list[Notice] = []
    for tool in native_search(request, quirks.chat_search)[:1]:
        fields, entry = write_search(tool, quirks.chat_search, notices)
        own = body.pop("web_search_options", None)
        body.update(fields)
        if quirks.chat_search == "options" and own is not None:
            body["web_search_options"] = own
        tools = body.get("tools")
        listed = _tools.decode(tools) if isinstance(tools, Raw) else _listed(tools)
        kept = [one for one in listed if not (isinstance(one, Raw) and _is_search(one))]
        body["tools"] = [*kept, *([entry] if entry is not None else [])]
        if not body["tools"]:
            del body["tools"]
    return notices


def _is_search(tool: Raw) -> bool:
    return bytes(_type.decode(tool).get("type", Raw(b'""'))).startswith(_SEARCHES)


def _same(name: str, value: object, theirs: Mapping[str, object], *, request: Request) -> bool:
    """Whether an upstream that takes everything would be told the same. Names of tools may have to change for all."""
    if name == "tools" and any(
        wire_name(tool.name) != tool.name for tool in request.tools if not isinstance(tool, HostedTool)
    ):
        return False
    return name in theirs and _encode(theirs[name]) == _encode(value)


def _edit_legacy(body: dict[str, object], quirks: Quirks, *, wanted: Mapping[str, object]) -> None:
    """The predecessors of `tools` and `tool_choice` are only sent to whoever is not known to lack them."""
    if quirks.custom_tools or quirks.name == _NATIVE.name:
        return
    if [name for name in _LEGACY if body.pop(name, None) is not None]:
        body.update((name, wanted[name]) for name in ("tools", "tool_choice") if name in wanted)


def _listed(value: object) -> list[object]:
    return value if isinstance(value, list) else []


def _hosted(raw: object) -> Iterator[Raw]:
    """The vendor's own tools in the client's list."""
    for tool in _tools.decode(raw) if isinstance(raw, Raw) else ():
        if bytes(_type.decode(tool).get("type", Raw(b'"function"'))) not in (b'"function"', b'"custom"'):
            yield tool


class _Messages:
    """Writes the messages of one request."""

    def __init__(self, request: Request, target: Target, *, media: Mapping[str, str]) -> None:
        self._request = request
        self._target = target
        self._media = media

    def write(self, quirks: Quirks, prompt: str) -> tuple[list[WireMessage], list[Notice]]:
        """The messages for such an upstream."""
        transcript = Transcript(
            quirks,
            self._target.provider,
            media=self._media,
            file_ids=quirks is _NATIVE or self._target.upstream_ids == "allow",
        )
        if prompt:
            transcript.instruct(prompt)
        for item in self._request.input:
            transcript.add(item)
        written = transcript.messages()
        if transcript.continued:
            transcript.notices.append(Notice("input", "emulated", "last_message_must_be_user"))
        return written, transcript.notices

    def differ(self, written: list[WireMessage], prompt: str, *, known: bool) -> bool:
        """Whether they are others than the client's. `known`: the upstream has peculiarities."""
        if prompt or self._media or any(map(_is_ours, self._request.input)):
            return True
        if not known and not any(_is_custom(part) for part in (*self._request.input, *self._request.tools)):
            return False
        return _encode(self.write(_NATIVE, "")[0]) != _encode(written)


def _is_ours(item: InputItem) -> bool:
    """Whether the gateway added the item, or something to it."""
    return item.state is not None or not item.path.startswith("messages[")


def _is_custom(part: object) -> bool:
    return isinstance(part, CustomTool) or (isinstance(part, InputItem) and isinstance(part.value, CustomToolCall))
