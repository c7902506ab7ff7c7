"""The codec of the Messages API and a target for it."""

from antiphon.protocol.target import Target
from antiphon.providers.anthropic.codec import AnthropicCodec
from tests.providers.corpus import target_for as any_target

__all__ = ["CODEC", "target_for"]

CODEC = AnthropicCodec()


def target_for(model: str, **changes: object) -> Target:
    """A target at the provider that the model's name begins with, which speaks the Messages API."""
    return any_target(model, "anthropic", **changes)
