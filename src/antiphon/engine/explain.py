"""What would be done with a request, without doing it: nothing is sent, fetched or written, and nothing is paid."""

import base64
from collections.abc import Mapping, Sequence
from urllib.parse import urlsplit, urlunsplit

from msgspec import Raw, Struct, structs

from antiphon.dialects.messages.count import estimate_input
from antiphon.engine.attempts import Call
from antiphon.engine.prepare import Parts, prepare
from antiphon.engine.record import Arrival, Record
from antiphon.protocol.records import Tenant
from antiphon.protocol.request import Notice, Request
from antiphon.protocol.target import Target
from antiphon.providers.registry import known

__all__ = ["CandidateView", "Explanation", "UpstreamView", "explain"]

_NOT_FETCHED = base64.b64encode(b"(fetched when the request is made)").decode()
_TYPES = {".pdf": "application/pdf", ".txt": "text/plain", ".md": "text/plain", ".csv": "text/csv"}
#: Stands for the address of a server that is not a provider's public one: clients are not told where that is.
_HIDDEN = "hidden.invalid"


class UpstreamView(Struct, frozen=True):
    """The request to the provider, without its headers, for keys are in them.

    Attributes:
        url: where it is no known provider's public address, with the host `hidden.invalid` and without the path of the
            base URL.
    """

    url: str
    stream: bool
    body: Raw
    method: str = "POST"


class CandidateView(Struct, frozen=True, omit_defaults=True):
    """One place that was looked at, as `provider/model`.

    Attributes:
        verdict: why it would not be asked first, in the words of the run record; left out for the one that would be.
    """

    target: str
    verdict: str | None = None


class Explanation(Struct, frozen=True):
    """What would be done.

    Attributes:
        target: who would be asked first, as `provider/model`.
        candidates: all that was looked at, best first; a place with several keys once.
        protocol, upstream: what that first one would be sent.
        notices: what would not be done exactly as asked.
        estimated_input_tokens: from sizes, history included.
        estimated_input_cost_micros: these tokens' price in millionths of a US dollar, where it is known.
    """

    model: str
    target: str
    candidates: Sequence[CandidateView]
    protocol: str
    upstream: UpstreamView
    notices: Sequence[Notice]
    estimated_input_tokens: int
    estimated_input_cost_micros: int | None
    object: str = "antiphon.explanation"


class _NotFetched:
    """Implements `engine.ports.Media`: every URL yields a file of a likely type that says that it was not fetched."""

    async def inline(self, urls: Sequence[str]) -> Mapping[str, str]:
        """A data URL for each."""
        return {url: f"data:{_likely_type(url)};base64,{_NOT_FETCHED}" for url in urls}


async def explain(request: Request, tenant: Tenant, *, parts: Parts, arrival: Arrival) -> Explanation:
    """How the request would be served now. History is read; identifiers are hashed as always.

    Raises:
        Fault: why it would be refused before anything is sent.
    """
    record = Record("", tenant.id, arrival.caller, created_at=0, model=request.model, stream=False, store=False)
    parts = structs.replace(parts, media=_NotFetched())
    plan = await prepare(request, tenant, parts=parts, record=record, arrival=arrival)
    call = plan.call
    tokens = estimate_input(call.request)
    price = call.target.price
    target = f"{call.target.provider}/{call.target.model}"
    return Explanation(
        model=request.model,
        target=target,
        candidates=_shown_candidates(record, target),
        protocol=call.target.protocol,
        upstream=UpstreamView(_shown_url(call), call.upstream.stream, Raw(call.upstream.body)),
        notices=record.notices,
        estimated_input_tokens=tokens,
        estimated_input_cost_micros=None if price is None or price.input is None else round(price.input * tokens),
    )


def _shown_candidates(record: Record, target: str) -> list[CandidateView]:
    views = (CandidateView(one.target, None if one.target == target else one.verdict) for one in record.candidates)
    return list(dict.fromkeys(views))


def _shown_url(call: Call) -> str:
    """The address, of which a server that is no provider's public one has only what the dialect puts behind its own.

    Hosts, paths and queries of base URLs name networks, accounts and projects; in some stands a key.
    """
    public, parts = _public_address(call.target), urlsplit(call.upstream.url)
    if call.target.base_url == public:
        return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))
    own = len(urlsplit(call.target.base_url).path.split("/"))
    steps = parts.path.split("/")
    path = "/".join(["", *(steps[own:] or steps[-1:])])
    host = parts.hostname if public is not None and parts.hostname == urlsplit(public).hostname else _HIDDEN
    return urlunsplit((parts.scheme, host or _HIDDEN, path, "", ""))


def _public_address(target: Target) -> str | None:
    facts = known(target.quirks)
    address = facts.address(target.protocol) if facts is not None else None
    return address if address is not None and address.startswith("https://") else None


def _likely_type(url: str) -> str:
    path = urlsplit(url).path.lower()
    return next((kind for ending, kind in _TYPES.items() if path.endswith(ending)), "image/png")
