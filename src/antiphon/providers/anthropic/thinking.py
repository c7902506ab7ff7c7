"""How hard to think, in the words of the model: adaptive with an effort, or with a budget of tokens."""

from collections.abc import Mapping

from msgspec import Struct

from antiphon.protocol.request import Effort, Notice, Request
from antiphon.providers.anthropic.models import ModelFacts, nearest_effort

__all__ = ["Thinking", "plan_thinking"]

_LACKS = "not_supported_by_upstream"
_SMALLEST_BUDGET = 1024
#: Tokens for thinking where the model wants a number.
_BUDGETS: Mapping[Effort, int] = {
    "minimal": 1024,
    "low": 2048,
    "medium": 8192,
    "high": 24_576,
    "xhigh": 32_000,
    "max": 32_000,
}


class Thinking(Struct, frozen=True):
    """What to send, and what follows from it.

    Attributes:
        config: the field `thinking`; `None` leaves the model its default.
        effort: the word for `output_config.effort`.
        on: the model may think: then it takes no sampling parameters, and no call can be forced.
        forced: a call that shall be forced can be.
    """

    config: Mapping[str, object] | None = None
    effort: Effort | None = None
    on: bool = False
    forced: bool = True
    notices: tuple[Notice, ...] = ()


def plan_thinking(
    request: Request, facts: ModelFacts, *, max_tokens: int, forces: bool = False, lost_thought: bool = False
) -> Thinking:
    """Decide it.

    `max_tokens` limits the answer, thoughts included. `forces`: a call shall be forced. `lost_thought`: the turn that
    goes on did not begin with a thought (`Transcript.lost_thought`).
    """
    asked = request.reasoning.effort
    if facts.thinking == "none":
        notices = () if asked in (None, "none") else (Notice("reasoning.effort", "dropped", _LACKS),)
        return Thinking(notices=notices)
    if asked is None:
        return _unasked(request, facts, forces=forces)
    if asked == "none":
        return _off(request, facts)
    if facts.thinking == "manual":
        return _manual(request, facts, max_tokens=max_tokens, lost_thought=lost_thought)
    word = nearest_effort(asked, facts)
    return Thinking(_adaptive(request), word, on=True, forced=False, notices=_nearest(asked, word))


def _unasked(request: Request, facts: ModelFacts, *, forces: bool) -> Thinking:
    """The client said nothing of effort. Who asks for a summary wants a thought to be summed up."""
    if forces and facts.forced:
        if not facts.thinks_unasked:
            return Thinking()
        return Thinking(
            {"type": "disabled"}, notices=(Notice("reasoning", "approximated", "forced_tool_choice", became="none"),)
        )
    if request.reasoning.summary is None:
        return Thinking(on=facts.thinks_unasked, forced=False)
    if facts.thinking == "manual":
        return Thinking(notices=(Notice("reasoning.summary", "dropped", "no_effort_asked"),))
    return Thinking(_adaptive(request), on=True, forced=False)


def _off(request: Request, facts: ModelFacts) -> Thinking:
    match facts.off:
        case "disabled":
            return Thinking({"type": "disabled"} if facts.thinks_unasked else None, forced=facts.forced)
        case "between_tools":
            notice = Notice("reasoning.effort", "approximated", _LACKS, "none", "between_tools")
            return Thinking({"type": "between_tools"}, on=True, forced=False, notices=(notice,))
        case "never":
            notice = Notice("reasoning.effort", "approximated", _LACKS, "none", "low")
            return Thinking(_adaptive(request), "low", on=True, forced=False, notices=(notice,))


def _manual(request: Request, facts: ModelFacts, *, max_tokens: int, lost_thought: bool) -> Thinking:
    asked = request.reasoning.effort or "none"
    word = nearest_effort(asked, facts)
    if lost_thought:
        return Thinking(
            effort=word, notices=(Notice("reasoning.effort", "approximated", "lost_thought", asked, "none"),)
        )
    if max_tokens <= _SMALLEST_BUDGET:
        notice = Notice("reasoning.effort", "dropped", "max_output_tokens_too_small", asked)
        return Thinking(effort=word, notices=(notice,))
    # At most half of the answer: a budget that leaves no room ends in the middle of a thought.
    budget = max(_SMALLEST_BUDGET, min(_BUDGETS[asked], max_tokens // 2))
    return Thinking(
        {"type": "enabled", "budget_tokens": budget}, word, on=True, forced=False, notices=_nearest(asked, word)
    )


def _adaptive(request: Request) -> Mapping[str, object]:
    """Most models show nothing of their thoughts unless asked."""
    if request.reasoning.summary is None:
        return {"type": "adaptive"}
    return {"type": "adaptive", "display": "summarized"}


def _nearest(asked: Effort, word: Effort | None) -> tuple[Notice, ...]:
    if word is None or word == asked:
        return ()
    return (Notice("reasoning.effort", "approximated", _LACKS, asked, word),)
