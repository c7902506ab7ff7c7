"""Token counts, in the shape of the Responses API."""

from msgspec import UNSET, Struct, UnsetType

__all__ = ["InputDetails", "OutputDetails", "Usage"]


class InputDetails(Struct, frozen=True):
    """Parts of `input_tokens`: read from the provider's cache, and written to it."""

    cached_tokens: int = 0
    cache_write_tokens: int = 0


class OutputDetails(Struct, frozen=True):
    """Part of `output_tokens`: what the model thought."""

    reasoning_tokens: int = 0


class Usage(Struct, frozen=True):
    """`input_tokens` includes cached ones, `output_tokens` includes reasoning.

    `estimated` is an extension: present and true when the provider did not report and the counts are ours.
    """

    input_tokens: int
    output_tokens: int
    total_tokens: int
    input_tokens_details: InputDetails = InputDetails()
    output_tokens_details: OutputDetails = OutputDetails()
    estimated: bool | UnsetType = UNSET
