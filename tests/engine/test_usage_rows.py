"""What is counted of a run: the provider's figures, or an estimate that says so. Never a guess that looks like a fact."""

from typing import Any

import pytest

from tests.engine.stage import Run, Stage
from tests.helpers.upstream import Reply, answer, chat_json, error, stream, text_chunks

USAGE = {
    "prompt_tokens": 100,
    "completion_tokens": 50,
    "total_tokens": 150,
    "prompt_tokens_details": {"cached_tokens": 64},
    "completion_tokens_details": {"reasoning_tokens": 30},
}


def _say(usage: dict[str, Any], *, streamed: bool) -> Reply:
    return stream(*text_chunks("Hello.", usage=usage)) if streamed else answer(chat_json("Hello.", usage=usage))


@pytest.mark.parametrize("streamed", [True, False])
def test_the_providers_figures_are_counted(stage: Stage, streamed: bool) -> None:
    model = stage.model(_say(USAGE, streamed=streamed))
    response = model.stream().response if streamed else model.ask()
    (run,) = model.runs()
    assert run == Run(run.id, "completed", None, 100, 64, 50, 30, estimated=False)
    usage = response["usage"]
    assert (usage["input_tokens"], usage["output_tokens"], usage["total_tokens"]) == (100, 50, 150)
    assert usage["input_tokens_details"]["cached_tokens"] == 64
    assert usage["output_tokens_details"]["reasoning_tokens"] == 30
    assert "estimated" not in usage


@pytest.mark.parametrize("streamed", [True, False])
def test_without_a_report_an_estimate_is_counted_and_marked(stage: Stage, streamed: bool) -> None:
    body = chat_json("word " * 40)
    del body["usage"]
    model = stage.model(stream(*text_chunks(*["word "] * 40)[:-1]) if streamed else answer(body))
    response = model.stream("Say it.").response if streamed else model.ask("Say it.")
    assert response["usage"]["estimated"] is True
    assert 20 <= response["usage"]["output_tokens"] <= 100
    (run,) = model.runs()
    assert run.estimated
    assert (run.input_tokens, run.output_tokens) == (
        response["usage"]["input_tokens"],
        response["usage"]["output_tokens"],
    )


def test_the_last_report_of_a_stream_wins(stage: Stage) -> None:
    chunks = text_chunks("Hello.", usage=USAGE)
    early = {**chunks[-1], "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}}
    model = stage.model(stream(chunks[0], early, *chunks[1:]))
    assert model.stream().response["usage"]["total_tokens"] == 150


def test_a_run_that_failed_in_mid_stream_is_counted_by_an_estimate(stage: Stage) -> None:
    model = stage.model(stream(*text_chunks(*["word "] * 40)[:41], "close"))
    response = model.stream("Say it.").response
    assert response["usage"]["estimated"] is True
    (run,) = model.runs()
    assert (run.status, run.error_code, run.estimated) == ("failed", response["error"]["reason"], True)
    assert run.output_tokens is not None
    assert run.output_tokens >= 20


def test_a_run_that_failed_before_any_output_costs_nothing(stage: Stage) -> None:
    model = stage.model(error(500, "boom"))
    model.refuse(status=502)
    (run,) = model.runs()
    assert (run.status, run.error_code) == ("failed", "upstream_error")
    assert (run.input_tokens, run.output_tokens, run.estimated) == (None, None, False)


def test_an_incomplete_run_is_counted(stage: Stage) -> None:
    model = stage.model(stream(*text_chunks("Cut", finish="length", usage=USAGE)))
    assert model.stream().response["incomplete_details"] == {"reason": "max_output_tokens"}
    (run,) = model.runs()
    assert (run.status, run.output_tokens) == ("incomplete", 50)


def test_a_part_that_is_larger_than_its_whole_is_not_believed(stage: Stage) -> None:
    """A client that subtracts the cached tokens from all must not end below zero."""
    odd = {**USAGE, "prompt_tokens": 10, "total_tokens": 60}
    usage = stage.model(_say(odd, streamed=False)).ask()["usage"]  # checked for that, as all are
    assert (usage["input_tokens"], usage["output_tokens"]) == (10, 50)


def test_an_estimate_is_no_smaller_than_what_was_reported_as_a_part_of_it(stage: Stage) -> None:
    chunks = text_chunks("Hello.", usage={"completion_tokens_details": {"reasoning_tokens": 5000}})
    usage = stage.model(stream(*chunks)).stream().response["usage"]
    assert usage["estimated"] is True


def test_runs_are_counted_by_their_keys(stage: Stage) -> None:
    model = stage.model(answer(chat_json("Hi.")))
    stranger = model.as_tenant("usage-stranger")
    model.ask()
    stranger.ask()
    rows = model.gateway.sql(f"SELECT tenant, key_id FROM runs WHERE model = '{model.name}' ORDER BY id")  # noqa: S608 - a test's own name
    assert [tenant for tenant, _ in rows] == ["default", "usage-stranger"]
    assert len({key_id for _, key_id in rows}) == 2
