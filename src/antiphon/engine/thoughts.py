"""Thoughts that led to calls, for clients that send the call back and never the thought.

Many providers want the thoughts of a tool turn back and refuse it, or do worse, without them. So what belongs to a call
is kept for a while, sealed, under the tenant, the call, and the question that it answers: call ids are not unique at
every provider, and another conversation's thoughts must not come into this one.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence

import msgspec
from msgspec import UNSET, Struct, structs

from antiphon.engine.ports import Store
from antiphon.engine.seal import Origin, Sealer
from antiphon.engine.states import item_state, origin_of
from antiphon.protocol.carried import carried
from antiphon.protocol.faults import StoreFault
from antiphon.protocol.items import (
    CustomToolCall,
    FunctionCall,
    InputItem,
    InputText,
    Message,
    OtherItem,
    PlainText,
    Reasoning,
    decode_item,
)
from antiphon.protocol.records import CallState, Tenant
from antiphon.protocol.request import Notice
from antiphon.protocol.response import CustomCallItem, FunctionCallItem, ReasoningItem, Response
from antiphon.protocol.target import Target
from antiphon.providers.registry import effective

__all__ = ["Keeper", "wants_back"]

#: Where a thought stands that no client sent.
_PATH = "input.reasoning"
#: Calls of one request that are asked for, the newest.
_MOST_CALLS = 256


class _Thought(Struct, frozen=True, array_like=True):
    """A thought before a call. `lead`: text stood between the two."""

    raw: bytes
    payload: bytes
    lead: bool


class _Entry(Struct, frozen=True, array_like=True):
    """What belongs to one call: the thoughts since the call before, and its own state."""

    origin: Origin
    thoughts: list[_Thought]
    payload: bytes


_pack = msgspec.msgpack.Encoder().encode
_entry = msgspec.msgpack.Decoder(_Entry)
_json = msgspec.json.Encoder().encode


def wants_back(target: Target) -> bool:
    """Whether there is anything at all that this upstream would take back."""
    if target.protocol != "chat":
        return True
    facts = effective(target.quirks, target.model)
    return facts.reasoning_replay != "none" or facts.call_extra is not None


def _calls_carry(target: Target) -> bool:
    """Whether calls themselves have a state, which no client can send back."""
    return target.protocol == "gemini" or effective(target.quirks, target.model).call_extra is not None


class Keeper(Struct, frozen=True):
    """Keeps and recalls for one tenant."""

    sealer: Sealer
    store: Store
    tenant: Tenant

    def kept(
        self, response: Response, states: Mapping[str, bytes], *, asked: Sequence[InputItem], target: Target, until: int
    ) -> list[CallState]:
        """What to write with a run: for each call what belongs to it, or that nothing does.

        That nothing does is written too: some providers number their calls anew in every answer, and the thought that
        led to an earlier call of the same id, on the same question, did not lead to this one.
        """
        if not wants_back(target):
            return []
        question = _question(asked)
        found = []
        for call, entry in _entries(response, states, origin_of(target)):
            key = _key(call.call_id, call.name, namespace=call.namespace or None, question=question)
            is_empty = not (entry.thoughts or entry.payload)
            body = b"" if is_empty else self.sealer.lock(self.tenant, _pack(entry), purpose=b"call" + key)
            found.append(CallState(key, until, body))
        return found

    async def recalled(
        self, items: tuple[InputItem, ...], target: Target
    ) -> tuple[tuple[InputItem, ...], Sequence[Notice]]:
        """The items, with thoughts in front of the calls that came without. Asks the store once, or not at all.

        Without an answer of the store the request goes on as it came, which is told.
        """
        wanted = _wanted(items, all_calls=_calls_carry(target)) if wants_back(target) else {}
        if not wanted:
            return items, ()
        try:
            bodies = await self.store.call_states(self.tenant, wanted.values())
        except StoreFault:
            return items, (Notice(_PATH, "dropped", "store_unavailable"),)
        entries = {at: entry for at, key in wanted.items() if (entry := self._opened(key, bodies)) is not None}
        return (_with_thoughts(items, entries, provider=target.provider) if entries else items), ()

    def _opened(self, key: bytes, bodies: Mapping[bytes, bytes]) -> _Entry | None:
        body = bodies.get(key)
        content = self.sealer.unlock(self.tenant, body, purpose=b"call" + key) if body is not None else None
        return _entry.decode(content) if content is not None else None


def _entries(
    response: Response, states: Mapping[str, bytes], origin: Origin
) -> Iterator[tuple[FunctionCallItem | CustomCallItem, _Entry]]:
    """Each whole call with what belongs to it. Thoughts behind the last call belong to it too."""
    thoughts: list[_Thought] = []
    last: tuple[FunctionCallItem | CustomCallItem, _Entry] | None = None
    for item in response.output:
        if isinstance(item, ReasoningItem):
            if carried(states.get(item.id)) is not None:  # a message's: it led to no call
                continue
            raw = _json(structs.replace(item, encrypted_content=UNSET))
            thoughts.append(_Thought(raw, states.get(item.id, b""), lead=False))
        elif isinstance(item, FunctionCallItem | CustomCallItem):
            if last is not None:
                yield last
            entry = _Entry(origin, thoughts, states.get(item.id, b""))
            last = (item, entry) if item.status == "completed" else None
            thoughts = []
        else:
            thoughts = [structs.replace(thought, lead=True) for thought in thoughts]
    if last is not None:
        call, entry = last
        yield call, structs.replace(entry, thoughts=[*entry.thoughts, *thoughts])


def _wanted(items: Sequence[InputItem], *, all_calls: bool) -> dict[int, bytes]:
    """Place -> key of the calls that came without what belongs to them."""
    wanted: dict[int, bytes] = {}
    asked: Message | None = None
    question = b""
    thought = False  # since the last thing that was said to the model
    for at, item in enumerate(items):
        value = item.value
        if isinstance(value, FunctionCall | CustomToolCall):
            if item.provider is None and item.state is None and (all_calls or not thought):
                question = question or _digest(asked)
                wanted[at] = _key(value.call_id, value.name, namespace=value.namespace, question=question)
        elif isinstance(value, Reasoning):
            thought = thought or not _is_retold(item)
        elif not _is_assistants(item):
            thought = False
            if isinstance(value, Message) and value.role == "user":
                asked, question = value, b""
    return dict(list(wanted.items())[-_MOST_CALLS:])


def _with_thoughts(
    items: Sequence[InputItem], entries: Mapping[int, _Entry], *, provider: str
) -> tuple[InputItem, ...]:
    found: list[InputItem] = []
    lead_at: int | None = None  # where the assistant began to say what led to the next call
    thought = False
    for at, item in enumerate(items):
        if not _is_assistants(item):
            lead_at, thought = None, False
            found.append(item)
            continue
        thought = thought or (isinstance(item.value, Reasoning) and not _is_retold(item))
        if lead_at is None:
            lead_at = len(found)
        entry = entries.get(at)
        if entry is None:
            found.append(item)
        else:
            if not thought:
                if entry.thoughts and entry.origin.provider == provider:
                    found[lead_at:] = [one for one in found[lead_at:] if not _is_retold(one)]
                found[lead_at:lead_at] = [_thought_item(one, entry.origin) for one in entry.thoughts if one.lead]
                found += [_thought_item(one, entry.origin) for one in entry.thoughts if not one.lead]
            own = item_state(entry.origin, entry.payload)
            found.append(structs.replace(item, provider=entry.origin.provider, state=own) if own else item)
        if isinstance(item.value, FunctionCall | CustomToolCall):
            lead_at = None
    return tuple(found)


def _thought_item(thought: _Thought, origin: Origin) -> InputItem:
    value = decode_item(thought.raw, path=_PATH)
    return InputItem(value, thought.raw, _PATH, origin.provider, item_state(origin, thought.payload))


def _is_retold(item: InputItem) -> bool:
    """Whether it is a thought of which the client only kept the text: the provider's own takes its place."""
    value = item.value
    return (
        isinstance(value, Reasoning)
        and value.encrypted_content is None
        and item.state is None
        and item.provider is None
    )


def _is_assistants(item: InputItem) -> bool:
    value = item.value
    if isinstance(value, Message):
        return value.role == "assistant"
    return isinstance(value, Reasoning | FunctionCall | CustomToolCall | OtherItem)


def _question(items: Sequence[InputItem]) -> bytes:
    """Stands for what the user said last."""
    said = (item.value for item in reversed(items) if isinstance(item.value, Message) and item.value.role == "user")
    return _digest(next(said, None))


def _digest(asked: Message | None) -> bytes:
    digest = hashlib.sha256()
    for part in asked.parts() if asked is not None else ():
        if isinstance(part, InputText | PlainText):
            digest.update(part.text.encode(errors="replace"))
    return digest.digest()


def _key(call_id: str, name: str, *, namespace: str | None, question: bytes) -> bytes:
    return hashlib.sha256(_pack((call_id, namespace or "", name)) + question).digest()
