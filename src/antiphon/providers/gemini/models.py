"""What the generations of Gemini models can do, as data.

Sources: Google's pages on thinking, thought signatures, structured output, tool combination, file input methods and the
migration guides from 3.5 to 3.8 (read 2026-11). A model that no rule knows is taken for a newer one.
"""

from functools import lru_cache
from typing import Literal

from msgspec import Struct, structs

from antiphon.config.patterns import matches_any
from antiphon.protocol.request import Effort

__all__ = ["Facts", "Level", "facts_of"]

Level = Literal["MINIMAL", "LOW", "MEDIUM", "HIGH", "XHIGH"]

_ALL_LEVELS: tuple[Level, ...] = ("MINIMAL", "LOW", "MEDIUM", "HIGH", "XHIGH")
_WANTED: dict[Effort, Level] = {
    "none": "MINIMAL",
    "minimal": "MINIMAL",
    "low": "LOW",
    "medium": "MEDIUM",
    "high": "HIGH",
    "xhigh": "XHIGH",
    "max": "XHIGH",
}
_TOKENS: dict[Effort, int] = {"minimal": 1024, "low": 2048, "medium": 8192, "high": 24576}


class Facts(Struct, frozen=True, kw_only=True):
    """One model.

    Attributes:
        thinking: how thought is measured: by `level` (from 3 on), by a `budget` of tokens (2.5), or `none` at all.
        levels: the levels that are accepted, weakest first.
        budgets: smallest and largest budget.
        can_rest: a budget of 0 switches thought off.
        signatures: calls of the current turn that come back without their signature are refused.
        sampling: `temperature`, `top_p` and `top_k` have an effect; newer models ignore them and will refuse them.
        penalties, logprobs: whether these are accepted.
        json_schema: schemas may be JSON Schema; otherwise only a subset of OpenAPI.
        mixed_tools: functions, Google Search and structured output may be combined.
        media_outputs: answers of functions may hold media.
        call_ids: calls and their outputs carry ids.
        model_last: the conversation may end with what the model said.
        web_files: public URLs may stand in `fileData`.
        system: there is a system instruction.
    """

    thinking: Literal["none", "budget", "level"] = "level"
    levels: tuple[Level, ...] = ("LOW", "MEDIUM", "HIGH")
    budgets: tuple[int, int] = (1, 24576)
    can_rest: bool = True
    signatures: bool = True
    sampling: bool = False
    penalties: bool = False
    logprobs: bool = False
    json_schema: bool = True
    mixed_tools: bool = True
    media_outputs: bool = True
    call_ids: bool = True
    model_last: bool = False
    web_files: bool = True
    system: bool = True

    def level(self, effort: Effort) -> Level:
        """The accepted level nearest to an effort: the next stronger one, else the strongest."""
        wanted = _ALL_LEVELS.index(_WANTED[effort])
        return next((level for level in self.levels if _ALL_LEVELS.index(level) >= wanted), self.levels[-1])

    def budget(self, effort: Effort) -> int:
        """The budget for an effort, in tokens."""
        smallest, largest = self.budgets
        if effort == "none":
            return 0 if self.can_rest else smallest
        return max(smallest, min(largest, _TOKENS.get(effort, largest)))


_NEWEST = Facts()
_ALL_BUT_XHIGH: tuple[Level, ...] = ("MINIMAL", "LOW", "MEDIUM", "HIGH")
_THREE = structs.replace(_NEWEST, sampling=True, model_last=True)
_TWO_FIVE = Facts(
    thinking="budget",
    signatures=False,
    sampling=True,
    logprobs=True,
    mixed_tools=False,
    media_outputs=False,
    call_ids=False,
    model_last=True,
)
_OLDER = structs.replace(_TWO_FIVE, thinking="none", json_schema=False, web_files=False)

#: The first that matches counts, so exceptions stand before their rule.
_RULES: tuple[tuple[tuple[str, ...], Facts], ...] = (
    (("gemini-3-pro*",), structs.replace(_THREE, levels=("LOW", "HIGH"))),
    (("gemini-3.1-pro*",), _THREE),
    (("gemini-3.5-flash-lite*", "gemini-3.6*"), structs.replace(_NEWEST, levels=_ALL_BUT_XHIGH)),
    (("gemini-3-*", "gemini-3.1-*", "gemini-3.5-*"), structs.replace(_THREE, levels=_ALL_BUT_XHIGH)),
    (("gemini-2.5-pro*",), structs.replace(_TWO_FIVE, budgets=(128, 32768), can_rest=False)),
    (("gemini-2.5-flash-lite*",), structs.replace(_TWO_FIVE, budgets=(512, 24576))),
    (("gemini-2.5-*",), _TWO_FIVE),
    (("gemini-2.0-*",), structs.replace(_OLDER, penalties=True)),
    (("gemini-1.*", "learnlm-*"), structs.replace(_OLDER, logprobs=False)),
    (("gemma-3*",), structs.replace(_OLDER, logprobs=False, system=False)),
    (("gemma-*",), structs.replace(_OLDER, logprobs=False)),
)


@lru_cache(maxsize=1024)  # a pure function of constants: remembered because it runs for every request
def facts_of(model: str) -> Facts:
    """The facts about a model, whose name may have a path before it (`models/…`)."""
    name = model.rpartition("/")[2]
    return next((facts for patterns, facts in _RULES if matches_any(patterns, name)), _NEWEST)
