"""Where the matrix is played: one gateway, and one server for whatever model plays just now."""

from typing import Any

from tests.helpers.gateway import Gateway
from tests.helpers.upstream import Reply, Seen
from tests.matrix.rules import KEY
from tests.matrix.upstream import Upstream

__all__ = ["Stage", "providers_at"]


class Stage:
    """The gateway, and the model behind it that plays just now."""

    def __init__(self) -> None:
        self.gateway: Gateway
        self.upstream: Upstream

    def play(self, request: Seen) -> Reply:
        return self.upstream(request)


def providers_at(url: str) -> dict[str, Any]:
    """The settings of one provider for each kind of upstream, all at that server."""
    common = {"base_url": url, "api_key": KEY}
    return {
        "chat": {**common, "protocol": "chat", "quirks": "openai"},
        "thinker": {**common, "protocol": "chat", "quirks": "deepseek"},
        "native": {**common, "protocol": "responses", "quirks": "openai"},
        "claude": {**common, "protocol": "anthropic"},
        "google": {**common, "protocol": "gemini", "base_url": f"{url.removesuffix('/v1')}/v1beta"},
    }
