"""What a front door has to do with where a request goes: models for one door only, and dialects that suit a door."""

from collections.abc import Sequence
from typing import final

from antiphon.config.patterns import matches_any
from antiphon.protocol.request import Dialect

__all__ = ["AUTO", "ResponsesOnly", "dialect_of"]

#: In place of a dialect: one for each front door.
AUTO = "auto"


@final
class ResponsesOnly:
    """The rule. `models` are patterns of the providers' names for them, `*` for any run of characters."""

    __slots__ = ("_models",)

    def __init__(self, models: Sequence[str] = ()) -> None:
        self._models = tuple(models)

    def applies(self, model: str) -> bool:
        """Whether the rule is for that model. Resellers put the vendor in front of the name."""
        return matches_any(self._models, model.rpartition("/")[2])


def dialect_of(door: Dialect) -> str:
    """What a provider that serves both is spoken to in: what says the most of what came through that door.

    Chat Completions say all that a client of theirs can say. For everybody else they have no place for thoughts.
    """
    return "chat" if door == "chat" else "responses"
