"""Where the matrix is played: one gateway, and one server for whatever model plays just now."""

from tests.helpers.gateway import Gateway
from tests.helpers.upstream import Reply, Seen
from tests.matrix.upstream import Upstream

__all__ = ["Stage"]


class Stage:
    """The gateway, and the model behind it that plays just now."""

    def __init__(self) -> None:
        self.gateway: Gateway
        self.upstream: Upstream

    def play(self, request: Seen) -> Reply:
        return self.upstream(request)
