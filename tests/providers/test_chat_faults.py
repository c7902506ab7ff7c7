"""What upstream errors mean, how long they ask to wait, and what of their words a client may see."""

import msgspec
import pytest

from antiphon.protocol.faults import Fault, RequestFault, UpstreamFault
from antiphon.providers.shared.clean import clean
from antiphon.providers.shared.errors import UpstreamError, read_error
from antiphon.providers.shared.overflow import says_overflow
from tests.providers.corpus import SECRET, target_for
from tests.providers.script import CODEC

TARGET = target_for("generic/some-model", headers={"x-internal": "header-secret-value"})


def fault(status: int, body: object = b"", headers: dict[str, str] | None = None) -> Fault:
    data = body if isinstance(body, bytes) else msgspec.json.encode(body)
    return CODEC.fault(status, headers or {}, body=data, target=TARGET)


def error(message: str = "x", **fields: object) -> dict[str, object]:
    return {"error": {"message": message, **fields}}


TABLE = [
    ("U8", 400, error("bad"), 400, None, False),
    ("U8", 422, error("bad"), 400, None, False),
    ("U8", 400, error("bad", code="invalid_value"), 400, "invalid_value", False),
    ("U8", 418, b"", 400, None, False),
    ("U8a", 400, error(code="context_length_exceeded"), 400, "context_length_exceeded", False),
    ("U8a", 500, error(type="exceed_context_size_error"), 400, "context_length_exceeded", False),
    ("U8a", 413, error("prompt is too long: 3 tokens > 2 maximum"), 400, "context_length_exceeded", False),
    ("U8a", 413, error("Request too large"), 413, "request_too_large", False),
    ("U5", 429, error("slow down"), 429, "rate_limit_exceeded", True),
    ("U5", 429, error("Too many tokens per minute"), 429, "rate_limit_exceeded", True),
    ("U5a", 429, error(code="insufficient_quota"), 503, "upstream_quota", True),
    ("U5a", 402, b"", 503, "upstream_quota", True),
    ("U5a", 403, error("Your credit balance is too low"), 503, "upstream_quota", True),
    ("U5a", 400, error(code="insufficient_balance"), 503, "upstream_quota", True),
    ("U8", 400, error("Invalid schema for function 'billing_address'"), 400, None, False),
    ("U6", 500, b"<html>", 502, "upstream_error", True),
    ("U6", 502, b"", 502, "upstream_error", True),
    ("U6", 504, b"", 502, "upstream_error", True),
    ("U6", 409, b"", 502, "upstream_error", True),
    ("U7", 503, b"", 503, "upstream_overloaded", True),
    ("U7", 529, b"", 503, "upstream_overloaded", True),
    ("U8b", 408, b"", 504, "upstream_timeout", True),
    ("U8b", 302, b"", 502, "upstream_protocol_error", True),
    ("U11", 405, b"", 502, "upstream_protocol_error", True),
    ("U9", 401, error("no key"), 502, "upstream_credential_error", True),
    ("U9", 403, error("region"), 502, "upstream_credential_error", True),
    ("U9", 407, b"", 502, "upstream_credential_error", True),
    ("U10", 404, error("no such model"), 404, "model_not_found", True),
    ("moderation", 403, error(metadata={"reasons": ["violence"]}), 400, None, False),
]


@pytest.mark.parametrize(("row", "status", "body", "shown", "code", "retryable"), TABLE)
def test_statuses_mean_what_the_table_says(
    row: str, status: int, body: object, shown: int, code: str | None, retryable: bool
) -> None:
    found = fault(status, body)
    assert (found.status, found.code, found.retryable) == (shown, code, retryable), row
    assert isinstance(found, UpstreamFault if retryable else RequestFault)
    if shown < 429:
        assert found.type == "invalid_request_error"


def test_the_type_of_a_rate_limit_is_named() -> None:
    assert fault(429).type == "rate_limit_error"
    assert fault(500).type == "server_error"


WAITS = [
    ({"retry-after": "3"}, "", 3.0),
    ({"retry-after": "2.5"}, "", 2.5),
    ({"retry-after-ms": "250", "retry-after": "9"}, "", 0.25),
    ({"retry-after": "Sun, 22 Nov 2026 13:00:07 GMT", "date": "Sun, 22 Nov 2026 13:00:00 GMT"}, "", 7.0),
    ({"retry-after": "Mon, 23 Nov 2026 00:00:02 GMT", "date": "Sun, 22 Nov 2026 23:59:59 GMT"}, "", 3.0),
    ({"retry-after": "Sun, 22 Nov 2026 12:59:00 GMT", "date": "Sun, 22 Nov 2026 13:00:00 GMT"}, "", 0.0),
    ({"retry-after": "Sun, 22 Nov 2026 13:00:07 GMT"}, "", None),
    ({"retry-after": "-1"}, "", None),
    ({"retry-after": "nan"}, "", None),
    ({"retry-after": "1e9"}, "", 86400.0),
    ({}, "Please try again in 1.898s.", 1.898),
    ({}, "Please try again in 250ms.", 0.25),
    ({}, "Please try again in 2m3.5s", 123.5),
    ({}, "Please try again in 2m", 120.0),
    ({}, "Please retry after 30 s", 30.0),
    ({}, "Please try again in a while", None),
    ({}, "", None),
]


@pytest.mark.parametrize(("headers", "message", "wait_s"), WAITS)
def test_the_time_to_wait_is_found(headers: dict[str, str], message: str, wait_s: float | None) -> None:
    found = fault(429, error(message), headers)
    assert found.retry_after_s == wait_s
    again = f"Please try again in {wait_s:g}s." if wait_s is not None else "Please try again later."
    assert found.message == f"Rate limit reached at provider 'generic'. {again}"


def test_google_tells_the_time_to_wait_in_details() -> None:
    details = [{"@type": "type.googleapis.com/google.rpc.Help"}, 7, {"retryDelay": "34.07s"}]
    assert fault(429, [{"error": {"code": 429, "message": "x", "details": details}}]).retry_after_s == 34.07
    assert fault(429, error(details=[{"retryDelay": "soon"}])).retry_after_s is None


def test_an_overloaded_provider_gives_a_time_to_wait_only_where_it_does() -> None:
    assert fault(503).retry_after_s is None
    assert fault(503, b"", {"retry-after": "1"}).retry_after_s == 1.0


OVERFLOWS = [
    "This model's maximum context length is 8192 tokens. However, your messages resulted in 8545 tokens.",  # OpenAI
    "Your input exceeds the context window of this model. Please adjust your input and try again.",  # OpenAI
    "Input tokens exceed the configured limit of 272000 tokens.",  # OpenAI
    "'max_tokens' is too large: 2000. This model's maximum context length is 4096 tokens and your request has 2104",  # vLLM
    "The decoder prompt (length 9000) is longer than the maximum model length of 8192.",  # vLLM
    "You passed 5000 input tokens, however the model's context length is only 4096 tokens.",  # vLLM
    "request (2631 tokens) exceeds the available context size (2048 tokens), try increasing it",  # llama.cpp
    "the request exceeds the available context size. try increasing the context size or enable context shift",
    "input (600 tokens) is too large to process. increase the physical batch size (current batch size: 512)",
    "Requested tokens (2285) exceed context window of 2048",  # llama-cpp-python
    "Please reduce the length of the messages or completion.",  # Groq
    "Prompt contains 152000 tokens, too large for model with 131072 maximum context length",  # Mistral
    "The input (300 tokens) is longer than the model's context length (200 tokens).",  # Together
    "`inputs` tokens + `max_new_tokens` must be <= 8193. Given: 9000 `inputs` tokens",  # Together, TGI
    "prompt is too long: 213462 tokens > 200000 maximum",  # Anthropic
    "input length and `max_tokens` exceed context limit: 190000 + 20000 > 200000",  # Anthropic
    "The input token count (1196265) exceeds the maximum number of tokens allowed (1048575).",  # Gemini
    "This endpoint's maximum context length is 131072 tokens. However, you requested about 132463 tokens",  # OpenRouter
    "This model's maximum prompt length is 131072 but the request contains 537812 tokens.",  # xAI
    "prompt token count of 5000 exceeds the limit of 4096",  # GitHub
    "Input is too long for requested model.",  # Bedrock
    "Input length (265330) exceeds model's maximum context length (262144).",  # SGLang
    "The number of tokens to keep from the initial prompt is greater than the context length",  # LM Studio
    "prompt too long; exceeded max context length by 4 tokens",  # Ollama
    "invalid params, context window exceeds limit",  # MiniMax
    "Invalid request: Your request exceeded model token limit: 262144 (requested: 300000)",  # Moonshot
    "Range of input length should be [1, 30720]",  # Qwen
    "Prompt \u8d85\u957f",  # Zhipu
    "context_length_exceeded",
    "model_context_window_exceeded",
    "exceed_context_size_error",
]


@pytest.mark.parametrize("wording", OVERFLOWS)
def test_every_known_wording_of_an_overflow_is_known(wording: str) -> None:
    assert says_overflow(wording)
    assert fault(400, error(wording)).code == "context_length_exceeded"


@pytest.mark.parametrize(
    "wording",
    [
        "Rate limit reached: too many tokens per minute (TPM)",
        "Request too large for model on tokens per minute (TPM): Limit 6000, please reduce your message size",
        "You exceeded your current quota",
        "max_tokens is too large: 100000. This model supports at most 16384 completion tokens.",
        "Invalid type for 'messages[0].content'",
        "Too many requests",
        "Invalid 'tools[0].function.description': string too long. Expected a string with maximum length 1024.",
    ],
)
def test_other_limits_are_no_overflow(wording: str) -> None:
    assert not says_overflow(wording)


SHAPES: list[tuple[object, UpstreamError | None]] = [
    ({"error": {"message": "m", "type": "t", "code": "c", "param": "temperature"}}, UpstreamError("m", "t c", "c", None, "temperature")),
    ({"error": {"message": "m", "code": 429, "param": "messages"}}, UpstreamError("m", status=429)),
    ({"error": {"message": "m", "param": "a.b[0]", "code": "Bad Code"}}, UpstreamError("m", "Bad Code")),
    ({"error": "m"}, UpstreamError("m")),
    ({"error": "invalid_thing", "message": "m"}, UpstreamError("m", "invalid_thing", "invalid_thing")),
    ({"object": "error", "message": "m", "code": 400}, UpstreamError("m", status=400)),
    ({"message": "m", "status_code": 401}, UpstreamError("m", status=401)),
    ({"code": "503", "msg": "m"}, UpstreamError("m", "503", None, 503)),
    ({"detail": "m"}, UpstreamError("m")),
    ({"detail": [{"loc": ["body"], "msg": "m"}]}, UpstreamError("m")),
    ({"errors": [{"message": "m"}]}, UpstreamError("m")),
    ({"errors": ["m"]}, UpstreamError("m")),
    ([{"error": {"message": "m", "status": "UNAVAILABLE"}}], UpstreamError("m", "UNAVAILABLE")),
    ({"error": {"message": {"a": 1}}}, UpstreamError('{"a":1}')),
    ({"error": {}}, None),
    ({"error": {"type": 7}}, UpstreamError()),
    ({"error": {"message": "m", "innererror": {"code": "Filtered"}}}, UpstreamError("m", "Filtered")),
    ({"error": {"message": "relay", "metadata": {"raw": "inner"}}}, UpstreamError("inner")),
    ({"error": {"message": "relay", "metadata": {"raw": '{"error":{"message":"inner"}}'}}}, UpstreamError("inner")),
    ({"base_resp": {"status_code": 1004, "status_msg": "m"}}, UpstreamError("m")),
    ({"base_resp": {"status_code": 0}}, None),
    ({"choices": []}, None),
    ({}, None), ([], None), (7, None), ("", None), ("m", UpstreamError("m")), (None, None),
]  # fmt: skip


@pytest.mark.parametrize(("body", "wanted"), SHAPES)
def test_error_objects_are_read_in_every_shape(body: object, wanted: UpstreamError | None) -> None:
    assert read_error(msgspec.json.encode(body)) == wanted


def test_what_is_no_json_is_no_error_object() -> None:
    assert read_error(b"<html>") is None
    assert read_error(b'"\xff"') is None
    assert read_error(b"[" * 100_000) is None


SECRETS = [
    (f"Incorrect key {SECRET}", "Incorrect key [redacted]"),
    ("header header-secret-value", "header [redacted]"),
    ("Bearer abcdef123456", "[redacted]"),
    ("key sk-proj-abc123def456 bad", "key [redacted] bad"),
    ("key sk-ab*****yz bad", "key [redacted] bad"),
    ("gsk_abcdefgh12345 and AIzaSyA1234567890abc", "[redacted] and [redacted]"),
    ("token eyJhbGciOiJIUzI1NiJ9.eyJzdWIi.sig", "token [redacted]"),
    ("in organization org-AbCdEf123456 on", "in organization [redacted] on"),
    ("id 0123456789abcdef0123456789abcdef", "id [redacted]"),
    ("at http://10.0.0.7:8000/v1/x failed", "at [address] failed"),
    ("at http://vllm:8000/v1 failed", "at [address] failed"),
    ("at https://user:pw@api.example.com/x failed", "at [address] failed"),
    ("at https://api.ns.svc/x and https://a.internal/ failed", "at [address] and [address] failed"),
    ("redis://cache:6379/0 down", "[address] down"),
    ("connect to 192.168.1.5:443", "connect to [address]"),
    ("connect to [fe80::1]:443 or ::1", "connect to [address] or [address]"),
    ("localhost:8080 and db.svc.cluster.local:5432", "[address] and [address]"),
    ("HTTPConnectionPool(host='vllm', port=8000)", "HTTPConnectionPool(host='[address]', port=8000)"),
    ("dial tcp vllm:80: lookup vllm on dns", "dial tcp [address] lookup [address] on dns"),
    ("see https://platform.openai.com/docs/errors?key=1#x.", "see https://platform.openai.com/docs/errors"),
    ("line\none\x00two\u2028three", "line one two three"),
    ("at 12:30:45 the maximum context length is 131072 tokens, std::string", "at 12:30:45 the maximum context length is 131072 tokens, std::string"),
    ("gpt-4.1-2025-04-14 and meta-llama/Llama-3.3-70B-Instruct-Turbo", "gpt-4.1-2025-04-14 and meta-llama/Llama-3.3-70B-Instruct-Turbo"),
]  # fmt: skip


@pytest.mark.parametrize(("said", "shown"), SECRETS)
def test_clients_see_no_secrets_and_no_addresses(said: str, shown: str) -> None:
    found = fault(400, error(said))
    assert found.message == f"The provider 'generic' refused the request: {shown}"
    assert SECRET not in found.detail


def test_messages_are_bounded() -> None:
    assert len(clean("word " * 10_000)) == 500
    assert clean("x " * 250).endswith("x")
    assert clean("a-" * 50_000) == ""  # one endless word may be anything
    assert clean("short", secrets=("abc",)) == "short"


def test_a_refusal_without_a_reason_says_so() -> None:
    assert fault(400).message == "The provider 'generic' refused the request: no reason was given"
    assert fault(400, error(param="temperature")).param == "temperature"


def test_the_upstreams_own_words_are_hidden_where_it_is_at_fault() -> None:
    for status in (401, 402, 404, 429, 500, 503):
        assert "10.1.2.3" not in fault(status, error("worker 10.1.2.3 died")).message
        assert "worker" not in fault(status, error("worker 10.1.2.3 died")).message
