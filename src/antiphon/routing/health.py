"""What is known of targets from the requests that they had: who is broken, who wants a pause, who is busy, who is fast.

Three things can speak against a target. Its *circuit* (one per provider and model) opens when it fails time and again;
when its time is up, one real request tries whether it is well again. A *pause* follows when a target or a credential
says that it has had enough, or is refused. A *probe* finds out that a server does not even answer.

Nothing is done here but to remember, in bounded memory, for this process alone. Times are monotonic seconds.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet
from typing import final

from antiphon.protocol.faults import Fault, RequestFault
from antiphon.protocol.target import Target

__all__ = ["TargetHealth", "Try"]

#: A circuit opens after so many failures in a row, or when half of at least so many attempts within half a minute fail.
_ROW = 5
_LEAST = 20
_SHARE = 0.5
_WINDOW_S = 30.0

#: For how long a circuit is open at first; each time that the trial fails, twice as long.
_OPEN_S = 5.0
_LONGEST_OPEN_S = 60.0

#: A request that was let through as a trial and is not on its way after this time was not needed there.
_RESERVED_S = 1.0
#: A trial that takes longer than this does not keep others from trying.
_TRIAL_S = 60.0

#: Pauses where nobody says how long. Those of credentials double, up to a quarter of an hour.
_RATE_PAUSE_S = 5.0
_KEY_PAUSE_S = 60.0
_LONGEST_KEY_PAUSE_S = 900.0
#: Nobody is left alone for longer than this, whatever they ask for.
_LONGEST_PAUSE_S = 3600.0

#: Failures of the target itself. What else goes wrong says nothing about it.
_FAILURES = frozenset(
    {
        "model_not_found",
        "upstream_error",
        "upstream_overloaded",
        "upstream_protocol_error",
        "upstream_reset",
        "upstream_stall",
        "upstream_timeout",
        "upstream_truncated",
        "upstream_unreachable",
    }
)
#: Failures of its credential.
_KEY_FAILURES = frozenset({"upstream_credential_error", "upstream_quota"})

#: Of the latency that is remembered, how much the latest one counts.
_LATEST = 0.2

#: So many probes in a row must fail.
_PROBES = 2

#: Clients can make up names of models. What is remembered beyond so many, and says nothing, is forgotten.
_MOST_SEATS = 4096


class _Circuit:
    """Of one model at one provider."""

    __slots__ = ("bad", "epoch", "good", "open_s", "row", "since", "trial_until", "until")

    def __init__(self) -> None:
        self.row = 0  # failures in a row
        self.good = self.bad = 0
        self.since = 0.0  # when these two began to count
        self.open_s = 0.0  # 0: it is closed
        self.until = 0.0  # when it may be tried
        self.trial_until = 0.0  # until then somebody tries it
        self.epoch = 0  # counts its openings: attempts from before say nothing of it now

    def succeed(self, epoch: int) -> None:
        if epoch == self.epoch:
            self.row = 0
            self.good += 1
            self.open_s = 0.0

    def fail(self, epoch: int, now: float) -> None:
        if epoch != self.epoch:
            return
        if now - self.since > _WINDOW_S:
            self.since, self.good, self.bad = now, 0, 0
        self.row += 1
        self.bad += 1
        total = self.good + self.bad
        if self.open_s or self.row >= _ROW or (total >= _LEAST and self.bad >= total * _SHARE):
            self._open(now)

    def _open(self, now: float) -> None:
        if self.open_s and now < self.until:
            return  # asked although it is open, for want of another
        self.open_s = min(self.open_s * 2, _LONGEST_OPEN_S) or _OPEN_S
        self.until = now + self.open_s
        self.trial_until = 0.0
        self.epoch += 1
        self.row = self.good = self.bad = 0

    def is_open(self, now: float) -> bool:
        """Whether it should be spared. When its time is up, whoever asks next is told no, and is the one to try."""
        if not self.open_s:
            return False
        if now < self.until or now < self.trial_until:
            return True
        self.trial_until = now + _RESERVED_S
        return False


class _Key:
    """Of one credential."""

    __slots__ = ("pause_s", "until")

    def __init__(self) -> None:
        self.pause_s = 0.0
        self.until = 0.0

    def fail(self, now: float) -> None:
        if now < self.until:
            return  # one of several that were under way
        self.pause_s = min(self.pause_s * 2, _LONGEST_KEY_PAUSE_S) or _KEY_PAUSE_S
        self.until = now + self.pause_s


class _Server:
    """At one address."""

    __slots__ = ("has_served", "missed")

    def __init__(self) -> None:
        self.missed = 0  # probes in a row
        self.has_served = False  # since the last probe


class _Seat:
    """Of one target with one credential."""

    __slots__ = ("circuit", "in_flight", "key", "server", "stream_ms", "target", "until", "whole_ms")

    def __init__(self, target: Target, circuit: _Circuit, *, key: _Key, server: _Server) -> None:
        self.target = target
        self.circuit = circuit
        self.key = key
        self.server = server
        self.in_flight = 0
        self.until = 0.0  # it wants to be left alone until then
        self.stream_ms: float | None = None
        self.whole_ms: float | None = None

    def is_forgettable(self, now: float) -> bool:
        return not self.in_flight and self.until <= now and self.key.until <= now and not self.circuit.open_s


@final
class Try:
    """One attempt that is under way. Ends with the first call of one of its methods; further ones do nothing."""

    __slots__ = ("_epoch", "_key_until", "_monotonic", "_seat", "_until")

    def __init__(self, seat: _Seat, monotonic: Callable[[], float]) -> None:
        self._seat: _Seat | None = seat
        self._monotonic = monotonic
        self._epoch = seat.circuit.epoch
        self._until = seat.until  # a pause that began later says more than this attempt does
        self._key_until = seat.key.until

    def served(self, *, latency_ms: float | None = None, streamed: bool = True) -> None:
        """There was an answer. `latency_ms`: until its first output."""
        seat = self._end()
        if seat is None:
            return
        seat.circuit.succeed(self._epoch)
        seat.server.has_served = True
        if seat.until == self._until:
            seat.until = 0.0
        if seat.key.until == self._key_until:
            seat.key.pause_s = seat.key.until = 0.0
        if latency_ms is None:
            return
        if streamed:
            seat.stream_ms = _blended(seat.stream_ms, latency_ms)
        else:
            seat.whole_ms = _blended(seat.whole_ms, latency_ms)

    def failed(self, fault: Fault) -> None:
        """There was none. What the fault says of the request, or of us, says nothing of the target."""
        seat = self._end()
        if seat is None:
            return
        code, now, asked_s = fault.code or "", self._monotonic(), fault.retry_after_s
        if code == "rate_limit_exceeded":
            seat.until = now + min(_RATE_PAUSE_S if asked_s is None else asked_s, _LONGEST_PAUSE_S)
        elif code in _KEY_FAILURES:
            seat.key.fail(now)
        elif code in _FAILURES:
            seat.circuit.fail(self._epoch, now)
            if asked_s is not None:
                seat.until = now + min(asked_s, _LONGEST_PAUSE_S)
        elif isinstance(fault, RequestFault):
            seat.circuit.succeed(self._epoch)  # it is well enough to find fault with the request

    def left(self) -> None:
        """Nobody knows how it would have ended: the client has gone."""
        self._end()

    def _end(self) -> _Seat | None:
        seat, self._seat = self._seat, None
        if seat is not None:
            seat.in_flight -= 1
            if self._epoch == seat.circuit.epoch:
                seat.circuit.trial_until = 0.0
        return seat


@final
class TargetHealth:
    """Implements `engine.ports.Health`, and `routing.choosing.Health`. For the event loop's thread alone."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._seats: dict[tuple[str, str, str], _Seat] = {}
        self._circuits: dict[tuple[str, str], _Circuit] = {}
        self._keys: dict[tuple[str, str], _Key] = {}
        self._servers: dict[str, _Server] = {}

    def begin(self, target: Target) -> Try:
        """An attempt at this target begins."""
        credential = target.credential
        seat = self._seats.get((target.provider, target.model, credential.alias if credential is not None else ""))
        if seat is None:
            seat = self._new_seat(target)
        elif seat.target is not target:  # the settings are new
            seat.target, seat.server = target, self._server(target)
        seat.in_flight += 1
        if seat.circuit.open_s:
            seat.circuit.trial_until = self._monotonic() + _TRIAL_S
        return Try(seat, self._monotonic)

    def verdict(self, target: Target) -> str | None:
        """Why it should not be tried now; `None`: it may be.

        Whoever is told `None` of a target whose circuit was open is expected to try it at once.
        """
        seat, now = self._seat(target), self._monotonic()
        if seat is not None:
            if now < seat.until or now < seat.key.until:
                return "cooling_down"
            if seat.circuit.is_open(now):
                return "circuit_open"
        server = self._servers.get(target.base_url)
        return "unhealthy_probe" if server is not None and server.missed >= _PROBES else None

    def wait_s(self, target: Target) -> float:
        """Seconds until it may be tried again; 0.0 where it may be now, or nobody knows."""
        seat = self._seat(target)
        if seat is None:
            return 0.0
        circuit = seat.circuit
        until = max(seat.until, seat.key.until, max(circuit.until, circuit.trial_until) if circuit.open_s else 0.0)
        return max(until - self._monotonic(), 0.0)

    def in_flight(self, target: Target) -> int:
        """How many attempts are under way there."""
        seat = self._seat(target)
        return seat.in_flight if seat is not None else 0

    def latency_ms(self, target: Target) -> float | None:
        """The time to the first output, lately: of streams, or of whole answers where there are none."""
        seat = self._seat(target)
        if seat is None:
            return None
        return seat.whole_ms if seat.stream_ms is None else seat.stream_ms

    def probed(self, base_url: str, *, answers: bool) -> None:
        """A probe found out whether the server at this address answers. Requests that it serves prove more."""
        server = self._servers.get(base_url)
        if server is None:
            server = self._servers[base_url] = _Server()
        server.missed = 0 if answers or server.has_served else server.missed + 1
        server.has_served = False

    def broken_servers(self) -> frozenset[str]:
        """The addresses of targets whose circuit is open."""
        return frozenset(seat.target.base_url for seat in self._seats.values() if seat.circuit.open_s)

    def forgive(self) -> None:
        """The settings are new, and with them perhaps the credentials: none is spared for what it did before.

        Circuits stay as they are: a provider that is broken is not mended by new settings.
        """
        for key in self._keys.values():
            key.pause_s = key.until = 0.0
        for seat in self._seats.values():
            seat.until = 0.0

    def watch_only(self, base_urls: AbstractSet[str]) -> None:
        """Forget what probes found of other addresses: nobody looks there any more."""
        for base_url, server in self._servers.items():
            if base_url not in base_urls:
                server.missed = 0

    def unwell(self) -> Mapping[tuple[str, str], int]:
        """How many targets of each provider are in which state, for metrics. Well ones are not counted."""
        now, counts = self._monotonic(), Counter[tuple[str, str]]()
        for seat in self._seats.values():
            if now < seat.until or now < seat.key.until:
                counts[seat.target.provider, "cooling_down"] += 1
            elif seat.circuit.open_s:
                counts[seat.target.provider, "circuit_open"] += 1
            elif seat.server.missed >= _PROBES:
                counts[seat.target.provider, "unhealthy_probe"] += 1
        return counts

    def _seat(self, target: Target) -> _Seat | None:
        credential = target.credential
        return self._seats.get((target.provider, target.model, credential.alias if credential is not None else ""))

    def _new_seat(self, target: Target) -> _Seat:
        if len(self._seats) >= _MOST_SEATS:
            self._forget()
        alias = target.credential.alias if target.credential is not None else ""
        circuit = self._circuits.setdefault((target.provider, target.model), _Circuit())
        key = self._keys.setdefault((target.provider, alias), _Key())
        seat = self._seats[target.provider, target.model, alias] = _Seat(
            target, circuit, key=key, server=self._server(target)
        )
        return seat

    def _server(self, target: Target) -> _Server:
        return self._servers.setdefault(target.base_url, _Server())

    def _forget(self) -> None:
        """Keep what says something, and where that is too much, the newer half."""
        now = self._monotonic()
        kept = {place: seat for place, seat in self._seats.items() if not seat.is_forgettable(now)}
        if len(kept) >= _MOST_SEATS // 2:
            idle = [place for place, seat in kept.items() if not seat.in_flight]
            for place in idle[: len(kept) - _MOST_SEATS // 2]:
                del kept[place]
        self._seats = kept
        circuits = {id(seat.circuit) for seat in kept.values()}
        self._circuits = {place: one for place, one in self._circuits.items() if id(one) in circuits}
        keys = {id(seat.key) for seat in kept.values()}
        self._keys = {place: one for place, one in self._keys.items() if id(one) in keys or one.until > now}
        servers = {seat.target.base_url for seat in kept.values()}
        self._servers = {url: one for url, one in self._servers.items() if url in servers or one.missed}


def _blended(known: float | None, latest: float) -> float:
    return latest if known is None else known + _LATEST * (latest - known)
