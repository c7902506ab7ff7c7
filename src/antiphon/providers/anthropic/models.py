"""What Claude models take and refuse, as data: rules that differ by model, not by provider.

After Anthropic's pages on models, thinking, effort and migration (2026-11). A Claude model that no rule knows is taken
for a new one, of which only what all new ones take is sent; models of other vendors, whose servers speak this dialect
too, are taken for an old one.
"""

from functools import lru_cache
from typing import Literal

from msgspec import Struct
from msgspec.structs import replace

from antiphon.config.patterns import matches_any
from antiphon.protocol.request import Effort

__all__ = ["ModelFacts", "facts_of", "nearest_effort"]

_ORDER: tuple[Effort, ...] = ("minimal", "low", "medium", "high", "xhigh", "max")
_ALL: tuple[Effort, ...] = ("low", "medium", "high", "xhigh", "max")


class ModelFacts(Struct, frozen=True, kw_only=True):
    """One rule.

    Attributes:
        match: patterns of model names, as `facts_of` writes them.
        max_tokens: the longest answer: what is sent where the client names no limit, because the field is required.
        thinking: `adaptive` thinks as it sees fit; `manual` wants a budget of tokens; `none` cannot think.
        thinks_unasked: it thinks unless told otherwise.
        off: how thinking is switched off: `never` means that it cannot be.
        efforts: the words for `output_config.effort`; empty where the field is refused.
        sampling: `free`; `one` takes either `temperature` or `top_p`; `never` takes neither, nor `top_k`.
        forced: a call of a tool can be forced (while it does not think).
        structured: `output_config.format` and `strict` tools are accepted.
        system_turns: `role: system` may follow a user message.
        prefill: the conversation may end with an assistant message, which is then continued.
    """

    match: tuple[str, ...]
    max_tokens: int = 128_000
    thinking: Literal["none", "manual", "adaptive"] = "adaptive"
    thinks_unasked: bool = True
    off: Literal["disabled", "between_tools", "never"] = "disabled"
    efforts: tuple[Effort, ...] = _ALL
    sampling: Literal["free", "one", "never"] = "never"
    forced: bool = True
    structured: bool = True
    system_turns: bool = True
    prefill: bool = False


#: What models before 4.6 have in common.
_OLD = ModelFacts(
    match=(),
    thinking="manual",
    thinks_unasked=False,
    efforts=(),
    sampling="free",
    structured=False,
    system_turns=False,
    prefill=True,
)
#: The first rule that matches counts.
_RULES: tuple[ModelFacts, ...] = (
    ModelFacts(match=("claude-sonnet-5-5*",), off="between_tools", forced=False),
    ModelFacts(match=("claude-opus-5-5*", "claude-fable-*"), off="never", forced=False),
    ModelFacts(match=("claude-mythos-preview*",), off="never", forced=False, system_turns=False),
    ModelFacts(match=("claude-mythos-*",), off="never", forced=False),
    ModelFacts(match=("claude-opus-5*", "claude-sonnet-5*", "claude-haiku-5*")),
    ModelFacts(match=("claude-opus-4-8*",), thinks_unasked=False),
    ModelFacts(match=("claude-opus-4-7*",), thinks_unasked=False, system_turns=False),
    ModelFacts(
        match=("claude-opus-4-6*", "claude-sonnet-4-6*"),
        thinks_unasked=False,
        efforts=("low", "medium", "high", "max"),
        sampling="one",
        system_turns=False,
    ),
    replace(
        _OLD,
        match=("claude-opus-4-5*",),
        max_tokens=64_000,
        efforts=("low", "medium", "high"),
        sampling="one",
        structured=True,
    ),
    replace(
        _OLD,
        match=("claude-sonnet-4-5*", "claude-haiku-4-5*"),
        max_tokens=64_000,
        sampling="one",
        structured=True,
    ),
    replace(_OLD, match=("claude-opus-4*",), max_tokens=32_000, sampling="one"),
    replace(_OLD, match=("claude-sonnet-4*", "claude-3-7*"), max_tokens=64_000),
    replace(_OLD, match=("claude-3-5*",), max_tokens=8192, thinking="none"),
    replace(_OLD, match=("claude-3*", "claude-2*", "claude-instant*"), max_tokens=4096, thinking="none"),
    ModelFacts(match=("claude*",), off="never", forced=False, efforts=("low", "medium", "high"), system_turns=False),
)
_OTHER = replace(_OLD, match=("*",), max_tokens=8192, prefill=False)


@lru_cache(maxsize=1024)  # a pure function of constants: remembered because it runs for every request
def facts_of(model: str) -> ModelFacts:
    """The rule for a model, whatever its provider puts around the name (`anthropic/claude-opus-4.6`, `…@20251101`)."""
    name = model.lower()
    place = name.find("claude")
    if place < 0:
        return _OTHER
    name = name[place:].replace(".", "-").replace("_", "-").replace("@", "-")
    return next(facts for facts in _RULES if matches_any(facts.match, name))


def nearest_effort(asked: Effort, facts: ModelFacts) -> Effort | None:
    """The accepted word nearest to the effort asked for: the next weaker one, else the next stronger one."""
    if asked in facts.efforts or asked == "none" or not facts.efforts:
        return asked if asked in facts.efforts else None
    wanted = _ORDER.index(asked)
    ranks = sorted(_ORDER.index(word) for word in facts.efforts)
    weaker = [rank for rank in ranks if rank < wanted]
    return _ORDER[weaker[-1] if weaker else ranks[0]]
