"""Everything before the first byte goes upstream: history, route, media, and the encoded request."""

import hashlib
from collections.abc import Mapping, Sequence
from functools import partial
from types import MappingProxyType

import msgspec
from msgspec import Struct, field, structs

from antiphon.dialects.responses.tools import join_tools, tools_in
from antiphon.engine.asking import ask_for
from antiphon.engine.attempts import Call, upstream_request
from antiphon.engine.fidelity import refuse_losses
from antiphon.engine.history import History, load_history
from antiphon.engine.hosted import HostedTools, hosted_tools, without_search
from antiphon.engine.media import UrlFault, with_place
from antiphon.engine.ports import Client, Clock, Health, Media, Router, Store
from antiphon.engine.record import Arrival, Record
from antiphon.engine.retries import RetryPolicy
from antiphon.engine.seal import Sealer
from antiphon.engine.shorten import shorten, weight
from antiphon.engine.states import at_home
from antiphon.engine.thoughts import Keeper
from antiphon.protocol.faults import Fault, RequestFault, ServerFault, StoreFault
from antiphon.protocol.ids import Ids
from antiphon.protocol.items import InputItem
from antiphon.protocol.records import Tenant
from antiphon.protocol.request import WEB_SEARCH, Notice, Request
from antiphon.protocol.target import Route, Target
from antiphon.protocol.usage import Usage
from antiphon.providers.base import Codec
from antiphon.providers.constrained.codec import constrained, first_question
from antiphon.tools.base import HostedKind, OpenedTool

__all__ = [
    "Material",
    "Parts",
    "Plan",
    "RunLimits",
    "gather",
    "hashed",
    "nowhere_to_go",
    "prepare",
    "renew",
    "shortened",
    "with_request",
    "without_body",
]


_RENEW_STEP_S = 86400
#: Dialects whose own searches nobody can be told to count.
_UNCOUNTED = frozenset({"chat", "gemini"})
_NO_FUNCTIONS: Mapping[str, OpenedTool] = MappingProxyType({})

#: How much of the input is kept when an upstream says that it was too long, time after time.
_KEPT_SHARES = (0.75, 0.4, 0.1)

#: Where nothing better is known. Most tokenizers need fewer tokens for plain text, and more for code.
_BYTES_PER_TOKEN = 4

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
        tool_s: the longest that one call of a hosted tool may take. Tools have limits of their own, which end one with
            better words; this one is for those that do not hold.
    """

    run_s: float = 1800.0
    retention_days: int | None = 30
    keep_first_line: bool = False
    call_state_hours: int = 24
    tool_s: float = 30.0

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
    health: Health
    retries: RetryPolicy = field(default_factory=RetryPolicy)
    tools: Sequence[HostedKind] = ()


class Plan(Struct, frozen=True):
    """What will be sent where, and the history it was made from.

    Attributes:
        media: what was fetched for it.
        whole: all items, before any was left out; the call may have fewer.
        notices: what is not done exactly as asked.
        functions: whose calls are run here, by name.
        question: what to ask before the call, where it has to be found out first what to ask for.
        spent: what was asked already and belongs to the answer.
        shortened: which share of it is kept: counts up, each time that it was too long for its model.
    """

    call: Call
    history: History
    media: Mapping[str, str]
    whole: tuple[InputItem, ...]
    notices: tuple[Notice, ...]
    functions: Mapping[str, OpenedTool] = _NO_FUNCTIONS
    question: Call | None = None
    spent: Usage | None = None
    shortened: int = 0


class Material:
    """What every candidate's request is made from: the whole conversation, and the media that were fetched for it."""

    def __init__(  # noqa: PLR0917 - one for each request: with names it takes twice as long
        self,
        request: Request,
        tenant: Tenant,
        history: History,
        parts: Parts,
        hosted: HostedTools | None = None,
    ) -> None:
        self.history = history
        self.hosted = hosted
        self._request = _for_upstream(request, tenant, history=history)
        self._tenant = tenant
        self._parts = parts
        self._media: dict[str, str] = {}

    async def plan(self, target: Target) -> Plan:
        """The request as this target is sent it. What was fetched for another is not fetched again.

        Raises:
            RequestFault: it cannot be said to this upstream; where it is strict, cannot be said exactly.
            StoreFault: the store cannot answer.
        """
        parts = self._parts
        codec = parts.codecs[target.protocol]
        full = self._request
        if not self.history.is_plain:
            full = await _at_home(full, self._tenant, target=target, parts=parts)
        functions = _NO_FUNCTIONS
        native = partial(_is_native, codec, target)
        if self.hosted is not None:
            full, functions = await self.hosted.shown_to(full, native)
        elif full.web or (target.hosted_tools == "gateway" and full.searches_web):
            full = without_search(full, native)
        if (
            full.web_results is not None and target.protocol != "chat" and native(WEB_SEARCH)
        ):  # Chat's codec says itself
            full = _without(full, "web_results_count")
        if full.max_tool_calls is not None and target.protocol in _UNCOUNTED and full.has_hosted_tools:
            full = _without(full, "max_tool_calls")
        codec = constrained(codec, full, target)
        whole = full.input
        full = _fitting(full, target)
        urls = [url for url in codec.media_urls(full, target) if url not in self._media]
        if urls:
            fetched = await _fetched(parts.media, urls, request=full)
            self._media = {**self._media, **fetched}  # another's plan does not hold what it has no use for
        encoded = codec.encode(full, target, media=self._media)
        notices = (*self.history.notices, *full.notices, *encoded.notices)
        refuse_losses(notices, target)
        call = Call(without_body(full), target, codec, upstream_request(encoded, target))
        question = _question(call, self._media)
        return Plan(call, self.history, self._media, whole, notices, functions, question)


async def gather(
    request: Request, tenant: Tenant, *, parts: Parts, arrival: Arrival, record: Record
) -> tuple[Material, Route]:
    """Load what the request continues, and find out where it may go. Notes its milestones in the record.

    Raises:
        RequestFault: something named does not exist, or does not add up.
        StoreFault: the request needs state, or shall be stored, and the store cannot answer.
    """
    if request.store and not parts.store.available:
        raise StoreFault("known to be down")  # the run's own row is what finds out that it is back
    history = await load_history(request, tenant, store=parts.store, sealer=parts.sealer)
    record.timing.history = _passed_ms(parts, arrival)
    route = parts.router.route(ask_for(request, tenant, arrival=arrival, history=history))
    record.route(route)
    record.timing.routed = _passed_ms(parts, arrival)
    hosted = None
    if parts.tools and request.tools:
        hosted = hosted_tools(request, tenant, history=history, kinds=parts.tools)
    return Material(request, tenant, history, parts, hosted), route


async def prepare(request: Request, tenant: Tenant, *, parts: Parts, record: Record, arrival: Arrival) -> Plan:
    """What would be sent to the first candidate that it can be said to.

    Raises:
        Fault: as `gather` and `Material.plan` do; when none can be asked, for the first one's reason.
    """
    material, route = await gather(request, tenant, parts=parts, arrival=arrival, record=record)
    try:
        plan = await _first_plan(material, route)
    finally:
        if material.hosted is not None:
            await material.hosted.close()
    record.notices = list(plan.notices)
    return plan


async def _first_plan(material: Material, route: Route) -> Plan:
    first: RequestFault | None = None
    for candidate in route.candidates:
        if candidate.verdict is None:
            try:
                return await material.plan(candidate.target)
            except RequestFault as fault:
                first = first or fault
    raise first or nowhere_to_go()


def _is_native(codec: Codec, target: Target, kind: str) -> bool:
    return target.hosted_tools == "native" and codec.hosts(kind, target)


def _without(request: Request, field: str) -> Request:
    """The request for a provider that cannot be told this; the field itself stays, and does nothing there."""
    notice = Notice(field, "dropped", "not_supported_by_upstream")
    return structs.replace(request, notices=(*request.notices, notice))


def nowhere_to_go() -> Fault:
    """Every place that could have served is out of the question."""
    return ServerFault("No place that serves this model may be asked.", code="no_candidate", status=503)


def _passed_ms(parts: Parts, arrival: Arrival) -> int:
    return int((parts.clock.monotonic() - arrival.began_s) * 1000)


def with_request(plan: Plan, request: Request) -> Plan:
    """The plan for another request to the same target.

    Raises:
        RequestFault: it cannot be said to this upstream.
    """
    call = plan.call
    encoded = call.codec.encode(request, call.target, media=plan.media)
    call = structs.replace(call, request=request, upstream=upstream_request(encoded, call.target))
    return structs.replace(plan, call=call, question=_question(call, plan.media))


def _question(call: Call, media: Mapping[str, str]) -> Call | None:
    first = first_question(call.codec, call.request, call.target)
    if first is None:
        return None
    codec, request = first
    encoded = codec.encode(request, call.target, media=media)
    return Call(request, call.target, codec, upstream_request(encoded, call.target))


def shortened(plan: Plan) -> Plan | None:
    """The same for a model that takes less. `None` when nothing more can go, or that was tried often enough."""
    call = plan.call
    tries = enumerate(_KEPT_SHARES[plan.shortened :], plan.shortened + 1)
    fewer = ((times, shorten(plan.whole, keep=share)) for times, share in tries)
    found = ((times, less) for times, less in fewer if less and len(less.items) < len(call.request.input))
    times, shorter = next(found, (0, None))
    if shorter is None:
        return None
    plan = with_request(plan, structs.replace(call.request, input=shorter.items, body=b""))
    kept = (notice for notice in plan.notices if notice.where != "truncation")
    notices = (*kept, _left_out(shorter.dropped, len(plan.whole)))
    return structs.replace(plan, notices=notices, shortened=times)


def _fitting(request: Request, target: Target) -> Request:
    """The request without the turns that cannot fit, where the model's context is known and the client lets them go."""
    if request.truncation != "auto" or target.context_tokens is None:
        return request
    room = (target.context_tokens - (request.max_output_tokens or 0)) * _BYTES_PER_TOKEN
    room -= len(request.instructions or "") + len(msgspec.json.encode(request.tools))
    size = sum(weight(item) for item in request.input)
    shorter = shorten(request.input, keep=max(room, 0) / size) if size > room else None
    if shorter is None:
        return request
    notice = _left_out(shorter.dropped, len(request.input))
    return structs.replace(request, input=shorter.items, body=b"", notices=(*request.notices, notice))


def _left_out(dropped: int, of: int) -> Notice:
    return Notice("truncation", "emulated", "context_length", asked="auto", became=f"{dropped} of {of} items left out")


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


async def renew(history: History, tenant: Tenant, *, parts: Parts) -> None:
    """A continuation keeps what it continues alive: moved at most once a day, so that most turns write nothing."""
    kept_s = parts.limits.retention_s
    if kept_s is None or not history.ancestors:
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
    full = request if history.items is request.input else structs.replace(request, input=history.items)
    if history.ancestors and (brought := tools_in(history.items)):
        full = structs.replace(full, tools=join_tools(request.tools, brought))
    if request.prompt_cache_key or request.safety_identifier or request.user:
        full = structs.replace(
            full,
            prompt_cache_key=hashed(request.prompt_cache_key, tenant),
            safety_identifier=hashed(request.safety_identifier, tenant),
            user=hashed(request.user, tenant),
        )
    return full


def hashed(value: str | None, tenant: Tenant) -> str | None:
    """What an upstream sees of an identifier: the same for the same one of the same tenant, and nothing else."""
    if value is None:
        return None
    return hashlib.sha256(f"{tenant.id}\0{value}".encode(errors="replace")).hexdigest()[:32]
