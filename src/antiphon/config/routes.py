"""What names of models stand for, and how a request finds its way: settings like those of `settings`."""

from collections.abc import Mapping
from typing import Annotated, Literal

from msgspec import Meta, Struct, field

__all__ = [
    "ConditionSettings",
    "ModelPattern",
    "ModelSettings",
    "PriceSettings",
    "RouteTargetSettings",
    "RoutingSettings",
    "Word",
]

ModelPattern = Annotated[str, Meta(extra={"check": "model_pattern"})]
#: A region, a tag, a tenant, the name of a key.
Word = Annotated[str, Meta(extra={"check": "word"})]
_Tokens = Annotated[int, Meta(ge=1, le=1_000_000_000)]
_Rate = Annotated[float, Meta(ge=0, le=1_000_000)]
_Content = Literal["text", "image", "audio", "video", "pdf"]


class PriceSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a million tokens cost, in US dollars."""

    input: Annotated[_Rate, Meta(description="Tokens sent.")]
    output: Annotated[_Rate, Meta(description="Tokens written.")]
    cached: Annotated[_Rate | None, Meta(description="Tokens read from a cache. Default: as `input`.")] = None
    cache_write: Annotated[_Rate | None, Meta(description="Tokens written to a cache. Default: as `input`.")] = None


class ConditionSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which requests a target is for. Of what is named here, a request must have one of each."""

    tags: Annotated[tuple[Word, ...], Meta(description="Tags of the header `x-antiphon-tags`, any of these.")] = ()
    tenants: Annotated[tuple[Word, ...], Meta(description="Tenants, any of these.")] = ()
    regions: Annotated[
        tuple[Word, ...], Meta(description="Regions that the request is bound to, by its header or its tenant.")
    ] = ()


class RouteTargetSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One of the targets of a name. A plain string is short for `{target: …}`."""

    target: Annotated[
        str,
        Meta(
            description="`provider/model`, or another name. `*` stands for what the name's `*` matched.",
            extra={"check": "model_pattern"},
        ),
    ]
    weight: Annotated[
        float,
        Meta(ge=0, le=1_000_000, description="Its share, beside the weights of the others. 0: only as a reserve."),
    ] = 1.0
    when: Annotated[ConditionSettings | None, Meta(description="Which requests it is for. Default: all.")] = None


_RouteTarget = Annotated[RouteTargetSettings, Meta(extra={"short": "target"})]


class ModelSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a model name stands for, and what is known of the model. A plain string is short for `{target: …}`."""

    target: Annotated[
        str | None,
        Meta(
            description="`provider/model`, or another name. `*` stands for what the name's `*` matched. Either this or "
            "`targets`.",
            extra={"check": "model_pattern"},
        ),
    ] = None
    targets: Annotated[
        tuple[_RouteTarget, ...], Meta(description="Several of these; each a string, or a mapping with more.")
    ] = ()
    strategy: Annotated[
        Literal["ordered", "weighted", "least_busy", "lowest_latency", "cheapest"],
        Meta(description="Which of the `targets` comes first; the others follow when it fails."),
    ] = "ordered"
    sticky: Annotated[
        bool,
        Meta(description="Keep a conversation at one place, whose caches know it; not with `ordered` and `cheapest`."),
    ] = True
    fallbacks: Annotated[
        tuple[ModelPattern, ...] | None,
        Meta(description="Names to try when all of this has failed. Default: `routing.fallbacks`."),
    ] = None
    fallback: Annotated[
        bool | None,
        Meta(description="As `routing.fallback`, for this name. A request may say otherwise."),
    ] = None
    context: Annotated[
        _Tokens | None, Meta(description="Tokens that it takes, input and output together. Default: what is known.")
    ] = None
    max_output: Annotated[_Tokens | None, Meta(description="Tokens of its longest answer. Default: what is known.")] = (
        None
    )
    input: Annotated[tuple[_Content, ...], Meta(description="What it reads. Default: what is known.")] = ()
    output: Annotated[tuple[_Content, ...], Meta(description="What it writes. Default: what is known.")] = ()
    prices: Annotated[
        PriceSettings | None, Meta(description="What a million tokens cost, in US dollars. Default: what is known.")
    ] = None
    strict: Annotated[
        bool | None, Meta(description="As `providers.NAME.strict`, for this name. Default: what the provider says.")
    ] = None
    hosted_tools: Annotated[
        Literal["native", "gateway"] | None,
        Meta(description="As `providers.NAME.hosted_tools`, for this name. Default: what the provider says."),
    ] = None
    calls: Annotated[
        Literal["native", "constrained"] | None,
        Meta(description="As `providers.NAME.calls`, for this name. Default: what the provider says."),
    ] = None


class RoutingSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What holds for every name that says nothing else."""

    fallbacks: Annotated[
        tuple[ModelPattern, ...], Meta(description="Names to try when all places of the asked name have failed.")
    ] = ()
    fallback: Annotated[
        bool,
        Meta(description="Try another place when one has failed. A request may say otherwise."),
    ] = True
    tenant_regions: Annotated[
        Mapping[Word, tuple[Word, ...]],
        Meta(description="The regions in which a tenant's requests may be served. Default: anywhere."),
    ] = field(default_factory=dict)
