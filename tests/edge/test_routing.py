"""Where requests go when a name has several places, over real sockets, with two scripted providers."""

from collections.abc import Iterator

import pytest

from tests.edge.refusals import assert_refused
from tests.helpers.gateway import Gateway
from tests.helpers.upstream import Reply, Seen, ThreadedUpstream, answer_like


def _says(word: str) -> ThreadedUpstream:
    def brain(request: Seen) -> Reply:
        return answer_like(request, word)

    return ThreadedUpstream(brain)


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    with _says("one") as one, _says("two") as two:
        config = {
            "providers": {
                "one": {"base_url": one.url, "region": "eu", "api_key": "sk-1"},
                "two": {"base_url": two.url, "region": "us", "api_keys": {"a": "sk-a", "b": "sk-b"}},
            },
            "models": {"both": {"targets": ["one/m", "two/m"]}},
        }
        with Gateway(None, tmp_path_factory.mktemp("routing"), config=config) as running:
            yield running


@pytest.mark.parametrize("name", ["x-antiphon-region", "x-antiphon-tags"])
@pytest.mark.parametrize("value", ["eu us", "e;u", "eu,,us", ",", "x" * 65, ",".join(["a"] * 33), "é"])
def test_headers_that_cannot_be_kept_are_refused(gateway: Gateway, name: str, value: str) -> None:
    answer = gateway.request(
        "POST", "/v1/responses", body={"model": "both", "input": "Hi"}, headers={name: value.encode().decode("latin-1")}
    )
    assert_refused(answer, 400, "invalid_value", param=name)


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/messages"])
def test_headers_are_read_at_every_door(gateway: Gateway, path: str) -> None:
    body = {"model": "both", "max_tokens": 9, "messages": [{"role": "user", "content": "Hi"}]}
    assert gateway.request("POST", path, body=body, headers={"x-antiphon-region": "a b"}).status == 400
