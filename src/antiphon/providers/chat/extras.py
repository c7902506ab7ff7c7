"""The side dishes of an answer: log probabilities and citations, in the shapes of the Responses API."""

import msgspec
from msgspec import Raw

from antiphon.providers.chat.chunks import AnnotationPart, TokenLogprob, TopLogprob, decode_logprobs

__all__ = ["citations", "logprob_entries"]


def logprob_entries(raw: Raw) -> list[Raw]:
    """An entry for each token. Raises `msgspec.DecodeError` and what else the decoder raises."""
    logprobs = decode_logprobs(raw)
    if logprobs is None:
        return []
    return [Raw(msgspec.json.encode(_filled(entry))) for entry in logprobs.content or ()]


def citations(annotations: list[AnnotationPart]) -> list[Raw]:
    """The URL citations: Responses knows no other kind that a chat server has."""
    flat = [
        {
            "type": "url_citation",
            "start_index": int(cited.start_index or 0),
            "end_index": int(cited.end_index or 0),
            "url": cited.url,
            "title": cited.title or "",
        }
        for annotation in annotations
        if (cited := annotation.url_citation) is not None and cited.url
    ]
    return [Raw(msgspec.json.encode(citation)) for citation in flat]


def _filled(entry: TokenLogprob) -> TokenLogprob:
    tops = [TopLogprob(top.token, *_numbers(top)) for top in entry.top_logprobs or ()]
    return TokenLogprob(entry.token, *_numbers(entry), tops)


def _numbers(entry: TokenLogprob | TopLogprob) -> tuple[float, list[int]]:
    """Log probability and bytes, which typed clients demand: -9999 is OpenAI's own word for impossible."""
    logprob = entry.logprob if entry.logprob is not None else -9999.0
    return logprob, entry.bytes if entry.bytes is not None else list(entry.token.encode())
