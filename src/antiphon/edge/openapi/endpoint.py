"""What one line of the table of endpoints says."""

from typing import Literal

from msgspec import Struct, field

from antiphon.edge.openapi.schemas import Schema

__all__ = ["SEARCHED", "SERVED_BY", "WITH_KEY", "Answer", "Endpoint", "Parameter"]

#: Any request with a key can end in these: the key is looked up in the store.
WITH_KEY = (401, 403, 500, 503)


#: Headers that tell who answers.
#: What came of searching the web, in answers to requests that may search.
SEARCHED = ("x-web-search-used", "x-web-search-count", "x-web-search-status")
SERVED_BY = ("x-actual-model", "x-fallback-used", "x-fallback-from", "x-fallback-reason")


class Parameter(Struct, frozen=True):
    """A parameter in the path or in the query."""

    name: str
    place: Literal["path", "query"]
    text: str
    schema: Schema


class Answer(Struct, frozen=True):
    """A successful answer: its content types with their schemas, and the headers beside `x-request-id`."""

    text: str
    content: dict[str, Schema]
    headers: tuple[str, ...] = ()


class Endpoint(Struct, frozen=True, kw_only=True):
    """One operation.

    Attributes:
        answers: by status. Statuses of `errors` are answered in the common error shape.
        body: name of the request body's schema, if there is one.
        examples: of bodies.
        error: name of the schema of this endpoint's errors.
    """

    method: str
    path: str
    name: str
    tag: str
    summary: str
    text: str
    answers: dict[int, Answer]
    errors: tuple[int, ...]
    parameters: tuple[Parameter, ...] = ()
    body: str = ""
    examples: dict[str, Schema] = field(default_factory=dict)
    error: str = "Error"
    public: bool = False
