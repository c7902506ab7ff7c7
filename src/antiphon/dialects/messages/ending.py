"""How an answer ended and what it cost, in Anthropic's words."""

from msgspec import UNSET

from antiphon.dialects.messages.content import has_refused
from antiphon.dialects.messages.wire import Problem, StopDelta, StopDetails, UsageCounts
from antiphon.protocol.deltas import Stopped
from antiphon.protocol.response import CustomCallItem, ErrorBody, FunctionCallItem, Response, WebSearchItem
from antiphon.protocol.usage import Usage

__all__ = ["message_id", "problem_of", "stop_of", "usage_of"]

#: An upstream's own words for its end that say more than ours do. All others are told by what the answer is.
_NATIVE = frozenset({"model_context_window_exceeded", "pause_turn", "stop_sequence"})

_ERRORS = {
    "rate_limit_exceeded": "rate_limit_error",
    "insufficient_quota": "billing_error",
    "invalid_prompt": "invalid_request_error",
    "context_length_exceeded": "invalid_request_error",
}
#: Our finer codes.
_REASONS = {
    "upstream_overloaded": "overloaded_error",
    "overloaded": "overloaded_error",
    "shutting_down": "overloaded_error",
    "upstream_timeout": "timeout_error",
    "upstream_stall": "timeout_error",
    "run_timeout": "timeout_error",
}


def message_id(response_id: str) -> str:
    """The message's id: the response's under another prefix."""
    return "msg_" + response_id.removeprefix("resp_")


def stop_of(response: Response, *, stopped: Stopped | None) -> StopDelta:
    """Why the answer ended."""
    if stopped is not None and stopped.native in _NATIVE:
        return StopDelta(stopped.native, stopped.sequence)
    reason = response.incomplete_details.reason if response.incomplete_details else None
    if reason == "max_output_tokens":
        return StopDelta("max_tokens")
    if reason == "content_filter" or has_refused(response.output):
        return StopDelta("refusal", stop_details=StopDetails())
    if any(isinstance(item, FunctionCallItem | CustomCallItem) for item in response.output):
        return StopDelta("tool_use", stop_details=UNSET)
    return StopDelta("end_turn")


def usage_of(response: Response) -> UsageCounts:
    """The answer's tokens. Nothing is known only of one that never reached an upstream."""
    usage = response.usage or Usage(0, 0, 0)
    read = usage.input_tokens_details.cached_tokens
    written = usage.input_tokens_details.cache_write_tokens
    return UsageCounts.of(
        (max(0, usage.input_tokens - read - written), written, read, usage.output_tokens),
        thought=usage.output_tokens_details.reasoning_tokens,
        searches=sum(isinstance(item, WebSearchItem) for item in response.output),
        estimated=usage.estimated is True,
    )


def problem_of(error: ErrorBody | None) -> Problem:
    """What broke the answer."""
    if error is None:
        return Problem("api_error", "The answer broke off.")
    kind = _REASONS.get(error.reason if isinstance(error.reason, str) else "") or _ERRORS.get(error.code, "api_error")
    return Problem(kind, error.message)
