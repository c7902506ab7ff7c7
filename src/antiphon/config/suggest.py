"""Did you mean …?"""

from collections.abc import Iterable
from difflib import get_close_matches

__all__ = ["did_you_mean", "nearest"]


def nearest(word: str, options: Iterable[str], *, most: int = 3) -> list[str]:
    """Those of the options that look like the word, nearest first. Letter case does not count."""
    by_folded = {option.casefold(): option for option in options}
    return [by_folded[found] for found in get_close_matches(word.casefold()[:200], by_folded, n=most, cutoff=0.6)]


def did_you_mean(word: str, options: Iterable[str], *, noun: str) -> str:
    """The end of a message about an unknown word: the nearest option, or all of them."""
    known = list(options)
    near = nearest(word, known, most=1)
    if near:
        return f", did you mean `{near[0]}`?"
    return f"; {noun}: " + ", ".join(f"`{option}`" for option in known)
