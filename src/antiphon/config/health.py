"""How the gateway finds out that a provider's server is away, besides by the requests that fail there."""

from typing import Annotated, Literal

from msgspec import Meta, Struct

__all__ = ["HealthSettings"]


class HealthSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Looking at servers before requests meet them."""

    probes: Annotated[
        Literal["failed", "own", "all", "off"],
        Meta(
            description="Which servers are asked for their models now and then, without a key: where requests fail;"
            " also at private addresses and names; all; none."
        ),
    ] = "failed"
    probe_every_s: Annotated[float, Meta(ge=1, le=3600, description="Seconds between two looks.")] = 15.0
