"""Before a model that cannot call is asked for an answer: does it want to call something?"""

from collections.abc import Callable
from typing import Literal

from msgspec import structs

from antiphon.engine.meter import Meter, estimate_tokens
from antiphon.engine.prepare import Plan, with_request
from antiphon.protocol.deltas import Broke, Delta, Stopped, Text, UsageSeen
from antiphon.providers.constrained.asking import chosen

__all__ = ["Choice", "chosen_plan"]

#: What is said beyond this is no choice.
_MOST_CHARS = 1024


class Choice:
    """What the model says to that. Implements `attempts.Taker`; the client sees nothing of it.

    Attributes:
        elapsed_ms: see `Taker`.
        text: at most 1024 characters are kept, and what comes with them.
    """

    __slots__ = ("_stopped", "elapsed_ms", "meter", "text")

    def __init__(self, elapsed_ms: Callable[[], int]) -> None:
        self.elapsed_ms = elapsed_ms
        self._stopped = False
        self.meter = Meter()
        self.text = ""

    def take_now(self, batch: list[Delta]) -> bool:
        """Leave all to `take`."""
        return not batch

    async def take(self, batch: list[Delta]) -> bool:
        """Keep what was said. Raises the fault of an answer that broke."""
        for delta in batch:
            match delta:
                case Text():
                    if len(self.text) < _MOST_CHARS:
                        self.text += delta.text
                case UsageSeen():
                    self.meter.see(delta)
                case Stopped():
                    self._stopped = True
                case Broke():
                    raise delta.fault
        return self._stopped


def chosen_plan(plan: Plan, choice: Choice, *, asked_bytes: int) -> tuple[Plan, Literal["answer", "call"]]:
    """The plan for what was chosen, with what the choice cost. Whatever is no choice of a tool is one to answer.

    Raises:
        RequestFault: the call cannot be asked for at this upstream.
    """
    if choice.meter.output_tokens is None:
        choice.meter.output_tokens = estimate_tokens(len(choice.text))
    spent = choice.meter.total(request_bytes=asked_bytes, output=tuple)
    plan = structs.replace(plan, question=None, spent=spent)
    wanted = chosen(plan.call.request, choice.text)
    if wanted is None:
        return plan, "answer"
    return with_request(plan, structs.replace(plan.call.request, tool_choice=wanted, body=b"")), "call"
