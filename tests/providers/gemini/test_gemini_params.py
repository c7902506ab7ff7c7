"""Parameters: what each generation of models is told, and what is named as left out."""

from typing import Any

import msgspec
import pytest
from msgspec import Raw, structs

from antiphon.protocol.faults import RequestFault
from antiphon.protocol.target import Credential, Secret
from antiphon.providers.gemini.models import facts_of
from tests.helpers.requests import make_request
from tests.providers.corpus import GEMINI_URL
from tests.providers.gemini.script import CODEC, encode, encode_request, sent, target_for

FUNCTION = {"type": "function", "name": "f", "parameters": {"type": "object", "properties": {"a": {"type": "string"}}}}
VERTEX = "https://europe-west1-aiplatform.googleapis.com/v1/projects/p/locations/europe-west1/publishers/google"


@pytest.mark.parametrize(
    ("model", "effort", "config"),
    [
        ("gemini-3-pro-preview", "none", {"thinkingLevel": "LOW"}),
        ("gemini-3-pro-preview", "low", {"thinkingLevel": "LOW"}),
        ("gemini-3-pro-preview", "medium", {"thinkingLevel": "HIGH"}),
        ("gemini-3.1-pro-preview", "medium", {"thinkingLevel": "MEDIUM"}),
        ("gemini-3-flash-preview", "none", {"thinkingLevel": "MINIMAL"}),
        ("gemini-3-flash-preview", "minimal", {"thinkingLevel": "MINIMAL"}),
        ("gemini-3.8-flash", "minimal", {"thinkingLevel": "LOW"}),
        ("gemini-3.8-flash", "max", {"thinkingLevel": "HIGH"}),
        ("gemini-9-ultra", "high", {"thinkingLevel": "HIGH"}),
        ("gemini-2.5-pro", "none", {"thinkingBudget": 128}),
        ("gemini-2.5-pro", "minimal", {"thinkingBudget": 1024}),
        ("gemini-2.5-pro", "max", {"thinkingBudget": 32768}),
        ("gemini-2.5-flash", "none", {"thinkingBudget": 0}),
        ("gemini-2.5-flash", "high", {"thinkingBudget": 24576}),
        ("gemini-2.5-flash", "xhigh", {"thinkingBudget": 24576}),
        ("gemini-2.5-flash-lite", "minimal", {"thinkingBudget": 1024}),
        ("models/gemini-2.5-flash", "medium", {"thinkingBudget": 8192}),
    ],
)
def test_effort_becomes_a_level_or_a_budget(model: str, effort: str, config: dict[str, object]) -> None:
    assert sent(model, reasoning={"effort": effort})["generationConfig"]["thinkingConfig"] == config


def test_models_that_do_not_think_are_not_told_to() -> None:
    encoded = encode("gemini-2.0-flash", reasoning={"effort": "high", "summary": "auto"})
    assert b"thinkingConfig" not in encoded.body
    assert [notice.where for notice in encoded.notices] == ["reasoning.effort", "reasoning.summary"]
    assert not encode("gemini-2.0-flash", reasoning={"effort": "none"}).notices


def test_an_effort_that_does_not_exist_is_told() -> None:
    (notice,) = encode("gemini-3-pro", reasoning={"effort": "medium"}).notices
    assert (notice.kind, notice.asked, notice.became) == ("approximated", "medium", "high")
    (budget,) = encode("gemini-2.5-pro", reasoning={"effort": "none"}).notices
    assert budget.became == "128 tokens"


@pytest.mark.parametrize(
    ("field", "value", "model", "taken"),
    [
        ("temperature", 0.5, "gemini-3-pro", {"temperature": 0.5}),
        ("temperature", 0.5, "gemini-3.6-flash", None),
        ("top_p", 0.5, "gemini-2.5-flash", {"topP": 0.5}),
        ("top_k", 5, "gemini-2.5-flash", {"topK": 5}),
        ("top_k", 5, "gemini-3.8-flash", None),
        ("seed", 5, "gemini-3.8-flash", {"seed": 5}),
        ("stop", ["a", "b"], "gemini-3.8-flash", {"stopSequences": ["a", "b"]}),
        ("presence_penalty", 0.5, "gemini-2.0-flash", {"presencePenalty": 0.5}),
        ("presence_penalty", 0.5, "gemini-2.5-flash", None),
        ("frequency_penalty", 0.5, "gemini-3.8-flash", None),
        ("top_logprobs", 3, "gemini-2.5-flash", {"responseLogprobs": True, "logprobs": 3}),
        ("top_logprobs", 3, "gemini-3.8-flash", None),
        ("max_output_tokens", 50, "gemini-3.8-flash", {"maxOutputTokens": 50}),
        ("min_p", 0.5, "gemini-2.5-flash", None),
        ("logit_bias", {"5": 1}, "gemini-2.5-flash", None),
        ("user", "u", "gemini-2.5-flash", None),
        ("safety_identifier", "u", "gemini-2.5-flash", None),
        ("prompt_cache_key", "u", "gemini-2.5-flash", None),
    ],
)
def test_a_parameter_is_sent_or_named(field: str, value: object, model: str, taken: dict[str, object] | None) -> None:
    encoded = encode(model, **{field: value})
    assert msgspec.json.decode(encoded.body).get("generationConfig") == taken
    assert [notice.where for notice in encoded.notices] == ([] if taken else [field])


def test_no_penalty_can_be_told_to_every_model() -> None:
    assert not encode(presence_penalty=0, frequency_penalty=0).notices


def test_more_stop_sequences_than_there_is_room_for_are_told() -> None:
    encoded = encode(stop=list("abcdefg"))
    assert msgspec.json.decode(encoded.body)["generationConfig"]["stopSequences"] == list("abcde")
    assert [(notice.where, notice.kind) for notice in encoded.notices] == [("stop", "emulated")]


def test_verbosity_is_named() -> None:
    (notice,) = encode(text={"verbosity": "low"}).notices
    assert notice.where == "text.verbosity"


@pytest.mark.parametrize(
    ("tier", "word"), [("auto", None), ("default", "standard"), ("flex", "flex"), ("priority", "priority")]
)
def test_the_service_tier_has_googles_names(tier: str, word: str | None) -> None:
    assert sent(service_tier=tier).get("serviceTier") == word


def test_what_only_another_vendor_can_say_is_named() -> None:
    request = structs.replace(make_request(model="gemini/gemini-3.8-flash"), vendor_only=("cache_control",))
    (notice,) = encode_request(request).notices
    assert (notice.where, notice.kind) == ("cache_control", "dropped")


@pytest.mark.parametrize(
    ("choice", "config"),
    [
        ("auto", None),
        ("none", {"mode": "NONE"}),
        ("required", {"mode": "ANY"}),
        ({"type": "function", "name": "f"}, {"mode": "ANY", "allowedFunctionNames": ["f"]}),
    ],
)
def test_the_choice_of_tools_has_googles_modes(choice: object, config: object) -> None:
    body = sent(tools=[FUNCTION], tool_choice=choice)
    assert body.get("toolConfig", {}).get("functionCallingConfig") == config


def test_only_allowed_tools_are_offered() -> None:
    allowed = {"type": "allowed_tools", "mode": "required", "tools": [{"type": "function", "name": "g"}]}
    body = sent(tools=[FUNCTION, {**FUNCTION, "name": "g"}], tool_choice=allowed)
    assert [one["name"] for one in body["tools"][0]["functionDeclarations"]] == ["g"]
    assert body["toolConfig"]["functionCallingConfig"] == {"mode": "ANY"}


def test_strictness_and_filters_of_a_search_are_named() -> None:
    search = {"type": "web_search", "filters": {"allowed_domains": ["a.example"]}}
    encoded = encode(tools=[{**FUNCTION, "strict": True}, search], parallel_tool_calls=False)
    told = {notice.where: notice.kind for notice in encoded.notices}
    assert told == {"tools.strict": "dropped", "tools.web_search.filters": "dropped", "parallel_tool_calls": "emulated"}


def test_tools_that_nobody_has_here_are_refused() -> None:
    with pytest.raises(RequestFault) as refused:
        encode(tools=[{"type": "code_interpreter", "container": {"type": "auto"}}])
    assert refused.value.param == "tools[0].type"


def test_vertex_has_the_same_words_at_another_address() -> None:
    token = Credential("main", Secret("a-token-from-somewhere"))
    target = target_for("gemini/gemini-3.8-flash", base_url=VERTEX, credential=token)
    body = {"tools": [FUNCTION, {"type": "web_search"}], "service_tier": "flex"}
    encoded = CODEC.encode(make_request(**body), target, media={})
    assert encoded.url == f"{VERTEX}/models/gemini-3.8-flash:generateContent"
    assert encoded.headers["authorization"] == "Bearer a-token-from-somewhere"
    assert "x-goog-api-key" not in encoded.headers
    assert b"includeServerSideToolInvocations" not in encoded.body
    assert [notice.where for notice in encoded.notices] == ["service_tier"]


@pytest.mark.parametrize(
    ("base_url", "secret", "header"),
    [
        (GEMINI_URL, "AIza1", "x-goog-api-key"),
        (GEMINI_URL, "ya29.token", "authorization"),
        (VERTEX, "AIza1", "x-goog-api-key"),
        (VERTEX, "AQ.key", "x-goog-api-key"),
        ("https://relay.example/v1beta", "sk-1", "x-goog-api-key"),
    ],
)
def test_the_key_travels_as_google_wants_it(base_url: str, secret: str, header: str) -> None:
    target = target_for("gemini/m", base_url=base_url, credential=Credential("main", Secret(secret)))
    headers = CODEC.encode(make_request(), target, media={}).headers
    assert secret in headers[header]
    assert ("authorization" in headers) != ("x-goog-api-key" in headers)


@pytest.mark.parametrize(
    ("base_url", "model", "path"),
    [
        (GEMINI_URL, "gemini-3-pro", "models/gemini-3-pro:generateContent"),
        (f"{GEMINI_URL}/openai", "gemini-3-pro", "models/gemini-3-pro:generateContent"),
        (GEMINI_URL, "models/gemini-3-pro", "models/gemini-3-pro:generateContent"),
        (GEMINI_URL, "tunedModels/mine", "tunedModels/mine:generateContent"),
        (GEMINI_URL, "a b?c#d", "models/a%20b%3Fc%23d:generateContent"),
    ],
)
def test_the_model_stands_in_the_address(base_url: str, model: str, path: str) -> None:
    target = structs.replace(target_for("gemini/m", base_url=base_url), model=model)
    assert CODEC.encode(make_request(), target, media={}).url == f"{GEMINI_URL}/{path}"


@pytest.mark.parametrize(
    ("setting", "overlay", "asked", "streams"),
    [
        ("auto", {}, True, True),
        ("auto", {}, False, False),
        ("never", {}, True, False),
        ("always", {}, False, True),
        ("never", {"stream": Raw(b"true")}, False, True),
    ],
)
def test_whether_to_stream_is_said_in_the_address(setting: str, overlay: Any, asked: bool, streams: bool) -> None:
    target = target_for("gemini/m", stream=setting, params=overlay)
    encoded = CODEC.encode(make_request(stream=asked), target, media={})
    assert encoded.stream == streams
    assert encoded.url.endswith(":streamGenerateContent?alt=sse" if streams else ":generateContent")
    assert b'"stream"' not in encoded.body


def test_the_operators_fields_join_those_of_the_request() -> None:
    params = {"generationConfig": Raw(b'{"mediaResolution":"LOW","seed":1}'), "safetySettings": Raw(b"[]")}
    target = target_for("gemini/gemini-2.5-flash", params=params, headers={"X-Goog-User-Project": "p"})
    encoded = CODEC.encode(make_request(seed=9, max_output_tokens=16), target, media={})
    body = msgspec.json.decode(encoded.body)
    assert body["generationConfig"] == {"maxOutputTokens": 16, "seed": 1, "mediaResolution": "LOW"}
    assert body["safetySettings"] == []
    assert encoded.headers["x-goog-user-project"] == "p"


def test_json_together_with_tools_is_asked_for_in_words_where_it_must_be() -> None:
    encoded = encode("gemini-2.5-flash", tools=[FUNCTION], text={"format": {"type": "json_object"}})
    assert b"responseMimeType" not in encoded.body
    assert b"Answer with one JSON object" in encoded.body
    assert [notice.kind for notice in encoded.notices] == ["emulated"]
    assert b"responseMimeType" in encode(tools=[FUNCTION], text={"format": {"type": "json_object"}}).body


def test_unknown_models_are_taken_for_newer_ones() -> None:
    assert facts_of("gemini-flash-latest") == facts_of("gemini-4-pro") == facts_of("gemini-3.8-flash")
    assert facts_of("publishers/google/models/gemini-2.5-pro").thinking == "budget"
