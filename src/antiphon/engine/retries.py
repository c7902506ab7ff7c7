"""Whether to try again after a failure, and where: the policy alone. It sends nothing and waits for nothing.

Only what the client has seen nothing of is tried again. What can help depends on what went wrong: the same place once
more, another place, or nothing; the table below says which, by the code of the fault.
"""

import random
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Literal

from msgspec import Struct

from antiphon.config.retries import RetrySettings
from antiphon.protocol.exchange import NetworkFault
from antiphon.protocol.faults import Fault, UpstreamFault
from antiphon.protocol.request import HostedTool, Request

__all__ = [
    "Decision",
    "RetryBudget",
    "RetryPolicy",
    "Standing",
    "Verb",
    "acts",
    "decide",
    "only_elsewhere",
]

#: What is done after a failed attempt, as run records have it.
Verb = Literal[
    "retry",
    "next_candidate",
    "stop_output_sent",
    "stop_not_retryable",
    "stop_attempts",
    "stop_budget",
    "stop_deadline",
]

#: Where a second attempt makes sense. `same`: here once more, then elsewhere. `other_first`: elsewhere, or here again
#: when there is no other place. `other`: elsewhere only.
_Where = Literal["same", "other_first", "other"]

_WHERE: Mapping[str, _Where] = MappingProxyType(
    {
        "upstream_unreachable": "same",
        "upstream_error": "same",
        "upstream_protocol_error": "same",
        "upstream_reset": "same",
        "upstream_truncated": "same",
        "rate_limit_exceeded": "other_first",
        "upstream_overloaded": "other_first",
        "upstream_timeout": "other",
        "upstream_stall": "other",
        "upstream_quota": "other",
        "upstream_credential_error": "other",
        "model_not_found": "other",
    }
)

#: After these the upstream has done nothing of what was asked.
_NOTHING_DONE = frozenset(
    {
        "model_not_found",
        "rate_limit_exceeded",
        "upstream_credential_error",
        "upstream_overloaded",
        "upstream_quota",
        "upstream_unreachable",
    }
)
#: Tools that providers run and that change nothing anywhere. All others may.
_READING_TOOLS = ("web_search", "file_search", "tool_search", "compaction", "fallbacks")

#: The first wait is at most so long; each further one at most twice as long.
_FIRST_WAIT_S = 0.5
#: Those who were told the same time to wait shall not come back at the same moment.
_SPREAD_S = 0.25

_WINDOW_S = 60
_NEVER_BELOW = 10


_DEFAULTS = RetrySettings()


class Standing(Struct, frozen=True, kw_only=True):
    """Where a request stands when an attempt has failed.

    Attributes:
        attempts: how many there were, this one included.
        repeats: how often this place has been asked again.
        others: how many places were not asked yet.
        named: how many places the client named beside the model.
        elapsed_s: since the request came.
        output_sent: the client has seen output.
        acted: the attempt may have run a tool that must not run twice.
        has_budget: another repeat is within the budget.
        spared: the place has failed so often that nobody else is sent there for now.
    """

    attempts: int = 1
    repeats: int = 0
    others: int = 0
    named: int = 0
    elapsed_s: float = 0.0
    output_sent: bool = False
    acted: bool = False
    has_budget: bool = True
    spared: bool = False


class Decision(Struct, frozen=True):
    """What to do now, and how long to wait before."""

    verb: Verb
    wait_s: float = 0.0


def decide(fault: Fault, standing: Standing, *, settings: RetrySettings, draw: Callable[[], float]) -> Decision:
    """What to do after this failure. `draw` gives evenly spread numbers from 0 up to 1."""
    if standing.output_sent:
        return Decision("stop_output_sent")
    where = _where(fault)
    if where is None or (standing.acted and fault.code not in _NOTHING_DONE):
        return Decision("stop_not_retryable")
    most = max(settings.attempts, standing.named + 1)
    move = Decision("next_candidate") if standing.others and standing.attempts < most else None
    if where == "other":
        return move or Decision("stop_attempts" if standing.others else "stop_not_retryable")
    again = _repeat(fault, standing, settings=settings, draw=draw)
    if move is None:
        return again
    here_first = where == "same" and not (standing.repeats or standing.spared) and fault.retry_after_s is None
    is_last = standing.attempts + 1 >= most
    return again if here_first and not is_last and again.verb == "retry" else move


def acts(request: Request) -> bool:
    """Whether the provider may run tools for this request that must not run twice."""
    tools = (tool.type for tool in request.tools if isinstance(tool, HostedTool))
    return any(not kind.startswith(_READING_TOOLS) for kind in tools)


def only_elsewhere(fault: Fault) -> bool:
    """Whether nothing at the same address can help: its name does not resolve, its certificate is not valid."""
    return isinstance(fault, NetworkFault) and fault.phase in ("setup", "dns", "tls")


def _where(fault: Fault) -> _Where | None:
    if not fault.retryable or not isinstance(fault, UpstreamFault):
        return None
    if isinstance(fault, NetworkFault) and fault.elsewhere_only:
        return "other"
    return _WHERE.get(fault.code or "")


def _repeat(fault: Fault, standing: Standing, *, settings: RetrySettings, draw: Callable[[], float]) -> Decision:
    """Ask the same place again, or why not."""
    if standing.attempts >= settings.attempts:
        return Decision("stop_attempts")
    asked_s = fault.retry_after_s
    if asked_s is None:
        wait_s = draw() * min(settings.max_wait_s, _FIRST_WAIT_S * 2.0 ** (standing.attempts - 1))
    else:
        wait_s = asked_s + draw() * _SPREAD_S
    if (asked_s or 0.0) > settings.max_wait_s or standing.elapsed_s + wait_s > settings.within_s:
        return Decision("stop_deadline")
    return Decision("retry", wait_s) if standing.has_budget else Decision("stop_budget")


class RetryBudget:
    """Keeps repeats from making an outage worse: so many percent of the last minute's requests, never below ten.

    Counts by the second, for sixty of them. Times are monotonic seconds.

    Attributes:
        requests: how many came since the last `tick`. Whoever sends one counts it here.
    """

    __slots__ = ("_latest", "_repeats", "_requests", "_sum_repeats", "_sum_requests", "requests")

    def __init__(self) -> None:
        self._requests = [0] * _WINDOW_S
        self._repeats = [0] * _WINDOW_S
        self._sum_requests = self._sum_repeats = 0
        self._latest = 0
        self.requests = 0

    def tick(self, now_s: float) -> None:
        """It is now so late. To be called every second or so: what came since the last time counts as of now."""
        second = int(now_s)
        for passed in range(max(self._latest + 1, second - _WINDOW_S + 1), second + 1):
            slot = passed % _WINDOW_S
            self._sum_requests -= self._requests[slot]
            self._sum_repeats -= self._repeats[slot]
            self._requests[slot] = self._repeats[slot] = 0
        self._latest = max(self._latest, second)
        self._requests[self._latest % _WINDOW_S] += self.requests
        self._sum_requests += self.requests
        self.requests = 0

    def has_room(self, now_s: float, percent: float) -> bool:
        """Whether one more repeat is within a budget of so many percent."""
        self.tick(now_s)
        return self._sum_repeats < max(_NEVER_BELOW, self._sum_requests * percent / 100)

    def spend(self, now_s: float) -> None:
        """A repeat is made."""
        self.tick(now_s)
        self._repeats[self._latest % _WINDOW_S] += 1
        self._sum_repeats += 1


class RetryPolicy:
    """The policy of one gateway: what the operator decided, the budget that all requests share, and chance.

    New settings make a new policy with the `budget` of the old one: an outage does not end with a reload.
    """

    def __init__(
        self,
        settings: RetrySettings = _DEFAULTS,
        *,
        budget: RetryBudget | None = None,
        draw: Callable[[], float] = random.random,
    ) -> None:
        self.settings = settings
        self.budget = budget or RetryBudget()
        self._draw = draw

    def has_room(self, now_s: float) -> bool:
        """Whether one more repeat is within the budget."""
        return self.budget.has_room(now_s, self.settings.budget_percent)

    def decide(self, fault: Fault, standing: Standing) -> Decision:
        """What to do after this failure."""
        return decide(fault, standing, settings=self.settings, draw=self._draw)
