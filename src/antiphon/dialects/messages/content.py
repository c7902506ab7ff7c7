"""Output items as content blocks: what is the same for a stream and for a whole answer."""

from collections.abc import Iterable, Mapping
from types import MappingProxyType

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType

from antiphon.dialects.messages.signature import pack
from antiphon.dialects.messages.wire import (
    Block,
    RedactedThinkingBlock,
    SearchErrorResult,
    SearchHit,
    SearchResultBlock,
    ServerToolUseBlock,
    TextBlock,
    ThinkingBlock,
    ToolUseBlock,
    WebCitation,
)
from antiphon.protocol.ids import item_owner
from antiphon.protocol.response import (
    CustomCallItem,
    FunctionCallItem,
    MessageItem,
    OutputItem,
    OutputTextPart,
    ReasoningItem,
    ReasoningTextPart,
    RefusalPart,
    SummaryPart,
    WebSearchItem,
)

__all__ = [
    "NO_TITLES",
    "citation_of",
    "content_of",
    "custom_input",
    "has_refused",
    "search_blocks",
    "search_item_id",
    "thought_block",
    "thought_text",
]

_SERVER_TOOL = "srvtoolu_"
NO_TITLES: Mapping[str, str] = MappingProxyType({})
_SEARCH_ITEM = "ws_"
_encode = msgspec.json.Encoder().encode
_object = msgspec.json.Decoder(dict[str, Raw])


class _Source(Struct, frozen=True):
    url: str = ""


class _Action(Struct, frozen=True):
    type: str = "search"
    query: str | None = None
    url: str | None = None
    pattern: str | None = None
    sources: list[_Source] | None = None


class _Annotation(Struct, frozen=True):
    type: str = ""
    url: str | None = None
    title: str | None = None


_action = msgspec.json.Decoder(_Action)
_annotation = msgspec.json.Decoder(_Annotation)


def content_of(
    output: tuple[OutputItem, ...], *, omits_thinking: bool, titles: Mapping[str, str] = NO_TITLES
) -> tuple[Block, ...]:
    """All blocks of an answer, in order. With `omits_thinking`, thoughts are there but their text is not shown.

    `titles`: of the pages that were found here, by address. Those that were cited before have one, too.
    """
    blocks: list[Block] = []
    for item in output:
        match item:
            case MessageItem():
                blocks += [block for part in item.content if (block := _text_block(part)) is not None]
            case ReasoningItem():
                thought = thought_block(item, omits_text=omits_thinking)
                blocks += [thought] if thought is not None else []
            case FunctionCallItem():
                blocks.append(ToolUseBlock(item.call_id, item.name, _input(item.arguments)))
            case CustomCallItem():
                blocks.append(ToolUseBlock(item.call_id, item.name, Raw(custom_input(item).encode())))
            case WebSearchItem():
                blocks += search_blocks(item, {**titles, **_cited_titles(blocks)})
    return tuple(blocks)


def has_refused(output: tuple[OutputItem, ...]) -> bool:
    """Whether the model itself said that it does not want to."""
    return any(isinstance(item, MessageItem) and any(_is_refusal(part) for part in item.content) for item in output)


def thought_text(item: ReasoningItem) -> str:
    """All that is visible of a thought."""
    parts = [*item.summary, *(item.content or ())]
    return "\n\n".join(text for part in parts if (text := _visible(part)))


def thought_block(item: ReasoningItem, *, omits_text: bool) -> Block | None:
    """The block of a thought, `None` for one of which there is nothing: neither text nor seal."""
    text = thought_text(item)
    seal = item.encrypted_content or None
    if omits_text and text:
        return ThinkingBlock("", pack(text, seal))
    if text:
        return ThinkingBlock(text, seal or "")
    return RedactedThinkingBlock(seal) if seal else None


def search_blocks(item: WebSearchItem, titles: Mapping[str, str]) -> tuple[Block, Block]:
    """A search and what it found. A page without a title is called by its address.

    Pages have no content here: the provider has not told it, or told it sealed.
    """
    name = _SERVER_TOOL + item.id.rpartition("_")[2]
    try:
        action = _action.decode(item.action)
    except msgspec.DecodeError:
        action = _Action()
    query = action.query or " ".join(text for text in (action.url, action.pattern) if text)
    content: tuple[SearchHit, ...] | SearchErrorResult = SearchErrorResult()
    if item.status != "failed":
        content = tuple(
            SearchHit(source.url, titles.get(source.url) or source.url) for source in action.sources or () if source.url
        )
    return ServerToolUseBlock(name, input=Raw(_encode({"query": query}))), SearchResultBlock(name, content)


def search_item_id(name: str) -> str | None:
    """The id of the search that `search_blocks` made a block of that name of, `None` for a vendor's own."""
    item_id = _SEARCH_ITEM + name.removeprefix(_SERVER_TOOL)
    return item_id if name.startswith(_SERVER_TOOL) and item_owner(item_id) is not None else None


def citation_of(annotation: Raw) -> WebCitation | None:
    """A citation of a page. Other annotations name files at the provider, of which clients here know nothing."""
    try:
        found = _annotation.decode(annotation)
    except msgspec.DecodeError:
        return None
    if found.type != "url_citation" or not found.url:
        return None
    return WebCitation(found.url, found.title)


def custom_input(item: CustomCallItem) -> str:
    """A custom call's input as an object: clients of this dialect know no other."""
    return _encode({"input": item.input}).decode()


def _text_block(part: object) -> TextBlock | None:
    match part:
        case OutputTextPart(text=text, annotations=annotations) if text:
            citations = tuple(found for raw in annotations if (found := citation_of(raw)) is not None)
            shown: tuple[WebCitation, ...] | UnsetType = citations or UNSET
            return TextBlock(text, shown)
        case RefusalPart(refusal=text) if text:
            return TextBlock(text)
    return None


def _cited_titles(blocks: Iterable[Block]) -> dict[str, str]:
    texts = (block.citations or () for block in blocks if isinstance(block, TextBlock))
    return {cited.url: cited.title for citations in texts for cited in citations if cited.title}


def _is_refusal(part: object) -> bool:
    return isinstance(part, RefusalPart)


def _visible(part: object) -> str:
    return part.text if isinstance(part, SummaryPart | ReasoningTextPart | OutputTextPart) else ""


def _input(arguments: str) -> Raw:
    """The arguments as they are, if they are an object. What was cut, or never was one, is handed on as text."""
    raw = arguments.encode("utf-8", "replace")
    try:
        _object.decode(raw)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return Raw(_encode({"_raw": arguments})) if arguments else Raw(b"{}")
    return Raw(raw)
