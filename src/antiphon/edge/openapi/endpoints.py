"""The endpoints, as the description tells of them. A test holds this table against `edge.routes`."""

from antiphon.dialects.responses.params import INCLUDES
from antiphon.edge.openapi.chat import CHAT_ENDPOINTS
from antiphon.edge.openapi.embeddings import EMBEDDINGS_ENDPOINTS
from antiphon.edge.openapi.endpoint import SEARCHED, SERVED_BY, WITH_KEY, Answer, Endpoint, Parameter
from antiphon.edge.openapi.messages import MESSAGES_ENDPOINTS
from antiphon.edge.openapi.schemas import Schema, reference

__all__ = ["ENDPOINTS", "TAGS"]

TAGS = {
    "Responses": "Make, continue, read and delete responses.",
    "Chat": "The same models for clients of OpenAI's Chat Completions API.",
    "Messages": "The same models for clients of Anthropic's Messages API.",
    "Embeddings": "Texts as vectors.",
    "Models": "What your key may use.",
    "Operation": "For whoever runs the gateway.",
    "Description": "This description and its page.",
}


_RESPONSE_ID = Parameter(
    "response_id",
    "path",
    "`resp_` and 32 hexadecimal digits.",
    {"type": "string", "minLength": 1, "examples": ["resp_0199f3c2a5d87c1e9b6a4f0e2d3c4b5a"]},
)
_MODEL_ID = Parameter(
    "model_id", "path", "The model's name; a `/` in it may stand as it is.", {"type": "string", "minLength": 1}
)
_INCLUDE = Parameter(
    "include",
    "query",
    "Asks for what is only shown on request: `reasoning.encrypted_content`, `web_search_call.action.sources`, and "
    "where a response is retrieved `antiphon.fidelity`. The others name what is never left out. Also as `include[]`.",
    {"type": "array", "items": {"type": "string", "enum": sorted(INCLUDES)}},
)
_PAGING = (
    Parameter("limit", "query", "Items in a page.", {"type": "integer", "minimum": 1, "maximum": 100, "default": 20}),
    Parameter(
        "order", "query", "Newest or oldest first.", {"type": "string", "enum": ["asc", "desc"], "default": "desc"}
    ),
    Parameter("after", "query", "Id of the item that the page begins after.", {"type": "string"}),
    _INCLUDE,
)
_REPLAY = (
    Parameter(
        "stream", "query", "`true`: answer with the events of its stream.", {"type": "boolean", "default": False}
    ),
    Parameter(
        "starting_after",
        "query",
        "With `stream`: only events with a larger `sequence_number`. Without it, ignored.",
        {"type": "integer", "minimum": -1},
    ),
    _INCLUDE,
)
_STREAM_TEXT = (
    "With `stream`, server-sent events: `event:` repeats the JSON's `type`, `data:` is one event, and the "
    "marker `data: [DONE]` ends the stream. Lines that begin with a colon are to be skipped."
)
_RESPONSE = {"application/json": reference("Response"), "text/event-stream": reference("ServerSentEvent")}


def _json(text: str, name: str) -> dict[int, Answer]:
    return {200: Answer(text, {"application/json": reference(name)})}


_CREATE_EXAMPLES: dict[str, Schema] = {
    "text": {"summary": "Text in, text out", "value": {"model": "local", "input": "Say hello in three languages."}},
    "stream": {
        "summary": "As a stream",
        "value": {"model": "local", "instructions": "Be brief.", "input": "What is a fugue?", "stream": True},
    },
    "function": {
        "summary": "With a function",
        "value": {
            "model": "local",
            "input": [{"role": "user", "content": "What is the weather in Oslo?"}],
            "tools": [
                {
                    "type": "function",
                    "name": "get_weather",
                    "description": "Current weather of a city.",
                    "parameters": {
                        "type": "object",
                        "properties": {"city": {"type": "string"}},
                        "required": ["city"],
                    },
                }
            ],
        },
    },
    "schema": {
        "summary": "An answer by a schema",
        "value": {
            "model": "local",
            "input": "Name a composer and the year of birth.",
            "text": {
                "format": {
                    "type": "json_schema",
                    "name": "composer",
                    "schema": {
                        "type": "object",
                        "properties": {"name": {"type": "string"}, "born": {"type": "integer"}},
                        "required": ["name", "born"],
                        "additionalProperties": False,
                    },
                }
            },
        },
    },
}

ENDPOINTS = (
    Endpoint(
        method="POST",
        path="/v1/responses",
        name="createResponse",
        tag="Responses",
        summary="Create a response",
        text=(
            "Sends input to a model and answers with what it produced, whole or as a stream. Parameters that nobody "
            "knows are ignored and named in `x-antiphon-ignored`; known ones of a wrong type or range are refused."
        ),
        body="CreateResponse",
        examples=_CREATE_EXAMPLES,
        answers={
            200: Answer(f"The response. {_STREAM_TEXT}", _RESPONSE, (*SERVED_BY, *SEARCHED, "x-antiphon-ignored")),
        },
        errors=(400, 401, 403, 404, 408, 413, 415, 429, 500, 502, 503, 504),
    ),
    Endpoint(
        method="GET",
        path="/v1/responses/{response_id}",
        name="getResponse",
        tag="Responses",
        summary="Retrieve a response",
        text="A stored response, or the state of one that is being made. With `stream`, a stored one as its events.",
        parameters=(_RESPONSE_ID, *_REPLAY),
        answers={200: Answer(f"The response. {_STREAM_TEXT}", _RESPONSE)},
        errors=(400, 404, *WITH_KEY),
    ),
    Endpoint(
        method="DELETE",
        path="/v1/responses/{response_id}",
        name="deleteResponse",
        tag="Responses",
        summary="Delete a response",
        text="Deletes it now. What continues it stays readable, but can no longer be continued.",
        parameters=(_RESPONSE_ID,),
        answers=_json("It is gone.", "DeletedResponse"),
        errors=(404, *WITH_KEY),
    ),
    Endpoint(
        method="GET",
        path="/v1/responses/{response_id}/input_items",
        name="listInputItems",
        tag="Responses",
        summary="List what a response was made from",
        text="The whole input that the model saw, earlier turns included, each item with an id.",
        parameters=(_RESPONSE_ID, *_PAGING),
        answers=_json("One page.", "InputItemList"),
        errors=(400, 404, *WITH_KEY),
    ),
    *CHAT_ENDPOINTS,
    *MESSAGES_ENDPOINTS,
    *EMBEDDINGS_ENDPOINTS,
    Endpoint(
        method="GET",
        path="/v1/models",
        name="listModels",
        tag="Models",
        summary="List models",
        text="Every model that your key may use and that has a name of its own. Others go by `provider/model`.",
        answers=_json("All of them.", "ModelList"),
        errors=WITH_KEY,
    ),
    Endpoint(
        method="GET",
        path="/v1/models/{model_id}",
        name="getModel",
        tag="Models",
        summary="Retrieve a model",
        text="Answers for every name that can be used in `model`, also for those that are not listed.",
        parameters=(_MODEL_ID,),
        answers=_json("The model.", "Model"),
        errors=(404, *WITH_KEY),
    ),
    Endpoint(
        method="POST",
        path="/v1/antiphon/explain",
        name="explain",
        tag="Responses",
        summary="Explain what would be done",
        text=(
            "Takes the body of a create request, and tells who would serve it, what would be sent, what would be left "
            "out or changed, and how long the input is. Nothing is sent, fetched or kept. What would be refused is "
            "refused here too."
        ),
        body="CreateResponse",
        examples=_CREATE_EXAMPLES,
        answers=_json("What would be done.", "Explanation"),
        errors=(400, 401, 403, 404, 408, 413, 415, 500, 503),
    ),
    Endpoint(
        method="GET",
        path="/v1/antiphon/runs/{response_id}",
        name="getRun",
        tag="Responses",
        summary="Retrieve a run record",
        text=(
            "What happened behind a response: where it went, what was ignored or changed, where the time was spent. "
            "Kept for failed and for unstored responses too. Holds no prompts and no output."
        ),
        parameters=(_RESPONSE_ID,),
        answers=_json("The record. Parts that do not exist are left out.", "RunRecord"),
        errors=(404, *WITH_KEY),
    ),
    Endpoint(
        method="GET",
        path="/metrics",
        name="getMetrics",
        tag="Operation",
        summary="Metrics",
        text="Requests, runs, tokens and times, for Prometheus.",
        answers={200: Answer("Prometheus' text form.", {"text/plain": {"type": "string"}})},
        errors=WITH_KEY,
    ),
    Endpoint(
        method="GET",
        path="/healthz",
        name="getHealth",
        tag="Operation",
        summary="Is it alive?",
        text="Answers as long as the process does.",
        answers=_json("It is.", "Health"),
        errors=(),
        public=True,
    ),
    Endpoint(
        method="GET",
        path="/readyz",
        name="getReadiness",
        tag="Operation",
        summary="Is it ready?",
        text="Whether requests can be served, and what is missing.",
        answers={
            200: Answer("Ready.", {"application/json": reference("Readiness")}),
            503: Answer("Not ready; `checks` says why.", {"application/json": reference("Readiness")}),
        },
        errors=(500,),
        public=True,
    ),
    Endpoint(
        method="GET",
        path="/docs",
        name="getDocsPage",
        tag="Description",
        summary="The page",
        text="This description for people, with a form to try it. The setting `server.docs` switches both off.",
        answers={200: Answer("One page, complete in itself.", {"text/html": {"type": "string"}})},
        errors=(404,),
        public=True,
    ),
    Endpoint(
        method="GET",
        path="/openapi.json",
        name="getOpenApi",
        tag="Description",
        summary="The description",
        text="This OpenAPI document.",
        answers={200: Answer("An OpenAPI 3.1 document.", {"application/json": {"type": "object"}})},
        errors=(404,),
        public=True,
    ),
)
