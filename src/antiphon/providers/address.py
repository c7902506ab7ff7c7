"""Where an endpoint of an upstream is.

Nearly always its base URL with the endpoint behind it. At Azure a base URL may name a deployment and a version of the
API: `https://RESOURCE.openai.azure.com/openai/deployments/{model}?api-version=2024-10-21`.
"""

from urllib.parse import quote

from antiphon.protocol.faults import RequestFault
from antiphon.protocol.target import Target

__all__ = ["address", "model_path", "models_address"]

_MODEL = "{model}"


def address(target: Target, endpoint: str) -> str:
    """The URL of an endpoint, which begins with a slash.

    Raises:
        RequestFault: 404, as `model_path` does.
    """
    base, mark, query = target.base_url.partition("?")
    if _MODEL in base:
        base = base.replace(_MODEL, model_path(target.model))
    return f"{base}{endpoint}{mark}{query}"


def model_path(model: str, *, safe: str = "") -> str:
    """A model's name as part of a path. Clients choose it: whatever is in it, it must not lead up, or out of the path.

    Args:
        model: the name.
        safe: characters that stay as they are.

    Raises:
        RequestFault: 404, a step of it is one of dots. Escaped, it would be one all the same.
    """
    if any(step in (".", "..") for step in model.split("/")):
        raise RequestFault(
            f"The model `{model[:100]}` does not exist here.", status=404, code="model_not_found", param="model"
        )
    return quote(model.encode("utf-8", "replace"), safe=safe)


def models_address(target: Target) -> str:
    """Where the models are listed: of a deployment, beside the deployments."""
    base, mark, query = target.base_url.partition("?")
    return f"{base.partition('/deployments/')[0]}/models{mark}{query}"
