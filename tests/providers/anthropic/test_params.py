"""Parameters for models of all ages, and what is said of those that a model lacks."""

from typing import Any

import msgspec
import pytest

from antiphon.protocol.faults import RequestFault
from antiphon.protocol.request import Notice
from antiphon.providers.anthropic.models import facts_of, nearest_effort
from tests.helpers.requests import make_request
from tests.providers.anthropic.script import CODEC, target_for

NEW, OLD, OLDEST, OTHER = "claude-opus-4-8", "claude-sonnet-4-5", "claude-3-5-haiku-latest", "some-model"
TOOL = {"type": "function", "name": "f"}
SCHEMA = {"type": "json_schema", "name": "a", "schema": {"type": "object"}}


def encode(model: str = NEW, **fields: Any) -> tuple[dict[str, Any], list[Notice]]:
    name = model if "/" in model else f"anthropic/{model}"
    encoded = CODEC.encode(make_request(model=name, **fields), target_for(name), media={})
    return msgspec.json.decode(encoded.body), list(encoded.notices)


def told(notices: list[Notice]) -> set[tuple[str, str]]:
    return {(notice.where, notice.kind) for notice in notices}


@pytest.mark.parametrize(
    ("fields", "where"),
    [
        ({"seed": 7}, "seed"),
        ({"min_p": 0.1}, "min_p"),
        ({"presence_penalty": 1}, "presence_penalty"),
        ({"frequency_penalty": 1}, "frequency_penalty"),
        ({"logit_bias": {"5": 1}}, "logit_bias"),
        ({"top_logprobs": 2}, "top_logprobs"),
        ({"text": {"verbosity": "low"}}, "text.verbosity"),
        ({"prompt_cache_key": "k"}, "prompt_cache_key"),
        ({"service_tier": "flex"}, "service_tier"),
        ({"temperature": 0.5}, "temperature"),
        ({"top_p": 0.5}, "top_p"),
        ({"top_k": 5}, "top_k"),
    ],
)
def test_what_the_vendor_lacks_is_dropped_by_name(fields: dict[str, Any], where: str) -> None:
    body, notices = encode(NEW, **fields)
    assert set(body) == {"model", "messages", "max_tokens"}
    assert told(notices) == {(where, "dropped")}


def test_sampling_goes_to_models_that_take_it_and_not_while_they_think() -> None:
    body, notices = encode(OLD, temperature=0.5, top_k=4)
    assert (body["temperature"], body["top_k"], notices) == (0.5, 4, [])
    body, notices = encode(OLD, temperature=0.5, top_p=0.9)
    assert "top_p" not in body
    assert told(notices) == {("top_p", "dropped")}
    body, notices = encode(OLD, temperature=0.5, reasoning={"effort": "low"})
    assert "temperature" not in body
    assert told(notices) == {("temperature", "dropped")}
    body, notices = encode(OLDEST, temperature=0.5, top_p=0.9)
    assert (body["temperature"], body["top_p"], notices) == (0.5, 0.9, [])


@pytest.mark.parametrize(
    ("model", "effort", "thinking", "word"),
    [
        ("claude-opus-4-8", "none", None, None),
        ("claude-opus-4-8", "minimal", {"type": "adaptive"}, "low"),
        ("claude-opus-4-8", "max", {"type": "adaptive"}, "max"),
        ("claude-opus-4-6", "xhigh", {"type": "adaptive"}, "high"),
        ("claude-opus-4-6", "max", {"type": "adaptive"}, "max"),
        ("claude-sonnet-5", "none", {"type": "disabled"}, None),
        ("claude-sonnet-5-5", "none", {"type": "between_tools"}, None),
        ("claude-sonnet-5-5", "high", {"type": "adaptive"}, "high"),
        ("claude-opus-5-5", "none", {"type": "adaptive"}, "low"),
        ("claude-fable-5-1", "medium", {"type": "adaptive"}, "medium"),
        ("claude-haiku-5-5", "none", {"type": "disabled"}, None),
        ("claude-opus-4-5-20251101", "high", {"type": "enabled", "budget_tokens": 24_576}, "high"),
        ("claude-opus-4-5", "max", {"type": "enabled", "budget_tokens": 32_000}, "high"),
        ("claude-haiku-4-5", "medium", {"type": "enabled", "budget_tokens": 8192}, None),
        ("claude-3-7-sonnet-latest", "low", {"type": "enabled", "budget_tokens": 2048}, None),
        ("claude-3-5-sonnet-latest", "high", None, None),
        ("claude-next-9", "max", {"type": "adaptive"}, "high"),
        ("some-model", "minimal", {"type": "enabled", "budget_tokens": 1024}, None),
    ],
)
def test_each_model_thinks_in_its_own_words(
    model: str, effort: str, thinking: dict[str, Any] | None, word: str | None
) -> None:
    body, notices = encode(model, reasoning={"effort": effort})
    assert body.get("thinking") == thinking
    assert body.get("output_config", {}).get("effort") == word
    exact = word in (effort, None) and (thinking or {}).get("type") != "between_tools" and "3-5" not in model
    assert (told(notices) == set()) == exact


def test_a_summary_makes_thoughts_visible() -> None:
    assert encode("claude-opus-5", reasoning={"summary": "auto"})[0]["thinking"] == {
        "type": "adaptive",
        "display": "summarized",
    }
    assert encode("claude-opus-5")[0].keys().isdisjoint({"thinking", "output_config"})
    body, notices = encode(OLD, reasoning={"summary": "auto"})
    assert "thinking" not in body
    assert told(notices) == {("reasoning.summary", "dropped")}


def test_an_answer_too_short_for_a_budget_is_made_without_thinking() -> None:
    body, notices = encode(OLD, reasoning={"effort": "high"}, max_output_tokens=1024)
    assert "thinking" not in body
    assert told(notices) == {("reasoning.effort", "dropped")}


def test_every_answer_has_a_limit() -> None:
    assert encode(NEW)[0]["max_tokens"] == 128_000
    assert encode("claude-opus-4-1")[0]["max_tokens"] == 32_000
    assert encode("claude-3-haiku-20240307")[0]["max_tokens"] == 4096
    assert encode(OTHER)[0]["max_tokens"] == 8192
    assert encode(NEW, max_output_tokens=99)[0]["max_tokens"] == 99


def test_names_around_a_models_name_do_not_hide_it() -> None:
    for name in (
        "anthropic/claude-opus-4.6",
        "us.anthropic.claude-opus-4-6-v1",
        "claude-opus-4-6@20260205",
        "CLAUDE-OPUS-4-6",
    ):
        assert facts_of(name) == facts_of("claude-opus-4-6"), name
    assert facts_of("claude-opus-4-6") != facts_of("claude-opus-4-8")


def test_an_effort_that_nothing_is_below_becomes_the_weakest() -> None:
    assert nearest_effort("minimal", facts_of("claude-opus-5")) == "low"
    assert nearest_effort("none", facts_of("claude-opus-5")) is None
    assert nearest_effort("high", facts_of(OLDEST)) is None


@pytest.mark.parametrize(
    ("choice", "parallel", "wanted"),
    [
        ("auto", None, None),
        ("auto", True, None),
        ("auto", False, {"type": "auto", "disable_parallel_tool_use": True}),
        ("none", False, {"type": "none"}),
        ("required", None, {"type": "any"}),
        ("required", False, {"type": "any", "disable_parallel_tool_use": True}),
        ({"type": "function", "name": "f"}, None, {"type": "tool", "name": "f"}),
    ],
)
def test_a_tool_choice_has_its_word(choice: object, parallel: bool | None, wanted: object) -> None:
    body, notices = encode(OLD, tools=[TOOL], tool_choice=choice, parallel_tool_calls=parallel)
    assert body.get("tool_choice") == wanted
    assert not notices


def test_no_tools_are_sent_where_none_is_allowed() -> None:
    body, _ = encode(OLD, tools=[TOOL], tool_choice={"type": "allowed_tools", "mode": "auto", "tools": []})
    assert body.keys().isdisjoint({"tools", "tool_choice"})


def test_a_demand_that_cannot_be_made_is_put_into_words() -> None:
    body, notices = encode(
        NEW, tools=[TOOL], tool_choice={"type": "function", "name": "f"}, reasoning={"effort": "low"}
    )
    assert body["system"] == "Call the tool `f` before you answer."
    assert "tool_choice" not in body
    assert told(notices) == {("tool_choice", "emulated")}


def test_a_forced_search_is_forced() -> None:
    body, _ = encode(OLD, tools=[{"type": "web_search"}, TOOL], tool_choice={"type": "web_search"})
    assert body["tool_choice"] == {"type": "tool", "name": "web_search"}
    assert [tool.get("type") for tool in body["tools"]] == [None, "web_search_20250305"]


def test_only_one_kind_of_domain_filter_is_sent() -> None:
    filters = {"allowed_domains": ["a.example"], "blocked_domains": ["b.example"]}
    body, notices = encode(OLD, tools=[{"type": "web_search", "filters": filters}])
    assert body["tools"][0]["allowed_domains"] == ["a.example"]
    assert "blocked_domains" not in body["tools"][0]
    assert told(notices) == {("tools.web_search.filters.blocked_domains", "dropped")}
    body, notices = encode(OLD, tools=[{"type": "web_search", "filters": "?"}])
    assert body["tools"] == [{"type": "web_search_20250305", "name": "web_search"}]
    assert told(notices) == {("tools.web_search", "approximated")}


def test_a_hosted_tool_that_the_vendor_lacks_is_refused_by_name() -> None:
    with pytest.raises(RequestFault, match="file_search"):
        encode(OLD, tools=[{"type": "file_search"}])


def test_strict_goes_where_it_is_known() -> None:
    strict = {**TOOL, "strict": True}
    assert encode(NEW, tools=[strict])[0]["tools"][0]["strict"] is True
    assert "strict" not in encode(NEW, tools=[TOOL])[0]["tools"][0]
    body, notices = encode("claude-sonnet-4-0", tools=[strict])
    assert "strict" not in body["tools"][0]
    assert told(notices) == {("tools.strict", "dropped")}


@pytest.mark.parametrize(
    ("fields", "how"),
    [
        ({}, "tool"),
        ({"tools": [TOOL]}, "prompt"),
        ({"reasoning": {"effort": "low"}}, "prompt"),
        ({"text": {"format": {**SCHEMA, "schema": {"type": "array"}}}}, "prompt"),
        ({"text": {"format": {"type": "json_object"}}}, "prompt"),
    ],
)
def test_older_models_are_asked_for_structure_as_they_can_be(fields: dict[str, Any], how: str) -> None:
    body, notices = encode("claude-sonnet-4-0", **{"text": {"format": SCHEMA}, **fields})
    assert "output_config" not in body
    assert ("system" in body) == (how == "prompt")
    assert [notice.became for notice in notices if notice.where == "text.format"] == [how]


def test_calls_of_tools_that_are_gone_get_stand_ins() -> None:
    call = {"type": "function_call", "call_id": "c", "name": "old", "arguments": "{}"}
    result = {"type": "function_call_output", "call_id": "c", "output": ""}
    body, _ = encode(OLD, input=[call, result])
    assert body["tools"] == [{"name": "old", "input_schema": {"type": "object", "properties": {}}}]
    assert body["tool_choice"] == {"type": "none"}
    body, _ = encode("claude-sonnet-4-0", input=[call, result], text={"format": SCHEMA})
    assert [tool["name"] for tool in body["tools"]] == ["a", "old"]


def test_fields_that_only_another_vendor_knows_are_named() -> None:
    request = msgspec.structs.replace(make_request(), vendor_only=("prediction",))
    encoded = CODEC.encode(request, target_for("anthropic/claude-opus-5"), media={})
    assert told(list(encoded.notices)) == {("prediction", "dropped")}
