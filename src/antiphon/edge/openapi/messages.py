"""The Messages API in the description: Anthropic's shapes, as far as this gateway does something with them."""

from antiphon.edge.openapi.endpoint import SEARCHED, SERVED_BY, Answer, Endpoint
from antiphon.edge.openapi.fallback import FALLBACK_FIELDS
from antiphon.edge.openapi.schemas import Schema, reference

__all__ = ["MESSAGES_ENDPOINTS", "MESSAGES_SCHEMAS"]

_STREAM = {"application/json": reference("CreatedMessage"), "text/event-stream": reference("MessageEvent")}
_ERRORS = (400, 401, 403, 404, 408, 413, 415, 429, 500, 502, 503, 504)

_HELLO: Schema = {
    "summary": "Text in, text out",
    "value": {"model": "local", "max_tokens": 64, "messages": [{"role": "user", "content": "Say hello."}]},
}
_TOOL: Schema = {
    "summary": "With a tool, as a stream",
    "value": {
        "model": "local",
        "max_tokens": 256,
        "stream": True,
        "messages": [{"role": "user", "content": "What is the weather in Oslo?"}],
        "tools": [
            {
                "name": "get_weather",
                "description": "Current weather of a city.",
                "input_schema": {
                    "type": "object",
                    "properties": {"city": {"type": "string"}},
                    "required": ["city"],
                },
            }
        ],
    },
}
_COUNT: Schema = {
    "summary": "How long is it?",
    "value": {"model": "local", "messages": [{"role": "user", "content": "Say hello."}]},
}

MESSAGES_ENDPOINTS = (
    Endpoint(
        method="POST",
        path="/v1/messages",
        name="createMessage",
        tag="Messages",
        summary="Create a message",
        text=(
            "For clients of Anthropic's Messages API, with any model. Nothing is stored. To a provider that speaks "
            "this API itself, the body goes on nearly as it came; of any other, what cannot be said to it is named in "
            "`x-antiphon-ignored`, or refused where the answer would mean something else. Being overloaded has the "
            "status 529 here."
        ),
        body="CreateMessage",
        examples={"text": _HELLO, "tool": _TOOL},
        answers={
            200: Answer(
                "The message. With `stream`, server-sent events: `event:` repeats the JSON's `type`.",
                _STREAM,
                ("request-id", *SERVED_BY, *SEARCHED, "x-antiphon-ignored"),
            )
        },
        errors=_ERRORS,
        error="MessagesError",
    ),
    Endpoint(
        method="POST",
        path="/v1/messages/count_tokens",
        name="countMessageTokens",
        tag="Messages",
        summary="Count the tokens of a message",
        text=(
            "Before it is sent. Counted by the provider where it does that (Anthropic); else it is an estimate from "
            "the text's length, says so, and knows little about pictures and documents."
        ),
        body="CountMessageTokens",
        examples={"text": _COUNT},
        answers={
            200: Answer(
                "The count.",
                {"application/json": reference("MessageTokens")},
                ("request-id", "x-antiphon-estimated"),
            )
        },
        errors=_ERRORS,
        error="MessagesError",
    ),
)


def _field(text: str, **schema: object) -> Schema:
    return {"description": text, **schema}


def _one_of(text: str, *schemas: Schema) -> Schema:
    return {"description": text, "anyOf": list(schemas)}


_TEXT: Schema = {"type": "string"}
_OBJECTS: Schema = {"type": "array", "items": {"type": "object"}}
_NOTHING: Schema = {"type": "null"}

_PROMPT: dict[str, Schema] = {
    "model": _field("The model, by any name that this gateway knows.", type="string", minLength=1, maxLength=256),
    "messages": _field(
        "The conversation. A `system` message may stand anywhere in it.",
        type="array",
        items={
            "type": "object",
            "properties": {
                "role": {"type": "string", "enum": ["user", "assistant", "system"]},
                "content": {"anyOf": [_TEXT, _OBJECTS]},
            },
            "required": ["role", "content"],
        },
    ),
    "system": _one_of(
        "What the model is told above the conversation: text, or blocks of it.", _TEXT, _OBJECTS, _NOTHING
    ),
    "tools": _field(
        "Your own tools, and those of providers: searches of the web for all that have them, the rest for Anthropic.",
        type=["array", "null"],
        items={"type": "object"},
    ),
    "tool_choice": _field(
        "`auto`, `any`, `none`, or `tool` with a `name`.",
        type=["object", "null"],
        properties={
            "type": {"type": "string", "enum": ["auto", "any", "tool", "none"]},
            "name": {"type": ["string", "null"]},
            "disable_parallel_tool_use": {"type": ["boolean", "null"]},
        },
        required=["type"],
    ),
    "thinking": _field(
        "How to think. A budget becomes an effort for other providers; `display: omitted` leaves the text out.",
        type=["object", "null"],
        properties={
            "type": {"type": "string", "enum": ["enabled", "adaptive", "disabled", "between_tools"]},
            "budget_tokens": {"type": ["integer", "null"], "minimum": 1},
            "display": {"type": ["string", "null"], "enum": ["summarized", "omitted", None]},
        },
        required=["type"],
    ),
    "output_config": _field("The `effort`, and the `format` of the answer by a JSON Schema.", type=["object", "null"]),
    "output_format": _field("The older name of `output_config.format`.", type=["object", "null"]),
    "context_management": _field(
        "Done by Anthropic; elsewhere old results of tools are cleared, and no more.", type=["object", "null"]
    ),
    "cache_control": _field("Done by Anthropic; ignored by name elsewhere.", type=["object", "null"]),
    "web_results_count": _field(
        "With web search (`MODEL:web`, or a tool `web_search`): results of one search. Default 5 with `MODEL:web`.",
        type=["integer", "null"],
        minimum=1,
        maximum=10,
    ),
    "web_content_length": _field(
        "And how much of each is read.", type=["string", "null"], enum=["short", "medium", "full", None]
    ),
    "betas": _field(
        "What else stands in the header `anthropic-beta`.", type=["array", "null"], items={"type": "string"}
    ),
}
_ANSWER: dict[str, Schema] = {
    "max_tokens": _field("The longest answer, thoughts included.", type="integer", minimum=1),
    "stream": _field("Whether to answer with events.", type=["boolean", "null"]),
    "temperature": _field("Passed on, where the model takes it.", type=["number", "null"], minimum=0, maximum=1),
    "top_p": _field("Passed on, where the model takes it.", type=["number", "null"], minimum=0, maximum=1),
    "top_k": _field("Passed on, where the model takes it.", type=["integer", "null"], minimum=0),
    "stop_sequences": _field(
        "Passed on. Other providers do not tell which one was met.", type=["array", "null"], items={"type": "string"}
    ),
    "metadata": _field(
        "`user_id` goes to the provider hashed.",
        type=["object", "null"],
        properties={"user_id": {"type": ["string", "null"], "maxLength": 1024}},
    ),
    "service_tier": _field("Passed on, where the provider has tiers.", type=["string", "null"], maxLength=64),
    **FALLBACK_FIELDS,
}

MESSAGES_SCHEMAS: dict[str, Schema] = {
    "CreateMessage": {
        "type": "object",
        "description": "A request for a message. Fields that are not here go to providers of the same API.",
        "properties": {**_PROMPT, **_ANSWER},
        "required": ["model", "messages", "max_tokens"],
    },
    "CountMessageTokens": {
        "type": "object",
        "description": "What to count: a request for a message without what only its answer is about.",
        "properties": _PROMPT,
        "required": ["model", "messages"],
    },
    "CreatedMessage": {
        "type": "object",
        "description": "A message of the model.",
        "properties": {
            "type": {"type": "string", "const": "message"},
            "id": _field("`msg_` and 32 hexadecimal digits.", type="string"),
            "model": _field("The model as you named it.", type="string"),
            "role": _field("Always `assistant`.", type="string", const="assistant"),
            "content": _field(
                "Blocks: `text`, `thinking`, `redacted_thinking`, `tool_use`, and searches of the web. Signatures are "
                "seals of this gateway: send them back as they are.",
                type="array",
                items={"type": "object", "required": ["type"]},
            ),
            "stop_reason": _field("Why it ended.", type=["string", "null"]),
            "stop_sequence": _field("The stop sequence that was met, where that is known.", type=["string", "null"]),
            "stop_details": _field("For refusals: what is known about why.", type=["object", "null"]),
            "usage": _field(
                "Tokens. `input_tokens` leaves out what was read from a cache or written to it. `estimated` is there "
                "where the provider did not count.",
                type="object",
                required=["input_tokens", "output_tokens"],
            ),
        },
        "required": ["type", "id", "model", "role", "content", "stop_reason", "stop_sequence", "usage"],
    },
    "MessageEvent": {
        "type": "object",
        "description": "One server-sent event of a message's stream.",
        "properties": {
            "event": _field("The `type` of the event in `data`.", type="string"),
            "data": _field("The event as JSON.", type="string", contentMediaType="application/json"),
        },
        "required": ["event", "data"],
    },
    "MessageTokens": {
        "type": "object",
        "description": "How long a prompt is.",
        "properties": {
            "input_tokens": _field("Its tokens.", type="integer", minimum=0),
            "estimated": _field("There, and true, where nobody counted.", type="boolean"),
        },
        "required": ["input_tokens"],
    },
    "MessagesError": {
        "type": "object",
        "description": "Every failure of these endpoints has this shape.",
        "properties": {
            "type": {"type": "string", "const": "error"},
            "error": _field(
                "What went wrong: its `type` in Anthropic's words, and a `message` for people.",
                type="object",
                required=["type", "message"],
            ),
            "request_id": _field("The request's id, as in the headers.", type="string"),
        },
        "required": ["type", "error", "request_id"],
    },
}
