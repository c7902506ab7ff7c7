"""Chat Completions in the description: OpenAI's shapes, as far as this gateway does something with them."""

from antiphon.edge.openapi.endpoint import SEARCHED, SERVED_BY, Answer, Endpoint
from antiphon.edge.openapi.fallback import FALLBACK_FIELDS
from antiphon.edge.openapi.schemas import Schema, reference

__all__ = ["CHAT_ENDPOINTS", "CHAT_SCHEMAS"]

_HELLO: Schema = {
    "summary": "Text in, text out",
    "value": {"model": "local", "messages": [{"role": "user", "content": "Say hello."}]},
}
_TOOL: Schema = {
    "summary": "With a function, as a stream",
    "value": {
        "model": "local",
        "stream": True,
        "stream_options": {"include_usage": True},
        "messages": [{"role": "user", "content": "What is the weather in Oslo?"}],
        "tools": [
            {
                "type": "function",
                "function": {
                    "name": "get_weather",
                    "description": "Current weather of a city.",
                    "parameters": {
                        "type": "object",
                        "properties": {"city": {"type": "string"}},
                        "required": ["city"],
                    },
                },
            }
        ],
    },
}

CHAT_ENDPOINTS = (
    Endpoint(
        method="POST",
        path="/v1/chat/completions",
        name="createChatCompletion",
        tag="Chat",
        summary="Create a chat completion",
        text=(
            "For clients of OpenAI's Chat Completions API, with any model. To a provider that speaks this API itself, "
            "the body goes on as it came, but for what that provider is known to want otherwise; of any other, what "
            "cannot be said to it is named in `x-antiphon-ignored`, or refused where the answer would mean something "
            "else. Models that only `/v1/responses` serves are refused with `unsupported_endpoint`, unless the "
            "setting `endpoints.responses_only` says otherwise."
        ),
        body="CreateChatCompletion",
        examples={"text": _HELLO, "tool": _TOOL},
        answers={
            200: Answer(
                "The completion. With `stream`, server-sent events without names: each `data:` is one chunk, and the "
                "marker `data: [DONE]` ends the stream. A failure in the middle is one `data:` with an `error`, and "
                "no marker.",
                {
                    "application/json": reference("ChatCompletion"),
                    "text/event-stream": reference("ChatCompletionEvent"),
                },
                (*SERVED_BY, *SEARCHED, "x-antiphon-ignored"),
            )
        },
        errors=(400, 401, 403, 404, 408, 413, 415, 429, 500, 502, 503, 504),
    ),
)


def _field(text: str, **schema: object) -> Schema:
    return {"description": text, **schema}


_SAMPLING: dict[str, Schema] = {
    "temperature": _field("Passed on, where the model takes it.", type=["number", "null"], minimum=0, maximum=2),
    "top_p": _field("Passed on, where the model takes it.", type=["number", "null"], minimum=0, maximum=1),
    "top_k": _field("Passed on, where the model takes it.", type=["integer", "null"], minimum=1),
    "min_p": _field("Passed on, where the model takes it.", type=["number", "null"], minimum=0, maximum=1),
    "presence_penalty": _field("Passed on, where the model takes it.", type=["number", "null"], minimum=-2, maximum=2),
    "frequency_penalty": _field("Passed on, where the model takes it.", type=["number", "null"], minimum=-2, maximum=2),
    "logit_bias": _field("Passed on, where the model takes it.", type=["object", "null"]),
    "seed": _field("Passed on, where the model takes it.", type=["integer", "null"]),
    "stop": _field("Passed on.", type=["string", "array", "null"], items={"type": "string"}),
}
_OPTIONS: dict[str, Schema] = {
    "max_completion_tokens": _field("The longest answer, thoughts included.", type=["integer", "null"], minimum=1),
    "max_tokens": _field("The older name of the same; the newer one wins.", type=["integer", "null"], minimum=1),
    "reasoning_effort": _field(
        "How hard to think.",
        type=["string", "null"],
        enum=["none", "minimal", "low", "medium", "high", "xhigh", "max", None],
    ),
    "reasoning": _field(
        "OpenRouter's form of the same: `effort`, `enabled`, `exclude`. Asks for thoughts to be shown, too.",
        type=["object", "null"],
    ),
    "verbosity": _field("How much to say.", type=["string", "null"], enum=["low", "medium", "high", None]),
    "response_format": _field(
        "`text`, `json_object`, or `json_schema` with a `name` and a `schema` in `json_schema`.",
        type=["object", "null"],
        properties={"type": {"type": "string", "enum": ["text", "json_object", "json_schema"]}},
    ),
    "logprobs": _field("Whether to tell how likely each token was.", type=["boolean", "null"]),
    "top_logprobs": _field("And how many others. Needs `logprobs`.", type=["integer", "null"], minimum=0, maximum=20),
    "n": _field(
        "How many answers: as many runs, at the same time, each of which is counted. Not with tools of providers.",
        type=["integer", "null"],
        minimum=1,
        maximum=8,
    ),
    "web_search_options": _field("Switches web search on.", type=["object", "null"]),
    "web_results_count": _field(
        "With web search (`MODEL:web`, or a tool `web_search`): results of one search. Default 5 with `MODEL:web`.",
        type=["integer", "null"],
        minimum=1,
        maximum=10,
    ),
    "web_content_length": _field(
        "And how much of each is read.", type=["string", "null"], enum=["short", "medium", "full", None]
    ),
    "service_tier": _field("Passed on, where the provider has tiers.", type=["string", "null"], maxLength=64),
}
_TOOLS: dict[str, Schema] = {
    "tools": _field(
        "Functions and custom tools of yours, nested as this API has them.",
        type=["array", "null"],
        items={"type": "object"},
    ),
    "tool_choice": _field(
        "`none`, `auto`, `required`, one tool, or `allowed_tools`.", type=["string", "object", "null"]
    ),
    "parallel_tool_calls": _field("Whether several calls may come at once.", type=["boolean", "null"]),
    "functions": _field(
        "What came before `tools`. Calls are then told in `function_call`.",
        type=["array", "null"],
        items={"type": "object", "required": ["name"]},
    ),
    "function_call": _field("What came before `tool_choice`.", type=["string", "object", "null"]),
}
_REQUEST: dict[str, Schema] = {
    "model": _field("The model, by any name that this gateway knows.", type="string", minLength=1, maxLength=256),
    "messages": _field(
        "The conversation. `reasoning_content` and `reasoning_details` of earlier answers may be sent back.",
        type="array",
        minItems=1,
        items={
            "type": "object",
            "properties": {
                "role": {
                    "type": "string",
                    "enum": ["developer", "system", "user", "assistant", "tool", "function"],
                },
                "content": {
                    "anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "object"}}, {"type": "null"}]
                },
            },
            "required": ["role"],
        },
    ),
    "stream": _field("Whether to answer with chunks.", type=["boolean", "null"]),
    "stream_options": _field(
        "`include_usage`: a last chunk tells the usage.",
        type=["object", "null"],
        properties={"include_usage": {"type": ["boolean", "null"]}},
    ),
    **_OPTIONS,
    **_TOOLS,
    **_SAMPLING,
    "store": _field(
        "Whether to keep the answer here, as a response: `chatcmpl-` becomes `resp_` in its id.",
        type=["boolean", "null"],
        default=False,
    ),
    "metadata": _field("Kept with what is stored.", type=["object", "null"]),
    "user": _field("Goes to the provider hashed.", type=["string", "null"], maxLength=1024),
    "safety_identifier": _field("Goes to the provider hashed.", type=["string", "null"], maxLength=1024),
    "prompt_cache_key": _field("Goes to the provider hashed.", type=["string", "null"], maxLength=1024),
    **FALLBACK_FIELDS,
    "modalities": _field(
        "Answers are text: anything else is refused.", type=["array", "null"], items={"type": "string"}
    ),
}
_MESSAGE: Schema = _field(
    "What the model said: `content`, `refusal`, `tool_calls` or `function_call`, `annotations`; what it thought in "
    "`reasoning_content`, and in `reasoning_details` what the provider wants back, which is to be returned unchanged.",
    type="object",
    required=["role", "content"],
)
_USAGE: Schema = _field(
    "Tokens, summed over the choices. `estimated` is there where the provider did not count.",
    type=["object", "null"],
    required=["prompt_tokens", "completion_tokens", "total_tokens"],
)
_FINISH: Schema = _field(
    "Why it ended.",
    type=["string", "null"],
    enum=["stop", "length", "tool_calls", "content_filter", "function_call", None],
)
_HEAD: dict[str, Schema] = {
    "id": _field("`chatcmpl-` and 32 hexadecimal digits.", type="string"),
    "created": _field("When it began, in seconds.", type="integer"),
    "model": _field("The model as you named it.", type="string"),
    "system_fingerprint": _field("Of the provider, where it has one.", type=["string", "null"]),
    "service_tier": _field("Of the provider, where it has tiers.", type=["string", "null"]),
}


def _answer(kind: str, content: str, part: Schema) -> Schema:
    choice: Schema = {
        "type": "object",
        "properties": {
            "index": _field("Which of `n`.", type="integer", minimum=0),
            content: part,
            "logprobs": _field("How likely each token was.", type=["object", "null"]),
            "finish_reason": _FINISH,
        },
        "required": ["index", content, "logprobs", "finish_reason"],
    }
    return {
        "type": "object",
        "description": "What providers of this API say beyond these fields is there as well.",
        "properties": {
            **_HEAD,
            "object": _field(f"Always `{kind}`.", type="string", const=kind),
            "choices": _field("One for each of `n`.", type="array", items=choice),
            "usage": _USAGE,
        },
        "required": ["id", "object", "created", "model", "choices"],
    }


_DELTA: Schema = _field("What is new in the message.", type="object")

CHAT_SCHEMAS: dict[str, Schema] = {
    "CreateChatCompletion": {
        "type": "object",
        "description": "A request for a chat completion. Fields that are not here go to providers of the same API.",
        "properties": _REQUEST,
        "required": ["model", "messages"],
    },
    "ChatCompletion": _answer("chat.completion", "message", _MESSAGE),
    "ChatCompletionChunk": _answer("chat.completion.chunk", "delta", _DELTA),
    "ChatCompletionEvent": {
        "type": "object",
        "description": "One server-sent event of a chat completion's stream.",
        "properties": {
            "data": {
                "description": "A chunk as JSON, an `error`, or the marker that ends the stream.",
                "anyOf": [
                    {
                        "type": "string",
                        "contentMediaType": "application/json",
                        "contentSchema": {"anyOf": [reference("ChatCompletionChunk"), reference("Error")]},
                    },
                    {"type": "string", "const": "[DONE]"},
                ],
            },
        },
        "required": ["data"],
    },
}
