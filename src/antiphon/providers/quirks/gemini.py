"""Google Gemini: its own generateContent, or with `protocol: chat` its OpenAI-compatible endpoint.

Which model takes what stands in `providers.gemini.models`; everything here but names, keys and addresses is about the
OpenAI-compatible endpoint. There signatures of thoughts travel in `extra_content` of tool calls, and Gemini 3 refuses a
call that comes back without. Unknown fields are refused with 400, so only what Google's page on OpenAI compatibility
shows is sent (2026-11).
"""

from antiphon.providers.quirks.base import Quirks

__all__ = ["QUIRKS"]

QUIRKS = Quirks(
    name="gemini",
    base_url="https://generativelanguage.googleapis.com/v1beta/openai",
    key_env=("GEMINI_API_KEY", "GOOGLE_API_KEY"),
    key_required=True,
    protocol="gemini",
    speaks=("chat",),
    searches=("gemini",),
    base_urls={"gemini": "https://generativelanguage.googleapis.com/v1beta"},
    logprobs=False,
    logit_bias=False,
    seed="none",
    single_system=True,
    call_extra="extra_content",
    call_extra_absent=b'{"google":{"thought_signature":"skip_thought_signature_validator"}}',
    audio=True,
    parallel_tool_calls=False,
    reasoning_request="reasoning_effort",
    efforts=("none", "minimal", "low", "medium", "high"),
)
