"""Any OpenAI-compatible server of which nothing more is known."""

from antiphon.providers.quirks.base import Quirks

__all__ = ["QUIRKS"]

QUIRKS = Quirks(name="generic", single_system=True, searches=("responses", "anthropic", "gemini"))
