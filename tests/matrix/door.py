"""What a client hears, whichever door it came through."""

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import Any

from tests.helpers.gateway import Gateway
from tests.helpers.listening import Listening
from tests.matrix.scenarios import Asks, Offer, Tokens

__all__ = ["Door", "Failure", "Heard", "Json"]

Json = dict[str, Any]


@dataclass(frozen=True)
class Failure:
    """How a request failed: before any answer with a status, in the stream without one."""

    status: int | None
    code: str | None
    message: str


@dataclass(frozen=True)
class Heard:
    """One answer. `calls`: of what tool with what arguments."""

    text: str = ""
    thoughts: str = ""
    refusal: str = ""
    calls: list[tuple[str, Any]] = field(default_factory=list)
    ending: str = ""
    tokens: Tokens | None = None
    failure: Failure | None = None


class Door(ABC):
    """A client of one dialect in the middle of a conversation, which it keeps as clients of that dialect do.

    Args:
        offer: what goes with every request.
    """

    def __init__(self, gateway: Gateway, model: str, offer: Offer) -> None:
        self.line = Listening()
        self._gateway = gateway
        self._model = model
        self._offer = offer

    def switch(self, model: str) -> None:
        """Go on with another model."""
        self._model = model

    @abstractmethod
    def ask(self, asks: Asks, *, streamed: bool) -> Heard:
        """One turn. What comes is read by the official client, and checked as it came."""

    @abstractmethod
    def close(self) -> None:
        """Let go of the connection."""

    @property
    def knows_refusals(self) -> bool:
        """Whether this dialect tells them from texts."""
        return True

    def refusal_ending(self, ending: str) -> str:
        """What this dialect makes of the end of an answer that was a refusal."""
        return ending
