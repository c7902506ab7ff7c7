"""What has come of an answer so far: deltas in, events out, and what was said beside them.

Until the first output leaves, nothing here is final: when an attempt fails before, the next one starts from nothing.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial

from antiphon.engine.allowed import AllowedCalls
from antiphon.engine.hosted_calls import HostedCalls
from antiphon.engine.meter import Meter, sum_of
from antiphon.engine.ports import Sink
from antiphon.engine.record import Attempt, Record
from antiphon.engine.vault import Vault
from antiphon.protocol import deltas, events
from antiphon.protocol.assembler import Assembler
from antiphon.protocol.faults import Fault, UpstreamFault
from antiphon.protocol.request import Notice, Request
from antiphon.protocol.response import CustomCallItem, FunctionCallItem, OutputItem
from antiphon.protocol.usage import Usage
from antiphon.tools.base import OpenedTool

__all__ = ["Reception"]

_OUTPUT = frozenset(
    {
        deltas.Text,
        deltas.Refusal,
        deltas.Annotation,
        deltas.Reasoning,
        deltas.CallOpened,
        deltas.CallArguments,
        deltas.Seal,
        deltas.SearchOpened,
        deltas.SearchDone,
        deltas.Relayed,
        deltas.Closed,
    }
)
_TIERS = frozenset({"auto", "default", "flex", "scale", "priority", "fast", "ultrafast"})
#: An upstream that says so much without any output is broken, and would fill the memory.
_MOST_NOTES = 10_000


class Reception:
    """Of one run. Implements `attempts.Taker`.

    Attributes:
        output_sent: the client was sent output. From here on there is no way back.
        round_has_output: of that some belongs to this round.
        on_output: called once, when the first output leaves.
        hosted: takes out the calls of hosted tools that run here, where there are any.
    """

    __slots__ = (
        "_hosts",
        "_new_assembler",
        "_notes",
        "_round_from",
        "_trace",
        "allowed",
        "assembler",
        "elapsed_ms",
        "hosted",
        "meter",
        "on_output",
        "output_sent",
        "record",
        "round_has_output",
        "service_tier",
        "sink",
        "stopped",
        "vault",
    )

    def __init__(  # noqa: PLR0913, PLR0917 - all that takes part in an answer; with names it takes twice as long
        self,
        request: Request,
        new_assembler: Callable[[], Assembler],
        sink: Sink,
        vault: Vault,
        record: Record,
        elapsed_ms: Callable[[], int],
    ) -> None:
        self._new_assembler = new_assembler
        self._trace: Attempt | None = None
        self._notes: list[deltas.OutcomeDelta] = []
        self.sink = sink
        self.record = record
        self.elapsed_ms = elapsed_ms
        self.vault = vault
        self.assembler = new_assembler()
        self.meter = Meter()
        self.allowed = AllowedCalls.of(request)
        self.stopped: deltas.Stopped | None = None
        self.service_tier: str | None = None
        self.output_sent = False
        self.on_output: Callable[[], None] | None = None
        self.hosted: HostedCalls | None = None
        self._hosts: Callable[[], HostedCalls | None] = _no_hosts
        self._round_from = 0  # of the output, where this round's begins
        self.round_has_output = False

    def expect(self, owners: Mapping[str, OpenedTool], *, single: bool) -> None:
        """From the next attempt on, calls of these functions are hosted tools'; `single`: see `HostedCalls`."""
        self._hosts = partial(HostedCalls, owners, single=single) if owners else _no_hosts

    def open(self) -> None:
        """Hand over what every response begins with. Once, before the first attempt."""
        self.sink.hold(self.assembler.open())

    def begin(self, trace: Attempt, spent: Usage | None = None) -> None:
        """Another attempt. What an earlier one left behind is gone; the opening events are not told again.

        `spent` is what belongs to its answer all the same.
        """
        if self._trace is not None:
            self._notes = []
            self.assembler = self._new_assembler()
            self.assembler.open()
            self.meter = Meter(before=spent)
            self.allowed = self.allowed.anew() if self.allowed is not None else None
            self.stopped = self.service_tier = None
        self._trace = trace
        self.hosted = self._hosts()

    async def end_round(self) -> None:
        """The model has answered, and the response goes on: close what it wrote."""
        await self._write(self.assembler.close_all())

    def begin_round(self, trace: Attempt, *, request_bytes: int) -> None:
        """Another round's attempt. What earlier rounds wrote stays, and what was noticed of them."""
        if self.allowed is not None:
            self.record.notices += self.allowed.notices
        self.meter = self.meter.next_round(request_bytes=request_bytes, output=self.round_output)
        self._round_from = len(self.assembler.output())
        self.repeat_round(trace)

    def repeat_round(self, trace: Attempt) -> None:
        """The same round from its beginning: an attempt that gave no output leaves nothing."""
        self.meter = Meter(before=self.meter.before)
        self.allowed = self.allowed.anew() if self.allowed is not None else None
        self.stopped = None
        self.round_has_output = False
        self._trace = trace
        self.hosted = self._hosts()

    @property
    def is_paused(self) -> bool:
        """Whether the provider has only interrupted the answer."""
        return self.stopped is not None and self.stopped.paused is not None

    @property
    def calls_client(self) -> bool:
        """Whether the model has called functions of the client's in this round."""
        return any(isinstance(item, FunctionCallItem | CustomCallItem) for item in self.round_output())

    def spend(self, usage: Usage) -> None:
        """What was asked before this round's answer belongs to it."""
        before = self.meter.before
        self.meter = Meter(before=usage if before is None else sum_of(before, usage))

    def round_output(self) -> tuple[OutputItem, ...]:
        """The items of this round, as they are now."""
        return self.assembler.output()[self._round_from :]

    def tokens_written(self) -> int:
        """By all rounds so far, this one included."""
        return self.meter.total(request_bytes=0, output=self.round_output).output_tokens

    async def emit(self, output: Sequence[deltas.OutputDelta], *, ran_in: int | None = None) -> None:
        """Tell the client what the gateway itself does. It counts as output. `ran_in`: calls of that round begin."""
        if not output:
            return
        known = len(self.record.items)
        try:
            await self._write(self.assembler.feed(output))
        finally:
            for trace in self.record.items[known:] if ran_in is not None else ():
                trace.ran_by, trace.round = "gateway", ran_in or 1

    def take_now(self, batch: list[deltas.Delta]) -> bool:
        """Deal with a piece of text at once, as nearly all reads of a stream are; false for everything else."""
        first = batch[0]
        if len(batch) != 1 or type(first) is not deltas.Text or not self.output_sent or self.hosted is not None:
            return False
        if not self.sink.ready:
            return False
        caused = self.assembler.feed((first,))
        if len(caused) > 1:  # the text opened an item
            self.trace(caused)
        self.sink.write_now(caused)
        return True

    async def take(self, batch: list[deltas.Delta]) -> bool:
        """Sort one read's deltas; send the events they cause in one write. True once the model has stopped.

        Raises:
            Fault: the upstream broke.
        """
        output, notes, broke = self._sorted(batch)
        caused = self.assembler.feed(self.vault.cover(output)) if output else []
        if caused and not self.output_sent:
            self._begin_output()
        if notes:
            self._tell(notes)
        if caused:
            await self._write(caused)
        if broke is not None:
            raise broke
        return self.stopped is not None

    async def _write(self, caused: Sequence[events.Event]) -> None:
        if not caused:
            return
        if not self.output_sent:
            self._begin_output()
        self.round_has_output = True
        if len(caused) > 1 or type(caused[0]) is not events.TextDelta:
            self.trace(caused)
        await self.sink.write(caused)

    def end(self) -> None:
        """The attempt was the last one, and has not failed: what was said without any output holds."""
        if self._notes:
            self._tell_held()

    def trace(self, batch: Sequence[events.Event]) -> None:
        """Note in the record which items these events begin and end."""
        self.record.see(batch, at_ms=self.elapsed_ms())

    def notices(self) -> list[Notice]:
        """What was not done as asked, on the way there and in the answer."""
        return [*self.record.notices, *(self.allowed.notices if self.allowed is not None else ())]

    def _sorted(
        self, batch: list[deltas.Delta]
    ) -> tuple[list[deltas.OutputDelta], list[deltas.OutcomeDelta], Fault | None]:
        """What the client may see of the output, what it may be told beside it, and how the stream broke."""
        output: list[deltas.OutputDelta] = []
        notes: list[deltas.OutcomeDelta] = []
        broke: Fault | None = None
        for delta in batch:
            if type(delta) in _OUTPUT:
                output.append(delta)  # type: ignore[arg-type]  # the set holds exactly the output deltas
            elif isinstance(delta, deltas.Broke):
                broke = delta.fault
            elif self._note(delta):
                notes.append(delta)  # type: ignore[arg-type]  # what is no output is outcome
        if self.hosted is not None:
            output = self.hosted.feed(output)
        if self.allowed is not None:
            output = self.allowed.filter(output)
        return output, notes, broke

    def _begin_output(self) -> None:
        """The first output is about to leave: from here on this attempt is the answer."""
        self.output_sent = True
        at_ms = self.record.timing.first_event = self.elapsed_ms()
        if self._trace is not None:
            self._trace.first_delta = at_ms
        if self.on_output is not None:
            self.on_output()
        if self._notes:
            self._tell_held()

    def _tell(self, notes: list[deltas.OutcomeDelta]) -> None:
        """What an attempt says beside its output is only told once it has some: it could still be another's answer."""
        if not self.output_sent:
            self._notes += notes
            if len(self._notes) > _MOST_NOTES:
                raise UpstreamFault(
                    "The provider went on without giving an answer.", code="upstream_protocol_error", retryable=True
                )
            return
        for note in notes:
            self.sink.see(note)

    def _tell_held(self) -> None:
        for note in self._notes:
            self.sink.see(note)
        self._notes = []

    def _note(self, delta: deltas.Delta) -> bool:
        """Take in what is no output. False where the client shall not be told."""
        match delta:
            case deltas.UsageSeen():
                self.meter.see(delta)
            case deltas.Stopped():
                if self.stopped is not None:
                    return False
                self.stopped = delta
                if self._trace is not None:
                    self._trace.stop = delta.native
            case deltas.Opened():
                if self._trace is not None:
                    self._trace.upstream_id = delta.upstream_id or self._trace.upstream_id
                    self._trace.upstream_model = delta.model or self._trace.upstream_model
                if delta.service_tier in _TIERS:
                    self.service_tier = delta.service_tier
        return True


def _no_hosts() -> HostedCalls | None:
    return None
