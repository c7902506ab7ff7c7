"""Custom tools for upstreams that only know functions.

The tool becomes a function with one string, `input`; what the model writes into it is the call's plain text again.
"""

import re

import msgspec
from msgspec import Raw, Struct

from antiphon.protocol.request import CustomTool

__all__ = ["CustomInput", "custom_function", "wrap_custom"]

_PARAMETERS = Raw(
    b'{"type":"object","properties":{"input":{"type":"string","description":"The input of the tool, as plain text."}},'
    b'"required":["input"],"additionalProperties":false}'
)
_AS_TEXT = "Give the tool's input as plain text in `input`: no JSON in it, no quotes or code fence around it."
_GRAMMAR = "`input` must conform to this {syntax} grammar:\n{definition}"

#: The beginning of a well-formed argument, and all that can still become one.
_OPENING = re.compile(r'[ \t\r\n]*\{[ \t\r\n]*"input"[ \t\r\n]*:[ \t\r\n]*"')
_MAYBE = re.compile(r'[ \t\r\n]*(?:\{[ \t\r\n]*(?:"(?:i(?:n(?:p(?:u(?:t(?:"[ \t\r\n]*(?::[ \t\r\n]*)?)?)?)?)?)?)?)?)?')
#: So many characters are looked at for an opening, or for what follows a quote: more blanks no model writes.
_LONGEST_WAIT = 1024

_BLANKS = " \t\r\n"
_PLAIN = re.compile(r'[^"\\]+')
_UNICODE = re.compile(r"\\u([0-9a-fA-F]{4})")
_CUT_ESCAPE = re.compile(r"\\(?:u[0-9a-fA-F]{0,3})?")
_ESCAPES = {'"': '"', "\\": "\\", "/": "/", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}
_REPLACEMENT = "\ufffd"


class _Format(Struct, frozen=True):
    type: str = "text"
    syntax: str | None = None
    definition: str | None = None


_format = msgspec.json.Decoder(_Format | None)


def custom_function(tool: CustomTool) -> tuple[str, Raw]:
    """Description and parameters of the function that stands for a custom tool. A grammar goes into the description."""
    said = [tool.description] if tool.description else []
    said.append(_AS_TEXT)
    if tool.format:
        said += _rules(tool.format)
    return "\n\n".join(said), _PARAMETERS


def wrap_custom(text: str) -> str:
    """A custom call's input as the arguments of that function."""
    return msgspec.json.encode({"input": text}).decode()


class CustomInput:
    """One call's arguments, piece by piece, to the plain text in them. The pieces may be cut anywhere.

    Models do not always keep to the function: text that is no JSON is taken as it is; of another object with one
    string in it, that string is taken; anything else is handed on whole, as it was written. Broken JSON inside the
    string (raw line breaks, unknown escapes, quotes that were not escaped) is read as what it was meant to be.
    """

    __slots__ = ("_held", "_held_chars", "_mode", "_rest")

    def __init__(self) -> None:
        self._mode = "opening"
        self._held: list[str] = []
        self._held_chars = 0
        self._rest = ""  # inside the string: an escape that was cut, or the quote that may have been the last

    def feed(self, piece: str) -> str:
        """Take a piece. Returns the text that is certain by now, perhaps none."""
        match self._mode:
            case "string":
                return self._string(piece)
            case "raw":
                return piece
            case "hold":
                self._held.append(piece)
                return ""
            case "opening":
                return self._opening(piece)
        return ""  # behind the end

    def end(self) -> str:
        """The call is over, or was cut. Returns what was still held back."""
        mode, self._mode = self._mode, "done"
        if mode == "string":
            rest, self._rest = self._rest, ""
            if rest.startswith('"'):
                return ""
            return _REPLACEMENT if _UNICODE.match(rest) else ""
        held = "".join(self._held)
        self._held = []
        return _text_of(held)

    def _opening(self, piece: str) -> str:
        self._held.append(piece)
        self._held_chars += len(piece)
        held = "".join(self._held)
        found = _OPENING.match(held)
        if found is not None:
            self._held, self._mode = [], "string"
            return self._string(held[found.end() :])
        if self._held_chars <= _LONGEST_WAIT and _MAYBE.fullmatch(held):
            return ""
        if held.lstrip(_BLANKS)[:1] in ("{", '"', "[", ""):
            self._mode = "hold"
            return ""
        self._held, self._mode = [], "raw"
        return held

    def _string(self, piece: str) -> str:
        text, self._rest = self._rest + piece, ""
        out: list[str] = []
        place = 0
        while place < len(text):
            if text[place] == '"':
                after = _skip_blanks(text, place + 1)
                if after == len(text) and after - place <= _LONGEST_WAIT:
                    self._rest = text[place:]  # what follows decides whether it was the last quote
                    break
                if after == len(text) or text[after] in "},":
                    self._mode = "done"
                    break
                out.append(text[place:after])
                place = after
            elif text[place] == "\\":
                said, place = _escape(text, place)
                if not said:
                    self._rest = text[place:]
                    break
                out.append(said)
            else:
                plain = _PLAIN.match(text, place)
                assert plain is not None  # noqa: S101 - neither quote nor backslash stands here
                out.append(plain.group())
                place = plain.end()
        return "".join(out)


def _escape(text: str, place: int) -> tuple[str, int]:
    """The character that an escape stands for, and where it ends. No character: more of it must be seen first."""
    if _CUT_ESCAPE.fullmatch(text, place):
        return "", place
    number = _UNICODE.match(text, place)
    if number is None:
        # An escape that JSON does not know was meant as it stands: models write regular expressions this way.
        return _ESCAPES.get(text[place + 1], text[place : place + 2]), place + 2
    unit = int(number.group(1), 16)
    if 0xD800 <= unit < 0xE000:
        return _surrogate(unit, text, place=place)
    return chr(unit), place + 6


def _surrogate(unit: int, text: str, *, place: int) -> tuple[str, int]:
    """A character in two escapes. A half without the other becomes U+FFFD."""
    after = place + 6
    if unit >= 0xDC00:
        return _REPLACEMENT, after
    if after == len(text) or _CUT_ESCAPE.fullmatch(text, after):
        return "", place
    second = _UNICODE.match(text, after)
    low = int(second.group(1), 16) if second is not None else 0
    if 0xDC00 <= low < 0xE000:
        return chr(0x10000 + ((unit - 0xD800) << 10) + (low - 0xDC00)), after + 6
    return _REPLACEMENT, after


def _skip_blanks(text: str, place: int) -> int:
    while place < len(text) and text[place] in _BLANKS:
        place += 1
    return place


def _text_of(arguments: str) -> str:
    """Arguments that did not begin as they should."""
    if not arguments.strip(_BLANKS):
        return ""
    try:
        value: object = msgspec.json.decode(arguments)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return arguments
    if isinstance(value, dict):
        said = value.get("input", next(iter(value.values()), "") if len(value) < 2 else None)
        value = "" if said is None and len(value) == 1 else said
    return value if isinstance(value, str) else arguments


def _rules(raw: Raw) -> list[str]:
    """What a format demands, in words. One that is not understood is shown to the model as it is."""
    try:
        wanted = _format.decode(raw)
    except msgspec.DecodeError:
        wanted = _Format("")
    if wanted is None or wanted.type == "text":
        return []
    if wanted.type == "grammar" and wanted.definition:
        return [_GRAMMAR.format(syntax=wanted.syntax or "lark", definition=wanted.definition)]
    return [f"`input` must conform to this format:\n{bytes(raw).decode('utf-8', 'replace')}"]
