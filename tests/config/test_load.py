from pathlib import Path

import msgspec
import pytest

from antiphon.config.load import OVERRIDES, load
from antiphon.config.problems import ConfigError
from antiphon.config.routes import ConditionSettings, ModelSettings, RouteTargetSettings, RoutingSettings
from antiphon.config.secret import Secret
from antiphon.config.settings import (
    FetchSettings,
    LimitSettings,
    LocalSettings,
    ProviderSettings,
    ServerSettings,
    StoreSettings,
)
from tests.config.conftest import Load

FULL = """
server:
  host: 0.0.0.0
  port: 9000
  cors_origins: ["*", "https://chat.example.com"]
  max_body_mib: 8
  max_memory_bodies_mib: 64
  heartbeat_s: 5
  early_status_s: 2.5
  send_stall_s: 30
  drain_s: 0
  forwarded_allow_ips: [10.0.0.0/8, "::1"]
  access_log: off
  docs: no
store:
  url: postgresql://antiphon:hush@db/antiphon
  retention_days: 0
  synchronous: FULL
  first_line: true
limits: {run_s: 60, connect_s: 1, first_byte_s: 10, idle_s: 20}
local: {enabled: yes, threads: 2, context: 4096, slots: 1}
fetch: {enabled: false, max_mib: 1, timeout_s: 3, allow: [files.internal, 10.1.0.0/16]}
providers:
  openai:
  vllm:
    protocol: chat
    base_url: http://gpu:8000
    api_key: ${VLLM_KEY}
    models: [llama-3, qwen-*]
    headers: {X-Team: "${TEAM:-blue}"}
    params:
      top_k: 40
      chat_template_kwargs: {enable_thinking: off, tags: [a, 1.5, null, "${TEAM:-red}"]}
    proxy: http://user:pass@proxy:3128
    quirks: sglang
    stream: never
    first_byte_s: 7
    idle_s: 8
    upstream_ids: allow
    fetches_urls: false
  groq:
    api_keys: {one: "${VLLM_KEY}", two: sk-two}
    key_strategy: random
    region: us
models:
  fast: openai/gpt-5-mini
  claude-*: {target: openrouter/anthropic/*}
  spread:
    targets:
      - fast
      - {target: vllm/llama-3, weight: 3, when: {tags: [batch], tenants: [acme], regions: [eu]}}
    strategy: weighted
    sticky: off
    fallbacks: [claude-4]
    fallback: on
routing: {fallbacks: [fast], fallback: off, tenant_regions: {acme: [eu, ch]}}
data_dir: ./state
"""


def test_no_file_gives_the_defaults(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    settings = load(None, {})
    assert settings.server == ServerSettings()
    assert (settings.server.host, settings.server.port) == ("127.0.0.1", 8000)
    assert settings.store == StoreSettings()
    assert settings.limits == LimitSettings()
    assert settings.local == LocalSettings()
    assert settings.fetch == FetchSettings()
    assert settings.providers is None
    assert settings.models == {}
    assert settings.data_path.name == "antiphon"
    assert settings.database_url == f"sqlite:///{settings.data_path}/antiphon.db"
    assert settings.origin.file == ""


@pytest.mark.parametrize("text", ["", "# nothing\n", "server:\n", "{}", "local:\nmodels:\nfetch:\n"])
def test_empty_parts_give_the_defaults(load_text: Load, text: str) -> None:
    settings = load_text(text)
    assert settings.server == ServerSettings()
    assert settings.local == LocalSettings()


def test_everything_can_be_set(load_text: Load) -> None:
    settings = load_text(FULL, VLLM_KEY="sk-vllm")
    assert settings.server == ServerSettings(
        host="0.0.0.0",
        port=9000,
        cors_origins=("*", "https://chat.example.com"),
        max_body_mib=8,
        max_memory_bodies_mib=64,
        heartbeat_s=5,
        early_status_s=2.5,
        send_stall_s=30,
        drain_s=0,
        forwarded_allow_ips=("10.0.0.0/8", "::1"),
        access_log=False,
        docs=False,
    )
    assert settings.store == StoreSettings(
        url=Secret("postgresql://antiphon:hush@db/antiphon"), retention_days=0, synchronous="FULL", first_line=True
    )
    assert settings.limits == LimitSettings(run_s=60, connect_s=1, first_byte_s=10, idle_s=20)
    assert settings.local == LocalSettings(enabled=True, threads=2, context=4096, slots=1)
    assert settings.fetch == FetchSettings(
        enabled=False, max_mib=1, timeout_s=3, allow=("files.internal", "10.1.0.0/16")
    )
    assert settings.models == {
        "fast": ModelSettings(target="openai/gpt-5-mini"),
        "claude-*": ModelSettings(target="openrouter/anthropic/*"),
        "spread": ModelSettings(
            targets=(
                RouteTargetSettings(target="fast"),
                RouteTargetSettings(
                    target="vllm/llama-3",
                    weight=3,
                    when=ConditionSettings(tags=("batch",), tenants=("acme",), regions=("eu",)),
                ),
            ),
            strategy="weighted",
            sticky=False,
            fallbacks=("claude-4",),
            fallback=True,
        ),
    }
    assert settings.routing == RoutingSettings(
        fallbacks=("fast",), fallback=False, tenant_regions={"acme": ("eu", "ch")}
    )
    assert settings.data_path == Path("state")
    assert settings.database_url == "postgresql://antiphon:hush@db/antiphon"


def test_providers_are_read_with_secrets_and_raw_parameters(load_text: Load) -> None:
    providers = load_text(FULL, VLLM_KEY="sk-vllm").providers
    assert providers is not None
    assert providers["openai"] == ProviderSettings()
    groq = providers["groq"]
    assert groq.api_keys == {"one": Secret("sk-vllm"), "two": Secret("sk-two")}
    assert (groq.key_strategy, groq.region) == ("random", "us")
    vllm = providers["vllm"]
    assert vllm.api_key == Secret("sk-vllm")
    assert vllm.models == ("llama-3", "qwen-*")
    assert vllm.headers == {"X-Team": Secret("blue")}
    assert vllm.proxy == Secret("http://user:pass@proxy:3128")
    assert (vllm.stream, vllm.upstream_ids, vllm.fetches_urls, vllm.quirks) == ("never", "allow", False, "sglang")
    assert msgspec.json.decode(vllm.params["top_k"]) == 40
    assert msgspec.json.decode(vllm.params["chat_template_kwargs"]) == {
        "enable_thinking": False,
        "tags": ["a", 1.5, None, "red"],
    }


@pytest.mark.parametrize(
    ("text", "enabled"),
    [
        ("local: on", True),
        ("local: off", False),
        ("local: true", True),
        ("local: no", False),
        ("local: {enabled: on}", True),
        ("local: ${L}", True),
        ("local: ${M:-off}", False),
    ],
)
def test_local_is_a_switch_or_details(load_text: Load, text: str, enabled: bool) -> None:
    assert load_text(text, L="yes").local == LocalSettings(enabled=enabled)


@pytest.mark.parametrize(
    ("written", "host"),
    [
        ("${NAME}", "example"),
        ("'${NAME}'", "example"),
        ('"a${NAME}b${NAME}"', "aexamplebexample"),
        ("${MISSING:-fallback}", "fallback"),
        ("${EMPTY:-fallback}", "fallback"),
        ("${NAME:-fallback}", "example"),
        ("x${EMPTY}", "x"),
        ("${MISSING:-a:-b}", "a:-b"),
        ("$${NAME}", "${NAME}"),
        ("$NAME", "$NAME"),
    ],
)
def test_variables_are_replaced_in_strings(load_text: Load, written: str, host: str) -> None:
    assert (
        load_text(
            f"server: {{host: {written!s}}}" if "{" not in written else f"server:\n  host: {written}",
            NAME="example",
            EMPTY="",
        ).server.host
        == host
    )


def test_a_replaced_value_is_not_replaced_again(load_text: Load) -> None:
    assert load_text("server:\n  host: ${A}", A="${B}", B="no").server.host == "${B}"


def test_variables_may_stand_for_numbers_and_switches(load_text: Load) -> None:
    server = load_text("server: {port: '${P}', docs: '${D}', drain_s: '${S:-1.5}'}", P="81", D="off").server
    assert (server.port, server.docs, server.drain_s) == (81, False, 1.5)


@pytest.mark.parametrize(("written", "seconds"), [("1e1", 10.0), ("0x10", 16.0), ("1_0", 10.0), ("2.5", 2.5)])
def test_numbers_may_be_written_in_any_usual_way(load_text: Load, written: str, seconds: float) -> None:
    assert load_text(f"limits: {{run_s: {written}}}").limits.run_s == seconds


def test_an_empty_list_may_be_left_out(load_text: Load) -> None:
    providers = load_text("providers:\n  a:\n    models:\n    params:\n    api_key:\n").providers
    assert providers is not None
    assert providers["a"] == ProviderSettings()


def test_anchors_share_values(load_text: Load) -> None:
    providers = load_text("providers:\n  a: &x {base_url: 'http://a', models: [m]}\n  b: *x\n").providers
    assert providers is not None
    assert providers["a"] == providers["b"]


def test_the_environment_wins_over_the_file(load_text: Load, tmp_path: Path) -> None:
    model = tmp_path / "other.gguf"
    model.touch()
    settings = load_text(
        "server: {host: a, port: 1}\ndata_dir: b\nstore: {url: 'sqlite:///c', retention_days: 3}\nlocal: off\n",
        ANTIPHON_HOST="0.0.0.0",
        ANTIPHON_PORT="81",
        ANTIPHON_DATA_DIR="elsewhere",
        ANTIPHON_DATABASE_URL="postgresql://u@h/d",
        ANTIPHON_LOCAL="on",
        ANTIPHON_LOCAL_MODEL=str(model),
    )
    assert (settings.server.host, settings.server.port) == ("0.0.0.0", 81)
    assert settings.data_path == Path("elsewhere")
    assert settings.database_url == "postgresql://u@h/d"
    assert settings.store.retention_days == 3
    assert settings.local == LocalSettings(enabled=True, model=model)


def test_an_empty_override_counts_as_not_set(load_text: Load) -> None:
    assert load_text("server: {port: 1}", **dict.fromkeys(OVERRIDES, "")).server.port == 1


def test_wrong_overrides_are_named_without_showing_a_password(load_text: Load) -> None:
    with pytest.raises(ConfigError) as caught:
        load_text("", ANTIPHON_PORT="eighty", ANTIPHON_LOCAL="perhaps", ANTIPHON_DATABASE_URL="mysql://u:hush@h/d")
    assert str(caught.value) == (
        "ANTIPHON_PORT: expected an integer from 0 to 65535, got `eighty`\n"
        "ANTIPHON_DATABASE_URL: expected `sqlite:///path` or `postgresql://user:password@host/name`\n"
        "ANTIPHON_LOCAL: expected on or off, got `perhaps`"
    )


def test_a_named_file_comes_before_the_variable_and_that_before_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for port, name in enumerate(("antiphon.yaml", "second.yaml", "third.yaml"), start=1):
        Path(name).write_text(f"server: {{port: {port}}}")
    assert load(None, {}).server.port == 1
    assert load(None, {"ANTIPHON_CONFIG": "second.yaml"}).server.port == 2
    assert load(Path("third.yaml"), {"ANTIPHON_CONFIG": "second.yaml"}).server.port == 3


def test_dotenv_beside_the_file_wins_over_the_working_directory_and_the_environment_over_both(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "etc").mkdir()
    Path(".env").write_text("A=cwd\nB=cwd\nC=cwd\nANTIPHON_CONFIG=etc/a.yaml\n")
    Path("etc/.env").write_text("B=beside\nC='beside'\nexport D=${C}\n")
    Path("etc/a.yaml").write_text("server: {host: '${A}-${B}-${C}-${D}'}")
    settings = load(None, {"C": "real"})
    assert settings.server.host == "cwd-beside-real-${C}"
    assert settings.origin.environ["B"] == "beside"


def test_paths_start_at_the_folder_of_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc" / "ca.pem").touch()
    file = Path("etc/antiphon.yaml")
    file.write_text("data_dir: state\nproviders: {a: {base_url: 'http://a', ca_file: ca.pem}}")
    settings = load(file, {})
    assert settings.data_path == Path("etc/state")
    assert settings.providers is not None
    assert settings.providers["a"].ca_file == Path("etc/ca.pem")


def test_a_byte_order_mark_is_no_problem(load_text: Load) -> None:
    assert load_text("\ufeffserver: {port: 1}").server.port == 1


def test_neither_settings_nor_their_origin_show_secrets(load_text: Load) -> None:
    shown = repr(load_text(FULL, VLLM_KEY="sk-vllm"))
    for secret in ("sk-vllm", "sk-two", "hush", "pass", "blue"):
        assert secret not in shown
    assert "Origin('antiphon.yaml')" in shown
