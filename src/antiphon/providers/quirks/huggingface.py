"""Hugging Face's router to inference providers. Its token opens much else, so it does not switch the provider on.

Its Responses endpoint is a thin layer over Chat, and keeps no thoughts.
"""

from antiphon.providers.quirks.base import Quirks

__all__ = ["QUIRKS"]

QUIRKS = Quirks(
    name="huggingface",
    base_url="https://router.huggingface.co/v1",
    key_env=("HF_TOKEN",),
    key_required=True,
    auto=False,
    speaks=("responses",),
    single_system=True,
    fetches_urls=True,
    sealed_reasoning=False,
)
