"""OpenAI models at Microsoft Azure, by the v1 API. The base URL is the resource's own.

A model is named by its deployment: the rules for OpenAI's models apply where a deployment is named after its model. The
older address with `/openai/deployments/…` and an `api-version` works too.
"""

from msgspec import structs

from antiphon.providers.quirks import openai
from antiphon.providers.quirks.base import Quirks

__all__ = ["QUIRKS"]

QUIRKS: Quirks = structs.replace(
    openai.QUIRKS,
    name="azure",
    base_url=None,
    bare_path="/openai/v1",
    key_env=("AZURE_OPENAI_API_KEY", "AZURE_API_KEY"),
    auth_header="api-key",
    auth_prefix="",
    safety_identifier=False,
    searches=("responses", "anthropic"),
)
