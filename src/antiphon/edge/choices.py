"""`n` answers to one request: a run for each, all at the same time, told as the choices of one answer.

They live and end together. The first failure before the client has a status is the answer; a later one ends the stream.
What the others wrote until then is stored, and counted, as of runs whose client has left.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence

from antiphon.dialects.chat import Asked, ChatAnswer, ChatStream, Head, encode_answer
from antiphon.dialects.chat.stream import DONE
from antiphon.edge.app import Services
from antiphon.edge.asgi import Exchange, send_bytes
from antiphon.edge.door import arrival, check_endpoint
from antiphon.edge.sse_out import ByteStream, JsonSink
from antiphon.edge.watch import Watch
from antiphon.engine.ports import Sink
from antiphon.engine.run import Run
from antiphon.protocol.deltas import OutcomeDelta
from antiphon.protocol.events import Event, Failed
from antiphon.protocol.faults import Fault
from antiphon.protocol.request import Notice
from antiphon.protocol.response import Response
from antiphon.protocol.target import Fallback, Target
from antiphon.protocol.usage import InputDetails, OutputDetails, Usage

__all__ = ["Choices"]


class _ChoiceFailedError(Exception):
    """A run failed although the client already had a status."""

    def __init__(self, response: Response) -> None:
        super().__init__(response.id)
        self.response = response


class _ChoiceSink:
    """Where the events of one choice go: to the stream that all share, one after the other."""

    def __init__(self, stream: ByteStream, turn: asyncio.Lock, *, encoder: ChatStream) -> None:
        self._stream = stream
        self._turn = turn
        self._encoder = encoder
        self.see: Callable[[OutcomeDelta], None] = encoder.see

    @property
    def status_sent(self) -> bool:
        """The client has a status, whichever choice came first."""
        return self._stream.status_sent

    def prepare(self, notices: Sequence[Notice], target: Target, *, fallback: Fallback | None = None) -> None:
        """All choices have the same headers."""
        self._stream.prepare(notices, target, fallback=fallback)

    def hold(self, events: Sequence[Event]) -> None:
        """What a run begins with is nothing that this dialect tells."""
        self._encoder.encode(events)

    @property
    def ready(self) -> bool:
        """Never: several choices share one stream, and take turns."""
        return False

    def write_now(self, events: Sequence[Event]) -> None:
        """Not called, as this is never ready."""

    async def write(self, events: Sequence[Event]) -> None:
        """Send them; waits while another choice is being sent, and while the client reads slowly."""
        await self._send(self._encoder.encode(events))

    async def end(self, events: Sequence[Event]) -> None:
        """The choice ends, the stream does not."""
        if not isinstance(events[-1], Failed):
            await self._send(self._encoder.finish(events))

    async def _send(self, data: bytes) -> None:
        if data:
            async with self._turn:
                await self._stream.send(data)


class Choices:
    """Makes one answer of several. Use one of its methods, once."""

    def __init__(self, services: Services, exchange: Exchange, *, asked: Asked, names: Mapping[str, str]) -> None:
        self._services = services
        self._exchange = exchange
        self._asked = asked
        self._names = names

    async def stream(self) -> None:
        """As a stream of interleaved chunks."""
        asked, head, turn = self._asked, Head(), asyncio.Lock()
        encoders = [
            ChatStream(head, index=index, include_usage=asked.include_usage, legacy=asked.legacy)
            for index in range(asked.n)
        ]
        first = encoders[0]
        stream = ByteStream(self._exchange, self._services.streams, heartbeat=first.heartbeat, names=self._names)
        runs = self._start([_ChoiceSink(stream, turn, encoder=encoder) for encoder in encoders])
        async with Watch(self._exchange, stream):
            try:
                responses = await self._run_all(runs)
            except _ChoiceFailedError as failed:
                await stream.send(first.error(failed.response.error), more=False)
                return
            await stream.send(first.close(_total(responses), several=True) + DONE, more=False)

    async def answer(self) -> None:
        """In one piece."""
        encoders = [ChatAnswer(legacy=self._asked.legacy) for _ in range(self._asked.n)]
        sinks = [JsonSink(encoder, names=self._names) for encoder in encoders]
        runs = self._start(sinks)
        async with Watch(self._exchange):
            responses = await self._run_all(runs)
        if not self._exchange.client_gone:
            body = encode_answer(responses, encoders, usage=_total(responses))
            await send_bytes(self._exchange, 200, body=body, headers=sinks[0].headers)

    def _start(self, sinks: Sequence[Sink]) -> list[Run]:
        exchange, engine, request = self._exchange, self._services.engine, self._asked.request
        check_endpoint(self._services, request)
        engine.check_room(self._asked.n)
        came = arrival(exchange)
        runs = [engine.start(request, tenant=exchange.known.tenant, arrival=came, sink=sink) for sink in sinks]
        exchange.run, exchange.more_runs = runs[0], runs[1:]
        return runs

    async def _run_all(self, runs: Sequence[Run]) -> list[Response]:
        """All responses, or the first failure. Who cancels this cancels all runs."""
        try:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(self._run(run)) for run in runs]
        except BaseExceptionGroup as several:
            failures = several.exceptions
            raise next((one for one in failures if isinstance(one, _ChoiceFailedError | Fault)), several) from several
        return [task.result() for task in tasks]

    async def _run(self, run: Run) -> Response:
        response = await self._services.engine.execute(run)
        if response.status == "failed":
            raise _ChoiceFailedError(response)
        return response


def _total(responses: Sequence[Response]) -> Usage | None:
    """What all of them took, each with its input."""
    counts = [response.usage for response in responses if response.usage is not None]
    if not counts:
        return None
    return Usage(
        sum(one.input_tokens for one in counts),
        sum(one.output_tokens for one in counts),
        sum(one.total_tokens for one in counts),
        InputDetails(
            sum(one.input_tokens_details.cached_tokens for one in counts),
            sum(one.input_tokens_details.cache_write_tokens for one in counts),
        ),
        OutputDetails(sum(one.output_tokens_details.reasoning_tokens for one in counts)),
        next((one.estimated for one in counts if one.estimated is True), counts[0].estimated),
    )
