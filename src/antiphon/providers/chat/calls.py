"""Tool calls that come in fragments: which fragment belongs to which call, and when a call's name is complete.

Servers agree on little here. An index may be missing, or be shared by parallel calls; ids may be missing, late or
repeated; ids and names may come whole in every fragment, or themselves in fragments; a call may come in one piece.
"""

from collections.abc import Container

import msgspec

from antiphon.protocol.deltas import CallArguments, CallOpened, Closed, Delta, Seal

__all__ = ["CallMixUpError", "CallTracker"]


class CallMixUpError(ValueError):
    """The fragments cannot be made into calls."""


class _Call:
    """A call being put together.

    Attributes:
        started: a byte of arguments came: id and name cannot grow any more.
        pieces: its arguments so far.
        announced: `CallOpened` was given, and `pieces` up to `sent` too.
        state: what its provider wants back with it, and has not been given out.
    """

    __slots__ = ("announced", "closed", "id", "index", "key", "name", "pieces", "sent", "state")

    def __init__(self, key: str, index: int | None) -> None:
        self.key = key
        self.index = index
        self.id = ""
        self.name = ""
        self.pieces: list[str] = []
        self.sent = 0
        self.state = b""
        self.announced = False
        self.closed = False

    @property
    def started(self) -> bool:
        return bool(self.pieces)


class CallTracker:
    """All calls of one answer.

    Args:
        known: the names that were offered on the wire, to tell a fragment of a name from a repeated name.
    """

    __slots__ = ("_by_id", "_by_index", "_calls", "_ids", "_known", "_last")

    def __init__(self, known: Container[str]) -> None:
        self._known = known
        self._calls: list[_Call] = []
        self._by_index: dict[int, _Call] = {}
        self._by_id: dict[str, _Call] = {}
        self._ids: set[str] = set()
        self._last: _Call | None = None

    @property
    def any(self) -> bool:
        """Whether there is a call at all."""
        return bool(self._calls)

    def add(self, index: int | None, call_id: str, *, name: str, arguments: str, state: bytes = b"") -> list[Delta]:
        """Take one fragment, and what its provider wants back with the call.

        Raises `CallMixUpError` for arguments of a call that is closed.
        """
        out: list[Delta] = []
        call = self._find(index, call_id, name=name, arguments=arguments)
        if call is None:
            if not (call_id or name or arguments):
                return out  # an empty entry: some servers fill the list with them
            self._announce_all(out)
            call = _Call(f"call-{len(self._calls)}", index)
            self._calls.append(call)
        elif call.closed:
            return self._repeated(call, arguments)
        self._last = call
        if name and not call.announced and not (name == call.name and call_id and call_id == call.id):
            call.name = self._merged(call.name, name)
        self._identify(call, index, call_id=call_id)
        if arguments:
            call.pieces.append(arguments)
        call.state = state or call.state
        if (call.started or call.announced) and call.name:
            self._announce(call, out)
        return out

    def finish(self, *, close: bool) -> list[Delta]:
        """Announce what waits. With `close` all calls are complete, otherwise the last one may have been cut.

        Raises:
            CallMixUpError: a call has no name.
        """
        out: list[Delta] = []
        self._announce_all(out)
        if any(not call.announced for call in self._calls):
            raise CallMixUpError("a tool call without a name")
        if close:
            for call in self._calls:
                if not call.closed:
                    call.closed = True
                    out.append(Closed(call.key))
        return out

    def _find(self, index: int | None, call_id: str, *, name: str, arguments: str) -> _Call | None:
        if index is not None:
            call = self._by_index.get(index)
        elif call_id:
            call = self._by_id.get(call_id)
            last = self._last
            if call is None and last is not None and not (last.id or last.started or name):
                call = last  # its id came late
        else:
            call = self._last
        if call is None or not self._another(call, index, call_id=call_id, name=name, arguments=arguments):
            return call
        same_id = self._by_id.get(call_id)  # calls that share an index, with their ids on every fragment
        if same_id is not None and same_id is not call and same_id.index == index:
            return same_id
        return None

    def _another(self, call: _Call, index: int | None, *, call_id: str, name: str, arguments: str) -> bool:
        """Whether this fragment, by its index (or for want of one), cannot belong to that call after all."""
        if call_id and call.id and call_id != call.id:
            return call.started or bool(name and call.name)
        if not name or not call.name:
            return False
        if name != call.name:
            return call.started or (not call_id and self._both_whole(call.name, name))
        if call_id and call_id == call.id:
            return False
        if call.started:
            return arguments[:1] == "{" and _complete(call.pieces)
        return index is None and not call_id  # whole calls in a row, without arguments

    def _both_whole(self, have: str, got: str) -> bool:
        """Whether these are two names, not two pieces of one."""
        return have in self._known and got in self._known and have + got not in self._known

    def _identify(self, call: _Call, index: int | None, *, call_id: str) -> None:
        if index is not None:
            self._by_index[index] = call
        if not call_id or call_id == call.id:
            return
        if not call.id:
            call.id = call_id
        elif not call.started:
            call.id += call_id
        self._by_id[call.id] = call

    def _merged(self, have: str, got: str) -> str:
        """A name and its next piece, which may be the whole name again, or the name so far and more."""
        joined = have + got
        if have and joined not in self._known:
            if got == have:
                return have
            if got.startswith(have) and got in self._known:
                return got
        return joined

    def _announce_all(self, out: list[Delta]) -> None:
        for call in self._calls:
            if not call.announced and call.name:
                self._announce(call, out)

    def _announce(self, call: _Call, out: list[Delta]) -> None:
        if not call.announced:
            call.announced = True
            call_id = "" if call.id in self._ids else call.id  # an id that two calls share is no id
            self._ids.add(call_id)
            out.append(CallOpened(call.key, call_id, call.name))
        if call.state:
            out.append(Seal(call.key, call.state))
            call.state = b""
        out.extend(CallArguments(call.key, piece) for piece in call.pieces[call.sent :])
        call.sent = len(call.pieces)

    def _repeated(self, call: _Call, arguments: str) -> list[Delta]:
        """A fragment after the end: harmless where it only repeats the call."""
        if arguments and arguments != "".join(call.pieces):
            raise CallMixUpError("arguments of a tool call after its end")
        return []


def _complete(pieces: list[str]) -> bool:
    """Whether these arguments are a whole JSON object already."""
    if not pieces[-1].rstrip().endswith("}"):
        return False
    try:
        msgspec.json.decode("".join(pieces), type=dict)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return False
    return True
