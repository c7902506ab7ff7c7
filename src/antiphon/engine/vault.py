"""What one run does with what its provider wants back: show it sealed, store it, and keep it with the calls."""

from collections.abc import Mapping, Sequence

from antiphon.engine.prepare import Parts, Plan
from antiphon.engine.retold import hosted_states
from antiphon.engine.states import covered, lock_states, origin_of
from antiphon.engine.thoughts import Keeper
from antiphon.protocol.deltas import OutputDelta
from antiphon.protocol.ids import ResponseId
from antiphon.protocol.records import CallState, Tenant
from antiphon.protocol.response import CustomCallItem, FunctionCallItem, Response, WebSearchItem

__all__ = ["Vault"]

_KEPT = frozenset({FunctionCallItem, CustomCallItem, WebSearchItem})


class Vault:
    """For one run.

    Attributes:
        plan: where the run went; until it is known, there is nothing to keep.
    """

    def __init__(self, parts: Parts, tenant: Tenant, owner: ResponseId) -> None:
        self._parts = parts
        self._tenant = tenant
        self._owner = owner
        self.plan: Plan | None = None

    def seal(self, payload: bytes) -> str:
        """What the client sees of a state."""
        if self.plan is None:
            return ""
        return self._parts.sealer.seal(self._tenant, origin_of(self.plan.call.target), payload)

    def cover(self, output: Sequence[OutputDelta]) -> list[OutputDelta]:
        """The deltas, with what only the upstream can read in envelopes."""
        return [covered(delta, self.seal) for delta in output]

    def locked(self, states: Mapping[str, bytes]) -> bytes:
        """The states of the output, for its row."""
        if self.plan is None:
            return b""
        origin = origin_of(self.plan.call.target)
        return lock_states(self._parts.sealer, self._tenant, owner=self._owner, origin=origin, states=states)

    def _lock(self, content: bytes, purpose: bytes) -> bytes:
        return self._parts.sealer.lock(self._tenant, content, purpose=purpose)

    def calls(self, response: Response, states: Mapping[str, bytes]) -> Sequence[CallState]:
        """What belongs to the calls, to be found when they come back alone."""
        hours = self._parts.limits.call_state_hours
        if self.plan is None or not hours or _KEPT.isdisjoint(map(type, response.output)):
            return ()
        keeper = Keeper(self._parts.sealer, self._parts.store, self._tenant)
        call = self.plan.call
        until = self._parts.clock.now() + hours * 3600
        kept = keeper.kept(response, states, asked=call.request.input, target=call.target, until=until)
        hosted = hosted_states(response.output, states, origin=origin_of(call.target), lock=self._lock)
        return kept + [CallState(key, until, body) for key, body in hosted]
