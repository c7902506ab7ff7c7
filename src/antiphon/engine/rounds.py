"""Several answers of the model in one response: the model calls, the gateway runs, the model goes on.

A round is one answer of the model. Calls of hosted tools in it are run at once and shown as items; then the model is
asked again, with what they gave. Where the client's own functions are called in the same round, the response ends with
these open, and the next turn goes on from there. A provider may also interrupt an answer that takes it long, and is
asked to go on.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence

import msgspec
from msgspec import Raw, Struct, structs

from antiphon.engine.hosted import free_choice, without_functions
from antiphon.engine.hosted_calls import HostedCall
from antiphon.engine.prepare import Plan, with_request
from antiphon.engine.reception import Reception
from antiphon.engine.record import RoundTrace
from antiphon.engine.retold import Retold, retell, write_retold
from antiphon.engine.states import item_state, origin_of
from antiphon.engine.trying import Trying
from antiphon.protocol.carried import carried
from antiphon.protocol.deltas import OutputDelta, PagesFound, Seal, SearchDone, SearchOpened, Stopped
from antiphon.protocol.items import InputItem, ItemState, OtherItem, Reasoning, decode_item
from antiphon.protocol.reading import read_fields
from antiphon.protocol.request import Notice, Request
from antiphon.protocol.response import ReasoningItem, WebSearchItem
from antiphon.tools.base import Outcome

__all__ = ["RoundBounds", "Rounds"]

#: In the last one the model has no hosted tools any more, so that it answers. What is interrupted even then ends there.
_MOST_ROUNDS = 16
#: Calls of a whole response, where its client sets no lower limit.
_MOST_CALLS = 128
#: Calls that run at the same time; the others of a round wait for them.
_AT_ONCE = 4
#: Characters that a model is shown of one call, and of all calls of a response.
_MOST_TEXT = 1024 * 1024
_MOST_TEXT_IN_ALL = 8 * 1024 * 1024
_CUT = "\n[The rest is left out.]"
_SOURCES = "web_search_call.action.sources"
_PATH = "input"
_THOUGHT = b'{"type":"reasoning","summary":[]}'
_NO_MORE = "This call was not run: the limit of calls for this answer is reached. Answer with what you have."
#: For a tool that cannot even say what was to be done.
_NOTHING = Raw(b'{"type":"search","query":""}')
_encode = msgspec.json.Encoder().encode
_log = logging.getLogger(__name__)


class RoundBounds(Struct, frozen=True):
    """What a run's rounds keep to: what the client asked for, and how many seconds one call may take."""

    request: Request
    new_call_id: Callable[[], str]
    call_s: float


class Rounds:
    """Of one run. Use `go_on`, once. Cancelling it stops all calls that run."""

    def __init__(self, trying: Trying, reception: Reception, *, bounds: RoundBounds) -> None:
        self._request = bounds.request
        self._bounds = bounds
        self._trying = trying
        self._reception = reception
        most = bounds.request.max_tool_calls
        self._left = _MOST_CALLS if most is None else min(most, _MOST_CALLS)
        self._text_left = _MOST_TEXT_IN_ALL
        self._number = 1
        self._offers = True  # the model of this round was shown the functions

    async def go_on(self, plan: Plan, *, begun_ms: int) -> None:
        """The model has answered once, to this. Ask on until it has answered to its end without calling a hosted tool.

        Raises:
            Fault: as `Trying.again`.
        """
        reception = self._reception
        while (calls := await self._calls()) is not None:
            plan = reception.vault.plan or plan
            self._trace(plan, begun_ms, calls)
            unseen = await self._run(calls) if calls else await self._paused()
            if reception.calls_client:
                return
            following = self._next(plan, unseen) if self._number < _MOST_ROUNDS else None
            if following is None:
                reception.stopped = Stopped("max_output_tokens", "max_output_tokens")
                return
            self._number += 1
            begun_ms = reception.elapsed_ms()
            try:
                await self._trying.again(following)
            except BaseException:
                self._trace(following, begun_ms, ())
                raise
        if self._number > 1:
            self._trace(reception.vault.plan or plan, begun_ms, ())

    async def _calls(self) -> list[HostedCall] | None:
        """What the model wants run: nothing where it was interrupted. `None` when it has answered, or was cut."""
        reception = self._reception
        hosted, stopped = reception.hosted, reception.stopped
        if hosted is not None:
            await reception.emit(hosted.end())
            reception.record.notices += hosted.notices
            if hosted.calls and (stopped is None or stopped.reason == "completed"):
                if self._offers:
                    return hosted.calls
                self._ignore(hosted.calls)
                return None
        return [] if reception.is_paused else None

    async def _paused(self) -> list[InputItem]:
        """Close what was written. There is nothing that the model has to be shown."""
        await self._reception.end_round()
        return []

    def _ignore(self, calls: list[HostedCall]) -> None:
        """Calls of what the model was not shown any more. It has answered, or said nothing."""
        reception = self._reception
        self._note_beyond(calls)
        if self._number >= _MOST_ROUNDS and not reception.calls_client:
            reception.stopped = Stopped("max_output_tokens", "too_many_rounds")

    def _note_beyond(self, calls: list[HostedCall]) -> None:
        for name in dict.fromkeys(call.name for call in calls):
            self._reception.record.notices.append(Notice("max_tool_calls", "dropped", "too_many_calls", asked=name))

    async def _run(self, calls: list[HostedCall]) -> list[InputItem]:
        """Run them, and show them. Returns what the model shall see of those beyond the limit."""
        allowed, beyond = calls[: self._left], calls[self._left :]
        self._left -= len(allowed)
        reception = self._reception
        await reception.end_round()
        keys = [("hosted", self._number, place) for place in range(len(allowed))]
        await reception.emit([SearchOpened(key) for key in keys], ran_in=self._number)
        turn = asyncio.Semaphore(_AT_ONCE)
        ending = asyncio.Lock()  # events of two calls are never mixed
        async with asyncio.TaskGroup() as group:
            for key, call in zip(keys, allowed, strict=True):
                group.create_task(self._run_one(call, key, turn=turn, ending=ending))
        self._note_beyond(beyond)
        return [item for call in beyond for item in self._refused(call)]

    async def _run_one(
        self, call: HostedCall, key: tuple[str, int, int], *, turn: asyncio.Semaphore, ending: asyncio.Lock
    ) -> None:
        async with turn:
            outcome = await _outcome(call, most_s=self._bounds.call_s)
        record = self._reception.record
        record.tool_cost_micros += outcome.cost_micros
        if outcome.failed:
            # What exactly went wrong may name the operator's servers: it is for the log, and for nobody else.
            _log.warning("request %s: %s failed: %s", record.caller.request_id, call.name, outcome.detail[:400])
            record.notices.append(Notice(call.opened.item_type, "dropped", "hosted_tool_failed", asked=call.name))
        if outcome.sources:
            pages = tuple((one.url, one.title, one.snippet) for one in outcome.sources)
            self._reception.sink.see(PagesFound(pages))
        async with ending:
            await self._reception.emit(self._ended(call, outcome, key))

    def _ended(self, call: HostedCall, outcome: Outcome, key: tuple[str, int, int]) -> list[OutputDelta]:
        retold = Retold(
            self._number,
            self._bounds.new_call_id(),
            call.name,
            _arguments(call.arguments),
            self._cut(outcome.text),
            open=self._reception.calls_client,
            sources=tuple((source.url, source.title) for source in outcome.sources),
            state=call.state,
            place=call.place,
        )
        return [Seal(key, write_retold(retold)), SearchDone(key, self._shown(outcome.action), failed=outcome.failed)]

    def _cut(self, text: str) -> str:
        room = min(_MOST_TEXT, self._text_left)
        if len(text) > room:
            text = text[:room] + _CUT
        self._text_left = max(0, self._text_left - len(text))
        return text

    def _shown(self, action: Raw) -> Raw:
        """The action as this client wants it."""
        if _SOURCES in self._request.include or self._request.dialect != "responses":
            return action  # the other dialects show them always
        fields = read_fields(action)
        if "sources" not in fields:
            return action
        return Raw(_encode({name: value for name, value in fields.items() if name != "sources"}))

    def _refused(self, call: HostedCall) -> Sequence[InputItem]:
        retold = Retold(self._number, self._bounds.new_call_id(), call.name, _arguments(call.arguments), _NO_MORE)
        plan = self._reception.vault.plan
        provider = plan.call.target.provider if plan is not None else None
        state = ItemState(write_retold(retold))
        items, _ = retell([InputItem(OtherItem(call.opened.item_type), b"{}", _PATH, provider, state)])
        return items

    def _next(self, plan: Plan, unseen: list[InputItem]) -> Plan | None:
        """What is asked next: all of before, and what came of this round. `None` when no token is left to write."""
        call = plan.call
        limit = call.request.max_output_tokens
        if limit is not None:
            limit = (self._request.max_output_tokens or limit) - self._reception.tokens_written()
            if limit <= 0:
                return None
        request = free_choice(call.request)
        self._offers = self._left > 0 and self._number + 1 < _MOST_ROUNDS
        if plan.functions and not self._offers:
            request = without_functions(request, plan.functions)
        new = (*self._said(plan), *unseen)
        request = structs.replace(
            request,
            input=(*request.input, *new),
            body=b"",
            max_output_tokens=limit,
            max_tool_calls=self._searches_left(request),
        )
        return structs.replace(with_request(plan, request), whole=(*plan.whole, *new))

    def _searches_left(self, request: Request) -> int | None:
        """The limit of calls, for a provider that counts its own searches anew in each round. At least one.

        It has to run the one at which it was interrupted.
        """
        most = self._request.max_tool_calls
        if most is None or not self._reception.is_paused:
            return request.max_tool_calls
        searches = (item for item in self._reception.assembler.output() if isinstance(item, WebSearchItem))
        return max(1, most - sum(search.status != "in_progress" for search in searches))

    def _said(self, plan: Plan) -> Sequence[InputItem]:
        """What the model said in this round, as it is told in the next: where it was interrupted, in its own form."""
        stopped, target = self._reception.stopped, plan.call.target
        if stopped is not None and stopped.paused:
            state = item_state(origin_of(target), stopped.paused)
            return [InputItem(Reasoning(), _THOUGHT, _PATH, target.provider, state)]
        return retell(self._written(plan))[0]

    def _written(self, plan: Plan) -> list[InputItem]:
        """The items of this round as a later turn would have them."""
        assembler, target = self._reception.assembler, plan.call.target
        origin, found = origin_of(target), []
        for item in self._reception.round_output():
            payload = assembler.states.get(item.id)
            if carried(payload) is not None:  # its message has it as well
                continue
            shown = structs.replace(item, encrypted_content=msgspec.UNSET) if isinstance(item, ReasoningItem) else item
            raw = _encode(shown)
            state = item_state(origin, payload or b"")
            found.append(InputItem(decode_item(raw, path=_PATH), raw, _PATH, target.provider, state))
        return found

    def _trace(self, plan: Plan, begun_ms: int, calls: Sequence[HostedCall]) -> None:
        target = plan.call.target
        name = f"{target.provider}/{target.model}"
        self._reception.record.rounds.append(
            RoundTrace(self._number, name, begun_ms, self._reception.elapsed_ms(), len(calls))
        )


async def _outcome(call: HostedCall, *, most_s: float) -> Outcome:
    """What came of a call, whatever the tool does."""
    opened = call.opened
    action = _NOTHING
    try:
        action = opened.begun(call.name, call.arguments)
        async with asyncio.timeout(most_s):
            return await opened.call(call.name, call.arguments)
    except TimeoutError:
        why = f"it took longer than {most_s:g} seconds"
    except Exception:  # noqa: BLE001 - the supervisor of a tool: a bug is logged once, and told to the model as a failure
        _log.exception("the hosted tool %s failed", call.name)
        why = "an error of the gateway"
    return Outcome(f"The call failed: {why}.", action, failed=True, detail=why)


def _arguments(text: str) -> str:
    """What the model wrote, where that can be told to an upstream again: some read it, and refuse what is no object."""
    try:
        return text if isinstance(msgspec.json.decode(text), dict) else "{}"
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return "{}"
