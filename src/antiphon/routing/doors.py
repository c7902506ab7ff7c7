"""Models that only `/v1/responses` serves: a rule about names, as data."""

from collections.abc import Sequence
from typing import final

from antiphon.config.patterns import matches_any

__all__ = ["ResponsesOnly"]


@final
class ResponsesOnly:
    """The rule. `models` are patterns of the providers' names for them, `*` for any run of characters."""

    __slots__ = ("_models",)

    def __init__(self, models: Sequence[str]) -> None:
        self._models = tuple(models)

    def applies(self, model: str) -> bool:
        """Whether the rule is for that model. Resellers put the vendor in front of the name."""
        return matches_any(self._models, model.rpartition("/")[2])
