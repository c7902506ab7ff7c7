"""Small answers that the edge writes by hand, and request parts that are parsed by hand, as types."""

from typing import Annotated, Literal

from msgspec import Meta, Raw, Struct

from antiphon.protocol.request import NULL
from antiphon.routing.router import ModelInfo

__all__ = [
    "CodexModel",
    "CustomFormat",
    "CustomToolParam",
    "DeletedResponse",
    "Error",
    "ErrorDetail",
    "FunctionToolParam",
    "Health",
    "HostedToolItem",
    "HostedToolParam",
    "InputItemList",
    "ListedItem",
    "ModelList",
    "NamespaceParam",
    "NestedFunction",
    "NestedFunctionTool",
    "Readiness",
    "VendorItem",
]


class ErrorDetail(Struct, frozen=True):
    """What went wrong."""

    message: Annotated[str, Meta(description="For people.")]
    type: Annotated[str, Meta(description="The family of the error, as in OpenAI's API.")]
    param: Annotated[str | None, Meta(description="The field at fault, such as `input[2].content[0].image_url`.")] = (
        None
    )
    code: Annotated[str | None, Meta(description="From the table of errors, or the provider's own word.")] = None


class Error(Struct, frozen=True):
    """Every failure that has an HTTP status has this shape."""

    error: Annotated[ErrorDetail, Meta(description="The failure.")]


class FunctionToolParam(Struct, frozen=True, tag="function", tag_field="type"):
    """A function that the model may call."""

    name: Annotated[str, Meta(min_length=1)]
    description: str | None = None
    parameters: Raw = NULL
    strict: bool | None = None


class CustomToolParam(Struct, frozen=True, tag="custom", tag_field="type"):
    """A tool that takes free text. For a provider without such tools, a function with one string stands for it."""

    name: Annotated[str, Meta(min_length=1, description="Its name.")]
    description: Annotated[str | None, Meta(description="What it does, for the model.")] = None
    format: Annotated["CustomFormat | None", Meta(description="What its input must look like. Default: any text.")] = (
        None
    )


class CustomFormat(Struct, frozen=True):
    """A custom tool's input. A grammar is enforced by providers that have custom tools; others are told of it."""

    type: Annotated[Literal["text", "grammar"], Meta(description="Any text, or a grammar.")]
    syntax: Annotated[Literal["lark", "regex"], Meta(description="For `grammar`: how it is written.")] = "lark"
    definition: Annotated[str | None, Meta(description="For `grammar`, which needs it.")] = None


class NamespaceParam(Struct, frozen=True, tag="namespace", tag_field="type"):
    """Tools that belong together. Calls of them have its name in `namespace`."""

    name: Annotated[str, Meta(min_length=1, description="Its name.")]
    tools: Annotated[list[FunctionToolParam | CustomToolParam], Meta(description="Its tools.")]
    description: Annotated[str | None, Meta(description="What they are for.")] = None


class HostedToolParam(Struct, frozen=True):
    """A tool that a provider runs itself. Refused by name where the model's provider does not have it."""

    type: Annotated[
        str, Meta(pattern="^(?!(function|custom|namespace)$)", description="Such as `mcp` or `code_interpreter`.")
    ]


class NestedFunction(Struct, frozen=True):
    """The function inside."""

    name: Annotated[str, Meta(min_length=1, description="Its name.")]
    description: Annotated[str | None, Meta(description="What it does, for the model.")] = None
    parameters: Raw = NULL
    strict: Annotated[bool | None, Meta(description="Whether the provider must keep to the schema.")] = None


class NestedFunctionTool(Struct, frozen=True, tag="function", tag_field="type"):
    """The same in the form of Chat Completions."""

    function: Annotated[NestedFunction, Meta(description="The function.")]


class HostedToolItem(Struct, frozen=True):
    """Left over from a hosted tool that ran elsewhere: left out, and named in `x-antiphon-ignored`.

    A provider that speaks Responses itself is given it as it is.
    """

    type: Annotated[
        Literal[
            "web_search_call",
            "file_search_call",
            "code_interpreter_call",
            "image_generation_call",
            "mcp_list_tools",
            "tool_search_call",
            "tool_search_output",
        ],
        Meta(description="What ran."),
    ]


class VendorItem(Struct, frozen=True):
    """Any other item: for providers that know it. Refused by name where the model's provider does not."""

    type: Annotated[str, Meta(description="Such as `compaction`. `additional_tools` brings tools along.")]


class ListedItem(Struct, frozen=True):
    """An item as it was sent or produced, with all of its fields."""

    id: Annotated[str, Meta(description="Its id.")]
    type: Annotated[str, Meta(description="Its type.")]


class InputItemList(Struct, frozen=True):
    """A page of items."""

    object: Annotated[Literal["list"], Meta(description="Always `list`.")]
    data: Annotated[list[ListedItem], Meta(description="The items.")]
    first_id: Annotated[str | None, Meta(description="Id of the first.")]
    last_id: Annotated[str | None, Meta(description="Id of the last: send it as `after` for the next page.")]
    has_more: Annotated[bool, Meta(description="Whether there is a next page.")]


class CodexModel(Struct, frozen=True):
    """A model, in the words of Codex."""

    slug: Annotated[str, Meta(description="The name to use in `model`.")]
    display_name: Annotated[str, Meta(description="The name to show.")]


class ModelList(Struct, frozen=True):
    """All models, in two forms."""

    object: Annotated[Literal["list"], Meta(description="Always `list`.")]
    data: Annotated[list[ModelInfo], Meta(description="In OpenAI's form.")]
    models: Annotated[list[CodexModel], Meta(description="The same in the form that Codex asks for.")]


class DeletedResponse(Struct, frozen=True):
    """Confirms a deletion."""

    id: Annotated[str, Meta(description="The response that is gone.")]
    object: Annotated[Literal["response"], Meta(description="Always `response`.")]
    deleted: Annotated[bool, Meta(description="Always true.")]


class Health(Struct, frozen=True):
    """A sign of life."""

    status: Annotated[Literal["ok"], Meta(description="Always `ok`.")]
    version: Annotated[str, Meta(description="Of the gateway.")]


class Readiness(Struct, frozen=True):
    """Whether it can serve."""

    status: Annotated[Literal["ready", "not ready"], Meta(description="All checks together.")]
    checks: Annotated[dict[str, str], Meta(description="Each one is `ok`, or says what is wrong.")]
