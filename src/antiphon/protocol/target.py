"""Where a request may go: the value that routing hands to a codec and to the network."""

from collections.abc import Callable, Mapping
from typing import Literal

from msgspec import Raw, Struct, field

from antiphon.config.secret import Secret
from antiphon.protocol.price import Price
from antiphon.protocol.request import Dialect

__all__ = ["Ask", "Candidate", "Credential", "Fallback", "Needs", "Route", "Secret", "Target"]


class Credential(Struct, frozen=True):
    """An upstream API key and the name under which records and logs speak of it."""

    alias: str
    secret: Secret


class Target(Struct, frozen=True):
    """One place that can serve a model.

    Attributes:
        provider: the configured provider's name, as in `provider/model`.
        model: the model's name at the provider.
        protocol: the upstream dialect: `chat`, `responses`, `anthropic` or `gemini`.
        quirks: name of the entry in `providers.registry` that describes the provider's peculiarities.
        base_url: without a trailing slash; the codec appends its path.
        headers: extra request headers, from the configuration.
        params: extra top-level body fields, from the configuration; they win over what the codec wrote.
        proxy, ca_file: how to get there.
        stream: `auto` asks the upstream for a stream when the client did; `always`, `never`.
        fetches_urls: the upstream may be handed http(s) URLs to fetch itself.
        context_tokens: how much the model takes, input and output together, where that is known.
        price: what it costs, where that is known.
        strict: what cannot be done exactly as asked is refused.
        hosted_tools: `native` leaves them to a provider that has them; `gateway` runs them here all the same.
        calls: `native`, or `constrained` for a model that cannot call: its answer is held to a schema that is a call.
        upstream_ids: `refuse` or `allow` ids of objects held at the operator's upstream account (`file_id` and such).
    """

    provider: str
    model: str
    protocol: str
    quirks: str
    base_url: str
    credential: Credential | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    params: Mapping[str, Raw] = field(default_factory=dict)
    proxy: str | None = None
    ca_file: str | None = None
    stream: str = "auto"
    first_byte_s: float = 120.0
    idle_s: float = 300.0
    fetches_urls: bool = False
    upstream_ids: str = "refuse"
    context_tokens: int | None = None
    price: Price | None = None
    strict: bool = False
    hosted_tools: Literal["native", "gateway"] = "native"
    calls: Literal["native", "constrained"] = "native"


class Needs(Struct, frozen=True):
    """What a request needs of a model.

    Attributes:
        tokens: of input and answer together, estimated from the text alone; 0 where nobody knows.
        contents: the kinds of content in its input besides text: `image`, `audio`, `video`, `pdf`.
    """

    tokens: int = 0
    contents: frozenset[str] = frozenset()


class Ask(Struct, frozen=True, kw_only=True):
    """What a request says that decides where it may go.

    Attributes:
        door: the dialect of the front door that it came through.
        tenant, key_id: who asks.
        tags: what the client calls the request by, for conditions of routes.
        regions: where it may be served, in lower case; empty: anywhere.
        affinity: requests with the same one go to the same place where health allows it: a conversation, a chain of
            responses, a prompt's cache key. Empty: anywhere.
        went: `provider/model` that made the turn that is continued: it has its prompt in a cache, and can read what it
            sealed. Empty where nothing is continued.
        fallbacks: names to try after `model`, in that order, from the request.
        fallback: whether other places than the first may be tried at all; `None` leaves it to the route.
        needs: tells what the request needs; only asked where there is a choice.
    """

    model: str
    door: Dialect = "responses"
    tenant: str = ""
    key_id: str = ""
    tags: frozenset[str] = frozenset()
    regions: frozenset[str] = frozenset()
    affinity: str = ""
    went: str = ""
    fallbacks: tuple[str, ...] = ()
    fallback: bool | None = None
    needs: Callable[[], Needs] | None = None


class Candidate(Struct, frozen=True):
    """One place of a route.

    Attributes:
        model: the name, as a client would write it, that led here.
        verdict: why it is not to be tried (`circuit_open`, `cooling_down`, `region_excluded`, ...); `None`: it may be.
    """

    target: Target
    model: str
    verdict: str | None = None


class Fallback(Struct, frozen=True):
    """That another place answers than the one that was asked first, as the answer's headers tell it.

    Attributes:
        model: the name that was asked for.
        reason: why it is not the first one: the code of its fault, or its verdict.
    """

    model: str
    reason: str


class Route(Struct, frozen=True):
    """Where a request may go, best first.

    Attributes:
        candidates: all that were looked at. At least one has no verdict.
        strategy: how they were put in order.
        affinity: whether the first one is there because the same conversation went there before.
    """

    candidates: tuple[Candidate, ...]
    strategy: str = "ordered"
    affinity: bool = False
