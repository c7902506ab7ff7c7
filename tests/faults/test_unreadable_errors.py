"""What a provider says when it refuses may be long, cut, or never end: the status has told what matters."""

from collections.abc import Iterator

import msgspec
import pytest

from tests.faults.upstreams import Stage, open_stage
from tests.helpers.upstream import Part, Reply

JSON = {"content-type": "application/json"}
#: As servers write it that show the whole request in what they say of it.
WORDS = msgspec.json.encode({"error": {"message": "No.", "type": "x", "code": None, "input": "x" * 200_000}})
CUT = b'{"error": {"message": "No.", "ty'
#: By what the provider answers: what the client is told.
TOLD = {
    400: (400, None),
    429: (429, "rate_limit_exceeded"),
    503: (503, "upstream_overloaded"),
}


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with open_stage(tmp_path_factory.mktemp("stage"), limits={"idle_s": 0.3}) as opened:
        yield opened


@pytest.mark.parametrize("path", ["responses", "embeddings"])
@pytest.mark.parametrize("status", TOLD)
@pytest.mark.parametrize(
    "parts", [[WORDS], [CUT, "reset"], [CUT, "stall"], ["reset"]], ids=["long", "cut", "stalled", "missing"]
)
def test_an_error_is_the_one_that_its_status_says_whatever_becomes_of_its_words(
    stage: Stage, path: str, status: int, parts: list[Part]
) -> None:
    stage.script(Reply(parts, status=status, headers=JSON, framing="length", declared_length=len(WORDS)))
    before = len(stage.upstream.requests)
    got = stage.gateway.request(
        "POST",
        f"/v1/{path}",
        body={"model": "test/m", "input": "Hi"} | ({"store": False} if path == "responses" else {}),
    )
    assert (got.status, got.json["error"]["code"]) == TOLD[status]
    assert len(stage.upstream.requests) == before + 1
    stage.assert_discreet(got)
