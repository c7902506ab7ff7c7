"""Where the Messages API of an upstream is, and how to show a key to it.

The dialect is spoken by Anthropic, by Azure's Foundry and by other vendors at an address that ends in `/anthropic`, by
Vertex (the model stands in the URL), and by many servers at their usual address. Bedrock's runtime API is not one of
them: its requests are signed, and its streams are no server-sent events.
"""

from collections.abc import Collection
from urllib.parse import urlsplit

from antiphon.protocol.faults import RequestFault
from antiphon.protocol.target import Target
from antiphon.providers.address import model_path
from antiphon.providers.quirks.base import Quirks

__all__ = ["VERTEX_VERSION", "endpoint", "headers_for", "is_vertex"]

_VERSION = "2023-06-01"
VERTEX_VERSION = "vertex-2023-10-16"
_VERTEX = "/publishers/anthropic"
_AUTH_HEADERS = frozenset({"authorization", "x-api-key", "api-key"})
_BETA = "anthropic-beta"

#: Tokens of Claude subscriptions are no API keys.
_OAUTH_PREFIX = "sk-ant-oat"
_OAUTH_BETA = "oauth-2025-04-20"

#: Where nothing else is known, the key travels as Anthropic has it.
_NATIVE = frozenset({"anthropic", "generic"})


def is_vertex(target: Target) -> bool:
    """Whether the model and the version go where Google wants them."""
    return target.base_url.removesuffix("/models").endswith(_VERTEX)


def endpoint(target: Target, *, stream: bool) -> str:
    """The URL to post to.

    Raises:
        RequestFault: 400, the upstream is Bedrock's runtime API, which is not supported.
    """
    base = target.base_url
    if (urlsplit(base).hostname or "").startswith("bedrock-runtime"):
        raise RequestFault(
            f"The provider '{target.provider}' is Amazon Bedrock's runtime API, which is not supported yet.",
            code="unsupported_parameter",
            param="model",
        )
    if is_vertex(target):
        verb = "streamRawPredict" if stream else "rawPredict"
        return f"{base.removesuffix('/models')}/models/{model_path(target.model, safe='@')}:{verb}"
    if base.endswith("/anthropic"):  # what the vendors' own clients are given as their base URL
        return f"{base}/v1/messages"
    return f"{base}/messages"


def headers_for(target: Target, quirks: Quirks, *, stream: bool, betas: Collection[str] = ()) -> dict[str, str]:
    """All headers. What the configuration says wins; its betas and those that the request needs are joined."""
    configured = {name.lower(): value for name, value in target.headers.items()}
    wanted = [beta.strip() for beta in configured.pop(_BETA, "").split(",") if beta.strip()]
    headers = {
        "content-type": "application/json",
        "accept": "text/event-stream" if stream else "application/json",
    }
    if not is_vertex(target):
        headers["anthropic-version"] = _VERSION
    if target.credential is not None and not _AUTH_HEADERS & configured.keys():
        secret = target.credential.secret.value
        name, prefix = _auth(secret, target, quirks=quirks)
        headers[name] = prefix + secret
        if secret.startswith(_OAUTH_PREFIX):
            wanted.append(_OAUTH_BETA)
    headers.update(configured)
    wanted += betas
    if wanted:
        headers[_BETA] = ",".join(dict.fromkeys(wanted))
    return headers


def _auth(secret: str, target: Target, *, quirks: Quirks) -> tuple[str, str]:
    if secret.startswith(_OAUTH_PREFIX) or is_vertex(target):
        return "authorization", "Bearer "
    if quirks.name in _NATIVE:
        return "x-api-key", ""
    return quirks.auth_header, quirks.auth_prefix
