"""Input items on their way to the upstream: the client's own bytes, without ids that the upstream does not know.

Only a reasoning item goes with an id: the upstream's own, to which its sealed thought is bound.
"""

import hashlib
from collections.abc import Sequence

import msgspec
from msgspec import Raw

from antiphon.protocol.faults import RequestFault
from antiphon.protocol.items import InputItem, ItemReference, Message, OtherItem, PlainText, Reasoning
from antiphon.protocol.reading import read_fields
from antiphon.protocol.target import Target
from antiphon.providers.base import InlineMedia
from antiphon.providers.quirks.base import Quirks
from antiphon.providers.responses.parts import PartEditor, parts_of
from antiphon.providers.responses.state import read_clear, read_thought
from antiphon.providers.responses.tools import check_tools
from antiphon.providers.shared.account import check_account
from antiphon.providers.shared.parts import MEDIA, part_text

__all__ = ["ItemEditor", "said", "thought_text"]


_list = msgspec.json.Decoder(list[Raw]).decode
_encode = msgspec.json.Encoder().encode

_NULL = Raw(b"null")

#: Where the code of a call ran. Its item cannot do without.
_RAN_IN = frozenset({"container_id"})
#: Other items name these by their id.
_NAMED = frozenset({"mcp_approval_request"})


class ItemEditor:
    """Edits the input of one request."""

    __slots__ = ("_parts", "_quirks", "_target")

    def __init__(self, target: Target, quirks: Quirks, media: InlineMedia) -> None:
        self._target = target
        self._quirks = quirks
        self._parts = PartEditor(target, media)

    def input(self, items: Sequence[InputItem]) -> Raw:
        """The whole list.

        Raises:
            RequestFault: 400 for what cannot be said to this upstream.
        """
        written = (self.edited(item) for item in items)
        return Raw(b"[%b]" % b",".join(raw for raw in written if raw is not None))

    def edited(self, item: InputItem) -> bytes | None:
        """One item, `None` for one that stays here."""
        value = item.value
        if isinstance(value, Reasoning):
            return self._thought(item, value)
        if isinstance(value, ItemReference):
            raise RequestFault(
                "Item references cannot be resolved here.", code="unsupported_parameter", param=f"{item.path}.id"
            )
        if isinstance(value, OtherItem):
            self._check_objects(item)
            return item.raw if value.type in _NAMED else _without(item.raw, "id")
        role = value.role if isinstance(value, Message) else ""
        if isinstance(value, Message) and role == "assistant" and self._quirks.responses_spelled_out:
            return said(value)
        raw = self._plain(item, role=role)
        if role == "developer" and not self._quirks.responses_developer:
            return _encode({**read_fields(raw), "role": Raw(b'"system"')})
        return raw

    def _plain(self, item: InputItem, *, role: str) -> bytes:
        where, parts = parts_of(item)
        if any(isinstance(part, (PlainText, *MEDIA)) for part in parts):
            return self._with_parts(item, where, role=role)
        if b'"id"' not in item.raw and b"null" not in item.raw and b"\\" not in item.raw:
            return item.raw
        return _without(item.raw, "id")

    def _with_parts(self, item: InputItem, where: str, *, role: str) -> bytes:
        parts = parts_of(item)[1]
        fields = read_fields(item.raw)
        path = item.path if item.path.startswith("input[") else "input"
        edited = [
            self._parts.edited(raw, part, path=f"{path}.{where}[{index}]" if path != "input" else path, role=role)
            for index, (raw, part) in enumerate(zip(_list(fields[where]), parts, strict=True))
        ]
        return _encode({name: raw for name, raw in {**fields, where: edited}.items() if name != "id" and raw != _NULL})

    def _thought(self, item: InputItem, value: Reasoning) -> bytes | None:
        """Thought goes home, sealed; in clear where the upstream wants that. What nobody can read there stays here."""
        thought = read_thought(item.state.payload) if item.state is not None else None
        fields = read_fields(item.raw)
        if thought is not None:
            own = {name: raw for name, raw in fields.items() if name != "status" and raw != _NULL}
            sealed = {**own, "id": thought.id, "encrypted_content": thought.encrypted_content}
            sealed.setdefault("summary", Raw(b"[]"))
            if not self._quirks.responses_thoughts:
                sealed.pop("content", None)  # shown by the upstream, never read by it
            return _encode(sealed)
        if item.provider is None and value.encrypted_content and self._quirks.sealed_reasoning:
            return _encode(
                {name: raw for name, raw in fields.items() if raw != _NULL}
            )  # the client's own: not our seal
        if self._quirks.responses_thoughts and item.provider in (None, self._target.provider):
            return thought_text(item, value)
        return None

    def _check_objects(self, item: InputItem) -> None:
        """What the upstream itself said in a stored turn, it may be told again."""
        is_stored = not item.path.startswith("input[")
        if is_stored and item.provider == self._target.provider and item.state is None:
            return  # with a state, a client may have written what stands around it
        path = "input" if is_stored else item.path
        fields = read_fields(item.raw)
        tools = fields.pop("tools", _NULL)
        if bytes(tools)[:1] == b"[":
            check_tools(_list(tools), self._target, path=f"{path}.tools")
        check_account(_encode(fields), self._target, path=path, but=_RAN_IN)


def thought_text(item: InputItem, value: Reasoning) -> bytes | None:
    """The item with its text in clear, as servers want it that think in clear; `None` without text."""
    text = value.text() or (read_clear(item.state.payload) if item.state is not None else "")
    if not text:
        return None
    content = [{"type": "reasoning_text", "text": text}]
    return _encode({"type": "reasoning", "id": _name("rs", text), "summary": [], "content": content})


def said(message: Message) -> bytes | None:
    """What the assistant said with all the fields that strict servers demand; `None` where that is nothing."""
    text = "\n\n".join(text for part in message.parts() if (text := part_text(part)))
    if not text:
        return None
    content = [{"type": "output_text", "text": text, "annotations": []}]
    fields = {"type": "message", "id": _name("msg", text), "role": "assistant", "status": "completed"}
    return _encode({**fields, "content": content})


def _name(prefix: str, text: str) -> str:
    """An id for an upstream that demands one and looks nothing up by it."""
    return f"{prefix}_{hashlib.sha256(text.encode()).hexdigest()[:24]}"


def _without(raw: bytes, name: str) -> bytes:
    """The item without that field, and without those that say nothing: strict servers refuse `null`."""
    return _encode({key: value for key, value in read_fields(raw).items() if key != name and value != _NULL})
