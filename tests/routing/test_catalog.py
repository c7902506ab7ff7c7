from pathlib import Path

import msgspec
import pytest

from antiphon.config.load import load
from antiphon.config.problems import ConfigError
from antiphon.config.secret import Secret
from antiphon.config.settings import Settings
from antiphon.protocol.target import Credential, Target
from antiphon.providers.quirks.base import Quirks
from antiphon.providers.registry import KNOWN, quirks
from antiphon.routing.catalog import Catalog, build_catalog, local_provider, normalise_base_url
from tests.routing.conftest import Build

KNOWN_NAMES = ", ".join(f"`{entry.name}`" for entry in KNOWN)
WITH_ADDRESS = ", ".join(f"`{entry.name}`" for entry in KNOWN if entry.base_url)


def only(catalog: Catalog) -> Target:
    (provider,) = catalog.providers
    return provider.template


def test_a_known_provider_needs_nothing_but_its_name(build: Build) -> None:
    target = only(build("providers: {openai: {}}", OPENAI_API_KEY="sk-1"))
    assert target == Target(
        provider="openai",
        model="",
        protocol="chat",
        quirks="openai",
        base_url="https://api.openai.com/v1",
        credential=Credential("OPENAI_API_KEY", Secret("sk-1")),
        fetches_urls=True,
    )


def test_everything_configured_reaches_the_target(build: Build, tmp_path: Path) -> None:
    (tmp_path / "ca.pem").touch()
    target = only(
        build(
            """
            limits: {first_byte_s: 9, idle_s: 8}
            providers:
              gpu:
                protocol: chat
                base_url: https://gpu.internal:8443/
                api_key: sk-2
                headers: {X-Team: blue}
                params: {top_k: 4}
                proxy: http://u:p@proxy:3128
                ca_file: ca.pem
                quirks: vllm
                stream: always
                first_byte_s: 7
                upstream_ids: allow
                fetches_urls: true
            """
        )
    )
    assert target == Target(
        provider="gpu",
        model="",
        protocol="chat",
        quirks="vllm",
        base_url="https://gpu.internal:8443/v1",
        credential=Credential("gpu", Secret("sk-2")),
        headers={"X-Team": "blue"},
        params={"top_k": msgspec.Raw(b"4")},
        proxy="http://u:p@proxy:3128",
        ca_file="ca.pem",
        stream="always",
        first_byte_s=7,
        idle_s=8,
        fetches_urls=True,
        upstream_ids="allow",
    )


def test_several_keys_are_credentials_of_their_own(build: Build) -> None:
    text = "providers: {openai: {api_keys: {one: sk-1, two: sk-2}, key_strategy: ordered, region: EU}}"
    (provider,) = build(text, OPENAI_API_KEY="sk-h").providers
    assert provider.credentials == (Credential("one", Secret("sk-1")), Credential("two", Secret("sk-2")))
    assert provider.template.credential == provider.credentials[0]
    assert (provider.key_strategy, provider.region) == ("ordered", "eu")


def test_an_unknown_provider_is_a_generic_server(build: Build) -> None:
    target = only(build("providers: {acme: {base_url: 'http://acme/v2'}}"))
    assert (target.quirks, target.base_url, target.credential) == ("generic", "http://acme/v2", None)
    assert not target.fetches_urls


def test_a_second_account_at_a_known_provider(build: Build) -> None:
    catalog = build("providers: {work: {quirks: openai, api_key: sk-w}, home: {quirks: openai}}", OPENAI_API_KEY="sk-h")
    work, home = (provider.template for provider in catalog.providers)
    assert work.base_url == home.base_url == "https://api.openai.com/v1"
    assert work.credential == Credential("work", Secret("sk-w"))
    assert home.credential == Credential("OPENAI_API_KEY", Secret("sk-h"))
    assert work.fetches_urls


def test_the_usual_key_never_goes_to_a_server_that_is_only_like_the_provider(build: Build) -> None:
    target = only(build("providers: {relay: {quirks: openai, base_url: 'http://10.0.0.1'}}", OPENAI_API_KEY="sk-1"))
    assert target.credential is None
    assert not target.fetches_urls


def test_a_provider_at_another_address_keeps_its_key_but_fetches_nothing(build: Build) -> None:
    target = only(build("providers: {openai: {base_url: 'http://10.0.0.1'}}", OPENAI_API_KEY="sk-1"))
    assert target.credential == Credential("OPENAI_API_KEY", Secret("sk-1"))
    assert target.base_url == "http://10.0.0.1/v1"
    assert not target.fetches_urls


def test_without_providers_those_with_a_key_in_the_environment_are_on(build: Build) -> None:
    catalog = build("", GROQ_API_KEY="a", GOOGLE_API_KEY=" b\n", XAI_API_KEY="", HF_TOKEN="c", GITHUB_TOKEN="d")
    assert [provider.name for provider in catalog.providers] == ["gemini", "groq"]
    assert catalog.providers[0].template.credential == Credential("GOOGLE_API_KEY", Secret("b"))


def test_an_empty_list_of_providers_is_none_at_all(build: Build) -> None:
    assert build("providers: {}", OPENAI_API_KEY="a").providers == ()


def test_keys_in_dotenv_files_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path(".env").write_text("MISTRAL_API_KEY=sk-m\n")
    assert only(build_catalog(load(None, {}))).credential == Credential("MISTRAL_API_KEY", Secret("sk-m"))


def test_the_local_model_comes_on_top() -> None:
    local = local_provider("http://127.0.0.1:4000/", secret=Secret("x"))
    catalog = build_catalog(Settings(), extra=[local])
    assert only(catalog).base_url == "http://127.0.0.1:4000"
    assert only(catalog).quirks == "llamacpp"
    assert local.models == ("smollm2-135m-instruct",)
    assert local.aliases == {"local": "smollm2-135m-instruct"}


@pytest.mark.parametrize(
    ("name", "written", "used"),
    [
        ("generic", "http://h:8000", "http://h:8000/v1"),
        ("generic", "http://h:8000/", "http://h:8000/v1"),
        ("generic", "http://h:8000/v1", "http://h:8000/v1"),
        ("generic", "http://h:8000/v1//", "http://h:8000/v1"),
        ("generic", " http://h/v1/chat/completions/ ", "http://h/v1"),
        ("generic", "http://h/chat/completions", "http://h/v1"),
        ("generic", "http://h/proxy/openai", "http://h/proxy/openai"),
        ("openai", "https://api.openai.com", "https://api.openai.com/v1"),
        ("groq", "https://api.groq.com/", "https://api.groq.com/openai/v1"),
        ("groq", "https://relay.example", "https://relay.example/v1"),
        (
            "gemini",
            "https://generativelanguage.googleapis.com",
            "https://generativelanguage.googleapis.com/v1beta/openai",
        ),
        ("deepseek", "https://api.deepseek.com", "https://api.deepseek.com"),
        ("deepseek", "https://api.deepseek.com/v1", "https://api.deepseek.com/v1"),
        ("azure", "https://me.openai.azure.com", "https://me.openai.azure.com/openai/v1"),
        ("azure", "https://me.openai.azure.com/openai/v1/", "https://me.openai.azure.com/openai/v1"),
        ("azure", "https://me.openai.azure.com?api-version=1", "https://me.openai.azure.com/openai/v1?api-version=1"),
        (
            "azure",
            "https://h/openai/deployments/d/chat/completions?api-version=1",
            "https://h/openai/deployments/d?api-version=1",
        ),
    ],
)
def test_base_urls_may_be_written_in_any_form(name: str, written: str, used: str) -> None:
    assert normalise_base_url(written, quirks(name)) == used


@pytest.mark.parametrize("entry", [entry for entry in KNOWN if entry.base_url], ids=lambda entry: entry.name)
def test_known_base_urls_are_in_their_final_form(entry: Quirks) -> None:
    assert entry.base_url is not None
    assert normalise_base_url(entry.base_url, entry) == entry.base_url


MISTAKES = {
    "no key": (
        "providers:\n  openai: {}\n",
        "antiphon.yaml:2: providers.openai: environment variable OPENAI_API_KEY is not set, and there is no `api_key`",
    ),
    "no key, several variables": (
        "providers:\n  gemini: {}\n",
        (
            "antiphon.yaml:2: providers.gemini: none of the environment variables GEMINI_API_KEY, GOOGLE_API_KEY is set, "
            "and there is no `api_key`"
        ),
    ),
    "misspelt provider": (
        "providers:\n  opnai: {}\n",
        (
            "antiphon.yaml:2: providers.opnai: `base_url` is missing: provider `opnai` is not known, "
            "did you mean `openai`?"
        ),
    ),
    "unknown provider": (
        "providers:\n  zzz: {}\n",
        (
            "antiphon.yaml:2: providers.zzz: `base_url` is missing: provider `zzz` is not known; "
            f"known ones: {WITH_ADDRESS}"
        ),
    ),
    "a query where none is taken": (
        "providers:\n  a: {base_url: 'http://a/v1?api-version=1', protocol: anthropic}\n",
        "antiphon.yaml:2: providers.a.base_url: protocol `anthropic` takes no query in it",
    ),
    "one key and several": (
        "providers:\n  a:\n    base_url: http://a\n    api_key: x\n    api_keys: {b: y}\n",
        "antiphon.yaml:5: providers.a.api_keys: either `api_key` or `api_keys`, not both",
    ),
    "too many keys": (
        f"providers:\n  openai:\n    api_keys: {{{', '.join(f'k{n}: s' for n in range(17))}}}\n",
        "antiphon.yaml:3: providers.openai.api_keys: are more than 16",
    ),
    "no common address": (
        "providers:\n  azure: {api_key: x}\n",
        "antiphon.yaml:2: providers.azure: `base_url` is missing: this provider has no address of its own",
    ),
    "unknown quirks": (
        "providers:\n  a:\n    base_url: http://a\n    quirks: zzz\n",
        f"antiphon.yaml:4: providers.a.quirks: provider `zzz` is not known; known ones: {KNOWN_NAMES}",
    ),
    "protocol": (
        "providers:\n  a:\n    base_url: http://a\n    protocol: messages\n",
        "antiphon.yaml:4: providers.a.protocol: protocol `messages` is not supported, expected one of `chat`, `responses`, `anthropic`, `gemini`, `auto`",
    ),
    "name of the local model": (
        "providers:\n  local: {base_url: 'http://a'}\n",
        "antiphon.yaml:2: providers.local: the name `local` is taken by a provider of Antiphon's own",
    ),
    "two at once": (
        "providers:\n  openai: {}\n  groq: {}\n",
        (
            "antiphon.yaml:2: providers.openai: environment variable OPENAI_API_KEY is not set, and there is no `api_key`\n"
            "antiphon.yaml:3: providers.groq: environment variable GROQ_API_KEY is not set, and there is no `api_key`"
        ),
    ),
}

ONE = "providers:\n  a: {base_url: 'http://a', models: [m]}\nmodels:\n"

NAME_MISTAKES = {
    "itself": ("  x: x\n", "antiphon.yaml:4: models.x: goes round in circles: x -> x"),
    "each other": (
        "  x: y\n  y: x\n",
        (
            "antiphon.yaml:4: models.x: goes round in circles: x -> y -> x\n"
            "antiphon.yaml:5: models.y: goes round in circles: y -> x -> y"
        ),
    ),
    "patterns": (
        "  x-*: y-*\n  y-*: x-*\n",
        (
            "antiphon.yaml:4: models.x-*: goes round in circles: x-* -> y-* -> x-*\n"
            "antiphon.yaml:5: models.y-*: goes round in circles: y-* -> x-* -> y-*"
        ),
    ),
    "growing for ever": ("  x*: xx*\n", "antiphon.yaml:4: models.x*: goes round in circles: x* -> x*"),
    "no such provider": (
        "  x: openai/gpt-5\n",
        (
            "antiphon.yaml:4: models.x: nothing serves `openai/gpt-5`: provider `openai` is not configured "
            "(configured: `a`)"
        ),
    ),
    "no such provider for a pattern": (
        "  claude-*: openrouter/anthropic/*\n",
        (
            "antiphon.yaml:4: models.claude-*: nothing serves `openrouter/anthropic/*`: provider `openrouter` is not "
            "configured (configured: `a`)"
        ),
    ),
    "no such model": (
        "  x: gpt-5\n",
        "antiphon.yaml:4: models.x: nothing serves `gpt-5`: no configured provider lists it (configured: `a`)",
    ),
    "stars": ("  x: a/*\n", "antiphon.yaml:4: models.x: the target `a/*` has more `*` than the name"),
    "a route to nowhere": (
        "  x:\n    targets: [a/m, b/m, z]\n",
        (
            "antiphon.yaml:5: models.x.targets[1]: nothing serves `b/m`: provider `b` is not configured (configured: `a`)\n"
            "antiphon.yaml:5: models.x.targets[2]: nothing serves `z`: no configured provider lists it (configured: `a`)"
        ),
    ),
    "a route in circles": (
        "  x: {targets: [a/m, y]}\n  y: {targets: [m, x]}\n",
        (
            "antiphon.yaml:4: models.x.targets[1]: goes round in circles: x -> y -> x\n"
            "antiphon.yaml:5: models.y.targets[1]: goes round in circles: y -> x -> y"
        ),
    ),
    "no weight at all": (
        "  x: {targets: [{target: a/m, weight: 0}, {target: a/n, weight: 0}], strategy: weighted}\n",
        "antiphon.yaml:4: models.x: the weights sum to 0: give one of the targets some weight",
    ),
    "no targets": ("  x: {targets: []}\n", "antiphon.yaml:4: models.x: `targets` is empty"),
    "too many targets": (
        f"  x: {{targets: [{', '.join(['m'] * 33)}]}}\n",
        "antiphon.yaml:4: models.x: has more than 32 targets",
    ),
    "a strategy without a choice": (
        "  x: {target: a/m, strategy: weighted}\n",
        "antiphon.yaml:4: models.x: strategy `weighted` needs `targets`: there is nothing to choose from",
    ),
    "fallbacks": (
        "  x: {target: a/m, fallbacks: [a/n, b/n, a/*]}\nrouting: {fallbacks: [a/n, z]}\n",
        (
            "antiphon.yaml:4: models.x.fallbacks[1]: nothing serves `b/n`: provider `b` is not configured (configured: `a`)\n"
            "antiphon.yaml:4: models.x.fallbacks[2]: a fallback is a name, without `*`\n"
            "antiphon.yaml:5: routing.fallbacks[1]: nothing serves `z`: no configured provider lists it (configured: `a`)"
        ),
    ),
    "too many fallbacks": (
        f"  x: {{target: a/m, fallbacks: [{', '.join(['m'] * 9)}]}}\nrouting: {{fallbacks: [a/n]}}\n",
        "antiphon.yaml:4: models.x: has more than 8 fallbacks",
    ),
    "too many fallbacks for all": (
        f"routing: {{fallbacks: [{', '.join(['m'] * 9)}]}}\n",
        "antiphon.yaml:4: routing.fallbacks: are more than 8",
    ),
    "a chain without end": (
        "".join(f"  x{number}: x{number + 1}\n" for number in range(32)) + "  x32: a/m\n",
        "antiphon.yaml:4: models.x0: goes through more than 32 names, up to `x31`",
    ),
    "hidden by a provider": (
        "  a/m: a/n\n",
        "antiphon.yaml:4: models.a/m: is never used: names that start with `a/` go to that provider",
    ),
}


@pytest.mark.parametrize(("text", "message"), MISTAKES.values(), ids=MISTAKES.keys())
def test_wrong_providers_are_told_with_their_lines(build: Build, text: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        build(text, local_provider("http://127.0.0.1:1"))
    assert str(caught.value) == message


def test_the_local_models_short_name_can_be_a_target(build: Build) -> None:
    catalog = build(ONE + "  x: {targets: [a/m, local]}\n", local_provider("http://127.0.0.1:1"))
    (x,) = [alias for alias in catalog.aliases if alias.pattern.text == "x"]
    assert [way.target for way in x.ways] == ["a/m", "local"]
    with pytest.raises(ConfigError, match="nothing serves `local`"):
        build(ONE + "  x: {targets: [a/m, local]}\n")


@pytest.mark.parametrize(("text", "message"), NAME_MISTAKES.values(), ids=NAME_MISTAKES.keys())
def test_wrong_names_are_told_with_their_lines(build: Build, text: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        build(ONE + text)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    "text",
    [
        "  x: m\n",
        "  x: {targets: [m, a/n, y]}\n  y: {targets: [m, m]}\n",
        "  x: y\n  y: a/z\n",
        "  x-*: y-*\n  y-*: a/*\n",
        "  '*': a/*\n",
        "  x: a/b/c\n",
    ],
)
def test_good_names_are_accepted(build: Build, text: str) -> None:
    assert build(ONE + text).aliases


def test_a_catalogue_shows_no_secret(build: Build) -> None:
    assert "sk-hush" not in repr(build("providers: {openai: {}}", OPENAI_API_KEY="sk-hush"))
