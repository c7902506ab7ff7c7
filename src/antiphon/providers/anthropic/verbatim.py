"""A client's own Messages body, sent on with as few changes as there can be.

Where the client speaks the upstream's dialect, nothing of what it said is written anew: the model's name, the stream
and the operator's overlay are put in, what was sealed on the way out is replaced by what the provider had given, and
what may not leave this gateway (other people's files, URLs to be fetched here) is dealt with. All else stays as it was.
"""

from collections.abc import Mapping

import msgspec
from msgspec import Raw

from antiphon.protocol.faults import RequestFault
from antiphon.protocol.ids import item_owner
from antiphon.protocol.items import InputItem, Reasoning
from antiphon.protocol.request import Notice, Request
from antiphon.protocol.target import Target
from antiphon.providers.anthropic.encode import Written
from antiphon.providers.anthropic.parts import FILES_BETA, base64_source
from antiphon.providers.anthropic.state import read_state
from antiphon.providers.base import InlineMedia
from antiphon.providers.shared.account import check_fields, drop_elsewhere, is_web_url

__all__ = ["edit_body"]

_Fields = dict[str, Raw]

_fields = msgspec.json.Decoder(_Fields)
_list = msgspec.json.Decoder(list[Raw])
_text = msgspec.json.Decoder(str)
_texts: msgspec.json.Decoder[list[str] | None] = msgspec.json.Decoder(list[str] | None)
_encode = msgspec.json.Encoder().encode

#: Fields of the body that are only read with a beta, which clients name in a header that does not come this far.
_BETAS = {
    "context_management": "context-management-2025-06-27",
    "mcp_servers": "mcp-client-2025-11-20",
}
_SOME = Raw(b'"?"')
_NULL, _NONE = Raw(b"null"), Raw(b"[]")
#: Of the fields that lead to other models, the one that the Messages API itself has.
_OWN = frozenset({"fallbacks"})
#: Fields in which names of all kinds can stand, or that are looked through one by one.
_LOOKED_AT = frozenset({"messages", "system", "tools", "output_config", "output_format", "container", "mcp_servers"})

#: Where a seal stands in a thought, and where a search is named.
_SEALED = {"thinking": "signature", "redacted_thinking": "data"}
_SEARCHES = {"server_tool_use": "id", "web_search_tool_result": "tool_use_id"}

#: The client's betas, where the front door hands them on.
_CLIENT_BETAS = "betas"


def edit_body(request: Request, target: Target, *, media: InlineMedia) -> Written:
    """The client's body, edited.

    Raises:
        RequestFault: 400 for objects at the provider's account, for URLs that cannot be used, and for what has not the
            shape of a Messages request.
    """
    try:
        return _edited(request, target, media=media)
    except msgspec.DecodeError as error:
        raise RequestFault(f"The request is not one of the Messages API: {error}", code="invalid_value") from error


def _edited(request: Request, target: Target, *, media: InlineMedia) -> Written:
    fields = _fields.decode(request.body)
    body: dict[str, object] = {**fields}
    elsewhere = drop_elsewhere(body, but=_OWN)
    check_fields(body, target, known=_LOOKED_AT)
    fields = {name: raw for name, raw in fields.items() if name in body}
    editor = _Editor(request, target, media=media)
    betas = (_texts.decode(fields.pop(_CLIENT_BETAS)) if _CLIENT_BETAS in fields else None) or []
    betas += [beta for field, beta in _BETAS.items() if field in fields]
    if "container" in fields and target.upstream_ids != "allow":
        raise _account_object("container")
    if not target.fetches_urls and fields.get("mcp_servers", _NULL) not in (_NULL, _NONE):
        raise RequestFault(
            "This model's provider may not be sent to other servers.",
            code="unsupported_parameter",
            param="mcp_servers",
        )
    user = request.safety_identifier or request.user
    if user and "metadata" in fields:
        fields["metadata"] = Raw(_encode({**_fields.decode(fields["metadata"]), "user_id": user}))
    if "messages" in fields:
        fields["messages"] = editor.messages(fields["messages"])
    if editor.files:
        betas.append(FILES_BETA)
    return Written(dict(fields), tuple(dict.fromkeys(betas)), (*elsewhere, *editor.notices))


class _Editor:
    """Goes through the messages. Blocks that need no change are not written anew."""

    __slots__ = ("_media", "_seals", "_target", "_thoughts", "files", "notices")

    def __init__(self, request: Request, target: Target, *, media: InlineMedia) -> None:
        self._target = target
        self._media = media
        self._thoughts = [item for item in request.input if _is_own_thought(item)]
        self._seals = {
            item.value.encrypted_content: item for item in self._thoughts if isinstance(item.value, Reasoning)
        }
        self.files = False
        self.notices: list[Notice] = []

    def messages(self, raw: Raw) -> Raw:
        found: list[Raw] = []
        changed = False
        for index, message in enumerate(_list.decode(raw)):
            edited = self._message(message, f"messages[{index}]")
            changed = changed or edited is not message
            if edited is not None:
                found.append(edited)
        return Raw(_encode(found)) if changed else raw

    def _message(self, raw: Raw, path: str) -> Raw | None:
        """The message, itself where nothing changes; `None` when nothing is left of it."""
        fields = _fields.decode(raw)
        content = self._content(fields, path)
        if content is None:
            return raw
        if not content:
            return None
        return Raw(_encode({**fields, "content": content}))

    def _content(self, fields: _Fields, path: str) -> list[Raw] | None:
        """The blocks, `None` where they stay as they are."""
        raw = fields.get("content")
        if raw is None or bytes(raw)[:1] != b"[":
            return None
        blocks: list[Raw] = []
        changed = False
        for index, block in enumerate(_list.decode(raw)):
            edited = self._block(block, f"{path}.content[{index}]")
            changed = changed or edited is not None
            blocks += [block] if edited is None else edited
        return blocks if changed else None

    def _block(self, raw: Raw, path: str) -> list[Raw] | None:
        """What stands in for the block, `None` for the block itself."""
        fields = _fields.decode(raw)
        kind = _word(fields.get("type"))
        if kind in _SEALED:
            return self._thought(_word(fields.get(_SEALED[kind])), path)
        if kind in _SEARCHES:
            return [] if _is_ours(fields.get(_SEARCHES[kind])) else None
        changed = self._changed(fields, path, kind=kind)
        return None if changed is None else [Raw(_encode(changed))]

    def _changed(self, fields: _Fields, path: str, *, kind: str) -> Mapping[str, object] | None:
        """The block's fields with the one that has to be another, `None` where all stay."""
        field, value = "", None
        if kind == "container_upload" and self._target.upstream_ids != "allow":
            raise _account_object(f"{path}.file_id")
        if kind == "text":
            return _with_real_citations(fields)
        if kind in ("image", "document"):
            field, value = "source", self._source(fields, path)
        elif kind == "tool_result":
            field, value = "content", self._content(fields, path)
        return None if value is None else {**fields, field: value}

    def _thought(self, seal: str, path: str) -> list[Raw]:
        """The blocks behind a seal. There is an item for each thought, in order; most are told by the seal."""
        next_one = self._thoughts.pop(0) if self._thoughts else None
        item = self._seals.get(seal) or next_one
        if item is None or item.state is None:
            return []  # made elsewhere, or by nobody: it would be refused
        blocks = read_state(item.state.payload)
        if blocks is None:
            self.notices.append(Notice(path, "dropped", "unreadable_state"))
        return blocks or []

    def _source(self, fields: _Fields, path: str) -> object:
        """What stands in for the source of an image or a document, `None` for itself."""
        raw = fields.get("source")
        if raw is None or bytes(raw)[:1] != b"{":
            return None
        source = _fields.decode(raw)
        kind = _word(source.get("type"))
        if kind == "file":
            if self._target.upstream_ids != "allow":
                raise _account_object(f"{path}.source.file_id")
            self.files = True
        if kind == "content":
            content = self._content(source, f"{path}.source")
            return None if content is None else {**source, "content": content}
        url = _word(source.get("url"))
        if kind != "url" or (self._target.fetches_urls and is_web_url(url)):
            return None
        fetched = self._media.get(url)
        if fetched is None:
            raise RequestFault(
                f"The URL at '{path}.source.url' cannot be used with this model. Send the content as base64.",
                code="unsupported_parameter",
                param=f"{path}.source.url",
            )
        return base64_source(fetched, path=f"{path}.source.url")


def _is_own_thought(item: InputItem) -> bool:
    """A thought that the client itself sent. Others were put in by the engine, for clients that send none back."""
    return isinstance(item.value, Reasoning) and item.path.startswith(("messages[", "input["))


def _is_ours(raw: Raw | None) -> bool:
    """Whether a search was written by our front door: what was really found came with a seal, and takes its place."""
    return item_owner(_word(raw)) is not None


def _with_real_citations(fields: _Fields) -> Mapping[str, object] | None:
    """A text with the citations that the vendor can read, `None` where these are all.

    Our front door cannot write the vendor's index into them.
    """
    raw = fields.get("citations")
    if raw is None or b'"encrypted_index"' not in bytes(raw):
        return None
    found = _list.decode(raw)
    real = [each for each in found if _word(_fields.decode(each).get("encrypted_index", _SOME)) != ""]
    if len(real) == len(found):
        return None
    rest = {name: value for name, value in fields.items() if name != "citations"}
    return {**rest, "citations": real} if real else rest


def _word(raw: Raw | None) -> str:
    """A JSON string's text; empty for anything else."""
    return _text.decode(raw) if raw is not None and bytes(raw)[:1] == b'"' else ""


def _account_object(path: str) -> RequestFault:
    return RequestFault(
        f"'{path}' names an object held at the provider's account, which is shared. Send the content inline.",
        code="unsupported_parameter",
        param=path,
    )
