"""One request, whatever dialect it came in: the value that the engine passes down to a provider codec."""

from collections.abc import Mapping
from typing import Literal

from msgspec import UNSET, Raw, Struct, UnsetType, field

from antiphon.protocol.ids import ResponseId
from antiphon.protocol.items import InputItem

__all__ = [
    "NULL",
    "WEB_SEARCH",
    "CustomTool",
    "Dialect",
    "Effort",
    "FunctionTool",
    "HostedTool",
    "Notice",
    "NoticeKind",
    "ReasoningConfig",
    "Request",
    "TextConfig",
    "TextFormat",
    "Tool",
    "ToolChoice",
    "WebLength",
    "tool_key",
]

Effort = Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"]
Dialect = Literal["responses", "chat", "messages", "none"]
WebLength = Literal["short", "medium", "full"]
NoticeKind = Literal["dropped", "approximated", "emulated", "translated", "repaired"]

#: The default of fields that are kept as JSON. One shared value: it is immutable, and cheaper than a new one each.
NULL = Raw(b"null")
_AUTO = Raw(b'"auto"')

#: What the types of all variants of that tool begin with.
WEB_SEARCH = "web_search"


class Notice(Struct, frozen=True):
    """Something that was not done exactly as asked. Returned by dialects and codecs, never logged by them.

    Attributes:
        where: the request field, as `param` would name it. Kind `dropped` is told in `x-antiphon-ignored`.
        reason: a short code, e.g. `not_supported_by_upstream`.
    """

    where: str
    kind: NoticeKind
    reason: str
    asked: str = ""
    became: str = ""


class FunctionTool(Struct, frozen=True, tag="function", tag_field="type"):
    """A function the model may call. Every key is always present when it is echoed (`null` allowed)."""

    name: str
    description: str | None = None
    parameters: Raw = NULL
    strict: bool | None = None
    namespace: str | UnsetType = UNSET


class CustomTool(Struct, frozen=True, tag="custom", tag_field="type"):
    """A tool that takes free text. `format` is its grammar, as the client wrote it."""

    name: str
    description: str | None = None
    format: Raw | UnsetType = UNSET
    namespace: str | UnsetType = UNSET


class HostedTool(Struct, frozen=True):
    """A tool that runs at the provider, or here: its type (`web_search`), and all of it as the client wrote it."""

    type: str
    raw: Raw


Tool = FunctionTool | CustomTool | HostedTool


class ToolChoice(Struct, frozen=True):
    """What the model must do about tools.

    Attributes:
        mode: `function` forces the function or custom tool `name`, of `namespace`.
        allowed: with `allowed_tools`, the keys (`tool_key`) of what may be called; a call outside is never shown to
            the client.
        raw: the choice in canonical wire form, for the echo.
        hosted: type of the hosted tool that is forced. Whoever lacks it does as `mode` says.
    """

    mode: Literal["none", "auto", "required", "function"] = "auto"
    name: str | None = None
    allowed: frozenset[str] | None = None
    raw: Raw = _AUTO
    namespace: str | None = None
    hosted: str | None = None

    def allows(self, name: str, namespace: str | None = None) -> bool:
        """Whether that tool may be called."""
        return self.allowed is None or tool_key(name, namespace) in self.allowed


def tool_key(name: str, namespace: str | None = None) -> str:
    """What tells a tool from all others: its name, and where it is in a namespace that too."""
    return f"{namespace}\0{name}" if namespace else name


class TextFormat(Struct, frozen=True):
    """What the text of the answer looks like. The last four belong to `json_schema`."""

    type: Literal["text", "json_object", "json_schema"] = "text"
    name: str = ""
    schema: Raw = NULL
    description: str | None = None
    strict: bool | None = None


class TextConfig(Struct, frozen=True):
    """`text`: the format, and how verbose to be (canonical vocabulary)."""

    format: TextFormat = TextFormat()
    verbosity: Literal["low", "medium", "high"] | None = None


class ReasoningConfig(Struct, frozen=True):
    """`reasoning`: how hard to think, and whether to show a summary of it."""

    effort: Effort | None = None
    summary: Literal["auto", "concise", "detailed"] | None = None


class Request(Struct, frozen=True):
    """Everything that was asked. `None` means that the client did not say.

    Attributes:
        input: this request's own items; history is put in front by the engine (`with_history`).
        store: whether to keep the response.
        include: the include values, as sent.
        notices: what the dialect already had to leave out.
        tools_echo: `tools` in canonical wire form, where that is more than the encoded `tools` (namespaces).
        dialect, body: the client's own words, for a codec of the same dialect that passes on what no field here says.
            `none`: nothing is to be passed on, nor is what the provider says of its answer.
        vendor_only: names of body fields that only such a codec can say; any other one reports them as dropped.
        fallbacks: models to try after `model`, in that order.
        fallback: whether other places than the first may be tried; `None` leaves it to the operator.
        fallback_s: how long to wait for output while there is another place to try.
        asked_model: the name as the client wrote it, where that is more than the model's own (`MODEL:web`).
        web: the name asked for web search: the answer is made without where there is nobody to search.
        web_results, web_length: how much the client wants of a search, where it said so beside the tool.
    """

    model: str
    input: tuple[InputItem, ...]
    stream: bool = False
    store: bool = True
    instructions: str | None = None
    previous_response_id: ResponseId | None = None
    tools: tuple[Tool, ...] = ()
    tool_choice: ToolChoice = ToolChoice()
    parallel_tool_calls: bool | None = None
    max_tool_calls: int | None = None
    max_output_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    min_p: float | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    top_logprobs: int | None = None
    seed: int | None = None
    stop: tuple[str, ...] = ()
    logit_bias: Mapping[str, float] | None = None
    text: TextConfig = TextConfig()
    reasoning: ReasoningConfig = ReasoningConfig()
    truncation: Literal["auto", "disabled"] = "disabled"
    service_tier: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    include: frozenset[str] = frozenset()
    prompt_cache_key: str | None = None
    safety_identifier: str | None = None
    user: str | None = None
    notices: tuple[Notice, ...] = ()
    tools_echo: Raw | None = None
    dialect: Dialect = "responses"
    body: bytes = b""
    vendor_only: tuple[str, ...] = ()
    fallbacks: tuple[str, ...] = ()
    fallback: bool | None = None
    fallback_s: float | None = None
    asked_model: str = ""
    web: bool = False
    web_results: int | None = None
    web_length: WebLength | None = None

    @property
    def functions(self) -> list[FunctionTool]:
        """The function tools alone."""
        return [tool for tool in self.tools if isinstance(tool, FunctionTool)]

    @property
    def searches_web(self) -> bool:
        """The model may search the web, whoever does it."""
        return any(isinstance(tool, HostedTool) and tool.type.startswith(WEB_SEARCH) for tool in self.tools)

    @property
    def has_hosted_tools(self) -> bool:
        """There are tools that are not the client's to run."""
        return any(isinstance(tool, HostedTool) for tool in self.tools)

    @property
    def wants_logprobs(self) -> bool:
        """Log probabilities were asked for, by number or by include."""
        return bool(self.top_logprobs) or "message.output_text.logprobs" in self.include
