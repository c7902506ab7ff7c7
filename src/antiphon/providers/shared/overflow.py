"""How upstreams say that the input does not fit into the model's context."""

import re

__all__ = ["says_overflow"]

# One alternative per wording, with who uses it. Matched without regard to case.
_WORDINGS = (
    r"context[ _-]?length[ _-]?exceeded",  # OpenAI's code, and everybody who copied it
    r"exceed_context_size_error",  # llama.cpp's type
    r"model_context_window_exceeded|context_window_exceeded",  # Z.ai, proxies
    r"maximum context length",  # OpenAI, vLLM, OpenRouter, DeepSeek, Together, Mistral
    r"exceeds? (?:the |this )?(?:model'?s )?(?:maximum )?context (?:window|length|size|limit)",
    r"exceeds the available context",  # llama.cpp
    r"\d+ tokens\) is too large to process",  # llama.cpp, embeddings
    r"context (?:size|length|window|limit) (?:has been |was |is )?exceed",  # LM Studio, MLX
    r"context window (?:is )?(?:full|exceeds? limit)",  # MiniMax
    r"(?:greater|longer|larger) than the (?:model'?s )?(?:maximum )?context",  # LM Studio
    r"longer than (?:the )?model'?s context",  # Together
    r"requested tokens? .{0,40}exceed context window",  # llama-cpp-python
    r"context length is only \d+",  # vLLM
    r"maximum (?:model|prompt|input) length(?: is| of)",  # vLLM, xAI
    r"max(?:imum)? (?:allowed )?(?:input|prompt) (?:length|tokens)",
    r"reduce (?:the|your) (?:length of (?:the |your )?)?(?:messages|prompt|input|either|context)",  # Groq
    r"too large for model with \d+ maximum context",  # Mistral
    r"(?:prompt|input|request|conversation) (?:is )?too long",  # Anthropic, Bedrock, Ollama
    r"prompt is too large|prompt too large",
    r"prompt contains \d+ tokens",  # Mistral
    r"input token count.{0,40}exceeds",  # Gemini
    r"exceeds the maximum number of tokens",  # Gemini, Vertex
    r"prompt token count .{0,40}exceeds the limit",  # GitHub
    r"input tokens exceed|input length .{0,40}exceeds",  # OpenAI's newer models, Poolside
    r"exceeded model token limit",  # Moonshot
    r"range of input length should be",  # Qwen
    r"`?inputs?`? tokens? \+ `?max_new_tokens`?.{0,60}must be <=",  # Text Generation Inference
    r"`?inputs`? (?:tokens )?must have less than \d+ tokens",  # Text Generation Inference
    r"(?:max_tokens|max_completion_tokens)\W.{0,60}maximum context",  # vLLM
    r"too many (?:input |prompt )?tokens",
    r"token limit exceeded",
    r"prompt \u8d85\u957f",  # Zhipu, in Chinese: the prompt is too long
    r"\u4e0a\u4e0b\u6587\u957f\u5ea6",  # context length
    r"\u8d85(?:\u8fc7|\u51fa)\u6700\u5927\u957f\u5ea6",  # over the largest length
)
_OVERFLOW = re.compile("|".join(_WORDINGS), re.IGNORECASE)
_THROTTLED = re.compile(
    r"rate[ _-]?limit|tokens[ _]per[ _](?:minute|day|hour)|\b(?:TPM|TPD|RPM)\b|quota|too many requests", re.IGNORECASE
)


def says_overflow(text: str) -> bool:
    """Whether this error text means an overflow. Limits per minute speak of tokens too and are none."""
    return _OVERFLOW.search(text) is not None and _THROTTLED.search(text) is None
