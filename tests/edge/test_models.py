"""`/v1/models`: what is told of models, and what runs of theirs cost."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.helpers.gateway import Gateway
from tests.helpers.upstream import ThreadedUpstream, answer_like

CONFIG = {
    "models": {
        "mine": {"target": "test/m", "context": 1000, "prices": {"input": 2, "output": 1000.5}},
        "pro": "test/gpt-5-pro",
    }
}


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    with (
        ThreadedUpstream(lambda request: answer_like(request, "Hi")) as upstream,
        Gateway(upstream.url, Path(tmp_path_factory.mktemp("models")), config=CONFIG) as running,
    ):
        yield running


def test_the_list_tells_what_is_known_and_leaves_out_the_rest(gateway: Gateway) -> None:
    mine, pro = gateway.request("GET", "/v1/models").json["data"]
    assert mine == {
        "id": "mine",
        "object": "model",
        "created": mine["created"],
        "owned_by": "test",
        "context_length": 1000,
        "pricing": {"input": 2.0, "cached_input": None, "output": 1000.5, "currency": "USD", "per_tokens": 1_000_000},
        "protocol": "chat",
        "endpoints": mine["endpoints"],
    }
    assert "context_length" not in pro


def test_a_model_that_only_responses_serve_names_no_other_way_in(gateway: Gateway) -> None:
    assert "/v1/messages" in gateway.request("GET", "/v1/models/mine").json["endpoints"]
    endpoints = gateway.request("GET", "/v1/models/pro").json["endpoints"]
    assert "/v1/responses" in endpoints
    assert not {"/v1/messages", "/v1/chat/completions"} & set(endpoints)


def test_the_official_client_reads_it(gateway: Gateway) -> None:
    client = gateway.openai()
    assert [model.id for model in client.models.list()] == ["mine", "pro"]
    assert client.models.retrieve("test/anything").owned_by == "test"


def test_a_run_costs_what_its_name_costs(gateway: Gateway) -> None:
    run = gateway.create(model="mine", input="Hi").json
    record = gateway.request("GET", f"/v1/antiphon/runs/{run['id']}").json
    usage = run["usage"]
    assert record["cost_micros"] == round(2 * usage["input_tokens"] + 1000.5 * usage["output_tokens"])


def test_without_a_price_there_is_no_cost(gateway: Gateway) -> None:
    run = gateway.create(model="test/m", input="Hi").json
    assert "cost_micros" not in gateway.request("GET", f"/v1/antiphon/runs/{run['id']}").json
