"""Function calls of an answer: mostly whole, in one part; or piece by piece, where the operator asked for that."""

import msgspec

from antiphon.protocol.deltas import CallArguments, CallOpened, Closed, Delta
from antiphon.providers.gemini.chunks import FunctionCall
from antiphon.providers.gemini.partial import PartialArgs, PartialArgsError

__all__ = ["CallMixUpError", "CallReader"]

_object = msgspec.json.Decoder(dict[str, object])
_EMPTY = (b"", b"{}", b"null")


class CallMixUpError(ValueError):
    """The pieces cannot be made into calls."""


class _Call:
    """The call that is open.

    Attributes:
        pieces: what came so far of arguments that come in pieces, `None` where they came whole.
        waits: nothing came yet, or more is announced: a part without a name belongs to this call.
    """

    __slots__ = ("key", "name", "pieces", "waits")

    def __init__(self, key: str, name: str) -> None:
        self.key = key
        self.name = name
        self.pieces: PartialArgs | None = None
        self.waits = True


class CallReader:
    """All calls of one answer, one open at a time.

    Args:
        only_first: calls after the first one are left out.

    Attributes:
        any: there was a call.
    """

    __slots__ = ("_count", "_ids", "_only_first", "_open", "_skips", "any")

    def __init__(self, *, only_first: bool) -> None:
        self._only_first = only_first
        self._open: _Call | None = None
        self._skips = False
        self._count = 0
        self._ids: set[str] = set()
        self.any = False

    def add(self, part: FunctionCall, out: list[Delta]) -> str | None:
        """Take one part. Returns the key of the call that it belongs to, `None` where it belongs to none.

        Raises:
            CallMixUpError: arguments of no call, or arguments that are no object.
        """
        if part.name and not self._continues(part):
            self._skips = self._only_first and self.any
            if not self._skips:
                self.settle(out, complete=True)
                self._begin(part.name, part.id or "", out)
        if self._skips:
            return None
        call = self._open
        has_arguments = bytes(part.args).strip() not in _EMPTY
        if call is None or not call.waits:
            if has_arguments or part.partial_args:
                raise CallMixUpError("arguments without a function's name")
            return call.key if call is not None else None
        if not (part.name or has_arguments or part.partial_args or part.will_continue):
            call.waits = False  # an empty one is the end
            return call.key
        self._take(call, part, has_arguments=has_arguments, out=out)
        return call.key

    def settle(self, out: list[Delta], *, complete: bool) -> None:
        """The open call ends here. If not `complete`, arguments that still come in pieces stay cut."""
        call, self._open = self._open, None
        if call is None:
            return
        is_cut = call.waits and not complete
        if call.pieces is not None:
            arguments = call.pieces.json()
            out.append(CallArguments(call.key, arguments[:-1] if is_cut else arguments))
        if not is_cut:
            out.append(Closed(call.key))

    def _continues(self, part: FunctionCall) -> bool:
        """Whether a part with a name is the next piece of the open call: some servers repeat the name."""
        call = self._open
        return (
            call is not None
            and call.waits
            and call.pieces is not None
            and call.name == part.name
            and bool(part.partial_args)
        )

    def _begin(self, name: str, call_id: str, out: list[Delta]) -> None:
        call = _Call(f"call-{self._count}", name)
        self._count += 1
        self.any = True
        self._open = call
        if call_id in self._ids:
            call_id = ""  # an id that two calls share is no id
        self._ids.add(call_id)
        out.append(CallOpened(call.key, call_id, name))

    def _take(self, call: _Call, part: FunctionCall, *, has_arguments: bool, out: list[Delta]) -> None:
        try:
            if part.partial_args or part.will_continue or call.pieces is not None:
                self._take_pieces(call, part, has_arguments=has_arguments)
                return
            if has_arguments:
                out.append(CallArguments(call.key, _compact(bytes(part.args))))
                call.waits = False
        except (msgspec.DecodeError, UnicodeError, RecursionError, PartialArgsError) as error:
            raise CallMixUpError(f"arguments of a function: {error}") from error

    @staticmethod
    def _take_pieces(call: _Call, part: FunctionCall, *, has_arguments: bool) -> None:
        if call.pieces is None:
            call.pieces = PartialArgs()
        if has_arguments:
            call.pieces.seed(_object.decode(part.args))
        for piece in part.partial_args or ():
            call.pieces.add(piece)
        if part.will_continue is False or (has_arguments and not part.partial_args and not part.will_continue):
            call.waits = False


def _compact(arguments: bytes) -> str:
    """An object as one line, its numbers and strings as they were written."""
    _object.decode(arguments)
    return msgspec.json.format(arguments, indent=-1).decode()
