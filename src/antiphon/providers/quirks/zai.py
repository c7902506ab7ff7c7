"""Z.ai: Zhipu's GLM models outside China."""

from msgspec import structs

from antiphon.providers.quirks import zhipu
from antiphon.providers.quirks.base import Quirks

__all__ = ["QUIRKS"]

QUIRKS: Quirks = structs.replace(
    zhipu.QUIRKS,
    name="zai",
    base_url="https://api.z.ai/api/paas/v4",
    base_urls={"anthropic": "https://api.z.ai/api/anthropic"},
    key_env=("ZAI_API_KEY",),
)
