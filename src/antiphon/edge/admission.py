"""Which requests are taken while there is too much of everything. Knows numbers only: no HTTP, no sockets.

Two bounds. How many requests may be under way is a number, for the sake of memory. How many the processor can bear is
not known beforehand: a request may be a line or a megabyte, its answer a word or a stream of an hour. So the event loop
is watched. As long as its turns are short, everybody is let in. When they are long, and get longer, as many
are let in as get done, a few more while turns are short, and never more in a turn than a short one can bear; the others
are refused at once, for next to nothing. A burst is no overload: it is served, and over.
"""

import asyncio
import logging
import time

from msgspec import Struct

__all__ = ["ADMITTED", "Admission", "AdmissionLimits", "Pace", "Turn"]

#: Key in the scope's `extensions` of a request that our server has let in, and counts.
ADMITTED = "antiphon.admitted"

_log = logging.getLogger(__name__)

#: How often the loop is looked at while there are requests, and how long on after the last of them.
_TICK_S = 0.005
_LINGER_S = 1.0

#: So many long turns in a row, the last of them too long, are overload. Fewer may be one long piece of work: a body of
#: 20 MB takes two, one to be read and one to be stored. A turn is long from this share of what is too long.
_IN_A_ROW = 3
_LONG = 0.5
#: Where the processor has others to serve, turns that last so many times what is too long are overload as well, if this
#: thread's own work is at least this share of it. Else refusing would not make them shorter.
_STRETCH = 2.5
_OWN = 0.1
#: Most requests that are let in in one turn while nothing is wrong: they come before one can see how long it takes.
#: When turns take this share of what is too long, so many more than there were when there was time left last.
_BURST = 1024
_FLOODED = 0.25
#: There was time left in a short turn in which this thread worked for a smaller share of the time. A look that comes
#: late found the thread at work or kept from it, as in a container that has used up its share of the processor: there
#: was time left only if it had next to nothing to do.
_SPARE = 0.75
_NEXT_TO_NOTHING = 0.2

#: While requests are refused: how long a turn should be, as a share of what is bearable, and no shorter than a look
#: and what it takes to serve so many requests. Has this thread worked for longer, only as many are let in as it can
#: bear in a turn of that length: who was let in with all that came in a long turn would make the next as long, and in
#: long turns every answer is late. A turn that is long because others had the processor is no shorter for that.
_GOAL = 0.055
_SERVED = 2.0
#: How the rate grows while turns are shorter: by so much a second where the thread has nothing else to do, and by this
#: share of it where it has; at most to so many times what is borne, and never to fewer than so many a second.
_FASTER = 96.0
_EAGER = 0.3
_MORE = 2.0
_LEAST_PER_S = 20.0
#: What gets done is averaged over so long.
_MEMORY_S = 0.5
#: A thread that works for a smaller share of the time has not too much to do.
_IDLE = 0.5
#: Nobody had to be refused for so long: it is over.
_CALM_S = 1.0
_SAY_AGAIN_S = 10.0


class AdmissionLimits(Struct, frozen=True):
    """How much at once.

    Attributes:
        max_runs: requests under way; `max_connections`: connected clients.
        late_s: how long a turn of the event loop may take without anybody being refused.
    """

    max_runs: int = 4096
    max_connections: int = 8192
    late_s: float = 0.2


class Turn(Struct, frozen=True, gc=False):
    """What happened between two looks: seconds that went by, and that this thread worked; and requests."""

    elapsed_s: float
    worked_s: float
    admitted: int = 0
    refused: int = 0
    done: int = 0


class Pace:
    """How many requests the event loop can bear, from how much it did each time between two looks. Has no clock.

    What counts first is the work of this thread, not the time that went by: a processor that was given to others for a
    while is no reason to refuse anything. Nor is one long piece of work, however long.

    Attributes:
        late_s: how long a turn may take without anybody being refused; may be set anew.
        strict: whether there is too much to do.
        quota: how many requests may be let in until the next look.
    """

    __slots__ = (
        "_admitted_per_s",
        "_busy",
        "_calm_s",
        "_done_per_s",
        "_grown",
        "_in_a_row",
        "_rate",
        "_rest",
        "late_s",
        "quota",
        "strict",
    )

    def __init__(self, late_s: float) -> None:
        self.late_s = late_s
        self.strict = False
        self.quota = _BURST
        self._in_a_row = 0
        self._grown = 0  # by so many there are more under way than when there was time left last
        self._rate = 0.0
        self._rest = 0.0
        self._done_per_s = 0.0
        self._admitted_per_s = 0.0
        self._busy = 0.0
        self._calm_s = 0.0

    def look(self, turn: Turn) -> None:
        """What was done since the last look."""
        if self.strict:
            self._steer(turn)
            return
        most = _SPARE if turn.elapsed_s <= 2 * _TICK_S else _NEXT_TO_NOTHING
        has_time_left = turn.worked_s < turn.elapsed_s * most
        self._grown = 0 if has_time_left else max(0, self._grown + turn.admitted - turn.done)
        is_long = turn.worked_s >= self.late_s * _FLOODED
        self.quota = max(0, _BURST - self._grown) if is_long else _BURST
        is_stretched = turn.elapsed_s >= self.late_s * _STRETCH and turn.worked_s >= self.late_s * _OWN
        is_too_long = is_stretched or turn.worked_s >= self.late_s
        self._in_a_row = self._in_a_row + 1 if is_stretched or turn.worked_s >= self.late_s * _LONG else 0
        # More than a burst has come while so much was done: that is no long piece of work, which would end by itself.
        if (is_long and turn.refused) or (is_too_long and self._in_a_row >= _IN_A_ROW):
            self._begin(turn)

    def _begin(self, turn: Turn) -> None:
        self.strict = True
        self._in_a_row = self._grown = 0
        self._calm_s = 0.0
        self._busy = 1.0
        self._done_per_s = self._admitted_per_s = (turn.admitted + turn.done) / 2 / turn.elapsed_s
        self._rate = max(_LEAST_PER_S, self._done_per_s)
        self._rest = 0.0
        self.quota = int(self._rate * _TICK_S)

    def _steer(self, turn: Turn) -> None:
        """As many are let in as get done, and more while there is time left."""
        seconds = turn.elapsed_s
        # A look that comes late found the thread at work, or kept from it: there was no time left in either case.
        busy = 1.0 if seconds > 2 * _TICK_S else min(1.0, turn.worked_s / seconds)
        weight = min(1.0, seconds / _MEMORY_S)
        self._done_per_s += (turn.done / seconds - self._done_per_s) * weight
        self._admitted_per_s += (turn.admitted / seconds - self._admitted_per_s) * weight
        self._busy += (busy - self._busy) * weight
        borne_per_s = max(self._done_per_s, self._admitted_per_s, _LEAST_PER_S)
        goal_s = max(self.late_s * _GOAL, _TICK_S) + _SERVED / borne_per_s
        spare = 1.0 - turn.worked_s / goal_s
        if spare < 0.0:
            self._rate = min(self._rate, borne_per_s)
        elif turn.refused:
            self._rate *= 1.0 + _FASTER * min(seconds, goal_s) * max(1.0 - busy, _EAGER * spare)
        self._rate = max(_LEAST_PER_S, min(self._rate, _MORE * borne_per_s))
        counted_s = seconds if spare >= 0.0 else seconds * goal_s / turn.worked_s
        self._rest = self._rate * counted_s + self._rest % 1.0
        self.quota = int(self._rest)
        self._calm_s = 0.0 if turn.refused and self._busy > _IDLE else self._calm_s + seconds
        if self._calm_s >= _CALM_S:
            self.strict = False
            self.quota = _BURST


class Admission:
    """Who is let in. One per process; used from the event loop's thread only.

    Attributes:
        max_runs, max_connections: as the limits say.
        under_way: requests that were let in and have no whole answer yet.
        lag_s: how late the event loop was when one looked last.
        turned_away: connections too many that are being closed.
        refused: how many were not let in, by reason: `runs`, `lag`, `connections`.
    """

    __slots__ = (
        "_admitted", "_done", "_idle_s", "_last_s", "_last_work_s", "_loop", "_pace", "_refused", "_said_s", "_timer",
        "lag_s", "max_connections", "max_runs", "refused", "turned_away", "under_way"
    )  # fmt: skip

    def __init__(self, limits: AdmissionLimits) -> None:
        self._pace = Pace(limits.late_s)
        self.use(limits)
        self.under_way = 0
        self.turned_away = 0
        self.refused = {"runs": 0, "lag": 0, "connections": 0}
        self._admitted = 0
        self._refused = 0
        self._done = 0
        self._idle_s = 0.0
        self._last_s = 0.0
        self._last_work_s = 0.0
        self.lag_s = 0.0
        self._said_s = 0.0
        self._loop: asyncio.AbstractEventLoop | None = None
        self._timer: asyncio.TimerHandle | None = None

    def use(self, limits: AdmissionLimits) -> None:
        """From now on with these limits. An overload is none the less one."""
        self.max_runs = limits.max_runs
        self.max_connections = limits.max_connections
        self._pace.late_s = limits.late_s

    def has_room(self, runs: int) -> bool:
        """Whether there may be one more beside so many: one request may want several."""
        return runs < self.max_runs

    def is_full(self) -> bool:
        """Whether the next request has to go away. One that may stay has to `enter` at once."""
        return self._admitted >= self._pace.quota or self.under_way >= self.max_runs

    def refuse(self) -> None:
        """One had to go."""
        if self.under_way >= self.max_runs:
            self.refused["runs"] += 1
        else:
            self.refused["lag"] += 1
            self._refused += 1

    def enter(self) -> None:
        """A request is under way."""
        self.under_way += 1
        self._admitted += 1
        if self._timer is None:
            self._watch()

    def leave(self) -> None:
        """It has its answer, or nobody waits for one any more."""
        self.under_way -= 1
        self._done += 1

    def _watch(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._last_s = time.monotonic()
        self._last_work_s = time.thread_time()
        self._idle_s = 0.0
        self._timer = self._loop.call_later(_TICK_S, self._tick)

    def _tick(self) -> None:
        now_s, work_s = time.monotonic(), time.thread_time()
        elapsed_s, worked_s = now_s - self._last_s, work_s - self._last_work_s
        self._last_s, self._last_work_s = now_s, work_s
        self.lag_s = max(0.0, elapsed_s - _TICK_S)
        pace, strict = self._pace, self._pace.strict
        pace.look(Turn(max(elapsed_s, 1e-6), worked_s, self._admitted, self._refused, self._done))
        self._idle_s = 0.0 if self.under_way or self._refused else self._idle_s + elapsed_s
        self._admitted = self._refused = self._done = 0
        if pace.strict or strict:
            self._say(now_s, changed=pace.strict != strict)
        self._timer = None
        if self._loop is not None and (self._idle_s < _LINGER_S or pace.strict):
            self._timer = self._loop.call_later(_TICK_S, self._tick)

    def _say(self, now_s: float, *, changed: bool) -> None:
        if not self._pace.strict:
            _log.warning("no longer overloaded; %d requests were refused since the start", self.refused["lag"])
        elif changed or now_s - self._said_s >= _SAY_AGAIN_S:
            self._said_s = now_s
            _log.warning(
                "overloaded: %d requests under way, turns of the event loop of %.0f ms; %d refused since the start",
                self.under_way,
                self.lag_s * 1000,
                self.refused["lag"],
            )
