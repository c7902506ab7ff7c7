"""One gateway and one server for all models of the matrix, started once in a test process."""

from collections.abc import Iterator

import pytest

from tests.helpers.gateway import Gateway
from tests.helpers.upstream import ThreadedUpstream
from tests.matrix.rules import KEY
from tests.matrix.stage import Stage


@pytest.fixture(scope="session")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    stage = Stage()
    with ThreadedUpstream(stage.play) as server:
        root = server.url.removesuffix("/v1")
        common = {"base_url": server.url, "api_key": KEY}
        providers = {
            "chat": {**common, "protocol": "chat", "quirks": "openai"},
            "thinker": {**common, "protocol": "chat", "quirks": "deepseek"},
            "native": {**common, "protocol": "responses", "quirks": "openai"},
            "claude": {**common, "protocol": "anthropic"},
            "google": {**common, "protocol": "gemini", "base_url": f"{root}/v1beta"},
        }
        config = {"providers": providers}
        with Gateway(None, tmp_path_factory.mktemp("matrix"), config=config) as stage.gateway:
            yield stage
