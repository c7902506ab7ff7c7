"""Messages to items: what the user said, what the tools answered, what the assistant thought, said and called."""

from collections.abc import Sequence

import msgspec
from msgspec import Raw, Struct

from antiphon.dialects.messages.blocks import (
    Fields,
    PartReader,
    Redacted,
    ServerToolUse,
    Text,
    Thinking,
    ToolResult,
    ToolUse,
    WebSearchResults,
    read_block,
    read_head,
)
from antiphon.dialects.messages.content import search_item_id
from antiphon.dialects.messages.params import MessageParams
from antiphon.dialects.messages.signature import unpack
from antiphon.protocol.faults import RequestFault
from antiphon.protocol.items import InputItem, OtherItem, decode_item

__all__ = ["TurnReader"]

_WEB_SEARCH = "web_search"
_ERROR = "Error: "

_encode = msgspec.json.Encoder().encode


class _Query(Struct, frozen=True):
    query: str = ""


class _Found(Struct, frozen=True):
    url: str = ""


class _Citation(Struct, frozen=True):
    type: str = ""
    url: str = ""
    title: str | None = None


_query = msgspec.json.Decoder(_Query)
_found = msgspec.json.Decoder(list[_Found])
_citations = msgspec.json.Decoder(list[_Citation])


class TurnReader:
    """Reads the messages of one request.

    Attributes:
        items: what was read so far.
        parts: remembers what only an upstream of the same vendor can be told.
    """

    __slots__ = ("items", "parts")

    def __init__(self) -> None:
        self.items: list[InputItem] = []
        self.parts = PartReader()

    def read(self, messages: Sequence[MessageParams]) -> None:
        """Read them all.

        Raises:
            RequestFault: 400, with the place of what is malformed.
        """
        for index, message in enumerate(messages):
            path = f"messages[{index}]"
            content = message.content
            if isinstance(content, str):
                kind = "output_text" if message.role == "assistant" else "input_text"
                self._message(message.role, [{"type": kind, "text": content}] if content else [], path)
            elif message.role == "assistant":
                self._assistant(content, path)
            else:
                self._others(message.role, content, path)

    def _add(self, fields: Fields, path: str) -> None:
        raw = _encode(fields)
        self.items.append(InputItem(decode_item(raw, path=path), raw, path))

    def _message(self, role: str, parts: list[Fields], path: str) -> None:
        if parts:
            self._add({"type": "message", "role": role, "content": parts}, path)

    def _vendor(self, raw: Raw, path: str) -> None:
        """A block that only Anthropic knows. An upstream of another vendor refuses it, or leaves it out by name."""
        self.items.append(InputItem(OtherItem(read_head(raw, path).type), bytes(raw), path))

    def _others(self, role: str, blocks: list[Raw], path: str) -> None:
        """A message of the user or the system. Results go first: they belong right behind their calls."""
        parts: list[Fields] = []
        unknown = self.parts.unknown
        for index, raw in enumerate(blocks):
            place = f"{path}.content[{index}]"
            found = self.parts.parts(raw, place)
            if found is not None:
                parts += found
                continue
            block = read_block(raw, read_head(raw, place).type, path=place)
            if isinstance(block, ToolResult):
                self._result(block, place)
            else:
                unknown.append((raw, place))
        self._message(role, parts, path)
        for raw, place in unknown:
            self._vendor(raw, place)
        unknown.clear()

    def _result(self, block: ToolResult, path: str) -> None:
        parts = self.parts.content(block.content, f"{path}.content")
        if block.is_error:
            parts = _as_error(parts)
        texts = [str(part["text"]) for part in parts if part["type"] == "input_text"]
        plain = len(parts) == len(texts) <= 1
        output: object = "".join(texts) if plain else parts
        self._add({"type": "function_call_output", "call_id": block.tool_use_id, "output": output}, path)

    def _assistant(self, blocks: list[Raw], path: str) -> None:
        said: list[Fields] = []
        searches: dict[str, Raw] = {}
        for index, raw in enumerate(blocks):
            place = f"{path}.content[{index}]"
            head = self.parts.head(raw, place)
            block = read_block(raw, head.type, path=place)
            if isinstance(block, Text):
                if block.text:
                    said.append({"type": "output_text", "text": block.text, "annotations": _annotations(block)})
                continue
            self._message("assistant", said, path)
            said = []
            match block:
                case Thinking() | Redacted():
                    self._thought(block, place)
                case ToolUse():
                    self._call(block, place)
                case ServerToolUse(name=name, id=call_id, input=query) if name == _WEB_SEARCH:
                    searches[call_id] = query
                case WebSearchResults(tool_use_id=call_id, content=content):
                    self._search(searches.pop(call_id, None), content, place, call_id=call_id)
                case _:
                    self._vendor(raw, place)
        self._message("assistant", said, path)

    def _thought(self, block: Thinking | Redacted, path: str) -> None:
        text, seal = ("", block.data) if isinstance(block, Redacted) else unpack(block.signature)
        if isinstance(block, Thinking):
            text = block.thinking or text
        fields: Fields = {"type": "reasoning", "summary": [{"type": "summary_text", "text": text}] if text else []}
        if seal:
            fields["encrypted_content"] = seal
        self._add(fields, path)

    def _call(self, block: ToolUse, path: str) -> None:
        arguments = bytes(block.input)
        if arguments[:1] != b"{":
            raise RequestFault(
                f"Invalid type for '{path}.input': expected an object.", code="invalid_value", param=f"{path}.input"
            )
        fields: Fields = {"call_id": block.id, "name": block.name, "arguments": arguments.decode()}
        self._add({"type": "function_call", **fields}, path)

    def _search(self, query: Raw | None, content: Raw, path: str, *, call_id: str) -> None:
        """A search that the provider ran, or the gateway, which keeps what it found under the item's id.

        What a provider found is sealed for it; what is left is where it looked.
        """
        action: Fields = {"type": "search", "query": _asked(query)}
        action["sources"] = [{"type": "url", "url": found.url} for found in _results(content) if found.url]
        status = "completed" if bytes(content)[:1] == b"[" else "failed"
        item: Fields = {"type": "web_search_call", "status": status, "action": action}
        item_id = search_item_id(call_id)
        self._add(item if item_id is None else {**item, "id": item_id}, path)


def _as_error(parts: list[Fields]) -> list[Fields]:
    """Other vendors have no mark for a result that is an error: it has to say so itself."""
    first = parts[0] if parts else {}
    text = first.get("text")
    if not isinstance(text, str):
        return [{"type": "input_text", "text": _ERROR.strip()}, *parts]
    if text.startswith("Error"):
        return parts
    return [{**first, "text": _ERROR + text}, *parts[1:]]


def _annotations(block: Text) -> list[Fields]:
    """The sources on the web that a text names. A citation covers all of its block."""
    try:
        citations = _citations.decode(block.citations) if bytes(block.citations) != b"null" else []
    except msgspec.ValidationError:
        return []
    return [
        {
            "type": "url_citation",
            "start_index": 0,
            "end_index": len(block.text),
            "url": citation.url,
            "title": citation.title or "",
        }
        for citation in citations
        if citation.type == "web_search_result_location"
    ]


def _asked(query: Raw | None) -> str:
    try:
        return _query.decode(query).query if query is not None else ""
    except msgspec.ValidationError:
        return ""


def _results(content: Raw) -> list[_Found]:
    try:
        return _found.decode(content)
    except msgspec.ValidationError:
        return []
