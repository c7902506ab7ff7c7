"""Every provider we know something about, in one explicit tuple. A new one is a file in `quirks` and a line here."""

from functools import lru_cache
from typing import get_args

from antiphon.providers.quirks import (
    anthropic,
    azure,
    cerebras,
    deepinfra,
    deepseek,
    fireworks,
    gemini,
    generic,
    github,
    groq,
    huggingface,
    hyperbolic,
    llamacpp,
    lmstudio,
    mistral,
    moonshot,
    nvidia,
    ollama,
    openai,
    openrouter,
    perplexity,
    qwen,
    sambanova,
    sglang,
    together,
    vllm,
    xai,
    zai,
    zhipu,
)
from antiphon.providers.quirks.base import Protocol, Quirks

__all__ = ["KNOWN", "PROTOCOLS", "effective", "known", "quirks"]

#: The upstream dialects that exist.
PROTOCOLS = get_args(Protocol)

KNOWN: tuple[Quirks, ...] = (
    openai.QUIRKS,
    anthropic.QUIRKS,
    gemini.QUIRKS,
    azure.QUIRKS,
    openrouter.QUIRKS,
    groq.QUIRKS,
    mistral.QUIRKS,
    deepseek.QUIRKS,
    xai.QUIRKS,
    together.QUIRKS,
    fireworks.QUIRKS,
    cerebras.QUIRKS,
    nvidia.QUIRKS,
    perplexity.QUIRKS,
    moonshot.QUIRKS,
    zhipu.QUIRKS,
    zai.QUIRKS,
    qwen.QUIRKS,
    sambanova.QUIRKS,
    deepinfra.QUIRKS,
    hyperbolic.QUIRKS,
    huggingface.QUIRKS,
    github.QUIRKS,
    ollama.QUIRKS,
    vllm.QUIRKS,
    sglang.QUIRKS,
    lmstudio.QUIRKS,
    llamacpp.QUIRKS,
    generic.QUIRKS,
)

#: The same by name.
_BY_NAME = {entry.name: entry for entry in KNOWN}


def known(name: str) -> Quirks | None:
    """What we know of a provider, or `None` when that is nothing."""
    return _BY_NAME.get(name)


def quirks(name: str) -> Quirks:
    """The entry of that name. The catalogue checked it at startup, so an unknown one is a bug (`KeyError`)."""
    return _BY_NAME[name]


@lru_cache(maxsize=1024)  # a pure function of constants: remembered because it runs for every request
def effective(name: str, model: str) -> Quirks:
    """The facts for one model at one provider: its entry with the rules for the model applied."""
    return _BY_NAME[name].for_model(model)
