"""Small answers that the edge writes by hand, and request parts that are parsed by hand, as types."""

from typing import Annotated, Literal

from msgspec import Meta, Raw, Struct

from antiphon.protocol.request import NULL
from antiphon.routing.router import ModelInfo

__all__ = [
    "CodexModel",
    "DeletedResponse",
    "Error",
    "ErrorDetail",
    "FunctionToolParam",
    "Health",
    "HostedToolItem",
    "InputItemList",
    "ListedItem",
    "ModelList",
    "NestedFunction",
    "NestedFunctionTool",
    "Readiness",
    "WebSearchTool",
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


class NestedFunction(Struct, frozen=True):
    """The function inside."""

    name: Annotated[str, Meta(min_length=1, description="Its name.")]
    description: Annotated[str | None, Meta(description="What it does, for the model.")] = None
    parameters: Raw = NULL
    strict: Annotated[bool | None, Meta(description="Whether the provider must keep to the schema.")] = None


class NestedFunctionTool(Struct, frozen=True, tag="function", tag_field="type"):
    """The same in the form of Chat Completions."""

    function: Annotated[NestedFunction, Meta(description="The function.")]


class WebSearchTool(Struct, frozen=True):
    """A hosted web search. Not built yet: ignored, and named in `x-antiphon-ignored`."""

    type: Annotated[str, Meta(pattern="^web_search", description="`web_search`, or one of its dated or preview names.")]


class HostedToolItem(Struct, frozen=True):
    """Left over from a hosted tool that ran elsewhere: left out, and named in `x-antiphon-ignored`."""

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
