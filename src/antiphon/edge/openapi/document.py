"""The whole document: paths, reusable responses and headers, security, and the schemas of both sides."""

from collections.abc import Iterable

from msgspec import Struct

from antiphon import __version__
from antiphon.dialects.responses.params import CreateParams
from antiphon.edge.openapi import shapes
from antiphon.edge.openapi.answer_notes import ANSWER_NOTES
from antiphon.edge.openapi.chat import CHAT_SCHEMAS
from antiphon.edge.openapi.embeddings import EMBEDDINGS_SCHEMAS
from antiphon.edge.openapi.endpoint import Answer, Endpoint
from antiphon.edge.openapi.endpoints import ENDPOINTS, TAGS
from antiphon.edge.openapi.errors import ERROR_CODES, STATUS_MEANINGS
from antiphon.edge.openapi.messages import MESSAGES_SCHEMAS
from antiphon.edge.openapi.request_notes import REQUEST_NOTES, TREATMENTS
from antiphon.edge.openapi.schemas import Schema, Schemas, reference
from antiphon.engine import record
from antiphon.engine.explain import Explanation
from antiphon.engine.fidelity import Fidelity
from antiphon.protocol import events, items, request, response
from antiphon.routing.router import ModelInfo, PriceInfo

__all__ = ["build_document"]

_TEXT = """\
One API in front of any model: OpenAI's Responses API, served for every provider that this gateway is configured for. \
Official OpenAI clients work unchanged with this server's address and a key of this gateway.

`x-antiphon-treatment` of a request parameter says what becomes of it; `x-antiphon-errors` lists every error code."""

_HEADERS: dict[str, Schema] = {
    "x-request-id": {
        "description": "Names the request in logs. One that you send (up to 128 of `A-Z a-z 0-9 . _ -`) is kept.",
        "required": True,
        "schema": {"type": "string"},
    },
    "x-actual-model": {
        "description": "Who answers, as `provider/model`.",
        "schema": {"type": "string"},
    },
    "x-fallback-used": {
        "description": "`true` when another place answers than the one that was asked first; otherwise left out.",
        "schema": {"type": "string"},
    },
    "x-fallback-from": {
        "description": "With `x-fallback-used`: the model that was asked for.",
        "schema": {"type": "string"},
    },
    "x-fallback-reason": {
        "description": "With `x-fallback-used`: why the first one does not answer, mostly an error code.",
        "schema": {"type": "string"},
    },
    "x-web-search-used": {
        "description": "Whether a search of the web gave something, where the request may search. A stream tells what "
        "is known when it begins; so with the two below.",
        "schema": {"type": "string", "enum": ["true", "false"]},
    },
    "x-web-search-count": {
        "description": "How many pages were found, as far as the provider tells.",
        "schema": {"type": "integer"},
    },
    "x-web-search-status": {
        "description": "`completed`; `failed`: no search did; `unused`: the model did not; `unavailable`: nobody "
        "searches for it; `pending`: the stream begins before that is known.",
        "schema": {"type": "string", "enum": ["completed", "failed", "unused", "unavailable", "pending"]},
    },
    "x-antiphon-ignored": {
        "description": "What was ignored: field names, with commas between them, 1024 bytes at most.",
        "schema": {"type": "string"},
    },
    "request-id": {
        "description": "The same as `x-request-id`, for clients of the Messages API.",
        "schema": {"type": "string"},
    },
    "x-antiphon-estimated": {
        "description": "Names what in the answer is an estimate.",
        "schema": {"type": "string"},
    },
    "retry-after": {
        "description": "Seconds to wait before trying again, where that is known.",
        "schema": {"type": "integer", "minimum": 1},
    },
    "x-should-retry": {
        "description": "Whether trying again can help.",
        "schema": {"type": "string", "enum": ["true", "false"]},
    },
}
_SECURITY: dict[str, Schema] = {
    "bearer": {"type": "http", "scheme": "bearer", "description": "`Authorization: Bearer sk-…`. Wins over the other."},
    "apiKey": {"type": "apiKey", "in": "header", "name": "x-api-key", "description": "The same key, alone."},
}
_RUN_NAMES: dict[type, str] = {
    record.Record: "RunRecord",
    record.Caller: "RunCaller",
    record.Timing: "RunTiming",
    record.Attempt: "RunAttempt",
    record.ItemTrace: "RunItem",
    record.RoundTrace: "RunRound",
    record.Candidate: "RunCandidate",
    request.Notice: "RunNotice",
}
_ANSWER_NAMES: dict[type, str] = {
    **_RUN_NAMES,
    ModelInfo: "Model",
    PriceInfo: "ModelPrice",
    response.MessageItem: "OutputMessage",
}
_SHAPES = (
    shapes.Error,
    shapes.InputItemList,
    shapes.ModelList,
    shapes.DeletedResponse,
    shapes.Health,
    shapes.Readiness,
    Explanation,
)
_TOOL_SHAPES = (
    shapes.FunctionToolParam,
    shapes.NestedFunctionTool,
    shapes.CustomToolParam,
    shapes.NamespaceParam,
    shapes.HostedToolParam,
)


def build_document() -> dict[str, object]:
    """The OpenAPI document, ready to be encoded. Takes some milliseconds: build it once."""
    paths: dict[str, Schema] = {}
    for endpoint in ENDPOINTS:
        paths.setdefault(endpoint.path, {})[endpoint.method.lower()] = _operation(endpoint)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Antiphon",
            "version": __version__,
            "summary": "A self-hosted LLM gateway.",
            "description": _TEXT,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "security": [{name: []} for name in _SECURITY],
        "tags": [{"name": name, "description": text} for name, text in TAGS.items()],
        "paths": paths,
        "components": {
            "schemas": _schemas(),
            "responses": {name: _error(status, text) for status, (name, text) in STATUS_MEANINGS.items()},
            "headers": _HEADERS,
            "securitySchemes": _SECURITY,
        },
        "x-antiphon-treatments": TREATMENTS,
        "x-antiphon-errors": ERROR_CODES,
    }


def _operation(endpoint: Endpoint) -> Schema:
    operation: Schema = {
        "operationId": endpoint.name,
        "tags": [endpoint.tag],
        "summary": endpoint.summary,
        "description": endpoint.text,
    }
    if endpoint.public:
        operation["security"] = []
    if endpoint.parameters:
        operation["parameters"] = [
            {
                "name": one.name,
                "in": one.place,
                "required": one.place == "path",
                "description": one.text,
                "schema": one.schema,
            }
            for one in endpoint.parameters
        ]
    if endpoint.body:
        operation["requestBody"] = {
            "required": True,
            "description": "JSON, plain or compressed with gzip, deflate or zstd.",
            "content": {"application/json": {"schema": reference(endpoint.body), "examples": endpoint.examples}},
        }
    operation["responses"] = _responses(endpoint)
    return operation


def _responses(endpoint: Endpoint) -> Schema:
    responses = {str(status): _success(endpoint, answer) for status, answer in endpoint.answers.items()}
    for status in sorted(endpoint.errors):
        name, text = STATUS_MEANINGS[status]
        if endpoint.error == "Error":
            responses[str(status)] = {"$ref": f"#/components/responses/{name}"}
        else:
            responses[str(status)] = _error(status, text, shape=endpoint.error)
    return dict(responses)


def _success(endpoint: Endpoint, answer: Answer) -> Schema:
    success: Schema = {
        "description": answer.text,
        "headers": _headers("x-request-id", *answer.headers),
        "content": {kind: {"schema": schema} for kind, schema in answer.content.items()},
    }
    if endpoint.name == "createResponse":
        success["links"] = {
            one.name: {"operationId": one.name, "parameters": {"response_id": "$response.body#/id"}}
            for one in ENDPOINTS
            if any(parameter.name == "response_id" for parameter in one.parameters)
        }
    return success


def _error(status: int, text: str, *, shape: str = "Error") -> Schema:
    names = ["x-request-id"]
    if status in (408, 429) or status >= 500:
        names += ["x-should-retry", "retry-after"]
    codes = ", ".join(f"`{one.code}`" for one in ERROR_CODES if one.status == status)
    return {
        "description": f"{text} Codes: {codes}.",
        "headers": _headers(*names),
        "content": {"application/json": {"schema": reference(shape)}},
    }


def _headers(*names: str) -> Schema:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}


def _schemas() -> dict[str, Schema]:
    """Both sides' schemas, by name."""
    sent = Schemas(
        "request",
        REQUEST_NOTES,
        names={CreateParams: "CreateResponse"},
        untagged=(items.Message, items.ItemReference),
    )
    sent.of(CreateParams)
    known = [kind for kind in items.Item.__args__ if kind is not items.OtherItem]
    tags = sorted(str(kind.__struct_config__.tag) for kind in known)
    sent.add("InputItem", *known, shapes.HostedToolItem, shapes.VendorItem)
    sent.components["VendorItem"]["not"] = {"properties": {"type": {"enum": tags}}}
    for tool in _TOOL_SHAPES:
        sent.of(tool)
    given = Schemas("answer", ANSWER_NOTES, names={**_event_names(), **_ANSWER_NAMES})
    given.add("ResponseStreamEvent", events.Event)
    for kind in (request.FunctionTool, request.CustomTool, request.ReasoningConfig, record.Record, *_SHAPES):
        given.of(kind)
    fidelity = given.of(Fidelity)
    for name, kinds in (
        ("OpaqueItem", response.OutputItem.__args__),
        ("OpaquePart", response.ContentPart.__args__),
        ("OpaqueEventEvent", events.Event.__args__),
    ):
        given.components[name]["not"] = {"properties": {"type": {"enum": _tags(kinds)}}}
    return {
        **sent.components,
        **given.components,
        "CreateResponse": _complete(sent.components["CreateResponse"]),
        "Response": _reporting(given.components["Response"], fidelity),
        "ServerSentEvent": _server_sent(),
        **CHAT_SCHEMAS,
        **MESSAGES_SCHEMAS,
        **EMBEDDINGS_SCHEMAS,
    }


def _reporting(response_schema: Schema, fidelity: Schema) -> Schema:
    """A response may hold the report on itself, which is no field of it."""
    text = "With `include: antiphon.fidelity`, once it has ended: who answered, and what was not done exactly as asked."
    properties = response_schema["properties"]
    known = properties if isinstance(properties, dict) else {}
    return {**response_schema, "properties": {**known, "antiphon": {"description": text, **fidelity}}}


def _tags(kinds: Iterable[type]) -> list[str]:
    """The `type`s that we know."""
    return sorted(str(kind.__struct_config__.tag) for kind in kinds if issubclass(kind, Struct))


def _server_sent() -> Schema:
    """One event as the framing has it; OpenAPI describes event streams by the form of each of their events."""
    event = {
        "type": "string",
        "contentMediaType": "application/json",
        "contentSchema": reference("ResponseStreamEvent"),
    }
    return {
        "type": "object",
        "description": "One server-sent event.",
        "properties": {
            "event": {"type": "string", "description": "The `type` of the event in `data`; the marker has none."},
            "data": {
                "description": "An event as JSON, or the marker that ends the stream.",
                "anyOf": [event, {"type": "string", "const": "[DONE]"}],
            },
        },
        "required": ["data"],
    }


def _event_names() -> dict[type, str]:
    kinds: tuple[type, ...] = events.Event.__args__
    return {kind: f"{kind.__name__}Event" for kind in kinds}


def _complete(create: Schema) -> Schema:
    """What parsing demands beyond the types: a model, and something to answer."""
    return {
        **create,
        "required": ["model"],
        "anyOf": [
            {"required": ["input"], "properties": {"input": {"type": ["string", "array"]}}},
            {"required": ["previous_response_id"], "properties": {"previous_response_id": {"type": "string"}}},
        ],
    }
