"""How often, and for how long, what failed is tried again."""

from typing import Annotated

from msgspec import Meta, Struct

__all__ = ["RetrySettings"]


class RetrySettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """When a provider fails before the client has seen output."""

    attempts: Annotated[
        int,
        Meta(
            ge=1,
            le=20,
            description="Most attempts of one request, over all places. 1 tries nothing again. A client that names more"
            " models itself gets one for each.",
        ),
    ] = 3
    max_wait_s: Annotated[
        float,
        Meta(
            ge=0,
            le=60,
            description="Longest wait between two attempts, in seconds. Who asks for a longer one is not asked again.",
        ),
    ] = 5.0
    within_s: Annotated[
        float,
        Meta(
            ge=0,
            le=3600,
            description="Seconds after which no place is asked again. One that was not asked yet still is.",
        ),
    ] = 30.0
    budget_percent: Annotated[
        float,
        Meta(
            ge=0,
            le=100,
            description="Most repeats, in percent of the requests of the last minute. Ten a minute are always allowed.",
        ),
    ] = 10.0
