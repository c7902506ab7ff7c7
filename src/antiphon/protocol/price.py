"""What tokens cost at a provider, and what a run's usage comes to."""

from msgspec import Struct

from antiphon.protocol.usage import Usage

__all__ = ["Price", "Rates", "Step"]


class Rates(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """US dollars for a million tokens, which is micro-dollars for one. `None` is unknown.

    Attributes:
        input: tokens that no cache knew.
        cached: tokens read from a cache; as `input` where it is unknown.
        cache_write: tokens written to a cache; as `input` where it is unknown.
        output: tokens written, those of thoughts included.
    """

    input: float | None = None
    cached: float | None = None
    cache_write: float | None = None
    output: float | None = None


class Step(Rates, frozen=True, kw_only=True, omit_defaults=True):
    """Other rates for a whole run whose input is longer than `tokens`. What is unknown here stays as it was."""

    tokens: int


class Price(Rates, frozen=True, kw_only=True, omit_defaults=True):
    """The rates of one model, and the `steps` for long inputs, shortest first."""

    steps: tuple[Step, ...] = ()

    def cost(self, usage: Usage) -> int | None:
        """What that usage costs, in whole micro-dollars; `None` where a rate that is needed is unknown.

        Only tokens count: searches, stored caches, and discounts or extra charges of a service tier are not in it.
        """
        rates = self._rates(usage.input_tokens)
        if rates.input is None or (rates.output is None and usage.output_tokens):
            return None
        details = usage.input_tokens_details
        fresh = usage.input_tokens - details.cached_tokens - details.cache_write_tokens
        cached = rates.input if rates.cached is None else rates.cached
        written = rates.input if rates.cache_write is None else rates.cache_write
        return round(
            fresh * rates.input
            + details.cached_tokens * cached
            + details.cache_write_tokens * written
            + usage.output_tokens * (rates.output or 0)
        )

    def _rates(self, input_tokens: int) -> Rates:
        rates: Rates = self
        for step in self.steps:
            if input_tokens > step.tokens:
                rates = Rates(
                    input=_known(step.input, rates.input),
                    cached=_known(step.cached, rates.cached),
                    cache_write=_known(step.cache_write, rates.cache_write),
                    output=_known(step.output, rates.output),
                )
        return rates


def _known(value: float | None, otherwise: float | None) -> float | None:
    return otherwise if value is None else value
