"""What the fields of answers mean: the response and its items, events, usage, and the run record."""

from antiphon.edge.openapi.schemas import FieldNote, Schema, reference

__all__ = ["ANSWER_NOTES"]

_LOGPROBS: Schema = {"type": "array", "items": {"type": "object"}}
_NULLABLE_TEXT: Schema = {"type": ["string", "null"]}
_TEXT: Schema = {
    "type": "object",
    "properties": {
        "format": {
            "type": "object",
            "properties": {
                "type": {"type": "string", "enum": ["text", "json_object", "json_schema"]},
                "name": {"type": "string"},
                "schema": {"type": "object"},
                "description": _NULLABLE_TEXT,
                "strict": {"type": ["boolean", "null"]},
            },
            "required": ["type"],
        },
        "verbosity": {"type": "string", "enum": ["low", "medium", "high"]},
    },
    "required": ["format"],
}
_TOOL_CHOICE: Schema = {
    "anyOf": [{"type": "string", "enum": ["none", "auto", "required"]}, {"type": "object", "required": ["type"]}]
}

_RESPONSE = {
    "id": FieldNote("`resp_` and 32 hexadecimal digits."),
    "object": FieldNote("Always `response`."),
    "created_at": FieldNote("When it began, in Unix seconds."),
    "status": FieldNote("How far it is, or how it ended."),
    "model": FieldNote("The model as it was asked for. `x-actual-model` tells who answered."),
    "completed_at": FieldNote("When it was completed, in Unix seconds."),
    "error": FieldNote("Why it failed."),
    "incomplete_details": FieldNote("Why it is incomplete."),
    "instructions": FieldNote("As sent.", schema=_NULLABLE_TEXT),
    "max_output_tokens": FieldNote("As sent."),
    "max_tool_calls": FieldNote("As sent."),
    "output": FieldNote("What the model produced, in order."),
    "parallel_tool_calls": FieldNote("As sent, or the default."),
    "previous_response_id": FieldNote("The response that this one continues."),
    "prompt_cache_key": FieldNote("As sent."),
    "reasoning": FieldNote("As sent.", schema=reference("ReasoningConfig")),
    "safety_identifier": FieldNote("As sent."),
    "service_tier": FieldNote("The tier that the provider used, or `default`."),
    "store": FieldNote("Whether it is kept. False also when the database failed at the end."),
    "background": FieldNote("Always false."),
    "temperature": FieldNote("As sent, or 1."),
    "text": FieldNote("As sent, in canonical words.", schema=_TEXT),
    "tool_choice": FieldNote("As sent, or `auto`.", schema=_TOOL_CHOICE),
    "tools": FieldNote(
        "As sent, functions in the flat form.",
        schema={
            "type": "array",
            "items": {
                "anyOf": [
                    reference("FunctionTool"),
                    reference("CustomTool"),
                    {"type": "object", "description": "Any other tool, as sent.", "required": ["type"]},
                ]
            },
        },
    ),
    "top_logprobs": FieldNote("As sent, or 0."),
    "top_p": FieldNote("As sent, or 1."),
    "presence_penalty": FieldNote("As sent, or 0."),
    "frequency_penalty": FieldNote("As sent, or 0."),
    "truncation": FieldNote("As sent."),
    "metadata": FieldNote("As sent."),
    "usage": FieldNote("Tokens used. Null while it runs, and when it failed before there was any output."),
    "user": FieldNote("As sent."),
}

_PARTS = {
    "OutputMessage.status": FieldNote("`incomplete` when it was cut off."),
    "OutputMessage.content": FieldNote("Its parts."),
    "OutputMessage.role": FieldNote("Always `assistant`."),
    "OutputTextPart.annotations": FieldNote("Citations, as the provider wrote them.", schema=_LOGPROBS),
    "OutputTextPart.logprobs": FieldNote("Log probabilities of its tokens, if asked for.", schema=_LOGPROBS),
    "ReasoningItem.summary": FieldNote("Summary of the thought, in parts."),
    "ReasoningItem.content": FieldNote("The thought itself, where the provider shows it."),
    "ReasoningItem.encrypted_content": FieldNote(
        "What the provider wants back with the thought, or with the message before it, sealed. There where `include` "
        "asks for it."
    ),
    "FunctionCallItem.call_id": FieldNote("Name it in the `function_call_output` that answers."),
    "FunctionCallItem.namespace": FieldNote("The namespace that its tool stands in, if any."),
    "CustomCallItem.call_id": FieldNote("Name it in the `custom_tool_call_output` that answers."),
    "CustomCallItem.input": FieldNote("What the tool is given: plain text."),
    "CustomCallItem.namespace": FieldNote("The namespace that its tool stands in, if any."),
    "OpaqueItem": FieldNote("An item of a type that only the provider knows, with all that it holds."),
    "OpaquePart": FieldNote("A part of a type that only the provider knows, with all that it holds."),
    "OpaqueItem.type": FieldNote("Any type that is not described here."),
    "OpaquePart.type": FieldNote("Any type that is not described here."),
    "OpaqueItem.status": FieldNote("As the provider has it."),
    "WebSearchItem.action": FieldNote("What was looked for.", schema={"type": "object"}),
    "CustomTool.name": FieldNote("Its name."),
    "CustomTool.description": FieldNote("What it does."),
    "CustomTool.format": FieldNote("As sent.", schema={"type": "object"}),
    "CustomTool.namespace": FieldNote("As sent."),
    "FunctionTool.namespace": FieldNote("As sent."),
    "FunctionTool.name": FieldNote("Its name."),
    "FunctionTool.description": FieldNote("What it does."),
    "FunctionTool.parameters": FieldNote("JSON Schema of its arguments.", schema={"type": ["object", "null"]}),
    "FunctionTool.strict": FieldNote("As sent."),
    "ReasoningConfig.effort": FieldNote("As sent."),
    "ReasoningConfig.summary": FieldNote("As sent."),
    "ErrorBody.code": FieldNote("One of the few codes that clients know, such as `server_error`."),
    "ErrorBody.message": FieldNote("For people."),
    "ErrorBody.reason": FieldNote("The finer code, from the table of errors."),
    "IncompleteDetails.reason": FieldNote("The limit that was reached, or the provider's filter."),
    "Usage.input_tokens": FieldNote("Tokens of input, cached ones included."),
    "Usage.output_tokens": FieldNote("Tokens of output, reasoning included."),
    "Usage.total_tokens": FieldNote("Both together."),
    "Usage.input_tokens_details": FieldNote("Parts of the input."),
    "Usage.output_tokens_details": FieldNote("Parts of the output."),
    "Usage.estimated": FieldNote("Present and true when the provider did not report and the counts are estimates."),
    "InputDetails.cached_tokens": FieldNote("Read from the provider's cache."),
    "InputDetails.cache_write_tokens": FieldNote("Written to the provider's cache."),
    "OutputDetails.reasoning_tokens": FieldNote("Spent on thinking."),
    "Model.id": FieldNote("The name to use in `model`."),
    "Model.created": FieldNote("In Unix seconds; 0 when nobody knows."),
    "Model.owned_by": FieldNote("The provider, by the name that it has here."),
    "Model.object": FieldNote("Always `model`."),
    "*.refusal": FieldNote("Why the model refused."),
    "*.text": FieldNote("The text."),
    "*.id": FieldNote("Its id."),
    "*.status": FieldNote("How far it is, or how it ended."),
    "*.name": FieldNote("The function's name."),
    "*.arguments": FieldNote("JSON as text, exactly as the model wrote it."),
}

_EVENTS = {
    "*.obfuscation": FieldNote("Padding of the provider's: it hides how long the pieces are."),
    "OpaqueEventEvent.type": FieldNote("Any type that is not described here."),
    "OpaqueEventEvent.item_id": FieldNote("The item that it is about, if any."),
    "OpaqueEventEvent.output_index": FieldNote("That item's place."),
    "AnnotationAddedEvent.annotation": FieldNote("The citation.", schema={"type": "object"}),
    "TextDoneEvent.text": FieldNote("The whole text of the part."),
    "CustomInputDoneEvent.input": FieldNote("The whole input."),
    "*.sequence_number": FieldNote("Counts the events of a stream from 0."),
    "*.response": FieldNote("The response as it is now."),
    "*.output_index": FieldNote("Place of the item in `output`."),
    "*.item": FieldNote("The item."),
    "*.item_id": FieldNote("The item that this belongs to."),
    "*.content_index": FieldNote("Place of the part in the item's `content`."),
    "*.part": FieldNote("The part."),
    "*.summary_index": FieldNote("Place of the part in the item's `summary`."),
    "*.annotation_index": FieldNote("Place of the citation in the part's `annotations`."),
    "*.delta": FieldNote("The next piece."),
    "*.logprobs": FieldNote("Log probabilities of its tokens, if asked for.", schema=_LOGPROBS),
}

_RECORD = {
    "id": FieldNote("The response's id."),
    "tenant": FieldNote("Whose it is."),
    "caller": FieldNote("Who asked."),
    "created_at": FieldNote("When the request came, in Unix seconds."),
    "model": FieldNote("The model as it was asked for."),
    "stream": FieldNote("Whether a stream was asked for."),
    "store": FieldNote("Whether keeping was asked for."),
    "error": FieldNote("Code of the failure."),
    "retention_days": FieldNote("How long it is kept."),
    "end_user": FieldNote("Who the client acted for."),
    "metadata": FieldNote("As sent."),
    "first_line": FieldNote("First line of the last user message, where the operator keeps it."),
    "previous_response_id": FieldNote("What it continues."),
    "timing": FieldNote("Milestones."),
    "strategy": FieldNote("How the candidates were put in order, where there are several."),
    "affinity": FieldNote("Whether the first one is first because the conversation was there before."),
    "candidates": FieldNote("Where it could have gone, best first."),
    "attempts": FieldNote("Calls of providers."),
    "items": FieldNote("What came out, and when."),
    "notices": FieldNote("What was not done exactly as asked."),
    "rounds": FieldNote("The answers of the model on the way, where there was more than one."),
    "usage_estimated": FieldNote("Whether the token counts are estimates."),
    "cost_micros": FieldNote("What the tokens cost, in millionths of a US dollar."),
    "tool_cost_micros": FieldNote("What tools that ran here cost beside that."),
}
_ROUND = {
    "number": FieldNote("Counts from 1."),
    "target": FieldNote("`provider/model`."),
    "start": FieldNote("When it began, in ms since arrival."),
    "end": FieldNote("When it ended, in ms since arrival."),
    "calls": FieldNote("How many calls of hosted tools it led to."),
}
_CALLER = {
    "request_id": FieldNote("As in `x-request-id`."),
    "key_id": FieldNote("Id of the key."),
    "key_name": FieldNote("Name of the key."),
    "front_door": FieldNote("The API that was used."),
    "user_agent": FieldNote("The client's own words."),
    "client_address": FieldNote("Where it came from."),
    "trace_id": FieldNote("The `traceparent` header, as sent."),
}
_ATTEMPT = {
    "number": FieldNote("Counts from 1."),
    "target": FieldNote("`provider/model`."),
    "credential": FieldNote("Name of the credential, never the credential."),
    "start": FieldNote("When the call began, in ms since arrival."),
    "status": FieldNote("HTTP status of the provider's answer."),
    "first_byte": FieldNote("When the answer began, in ms since arrival."),
    "first_delta": FieldNote("When the first output came, in ms since arrival."),
    "end": FieldNote("When it ended, in ms since arrival."),
    "upstream_id": FieldNote("The provider's id for it."),
    "upstream_model": FieldNote("The model that the provider names."),
    "stop": FieldNote("The provider's own word for why it stopped."),
    "outcome": FieldNote("`served`, or a code of failure."),
    "decision": FieldNote("What followed from the failure."),
    "wait": FieldNote("How long was waited before the next attempt, in ms."),
}
_ITEM = {
    "type": FieldNote("Its type."),
    "start": FieldNote("When it began, in ms since arrival."),
    "end": FieldNote("When it was done, in ms since arrival."),
    "first_sequence": FieldNote("Number of its first event."),
    "last_sequence": FieldNote("Number of its last event."),
    "round": FieldNote("The model call that it came from."),
    "ran_by": FieldNote("Who ran the tool."),
}
_TIMING = {
    "read": FieldNote("The request was read, in ms since arrival."),
    "authenticated": FieldNote("The key was checked."),
    "history": FieldNote("Earlier turns were loaded."),
    "routed": FieldNote("A provider was chosen."),
    "encoded": FieldNote("The provider's request was written."),
    "first_event": FieldNote("The first output event was sent."),
    "first_text": FieldNote("The first text was sent."),
    "finished": FieldNote("It was over."),
}
_NOTICE = {
    "where": FieldNote("The request field."),
    "kind": FieldNote("What was done instead. `dropped` is also told in `x-antiphon-ignored`."),
    "reason": FieldNote("A short code."),
    "asked": FieldNote("What was asked for."),
    "became": FieldNote("What it became."),
}


_EXPLANATION = {
    "object": FieldNote("Always `antiphon.explanation`."),
    "model": FieldNote("As asked for."),
    "target": FieldNote("Who would be asked first, as `provider/model`."),
    "candidates": FieldNote("All places that were looked at, best first, each with why it would not be asked first."),
    "protocol": FieldNote("The dialect that is spoken with it."),
    "upstream": FieldNote("The request that it would get."),
    "notices": FieldNote("What would not be done exactly as asked."),
    "estimated_input_tokens": FieldNote("Tokens of the input, history included, by their size."),
    "estimated_input_cost_micros": FieldNote("What they cost, in millionths of a US dollar, where that is known."),
}
_UPSTREAM = {
    "method": FieldNote("Always `POST`."),
    "url": FieldNote(
        "The address; where it is no provider's public one, with the host `hidden.invalid`, and without its base path."
    ),
    "stream": FieldNote("Whether a stream would be asked for."),
    "body": FieldNote("The body, in the provider's dialect."),
}
_MODEL = {
    "id": FieldNote("Its name here."),
    "object": FieldNote("Always `model`."),
    "created": FieldNote("When it was released, in Unix seconds; where that is not known, when the gateway started."),
    "owned_by": FieldNote("The provider."),
    "context_length": FieldNote("Tokens of input and output together."),
    "max_output_tokens": FieldNote("Tokens of its longest answer."),
    "input_modalities": FieldNote("What it reads: `text`, `image`, `audio`, `video`, `pdf`."),
    "output_modalities": FieldNote("What it writes."),
    "pricing": FieldNote("What it costs at the provider."),
    "released": FieldNote("When it was released: a day or a month."),
    "protocol": FieldNote("The dialect that is spoken with its provider."),
    "endpoints": FieldNote("The endpoints that serve it."),
}
_PRICE = {
    "input": FieldNote("For tokens sent."),
    "cached_input": FieldNote("For tokens sent that were in a cache."),
    "output": FieldNote("For tokens written."),
    "currency": FieldNote("Always `USD`."),
    "per_tokens": FieldNote("For how many tokens: a million."),
}


def _of(owner: str, notes: dict[str, FieldNote]) -> dict[str, FieldNote]:
    return {f"{owner}.{name}": note for name, note in notes.items()}


ANSWER_NOTES = {
    "Response": FieldNote("A response. The parameters of the request are repeated in it, with their defaults."),
    "RunRecord": FieldNote("What happened behind a response. Parts that do not exist are left out."),
    "Model": FieldNote("A model. What is not known of it is left out."),
    "ModelPrice": FieldNote("Prices in US dollars. Long inputs may cost more."),
    "ReasoningConfig": FieldNote("How much to think, as sent."),
    "FailedEvent": FieldNote("It failed after the stream had begun. Always last."),
    "CompletedEvent": FieldNote("The model has finished. Always last."),
    "IncompleteEvent": FieldNote("Stopped by a limit or a filter. Always last."),
    "CreatedEvent": FieldNote("The response exists. Always first."),
    "InProgressEvent": FieldNote("It is being made. Always second."),
    "TextDeltaEvent": FieldNote("A piece of text."),
    "ArgumentsDoneEvent": FieldNote("A call's whole arguments."),
    "CustomInputDeltaEvent": FieldNote("A piece of a custom call's input."),
    "CustomInputDoneEvent": FieldNote("A custom call's whole input."),
    "SearchInProgressEvent": FieldNote("A search of the web begins."),
    "SearchSearchingEvent": FieldNote("It is under way."),
    "SearchCompletedEvent": FieldNote("It ended."),
    "OpaqueEventEvent": FieldNote("An event of a type that only the provider knows, with all that it holds."),
    **_of("Response", _RESPONSE),
    **_PARTS,
    **_EVENTS,
    **_of("RunRecord", _RECORD),
    **_of("RunCaller", _CALLER),
    **_of("RunAttempt", _ATTEMPT),
    **_of("RunItem", _ITEM),
    **_of("RunRound", _ROUND),
    "RunRound": FieldNote("One answer of the model on the way to the response."),
    **_of("RunTiming", _TIMING),
    **_of("RunNotice", _NOTICE),
    **_of("Explanation", _EXPLANATION),
    "CandidateView.target": FieldNote("`provider/model`."),
    "CandidateView.verdict": FieldNote("Why it would not be asked first, as in the run record; not for the first."),
    **_of("UpstreamView", _UPSTREAM),
    "Fidelity": FieldNote("Who answered, and what was not done exactly as asked."),
    "Fidelity.target": FieldNote("`provider/model`."),
    "Fidelity.notices": FieldNote("What was not done exactly as asked."),
    **_of("Model", _MODEL),
    **_of("ModelPrice", _PRICE),
    "RunCandidate.target": FieldNote("`provider/model`."),
    "RunCandidate.verdict": FieldNote("What became of it."),
    "RunCandidate.credential": FieldNote("Where its key came from, where there are several candidates."),
}
