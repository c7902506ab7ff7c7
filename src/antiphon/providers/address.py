"""Where an endpoint of an upstream is.

Nearly always its base URL with the endpoint behind it. At Azure a base URL may name a deployment and a version of the
API: `https://RESOURCE.openai.azure.com/openai/deployments/{model}?api-version=2024-10-21`.
"""

from urllib.parse import quote

from antiphon.protocol.target import Target

__all__ = ["address", "models_address"]

_MODEL = "{model}"


def address(target: Target, endpoint: str) -> str:
    """The URL of an endpoint, which begins with a slash."""
    base, mark, query = target.base_url.partition("?")
    if _MODEL in base:
        name = quote(target.model, safe="")
        base = base.replace(_MODEL, name if name.strip(".") else name.replace(".", "%2E"))  # no way up
    return f"{base}{endpoint}{mark}{query}"


def models_address(target: Target) -> str:
    """Where the models are listed: of a deployment, beside the deployments."""
    base, mark, query = target.base_url.partition("?")
    return f"{base.partition('/deployments/')[0]}/models{mark}{query}"
