from pathlib import Path

import pytest

from antiphon.protocol.request import Effort
from antiphon.providers import quirks as quirks_package
from antiphon.providers.quirks.base import ModelRule, Quirks
from antiphon.providers.registry import KNOWN, PROTOCOLS, effective, known, quirks

HOSTED = [entry for entry in KNOWN if entry.key_required and entry.name != "azure"]
LOCAL = [known(name) for name in ("ollama", "vllm", "sglang", "lmstudio", "llamacpp")]


def test_every_file_has_its_line_in_the_registry() -> None:
    folder = Path(quirks_package.__file__).parent
    files = {path.stem for path in folder.glob("*.py")} - {"__init__", "base"}
    assert {entry.name for entry in KNOWN} == files
    assert len(KNOWN) == len(files)


@pytest.mark.parametrize("entry", KNOWN, ids=lambda entry: entry.name)
def test_entries_are_looked_up_by_name(entry: Quirks) -> None:
    assert quirks(entry.name) is entry
    assert known(entry.name) is entry


def test_unknown_names_are_none_or_a_bug() -> None:
    assert known("acme") is None
    with pytest.raises(KeyError):
        quirks("acme")


@pytest.mark.parametrize("entry", HOSTED, ids=lambda entry: entry.name)
def test_hosted_providers_have_a_tls_address_and_a_key_variable(entry: Quirks) -> None:
    assert entry.base_url is not None
    assert entry.base_url.startswith("https://")
    assert not entry.base_url.endswith("/")
    assert entry.key_env


@pytest.mark.parametrize("entry", LOCAL, ids=lambda entry: entry.name)
def test_local_servers_need_no_key_and_never_fetch_urls(entry: Quirks) -> None:
    assert entry.base_url is not None
    assert entry.base_url.startswith("http://127.0.0.1:")
    assert entry.base_url.endswith("/v1")
    assert not entry.key_required
    assert not entry.key_env
    assert not entry.fetches_urls


@pytest.mark.parametrize("entry", KNOWN, ids=lambda entry: entry.name)
def test_entries_do_not_contradict_themselves(entry: Quirks) -> None:
    assert entry.protocol in PROTOCOLS
    for variant in (entry, *(entry.for_model(rule.match[0].replace("*", "")) for rule in entry.rules)):
        assert (variant.reasoning_replay == "none") == (variant.reasoning_replay_when == "never")
        if variant.reasoning_replay_required != "never":
            assert variant.reasoning_replay in ("reasoning_content", "none")
        assert variant.protocol not in variant.speaks
        assert set(variant.base_urls) <= {variant.protocol, *variant.speaks}
        if variant.reasoning_request in ("reasoning_effort", "reasoning_object"):
            assert variant.efforts
        assert variant.stop_max >= 0


def test_generic_server_is_trusted_with_nothing() -> None:
    generic = quirks("generic")
    assert generic.base_url is None
    assert not generic.key_required
    assert not generic.fetches_urls
    assert generic.single_system
    assert generic.reasoning_request == "none"


@pytest.mark.parametrize(
    ("model", "sampling", "efforts", "developer"),
    [
        ("gpt-4o", "always", None, False),
        ("gpt-4.1-mini", "always", None, False),
        ("gpt-5-chat-latest", "always", None, False),
        ("o3", "never", ("low", "medium", "high"), True),
        ("o4-mini-2025-04-16", "never", ("low", "medium", "high"), True),
        ("gpt-5", "never", ("minimal", "low", "medium", "high"), True),
        ("gpt-5-mini", "never", ("minimal", "low", "medium", "high"), True),
        ("gpt-5.1", "unless_effort", ("none", "low", "medium", "high"), True),
        ("gpt-5.1-codex", "never", ("none", "low", "medium", "high"), True),
        ("gpt-5.2-pro", "never", ("none", "low", "medium", "high", "xhigh"), True),
        ("gpt-5.5", "only_effort_none", ("none", "low", "medium", "high", "xhigh"), True),
    ],
)
def test_openai_models_differ(model: str, sampling: str, efforts: tuple[str, ...] | None, developer: bool) -> None:
    entry = effective("openai", model)
    assert entry.sampling == sampling
    assert entry.developer_role == developer
    if efforts is None:
        assert entry.reasoning_request == "none"
    else:
        assert entry.reasoning_request == "reasoning_effort"
        assert entry.efforts == efforts


@pytest.mark.parametrize(
    ("name", "model", "facts"),
    [
        ("deepseek", "deepseek-flash", {"reasoning_replay_when": "always", "forced_tool_choice": "not_thinking"}),
        ("moonshot", "kimi-k2.6", {"reasoning_request": "thinking", "sampling": "never", "penalties": False}),
        ("moonshot", "kimi-k2.7-code", {"reasoning_request": "none", "sampling": "never"}),
        ("moonshot", "kimi-k3", {"reasoning_request": "reasoning_effort", "efforts": ("low", "high", "max")}),
        ("moonshot", "moonshot-v1-8k", {"reasoning_replay": "none", "sampling": "always"}),
        ("zai", "glm-4.7", {"reasoning_request": "thinking", "efforts": ()}),
        ("zai", "glm-5.3-flash", {"reasoning_request": "thinking", "efforts": ("low", "high", "max")}),
        ("zhipu", "glm-4-plus", {"reasoning_request": "none", "reasoning_replay": "none"}),
        ("qwen", "qwen-plus", {"stream": "auto", "structured": "json_object", "reasoning_replay": "none"}),
        ("qwen", "qwen3-235b-a22b", {"stream": "always", "reasoning_request": "enable_thinking"}),
        ("qwen", "qwen3-next-80b-a3b-thinking", {"stream": "always", "reasoning_request": "none"}),
        ("qwen", "qwen3.7-plus", {"structured": "json_schema", "reasoning_replay": "reasoning_content"}),
        ("xai", "grok-4.20-reasoning", {"penalties": False, "stop_max": 0, "reasoning_request": "none"}),
        ("xai", "grok-4.20-non-reasoning", {"penalties": False, "stop_max": 4}),
        ("xai", "grok-4.7", {"efforts": ("low", "medium", "high")}),
        ("groq", "llama-3.3-70b-versatile", {"structured": "json_object"}),
        ("groq", "openai/gpt-oss-120b", {"structured": "json_schema", "efforts": ("low", "medium", "high")}),
        ("cerebras", "gpt-oss-120b", {"reasoning_replay": "none", "efforts": ("low", "medium", "high")}),
        ("cerebras", "zai-glm-4.7", {"reasoning_replay": "think_tags", "efforts": ("none",)}),
        ("mistral", "mistral-medium-3-5", {"efforts": ("none", "high")}),
        ("mistral", "mistral-large-latest", {"reasoning_request": "none"}),
        ("together", "zai-org/GLM-5.1", {"reasoning_request": "reasoning_switch"}),
        ("together", "zai-org/GLM-5.3", {"efforts": ("low", "medium", "high", "max")}),
        ("fireworks", "accounts/fireworks/models/glm-5", {"efforts": ("none", "high", "max")}),
        ("nvidia", "nvidia/nemotron-3-ultra", {"reasoning_request": "chat_template_kwargs", "penalties": False}),
        ("nvidia", "meta/llama-3.3-70b-instruct", {"reasoning_request": "none", "forced_tool_choice": "always"}),
    ],
)
def test_models_of_other_providers_differ(name: str, model: str, facts: dict[str, object]) -> None:
    entry = effective(name, model)
    assert {fact: getattr(entry, fact) for fact in facts} == facts


def test_a_model_without_a_rule_gets_the_entry_itself() -> None:
    assert quirks("mistral").for_model("codestral-latest") is quirks("mistral")
    assert effective("mistral", "codestral-latest") is quirks("mistral")


def test_all_matching_rules_apply_in_order() -> None:
    entry = Quirks(
        name="acme",
        rules=(ModelRule(match=("a*",), stop_max=1, penalties=False), ModelRule(match=("x", "ab*"), stop_max=2)),
    )
    assert (entry.for_model("abc").stop_max, entry.for_model("abc").penalties) == (2, False)
    assert (entry.for_model("ac").stop_max, entry.for_model("ac").penalties) == (1, False)
    assert entry.for_model("abc").name == "acme"


@pytest.mark.parametrize(
    ("efforts", "asked", "sent"),
    [
        (("low", "medium", "high"), "medium", "medium"),
        (("low", "medium", "high"), "minimal", "low"),
        (("low", "medium", "high"), "max", "high"),
        (("low", "medium", "high"), "none", None),
        (("none", "high"), "low", "high"),
        (("none", "high"), "none", "none"),
        (("low", "high"), "medium", "low"),
        (("none",), "high", None),
        ((), "high", None),
    ],
)
def test_effort_becomes_the_nearest_accepted_word(
    efforts: tuple[Effort, ...], asked: Effort, sent: Effort | None
) -> None:
    assert Quirks(name="acme", efforts=efforts).effort(asked) == sent


def test_azure_is_openai_with_its_own_door() -> None:
    azure = quirks("azure")
    assert azure.base_url is None
    assert (azure.auth_header, azure.auth_prefix, azure.bare_path) == ("api-key", "", "/openai/v1")
    assert azure.rules == quirks("openai").rules


def test_general_purpose_tokens_do_not_switch_a_provider_on() -> None:
    assert [entry.name for entry in KNOWN if not entry.auto] == ["huggingface", "github"]
