"""What one run does with what its provider wants back: show it sealed, store it, and keep it with the calls."""

from collections.abc import Mapping, Sequence

from antiphon.engine.prepare import Parts, Plan
from antiphon.engine.states import covered, lock_states, origin_of
from antiphon.engine.thoughts import Keeper
from antiphon.protocol.deltas import OutputDelta
from antiphon.protocol.ids import ResponseId
from antiphon.protocol.records import CallState, Tenant
from antiphon.protocol.response import CustomCallItem, FunctionCallItem, Response

__all__ = ["Vault"]

_CALLS = (FunctionCallItem, CustomCallItem)


class Vault:
    """For one run.

    Attributes:
        plan: where the run went; until it is known, there is nothing to keep.
    """

    def __init__(self, parts: Parts, tenant: Tenant, *, owner: ResponseId) -> None:
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

    def calls(self, response: Response, states: Mapping[str, bytes]) -> Sequence[CallState]:
        """What belongs to the calls, to be found when they come back alone."""
        hours = self._parts.limits.call_state_hours
        if self.plan is None or not hours or not any(isinstance(item, _CALLS) for item in response.output):
            return ()
        keeper = Keeper(self._parts.sealer, self._parts.store, self._tenant)
        call = self.plan.call
        until = self._parts.clock.now() + hours * 3600
        return keeper.kept(response, states, asked=call.request.input, target=call.target, until=until)
