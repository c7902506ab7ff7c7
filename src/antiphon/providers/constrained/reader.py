"""An answer that is a call written as JSON, to the deltas of that call, while it is being written."""

import re
from collections.abc import Iterable

import msgspec

from antiphon.protocol.deltas import (
    Broke,
    CallArguments,
    CallOpened,
    Closed,
    Delta,
    Key,
    Native,
    Stopped,
    Text,
)
from antiphon.protocol.target import Target
from antiphon.providers.base import Decoder
from antiphon.providers.client_calls import ClientCalls
from antiphon.providers.names import ToolNames
from antiphon.providers.shared.faults import broken_off

__all__ = ["CallReader"]

#: The call's block. There is one in an answer.
_KEY = "constrained call"

_HEAD = re.compile(
    r'[ \t\r\n]*\{[ \t\r\n]*"name"[ \t\r\n]*:[ \t\r\n]*("(?:[^"\\]|\\.)*")[ \t\r\n]*,'
    r'[ \t\r\n]*"arguments"[ \t\r\n]*:[ \t\r\n]*(?=\{)'
)
#: A name has 64 characters at most; a decoder may leave many blanks.
_LONGEST_HEAD = 1024
_TURN = re.compile(r'["{}\[\]]')
_STRING_END = re.compile(r'["\\]')


class CallReader:
    """Reads one answer. See `providers.base.Decoder`.

    What does not begin as a call of one of the tools is handed on as the text that it is: not every upstream keeps to a
    schema. Where the upstream breaks a call off without saying so, the answer is broken.

    Attributes:
        done: see `Decoder`.
    """

    __slots__ = (
        "_calls",
        "_decoder",
        "_escaped",
        "_held",
        "_in_string",
        "_key",
        "_level",
        "_mode",
        "_names",
        "_target",
    )

    def __init__(self, decoder: Decoder, names: ToolNames, *, target: Target) -> None:
        self._decoder = decoder
        self._target = target
        self._names = names
        self._calls = None if names.plain else ClientCalls(names)
        self._mode = "head"
        self._held = ""
        self._key: Key = None  # of the text that is held
        self._level = 0
        self._in_string = False
        self._escaped = False

    @property
    def done(self) -> bool:
        """Nothing that still comes matters."""
        return self._decoder.done

    def feed(self, data: bytes) -> list[Delta]:
        """Take bytes as they came. Never raises."""
        return self._read(self._decoder.feed(data))

    def eof(self) -> list[Delta]:
        """The body ended cleanly."""
        return self._read(self._decoder.eof())

    def _read(self, deltas: Iterable[Delta]) -> list[Delta]:
        out: list[Delta] = []
        for delta in deltas:
            match delta:
                case Text():
                    self._take(delta.key, delta.text, out)
                case Stopped():
                    self._stop(delta, out)
                case Native():
                    pass  # it tells of a text, and the client is told of a call
                case _:
                    out.append(delta)
        return out if self._calls is None else self._calls.translate(out)

    def _take(self, key: Key, text: str, out: list[Delta]) -> None:
        match self._mode:
            case "head":
                self._key = key
                self._held += text
                self._head(out)
            case "arguments":
                self._arguments(text, out)
            case "text":
                out.append(Text(key, text))

    def _head(self, out: list[Delta]) -> None:
        found = _HEAD.match(self._held[:_LONGEST_HEAD])
        if found is not None and (name := _name(found.group(1))) in self._names.known:
            rest, self._held, self._mode = self._held[found.end() :], "", "arguments"
            out.append(CallOpened(_KEY, "", name))
            self._arguments(rest, out)
        elif found is not None or len(self._held) >= _LONGEST_HEAD or self._held.lstrip(" \t\r\n")[:1] not in ("", "{"):
            self._give_up(out)

    def _give_up(self, out: list[Delta]) -> None:
        """It is text."""
        held, self._held, self._mode = self._held, "", "text"
        if held.strip(" \t\r\n"):
            out.append(Text(self._key, held))

    def _arguments(self, text: str, out: list[Delta]) -> None:
        """Hand on what belongs to the arguments: up to the brace that closes the first."""
        at = 0
        while at < len(text):
            if self._escaped:
                self._escaped = False
                at += 1
                continue
            found = (_STRING_END if self._in_string else _TURN).search(text, at)
            if found is None:
                break
            at = found.end()
            match found.group():
                case '"':
                    self._in_string = not self._in_string
                case "\\":
                    self._escaped = True
                case "{" | "[":
                    self._level += 1
                case _:
                    self._level -= 1
            if not self._level:
                self._mode = "over"
                out += [CallArguments(_KEY, text[:at]), Closed(_KEY)]
                return
        if text:
            out.append(CallArguments(_KEY, text))

    def _stop(self, delta: Stopped, out: list[Delta]) -> None:
        if self._mode == "head":
            self._give_up(out)
        if self._mode == "arguments" and delta.reason == "completed":
            out.append(Broke(broken_off(self._target, is_cut=False)))
        else:
            out.append(delta)


def _name(quoted: str) -> str:
    try:
        return msgspec.json.decode(quoted, type=str)
    except (msgspec.DecodeError, UnicodeError):
        return ""
