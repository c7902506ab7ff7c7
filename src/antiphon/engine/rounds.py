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

from antiphon.engine.attempts import upstream_request
from antiphon.engine.hosted import HostedCall
from antiphon.engine.prepare import Plan
from antiphon.engine.reception import Reception
from antiphon.engine.record import RoundTrace
from antiphon.engine.retold import Retold, retell, write_retold
from antiphon.engine.states import item_state, origin_of
from antiphon.engine.trying import Trying
from antiphon.protocol.deltas import OutputDelta, Seal, SearchDone, SearchOpened, Stopped
from antiphon.protocol.items import InputItem, ItemState, OtherItem, Reasoning, decode_item
from antiphon.protocol.reading import read_fields
from antiphon.protocol.request import Notice, Request, ToolChoice
from antiphon.protocol.response import ReasoningItem, WebSearchItem
from antiphon.tools.base import Outcome

__all__ = ["Rounds"]

#: In the last one the model has no hosted tools any more, so that it answers. What is interrupted even then ends there.
_MOST_ROUNDS = 16
#: Calls that run at the same time; the others of a round wait for them.
_AT_ONCE = 4
#: Tools have limits of their own, and are given up when these do not hold.
_CALL_S = 60.0
#: What a model is shown of one call.
_MOST_TEXT = 1024 * 1024
_SOURCES = "web_search_call.action.sources"
_PATH = "input"
_THOUGHT = b'{"type":"reasoning","summary":[]}'
_NO_MORE = "This call was not run: the limit of calls for this answer is reached. Answer with what you have."
_encode = msgspec.json.Encoder().encode
_log = logging.getLogger(__name__)


class _Done(Struct, frozen=True):
    """A call that has ended."""

    call: HostedCall
    outcome: Outcome


class Rounds:
    """Of one run. Use `answer`, once."""

    def __init__(
        self, request: Request, *, trying: Trying, reception: Reception, new_call_id: Callable[[], str]
    ) -> None:
        self._request = request
        self._trying = trying
        self._reception = reception
        self._new_call_id = new_call_id
        self._left = request.max_tool_calls  # None: no limit
        self._number = 1

    async def answer(self, plan: Plan) -> None:
        """Ask until the model has answered to its end without calling a hosted tool.

        Raises:
            Fault: as `Trying.answer`; of a later round too.
        """
        reception = self._reception
        begun_ms = reception.elapsed_ms()
        await self._trying.answer(plan)
        while (calls := await self._calls()) is not None:
            plan = reception.vault.plan or plan
            self._trace(plan, begun_ms, calls)
            begun_ms = reception.elapsed_ms()
            unseen = await self._run(calls) if calls else await self._paused()
            if reception.hosted is not None and reception.hosted.client_called:
                return
            following = self._next(plan, unseen) if self._number < _MOST_ROUNDS else None
            if following is None:
                reception.stopped = Stopped("max_output_tokens", "max_output_tokens")
                return
            self._number += 1
            await self._trying.again(following)
        if self._number > 1:
            self._trace(reception.vault.plan or plan, begun_ms, ())

    async def _calls(self) -> list[HostedCall] | None:
        """What the model wants run: nothing where it was interrupted. `None` when it has answered, or was cut."""
        hosted, stopped = self._reception.hosted, self._reception.stopped
        if hosted is not None:
            await self._reception.emit(hosted.end())
            if hosted.calls and (stopped is None or stopped.reason == "completed"):
                return hosted.calls
        return [] if stopped is not None and stopped.paused is not None else None

    async def _paused(self) -> list[InputItem]:
        """Close what was written. There is nothing that the model has to be shown."""
        await self._reception.end_round()
        return []

    async def _run(self, calls: list[HostedCall]) -> list[InputItem]:
        """Run them, and show them. Returns what the model shall see of those beyond the client's limit."""
        allowed = calls if self._left is None else calls[: self._left]
        if self._left is not None:
            self._left -= len(allowed)
        reception = self._reception
        await reception.end_round()
        keys = [("hosted", self._number, place) for place in range(len(allowed))]
        await reception.emit([SearchOpened(key) for key in keys])
        turn = asyncio.Semaphore(_AT_ONCE)
        ending = asyncio.Lock()  # events of two calls are never mixed
        async with asyncio.TaskGroup() as group:
            for key, call in zip(keys, allowed, strict=True):
                group.create_task(self._run_one(call, key, turn=turn, ending=ending))
        for call in calls[len(allowed) :]:
            reception.record.notices.append(Notice("max_tool_calls", "dropped", "too_many_calls", asked=call.name))
        return [item for call in calls[len(allowed) :] for item in self._refused(call)]

    async def _run_one(
        self, call: HostedCall, key: tuple[str, int, int], *, turn: asyncio.Semaphore, ending: asyncio.Lock
    ) -> None:
        async with turn:
            outcome = await _outcome(call)
        reception = self._reception
        reception.record.tool_cost_micros += outcome.cost_micros
        if outcome.failed:
            reception.record.notices.append(
                Notice(
                    call.opened.item_type, "dropped", "hosted_tool_failed", asked=call.name, became=outcome.detail[:200]
                )
            )
        async with ending:
            await reception.emit(self._ended(_Done(call, outcome), key))

    def _ended(self, done: _Done, key: tuple[str, int, int]) -> list[OutputDelta]:
        call, outcome, hosted = done.call, done.outcome, self._reception.hosted
        retold = Retold(
            self._number,
            self._new_call_id(),
            call.name,
            _arguments(call.arguments),
            outcome.text[:_MOST_TEXT],
            open=hosted is not None and hosted.client_called,
            sources=tuple((source.url, source.title) for source in outcome.sources),
            state=call.state,
        )
        return [Seal(key, write_retold(retold)), SearchDone(key, self._shown(outcome.action), failed=outcome.failed)]

    def _shown(self, action: Raw) -> Raw:
        """The action as this client wants it."""
        if _SOURCES in self._request.include:
            return action
        fields = read_fields(action)
        if "sources" not in fields:
            return action
        return Raw(_encode({name: value for name, value in fields.items() if name != "sources"}))

    def _refused(self, call: HostedCall) -> list[InputItem]:
        retold = Retold(self._number, self._new_call_id(), call.name, _arguments(call.arguments), _NO_MORE)
        plan = self._reception.vault.plan
        target = plan.call.target if plan is not None else None
        provider = target.provider if target is not None else None
        state = ItemState(write_retold(retold))
        items, _ = retell([InputItem(OtherItem("web_search_call"), b"{}", _PATH, provider, state)])
        return list(items)

    def _next(self, plan: Plan, unseen: list[InputItem]) -> Plan | None:
        """What is asked next: all of before, and what came of this round. `None` when no token is left to write."""
        call = plan.call
        request = call.request
        limit = request.max_output_tokens
        if limit is not None:
            limit = self._request.max_output_tokens or limit
            limit -= self._reception.tokens_written()
            if limit <= 0:
                return None
        items = self._said(plan)
        choice = request.tool_choice
        if choice.mode in ("required", "function"):
            choice = structs.replace(choice, mode="auto", name=None)
        request = structs.replace(
            request,
            input=(*request.input, *items, *unseen),
            body=b"",
            tool_choice=choice,
            max_output_tokens=limit,
            max_tool_calls=self._searches_left(request),
        )
        functions = plan.functions
        if self._left == 0 or self._number + 1 >= _MOST_ROUNDS:
            kept = tuple(tool for tool in request.tools if getattr(tool, "name", None) not in functions)
            request = structs.replace(request, tools=kept, tool_choice=choice if kept else ToolChoice())
        encoded = call.codec.encode(request, call.target, media=plan.media)
        upstream = upstream_request(encoded, call.target)
        return structs.replace(plan, call=structs.replace(call, request=request, upstream=upstream))

    def _searches_left(self, request: Request) -> int | None:
        """The limit of calls, for a provider that counts its own searches anew in each round. At least one.

        It has to run the one at which it was interrupted.
        """
        most = self._request.max_tool_calls
        if most is None or not self._is_paused():
            return request.max_tool_calls
        searches = (item for item in self._reception.assembler.output() if isinstance(item, WebSearchItem))
        return max(1, most - sum(search.status != "in_progress" for search in searches))

    def _is_paused(self) -> bool:
        stopped = self._reception.stopped
        return stopped is not None and stopped.paused is not None

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
            shown = structs.replace(item, encrypted_content=msgspec.UNSET) if isinstance(item, ReasoningItem) else item
            raw = _encode(shown)
            state = item_state(origin, assembler.states.get(item.id, b""))
            found.append(InputItem(decode_item(raw, path=_PATH), raw, _PATH, target.provider, state))
        return found

    def _trace(self, plan: Plan, begun_ms: int, calls: "list[HostedCall] | tuple[()]") -> None:
        target = plan.call.target
        name = f"{target.provider}/{target.model}"
        self._reception.record.rounds.append(
            RoundTrace(self._number, name, begun_ms, self._reception.elapsed_ms(), len(calls))
        )


async def _outcome(call: HostedCall) -> Outcome:
    """What came of a call, whatever the tool does."""
    opened = call.opened
    try:
        async with asyncio.timeout(_CALL_S):
            return await opened.call(call.name, call.arguments)
    except TimeoutError:
        why = f"it took longer than {_CALL_S:g} seconds"
    except Exception:  # noqa: BLE001 - the supervisor of a tool: a bug is logged once, and told to the model as a failure
        _log.exception("the hosted tool %s failed", call.name)
        why = "an error of the gateway"
    return Outcome(f"The call failed: {why}.", opened.begun(call.name, call.arguments), failed=True, detail=why)


def _arguments(text: str) -> str:
    """What the model wrote, where that can be told to an upstream again: some read it, and refuse what is no object."""
    try:
        return text if isinstance(msgspec.json.decode(text), dict) else "{}"
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return "{}"
