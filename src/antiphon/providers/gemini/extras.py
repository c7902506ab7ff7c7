"""Log probabilities in the shape of the Responses API."""

import math

import msgspec
from msgspec import Raw

from antiphon.providers.gemini.chunks import LogprobsResult, ScoredToken, decode_logprobs

__all__ = ["logprob_entries"]

#: OpenAI's own word for impossible.
_IMPOSSIBLE = -9999.0
_NONE = LogprobsResult()


def logprob_entries(raw: Raw) -> tuple[Raw, ...]:
    """An entry for each token. Raises `msgspec.DecodeError` and what else the decoder raises."""
    result = decode_logprobs(raw) or _NONE
    tops = result.top_candidates or []
    entries = []
    for step, chosen in enumerate(result.chosen_candidates or ()):
        likeliest = (tops[step].candidates or []) if step < len(tops) else []
        entry = {**_scored(chosen), "top_logprobs": [_scored(token) for token in likeliest]}
        entries.append(Raw(msgspec.json.encode(entry)))
    return tuple(entries)


def _scored(token: ScoredToken) -> dict[str, object]:
    value = token.log_probability
    known = isinstance(value, float) and math.isfinite(value)
    return {"token": token.token, "logprob": value if known else _IMPOSSIBLE, "bytes": list(token.token.encode())}
