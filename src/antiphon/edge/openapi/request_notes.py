"""What the fields of a request mean, and what this gateway does with each of them."""

from antiphon.dialects.responses.params import INCLUDES
from antiphon.edge.openapi.fallback import FALLBACK_TEXTS
from antiphon.edge.openapi.schemas import FieldNote, Schema, reference

__all__ = ["REQUEST_NOTES", "TREATMENTS"]

#: What can become of a request parameter.
TREATMENTS = {
    "served": "Does what it says, with every model.",
    "tuning": "Passed on to the provider; where the provider lacks it, ignored and named in `x-antiphon-ignored`.",
    "accepted": "Accepted, and without effect.",
    "ignored": "Accepted, ignored, and named in `x-antiphon-ignored`.",
    "refused": "Refused with 400 `unsupported_parameter` when set: it would change what the answer means.",
}

_ANY_OBJECT: Schema = {"type": ["object", "null"]}
_JSON_SCHEMA: Schema = {"type": ["object", "null"], "additionalProperties": True}
_NAMED_TOOL: Schema = {
    "type": "object",
    "properties": {
        "type": {"type": "string", "enum": ["function", "custom"]},
        "name": {"type": "string"},
        "namespace": {"type": ["string", "null"], "description": "Needed where the name alone is not clear."},
    },
    "required": ["type", "name"],
}
_TOOL_CHOICE: Schema = {
    "anyOf": [
        {"type": "string", "enum": ["none", "auto", "required"]},
        {**_NAMED_TOOL, "description": "This tool must be called."},
        {
            "type": "object",
            "description": "The same in the form of Chat Completions.",
            "properties": {
                "type": {"type": "string", "const": "function"},
                "function": {
                    "type": "object",
                    "properties": {"name": {"type": "string"}},
                    "required": ["name"],
                },
            },
            "required": ["type", "function"],
        },
        {
            "type": "object",
            "description": "Only these tools may be called; a call of any other never reaches you.",
            "properties": {
                "type": {"type": "string", "const": "allowed_tools"},
                "mode": {"type": "string", "enum": ["auto", "required", "none"]},
                "tools": {"type": "array", "items": {"type": "object", "required": ["type"]}},
            },
            "required": ["type"],
        },
        {"type": "null"},
    ]
}
_TOOLS: Schema = {
    "type": ["array", "null"],
    "items": {
        "anyOf": [
            reference("FunctionToolParam"),
            reference("NestedFunctionTool"),
            reference("CustomToolParam"),
            reference("NamespaceParam"),
            reference("HostedToolParam"),
        ]
    },
}
_INPUT: Schema = {
    "anyOf": [{"type": "string"}, {"type": "array", "items": reference("InputItem")}, {"type": "null"}],
}
_INCLUDE: Schema = {"type": ["array", "null"], "items": {"type": "string", "enum": sorted(INCLUDES)}}


def _served(text: str, schema: Schema | None = None) -> FieldNote:
    return FieldNote(text, "served", schema)


def _tuning(text: str) -> FieldNote:
    return FieldNote(text, "tuning")


def _accepted(text: str, schema: Schema | None = None) -> FieldNote:
    return FieldNote(text, "accepted", schema)


def _ignored(text: str, schema: Schema | None = None) -> FieldNote:
    return FieldNote(text, "ignored", schema)


def _refused(text: str, schema: Schema | None = None) -> FieldNote:
    return FieldNote(text, "refused", schema or {"type": "null"})


_CREATE = {
    "model": _served(
        "A name from `GET /v1/models`, or `provider/model` for any model of a configured provider.",
        {"type": "string", "minLength": 1, "maxLength": 256},
    ),
    "input": _served("Text, or a list of items. May be left out only with `previous_response_id`.", _INPUT),
    "instructions": _served(
        "Stands above the conversation. Holds for this response only; a continuation sends its own."
    ),
    "previous_response_id": _served("Continue this stored response: its input and output come before the new input."),
    "stream": _served("Answer with server-sent events. Default false."),
    "store": _served("Keep the response, so that it can be retrieved and continued. Default true."),
    "include": _served(
        "What else the answer should hold. `message.output_text.logprobs` asks for log probabilities; "
        "`reasoning.encrypted_content` puts what the provider wants back, sealed, on each reasoning item; "
        "`antiphon.fidelity` asks for a report on what was not done exactly as asked; the others "
        "name what is never left out.",
        _INCLUDE,
    ),
    "metadata": _served("Up to 16 pairs of your own, kept with the response: keys up to 64 characters, values to 512."),
    "tools": _served(
        "Functions, in the flat form or in that of Chat Completions, custom tools, and namespaces of both. Tools that "
        "may be deferred are offered at once. Of hosted tools, `web_search` and `tool_search` are ignored and named "
        "where the provider does not have them; others are refused there.",
        _TOOLS,
    ),
    "tool_choice": _served("Whether tools may or must be called. Default `auto`.", _TOOL_CHOICE),
    "parallel_tool_calls": _served(
        "Whether one answer may hold several calls. Default true. If not, the first one is left."
    ),
    "max_tool_calls": _served(
        "Limits the calls of hosted tools. Where there are only tools of your own, it limits those: further calls "
        "never reach you."
    ),
    "web_results_count": _served(
        "With web search (`MODEL:web`, or a tool `web_search`): results of one search. Default 5 with `MODEL:web`."
    ),
    "web_content_length": _served("And how much of each is read: `short`, `medium` or `full`."),
    "max_output_tokens": _served("Most tokens of output, reasoning included. Beyond it the response is `incomplete`."),
    "max_tokens": _served("Another name of `max_output_tokens`, which wins when both are sent."),
    "temperature": _tuning("Randomness, from 0 to 2."),
    "top_p": _tuning("Nucleus sampling, from 0 to 1."),
    "top_k": _tuning("Sample from the best k tokens only."),
    "min_p": _tuning("Leave out tokens less likely than this share of the best one's probability."),
    "top_logprobs": _tuning("How many alternatives to report for each token, from 0 to 20."),
    "presence_penalty": _tuning("From -2 to 2; positive values favour new subjects."),
    "frequency_penalty": _tuning("From -2 to 2; positive values avoid repetition."),
    "seed": _tuning("Asks for the same answer to the same request, as far as the provider can."),
    "stop": _served("Where to stop: one text or several. The gateway looks for those that a provider cannot be told."),
    "logit_bias": _tuning("From token id to a number from -100 to 100."),
    "text": _served("The form of the answer's text."),
    "reasoning": _served("How much to think, for models that can."),
    "truncation": _served(
        "`disabled` (default): input that is too long is refused. `auto`: its oldest turns are left out, and the model "
        "is asked again."
    ),
    "service_tier": _tuning("Processing tier at the provider."),
    "prompt_cache_key": _tuning("Groups requests with a common beginning. Reaches the provider hashed."),
    "safety_identifier": _tuning("Your name for the end user. Reaches the provider hashed."),
    "user": _tuning("Older name of `safety_identifier` and `prompt_cache_key`. Reaches the provider hashed."),
    **{name: _served(text) for name, text in FALLBACK_TEXTS.items()},
    "background": _refused(
        "Background responses are not built yet: only false.", {"enum": [False, None], "type": ["boolean", "null"]}
    ),
    "n": _refused("Only 1: a response is one answer.", {"enum": [1, None], "type": ["integer", "null"]}),
    "conversation": _refused("Conversations are not built yet. Use `previous_response_id`."),
    "prompt": _refused("Stored prompts are not built yet."),
    "moderation": _refused("There is no moderation here."),
    "stream_options": _accepted("Events are never padded, whatever stands here.", _ANY_OBJECT),
    "background_options": _ignored("For background responses.", _ANY_OBJECT),
    "client_metadata": _ignored("What some clients tell about themselves.", {}),
    "context_management": _ignored("Compaction is not built yet.", {}),
    "prompt_cache_options": _ignored("Details of the provider's cache.", _ANY_OBJECT),
    "prompt_cache_retention": _ignored("How long the provider's cache keeps.", {"type": ["string", "null"]}),
    "access_programs": _ignored("Special programmes of OpenAI.", {}),
    "image": _ignored("Settings for generated images.", {}),
}

_ITEMS = {
    "Message": FieldNote("A message of any role. `type` may be left out."),
    "ItemReference": FieldNote("An item of a stored response, named by its id. `type` may be left out."),
    "Message.role": FieldNote("Who speaks."),
    "Message.content": FieldNote("Text, or a list of parts."),
    "Message.id": FieldNote("Your own id for it; otherwise it gets one."),
    "FunctionCall.call_id": FieldNote("Connects the call with its output."),
    "FunctionCall.name": FieldNote("The function."),
    "FunctionCall.arguments": FieldNote("JSON as text, exactly as the model wrote it."),
    "FunctionCall.namespace": FieldNote("Kept and echoed; has no effect."),
    "CustomToolCall.call_id": FieldNote("Connects the call with its output."),
    "CustomToolCall.name": FieldNote("The custom tool."),
    "CustomToolCall.input": FieldNote("Plain text, exactly as the model wrote it."),
    "CustomToolCall.namespace": FieldNote("The namespace that the tool stands in."),
    "CustomToolCallOutput.call_id": FieldNote("The call that this answers. It must stand in the input or the history."),
    "CustomToolCallOutput.output": FieldNote("What the tool answered: text, or a list of parts."),
    "FunctionCallOutput.call_id": FieldNote("The call that this answers. It must stand in the input or the history."),
    "FunctionCallOutput.output": FieldNote("What the function answered: text, or a list of parts."),
    "Reasoning.summary": FieldNote("Summary of the thought."),
    "Reasoning.content": FieldNote("The thought itself."),
    "Reasoning.encrypted_content": FieldNote(
        "A seal from an earlier answer: send it back as it is. One that does not open is left out and named."
    ),
    "ItemReference.id": FieldNote("Id of an item of a stored response. What is stored there takes its place."),
    "InputImage.image_url": FieldNote("A data URL, or an http(s) URL that is fetched under guard."),
    "InputImage.file_id": FieldNote("Refused: there are no uploaded files here.", "refused", {"type": "null"}),
    "InputImage.detail": FieldNote("How closely to look."),
    "InputFile.file_data": FieldNote("The file as a data URL."),
    "InputFile.file_url": FieldNote("An http(s) URL that is fetched under guard."),
    "InputFile.file_id": FieldNote("Refused: there are no uploaded files here.", "refused", {"type": "null"}),
    "InputFile.filename": FieldNote("Its name."),
    "InputAudio.input_audio": FieldNote("The recording."),
    "AudioData.data": FieldNote("Base64."),
    "AudioData.format": FieldNote("Such as `wav` or `mp3`."),
    "InputVideo.video_url": FieldNote("No provider takes videos yet: refused."),
    "OutputText.annotations": FieldNote(
        "As they came.", schema={"type": ["array", "null"], "items": {"type": "object"}}
    ),
    "Refusal.refusal": FieldNote("Why the model refused."),
    "*.text": FieldNote("The text."),
    "*.id": FieldNote("Its id, if it has one."),
}

_NESTED = {
    "CreateResponse": FieldNote("A request. `null` means the same as leaving the field out."),
    "TextParams": FieldNote("The form of the answer's text."),
    "TextFormatParams": FieldNote("The format of the answer's text."),
    "ReasoningParams": FieldNote("How much to think."),
    "TextParams.format": FieldNote("Plain text, any JSON object, or JSON by a schema."),
    "TextParams.verbosity": _tuning(
        "How long answers should be. `concise`, `normal`, `verbose` mean low, medium, high."
    ),
    "TextFormatParams.type": FieldNote("Default `text`."),
    "TextFormatParams.name": FieldNote("For `json_schema`, which needs it."),
    "TextFormatParams.schema": FieldNote("For `json_schema`, which needs it: a JSON Schema.", schema=_JSON_SCHEMA),
    "TextFormatParams.description": FieldNote("For `json_schema`: what it is for."),
    "TextFormatParams.strict": FieldNote("For `json_schema`: whether the provider must enforce it."),
    "ReasoningParams.effort": _tuning(
        "How hard to think. A word that the model does not have becomes the nearest one."
    ),
    "ReasoningParams.summary": _accepted("Thoughts that a provider shows are always handed on."),
    "ReasoningParams.generate_summary": _accepted("Old name of `summary`."),
    "NestedFunction.parameters": FieldNote("JSON Schema of its arguments.", schema=_JSON_SCHEMA),
    "FunctionToolParam.name": FieldNote("Its name."),
    "FunctionToolParam.description": FieldNote("What it does, for the model."),
    "FunctionToolParam.parameters": FieldNote("JSON Schema of its arguments.", schema=_JSON_SCHEMA),
    "FunctionToolParam.strict": _tuning("Whether the provider must keep the arguments to the schema."),
}

REQUEST_NOTES = {**{f"CreateResponse.{name}": note for name, note in _CREATE.items()}, **_ITEMS, **_NESTED}
