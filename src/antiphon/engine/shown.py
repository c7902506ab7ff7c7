"""A stored response as who reads it wants it: with what is kept beside it and only shown to who asks.

Asked for by the same words as when a response is made (`include`): envelopes on thoughts, what searches that ran here
found, and the report on what was not done as asked.
"""

from collections.abc import Mapping

import msgspec
from msgspec import Raw, Struct

from antiphon.engine.fidelity import FIDELITY, Fidelity
from antiphon.engine.retold import read_retold
from antiphon.engine.seal import Origin, Sealer
from antiphon.engine.states import StateOpener, maker_of
from antiphon.protocol.items import ItemState
from antiphon.protocol.records import Tenant, Turn
from antiphon.protocol.request import Notice

__all__ = ["SEALS", "SOURCES", "Shown"]

SEALS = "reasoning.encrypted_content"
SOURCES = "web_search_call.action.sources"

_SEARCH = "search"


class _Head(Struct, frozen=True):
    type: str
    id: str | None = None


class _Kind(Struct, frozen=True):
    type: str = ""


class _Told(Struct, frozen=True):
    """Of a run record."""

    notices: list[Notice] = []


_head = msgspec.json.Decoder(_Head)
_kind = msgspec.json.Decoder(_Kind)
_told = msgspec.json.Decoder(_Told)
_fields = msgspec.json.Decoder(dict[str, Raw])
_list = msgspec.json.Decoder(list[Raw])
_encode = msgspec.json.Encoder().encode


class Shown(Struct, frozen=True):
    """For one reader. `include` are the words that the reader gave."""

    sealer: Sealer
    tenant: Tenant
    include: frozenset[str] = frozenset()

    def resource(self, resource: bytes, turn: Turn) -> bytes:
        """A stored resource with what is wanted on its output. What cannot be opened is not shown."""
        if not {SEALS, SOURCES} & self.include:
            return resource
        fields = _fields.decode(resource)
        states = StateOpener(self.sealer, self.tenant).turn(turn, path="")
        output = [self._item(raw, turn, states=states) for raw in _list.decode(fields["output"])]
        return _encode({**fields, "output": output})

    def reported(self, resource: bytes, turn: Turn, *, record: bytes | None) -> bytes:
        """The same with the report, where it was not asked for when the response was made. None without a record."""
        fields = _fields.decode(resource)
        if FIDELITY not in self.include or "antiphon" in fields or record is None:
            return resource
        target = f"{turn.provider}/{turn.upstream_model}" if turn.provider else None
        return _encode({**fields, "antiphon": Fidelity(target, _told.decode(record).notices)})

    def _item(self, raw: Raw, turn: Turn, *, states: Mapping[str, ItemState]) -> object:
        head = _head.decode(raw)
        state = states.get(head.id or "")
        if head.type == "reasoning" and SEALS in self.include:
            origin = maker_of(turn.provider, state) if state else Origin(turn.provider, turn.upstream_model)
            envelope = self.sealer.seal(self.tenant, origin, state.payload if state else b"")
            return {**_fields.decode(raw), "encrypted_content": envelope}
        if head.type == "web_search_call" and SOURCES in self.include:
            return _with_sources(raw, state)
        return raw


def _with_sources(raw: Raw, state: ItemState | None) -> object:
    """A search that ran here with what it found."""
    retold = read_retold(state)
    fields = _fields.decode(raw)
    if retold is None or "action" not in fields or _kind.decode(fields["action"]).type != _SEARCH:
        return raw
    sources = [{"type": "url", "url": source.url} for source in retold.found()]
    action: dict[str, object] = {"sources": sources, **_fields.decode(fields["action"])}
    return {**fields, "action": action} if sources else raw
