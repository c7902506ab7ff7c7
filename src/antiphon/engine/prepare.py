"""Everything before the first byte goes upstream: history, route, media, and the encoded request."""

import hashlib
from collections.abc import Callable, Mapping, Sequence

from msgspec import Struct, structs

from antiphon.dialects.responses.tools import join_tools, tools_in
from antiphon.engine.attempts import Call, upstream_request
from antiphon.engine.history import History, load_history
from antiphon.engine.media import UrlFault, with_place
from antiphon.engine.ports import Client, Clock, Media, Router, Store
from antiphon.engine.record import Record
from antiphon.engine.seal import Sealer
from antiphon.engine.states import at_home
from antiphon.engine.thoughts import Keeper
from antiphon.protocol.faults import StoreFault
from antiphon.protocol.ids import Ids
from antiphon.protocol.records import Tenant
from antiphon.protocol.request import Request
from antiphon.protocol.target import Target
from antiphon.providers.base import Codec

__all__ = ["Parts", "Plan", "RunLimits", "prepare", "without_body"]


_RENEW_STEP_S = 86400

#: A request's body of so many bytes is not worth a copy of the request without it.
_SMALL_BODY = 4096


class RunLimits(Struct, frozen=True):
    """What the operator decided for every run.

    Attributes:
        run_s: the longest a run may take.
        retention_days: how long a stored response lives, `None` for ever.
        keep_first_line: keep the first line of the input in the run record.
        call_state_hours: how long the thoughts before a call are kept for clients that do not send them back, 0 for not
            at all.
    """

    run_s: float = 1800.0
    retention_days: int | None = 30
    keep_first_line: bool = False
    call_state_hours: int = 24

    @property
    def retention_s(self) -> int | None:
        """The same in seconds."""
        return None if self.retention_days is None else self.retention_days * 86400


class Parts(Struct, frozen=True):
    """Everything a run works with, wired in `app`."""

    store: Store
    router: Router
    client: Client
    media: Media
    codecs: Mapping[str, Codec]
    clock: Clock
    ids: Ids
    limits: RunLimits
    sealer: Sealer


class Plan(Struct, frozen=True):
    """What will be sent where, and the history it was made from."""

    call: Call
    history: History


async def prepare(
    request: Request, tenant: Tenant, *, parts: Parts, record: Record, clock_ms: Callable[[], int]
) -> Plan:
    """Resolve, route and encode. Notes its milestones and notices in the record.

    Raises:
        RequestFault: something named does not exist, does not add up, or cannot be said to this upstream.
        StoreFault: the request needs state, or shall be stored, and the store cannot answer.
    """
    if request.store and not parts.store.available:
        raise StoreFault("known to be down")  # the run's own row is what finds out that it is back
    history = await load_history(request, tenant, store=parts.store, sealer=parts.sealer)
    record.timing.history = clock_ms()
    targets = tuple(parts.router.targets(request.model))
    record.route(targets)
    target = targets[0]
    record.timing.routed = clock_ms()
    codec = parts.codecs[target.protocol]
    full = await _at_home(_for_upstream(request, tenant, history=history), tenant, target=target, parts=parts)
    urls = codec.media_urls(full, target)
    media = await _fetched(parts.media, urls, request=full) if urls else {}
    encoded = codec.encode(full, target, media=media)
    record.notices += [*history.notices, *full.notices, *encoded.notices]
    await _renew(history, tenant, parts=parts)
    record.timing.encoded = clock_ms()
    return Plan(Call(without_body(full), target, codec, upstream_request(encoded, target)), history)


async def _at_home(request: Request, tenant: Tenant, *, target: Target, parts: Parts) -> Request:
    """The request with what this target wants back, and nothing that only another could read."""
    items, notices = request.input, request.notices
    if parts.limits.call_state_hours:
        items, missed = await Keeper(parts.sealer, parts.store, tenant).recalled(items, target)
        notices = (*notices, *missed)
    items, foreign = at_home(items, target)
    if items is request.input and not notices:
        return request
    return structs.replace(request, input=items, notices=(*notices, *foreign))


def without_body(request: Request) -> Request:
    """The request without the client's own bytes where they are many: a stream may stay open for long."""
    return structs.replace(request, body=b"") if len(request.body) > _SMALL_BODY else request


async def _renew(history: History, tenant: Tenant, *, parts: Parts) -> None:
    """A continuation keeps what it continues alive: moved at most once a day, so that most turns write nothing."""
    kept_s = parts.limits.retention_s
    if kept_s is None:
        return
    expires_at = parts.clock.now() + kept_s
    due = [turn.id for turn in history.ancestors if turn.expires_at and turn.expires_at < expires_at - _RENEW_STEP_S]
    if due:
        await parts.store.refresh(tenant, due, expires_at)


async def _fetched(media: Media, urls: Sequence[str], *, request: Request) -> Mapping[str, str]:
    try:
        return await media.inline(urls)
    except UrlFault as fault:
        raise with_place(fault, request.input) from fault


def _for_upstream(request: Request, tenant: Tenant, *, history: History) -> Request:
    """The whole conversation, with the client's identifiers hashed: an upstream account is shared by tenants."""
    full = structs.replace(request, input=history.items)
    if history.ancestors and (brought := tools_in(history.items)):
        full = structs.replace(full, tools=join_tools(request.tools, brought))
    if request.prompt_cache_key or request.safety_identifier or request.user:
        full = structs.replace(
            full,
            prompt_cache_key=_hashed(request.prompt_cache_key, tenant),
            safety_identifier=_hashed(request.safety_identifier, tenant),
            user=_hashed(request.user, tenant),
        )
    return full


def _hashed(value: str | None, tenant: Tenant) -> str | None:
    if value is None:
        return None
    return hashlib.sha256(f"{tenant.id}\0{value}".encode(errors="replace")).hexdigest()[:32]
