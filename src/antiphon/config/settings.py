"""Every setting there is, with its default, its bounds and its meaning. The descriptions also go to the JSON Schema.

Plain frozen values: `load` fills them, `app` hands them out. Sizes are in MiB, times in seconds.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

from msgspec import Meta, Raw, Struct, field

from antiphon.config.health import HealthSettings
from antiphon.config.origin import Origin
from antiphon.config.retries import RetrySettings
from antiphon.config.routes import ModelPattern, ModelSettings, RoutingSettings, Word
from antiphon.config.secret import Secret
from antiphon.config.web_search import SearchEngineName, WebSearchSettings

__all__ = [
    "Document",
    "EndpointSettings",
    "FetchSettings",
    "LimitSettings",
    "LocalSettings",
    "ProviderSettings",
    "ServerSettings",
    "Settings",
    "StoreSettings",
]

# `extra` is read by `reader`: `check` names a format of `checks`, `short` the field that a plain value stands for,
# `one_of` fields of which there must be exactly one.
_Network = Annotated[str, Meta(extra={"check": "network"})]
_HostOrNetwork = Annotated[str, Meta(extra={"check": "host_or_network"})]
_WebOrigin = Annotated[str, Meta(extra={"check": "web_origin"})]
_ProviderName = Annotated[str, Meta(extra={"check": "provider_name"})]
_HeaderName = Annotated[str, Meta(extra={"check": "header_name"})]
_HeaderValue = Annotated[Secret, Meta(extra={"check": "header_value"})]
_Seconds = Annotated[float, Meta(gt=0, le=86_400)]
_BodyField = Annotated[str, Meta(extra={"check": "body_field"})]


class ServerSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How clients reach the gateway."""

    host: Annotated[str, Meta(min_length=1, description="Address to listen on. 0.0.0.0 is every IPv4 address.")] = (
        "127.0.0.1"
    )
    port: Annotated[int, Meta(ge=0, le=65535, description="Port to listen on. 0 takes any free port.")] = 8000
    workers: Annotated[
        int,
        Meta(ge=1, le=64, description="Processes that share the port and the work. One uses one core."),
    ] = 1
    cors_origins: Annotated[
        tuple[_WebOrigin, ...],
        Meta(description="Web pages that may call from a browser, as `https://host`. `*` is every page."),
    ] = ()
    max_body_mib: Annotated[int, Meta(ge=1, le=1024, description="Largest request body, in MiB.")] = 32
    max_memory_bodies_mib: Annotated[
        int,
        Meta(ge=1, le=1_048_576, description="Bodies of all requests under way, in MiB; beyond it: 503."),
    ] = 512
    body_idle_s: Annotated[
        float, Meta(gt=0, le=3600, description="Seconds that a request body may stop in the middle; beyond it: 408.")
    ] = 30.0
    heartbeat_s: Annotated[
        float, Meta(gt=0, le=3600, description="Seconds of silence after which a stream sends a comment.")
    ] = 15.0
    early_status_s: Annotated[
        float,
        Meta(gt=0, le=3600, description="Seconds after which a stream sends its status before there is any output."),
    ] = 15.0
    send_stall_s: Annotated[
        float, Meta(gt=0, le=3600, description="Seconds a client may take nothing before it counts as gone.")
    ] = 60.0
    drain_s: Annotated[
        float, Meta(ge=0, le=3600, description="Seconds that running streams get to end when the server stops.")
    ] = 25.0
    forwarded_allow_ips: Annotated[
        tuple[_Network, ...],
        Meta(description="Proxies in front whose X-Forwarded-For is believed: addresses or networks. `*` is everyone."),
    ] = ()
    max_connections: Annotated[
        Annotated[int, Meta(ge=1, le=1_000_000)] | None,
        Meta(description="Connected clients; beyond it: 503. Default: what open files allow, at most 8192."),
    ] = None
    access_log: Annotated[bool, Meta(description="Log one line for every request.")] = True
    docs: Annotated[bool, Meta(description="Serve the API description and its page.")] = True
    reload: Annotated[
        bool,
        Meta(description="Watch this file and `.env`, and take over changes. SIGHUP does so once, at any time."),
    ] = False


class StoreSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where responses and usage are kept."""

    url: Annotated[
        Secret | None,
        Meta(
            description="`sqlite:///path` or `postgresql://user:password@host/name`. Default: a file in `data_dir`.",
            extra={"check": "database_url"},
        ),
    ] = None
    retention_days: Annotated[
        int, Meta(ge=0, le=36_500, description="Days that stored responses are kept. 0 keeps them for ever.")
    ] = 30
    run_days: Annotated[
        int, Meta(ge=0, le=36_500, description="Days that usage and run records are kept. 0 keeps them for ever.")
    ] = 365
    call_state_hours: Annotated[
        int,
        Meta(
            ge=0,
            le=8760,
            description="Hours that the thoughts before a tool call are kept, sealed, for clients that never send them"
            " back. 0 keeps none.",
        ),
    ] = 24
    seal_keys: Annotated[
        Secret | None,
        Meta(
            description="Keys that seal what providers want back: 32 bytes each in base64, separated by commas. The"
            " first seals, all open. Default: a file in `data_dir`, made at the first start.",
            extra={"check": "seal_keys"},
        ),
    ] = None
    synchronous: Annotated[
        Literal["NORMAL", "FULL"],
        Meta(description="SQLite only. NORMAL survives a crash of the process, FULL also one of the machine."),
    ] = "NORMAL"
    first_line: Annotated[
        bool, Meta(description="Keep the first line of the last user message in the run record, to recognise runs by.")
    ] = False


class LimitSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How long things may take, and how many at once. Providers can have their own `first_byte_s` and `idle_s`."""

    run_s: Annotated[float, Meta(gt=0, le=86_400, description="Seconds for a whole response.")] = 1800.0
    connect_s: Annotated[float, Meta(gt=0, le=300, description="Seconds to connect to a provider.")] = 5.0
    first_byte_s: Annotated[
        float, Meta(gt=0, le=86_400, description="Seconds until a provider's streamed answer must begin.")
    ] = 120.0
    idle_s: Annotated[
        float, Meta(gt=0, le=86_400, description="Seconds of silence after which a provider's stream is given up.")
    ] = 300.0
    max_runs: Annotated[
        Annotated[int, Meta(ge=1, le=1_000_000)] | None,
        Meta(
            description="Requests under way at once; beyond it: 503. Default: what memory and open files allow, at most"
            " 4096."
        ),
    ] = None
    late_s: Annotated[
        float,
        Meta(gt=0, le=60, description="Seconds of work in a turn of the event loop; beyond it some get 503."),
    ] = 0.2


class LocalSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The small model that comes with Antiphon. `local: on` is short for `local: {enabled: on}`."""

    enabled: Annotated[bool, Meta(description="Run it. `local: off` turns it off.")] = True
    model: Annotated[
        Path | None,
        Meta(description="A GGUF file to run instead of the one that comes along.", extra={"check": "file"}),
    ] = None
    threads: Annotated[
        Annotated[int, Meta(ge=1, le=1024)] | None,
        Meta(description="Threads to compute with. Default: one less than there are cores, at most 4."),
    ] = None
    context: Annotated[
        Annotated[int, Meta(ge=256, le=1_048_576)] | None,
        Meta(description="Tokens of context for each slot. Default: 8192, shared out over the slots."),
    ] = None
    slots: Annotated[int, Meta(ge=1, le=256, description="Answers generated at the same time.")] = 2


class FetchSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How URLs that clients name in their input are fetched."""

    enabled: Annotated[bool, Meta(description="Fetch them at all. Otherwise they are refused with 400.")] = True
    max_mib: Annotated[int, Meta(ge=1, le=1024, description="Largest file, in MiB.")] = 20
    timeout_s: Annotated[float, Meta(gt=0, le=600, description="Seconds for one file.")] = 15.0
    allow: Annotated[
        tuple[_HostOrNetwork, ...],
        Meta(description="Hosts or networks that may be fetched from although their addresses are private."),
    ] = ()


class EndpointSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The other front doors: `/v1/chat/completions` and `/v1/messages`."""

    responses_only: Annotated[
        Literal["refuse", "bridge"],
        Meta(description="What they do with models that only `/v1/responses` serves: name it, or answer all the same."),
    ] = "refuse"
    responses_only_models: Annotated[
        tuple[ModelPattern, ...],
        Meta(description="Those models, by the providers' names for them."),
    ] = (
        "gpt-5-pro*",
        "gpt-5-chat-latest",
        "gpt-5-mini*",
        "gpt-5-nano*",
        "gpt-5-codex*",
        "o1-pro*",
        "codex-mini*",
    )


class ProviderSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One upstream. For a provider that Antiphon knows, everything has a default."""

    protocol: Annotated[
        str | None,
        Meta(
            description="Its dialect: `chat` (Chat Completions), `responses`, `anthropic` (Messages) or `gemini`; "
            "`auto`: `chat` or `responses`, as suits each request."
        ),
    ] = None
    base_url: Annotated[
        str | None,
        Meta(
            description="Its address without the endpoint. Where it has no path, the usual one is added (`/v1`). "
            "`{model}` in it stands for the model's name.",
            extra={"check": "base_url"},
        ),
    ] = None
    api_key: Annotated[
        Secret | None,
        Meta(
            description="Its key. Default: the provider's usual environment variable.", extra={"check": "header_value"}
        ),
    ] = None
    api_keys: Annotated[
        Mapping[Word, _HeaderValue],
        Meta(description="Several keys instead, each under a name for records. Each is used and spared by itself."),
    ] = field(default_factory=dict)
    key_strategy: Annotated[
        Literal["least_busy", "random", "ordered"],
        Meta(description="Which of the `api_keys` comes first. A conversation stays with its key but for `ordered`."),
    ] = "least_busy"
    region: Annotated[
        Word | None, Meta(description="Where it serves, for requests that are bound to regions. Default: nobody knows.")
    ] = None
    models: Annotated[
        tuple[ModelPattern, ...],
        Meta(description="Models that are reachable by their bare names: names, or patterns with `*`."),
    ] = ()
    headers: Annotated[Mapping[_HeaderName, _HeaderValue], Meta(description="Extra request headers.")] = field(
        default_factory=dict
    )
    params: Annotated[
        Mapping[_BodyField, Raw],
        Meta(description="Extra top-level fields of the request body. They win over what the client asked for."),
    ] = field(default_factory=dict)
    proxy: Annotated[
        Secret | None, Meta(description="HTTP proxy to reach it through.", extra={"check": "proxy_url"})
    ] = None
    ca_file: Annotated[
        Path | None,
        Meta(description="File with certificate authorities to trust besides the usual ones.", extra={"check": "file"}),
    ] = None
    quirks: Annotated[
        str | None,
        Meta(
            description="Known provider whose peculiarities it shares. Default: its own name if known, else `generic`."
        ),
    ] = None
    stream: Annotated[
        Literal["auto", "always", "never"],
        Meta(description="Whether to ask it for streams: `auto` does so when the client wants one."),
    ] = "auto"
    first_byte_s: Annotated[_Seconds | None, Meta(description="As `limits.first_byte_s`, for this provider.")] = None
    idle_s: Annotated[_Seconds | None, Meta(description="As `limits.idle_s`, for this provider.")] = None
    upstream_ids: Annotated[
        Literal["refuse", "allow"],
        Meta(description="Whether clients may name objects held at your account there, as by `file_id`."),
    ] = "refuse"
    fetches_urls: Annotated[
        bool | None,
        Meta(description="Whether image URLs may be left to it. Never for a server in your own network."),
    ] = None
    strict: Annotated[
        bool,
        Meta(description="Refuse requests of which something would be left out or only come near, with 400."),
    ] = False
    hosted_tools: Annotated[
        Literal["native", "gateway"],
        Meta(description="Who runs tools such as web search: the provider where it can, or always the gateway."),
    ] = "native"
    calls: Annotated[
        Literal["native", "constrained"] | None,
        Meta(
            description="How its models call functions: `constrained` if they cannot, but keep to a JSON Schema. "
            "Default: what is known."
        ),
    ] = None


_Provider = Annotated[ProviderSettings, Meta(description="Its settings.")]
_Model = Annotated[ModelSettings, Meta(extra={"short": "target", "one_of": ("target", "targets")})]


class Document(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The settings of Antiphon, as they stand in `antiphon.yaml`."""

    server: Annotated[ServerSettings, Meta(description="How clients reach the gateway.")] = field(
        default_factory=ServerSettings
    )
    store: Annotated[StoreSettings, Meta(description="Where responses and usage are kept.")] = field(
        default_factory=StoreSettings
    )
    limits: Annotated[LimitSettings, Meta(description="How long things may take, and how many at once.")] = field(
        default_factory=LimitSettings
    )
    health: Annotated[HealthSettings, Meta(description="How servers are looked at.")] = field(
        default_factory=HealthSettings
    )
    retries: Annotated[RetrySettings, Meta(description="What is tried again when a provider fails.")] = field(
        default_factory=RetrySettings
    )
    local: Annotated[
        LocalSettings,
        Meta(description="The small model that comes along: `on`, `off`, or details.", extra={"short": "enabled"}),
    ] = field(default_factory=LocalSettings)
    fetch: Annotated[FetchSettings, Meta(description="How URLs that clients name are fetched.")] = field(
        default_factory=FetchSettings
    )
    endpoints: Annotated[
        EndpointSettings, Meta(description="The other front doors: Chat Completions and Messages.")
    ] = field(default_factory=EndpointSettings)
    web_search: Annotated[
        WebSearchSettings,
        Meta(
            description="Web search for models whose provider has none: an engine's name, or details.",
            extra={"short": "engine"},
        ),
    ] = field(default_factory=WebSearchSettings)
    providers: Annotated[
        Mapping[_ProviderName, _Provider] | None,
        Meta(description="Upstreams by name. Default: every known one whose usual key variable is set."),
    ] = None
    models: Annotated[
        Mapping[ModelPattern, _Model],
        Meta(description="Names for models: an alias, or a pattern such as `claude-*: openrouter/anthropic/*`."),
    ] = field(default_factory=dict)
    routing: Annotated[RoutingSettings, Meta(description="What holds for every name that says nothing else.")] = field(
        default_factory=RoutingSettings
    )
    data_dir: Annotated[
        Path | None,
        Meta(description="Folder for the database and the local model. Default: the platform's place for such data."),
    ] = None


class Settings(Document, frozen=True, kw_only=True):
    """The settings in effect, and where they came from.

    Attributes:
        origin: the file with its lines, for messages, and the environment including `.env`.
    """

    origin: Origin = field(default_factory=Origin)

    @property
    def data_path(self) -> Path:
        """`data_dir`, which `load` always fills."""
        return self.data_dir if self.data_dir is not None else Path("data")

    @property
    def database_url(self) -> str:
        """`store.url`, or the SQLite file in the data directory."""
        return self.store.url.value if self.store.url is not None else f"sqlite:///{self.data_path / 'antiphon.db'}"

    @property
    def search_engine(self) -> SearchEngineName:
        """`web_search.engine`. Once somebody configures anything, nobody is asked by default."""
        return self.web_search.engine or ("off" if self.origin.file else "ddgs")
