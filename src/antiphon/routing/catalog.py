"""What can be reached: the configured providers, resolved against what is known of them, and the names for models.

Everything that can be wrong with them is found here, at the start, so that the router never meets a broken entry.
"""

from collections.abc import Iterable, Mapping, Sequence
from urllib.parse import urlsplit

from msgspec import Struct, field, structs

from antiphon.config.origin import Origin
from antiphon.config.problems import ConfigError, KeyPath, Problem
from antiphon.config.secret import Secret
from antiphon.config.settings import LimitSettings, ProviderSettings, Settings
from antiphon.config.suggest import did_you_mean
from antiphon.protocol.price import Price
from antiphon.protocol.target import Credential, Target
from antiphon.providers.quirks.base import Calls, Quirks
from antiphon.providers.registry import KNOWN, PROTOCOLS, known, quirks
from antiphon.routing.doors import AUTO, ResponsesOnly
from antiphon.routing.facts import KnownModels, ModelFacts, Table, load_known_models
from antiphon.routing.names import Alias, Strategy
from antiphon.routing.said import lowered, name_problems, read_aliases

__all__ = ["LOCAL_MODEL", "Catalog", "Provider", "build_catalog", "local_provider", "normalise_base_url"]

#: The model that comes with Antiphon.
LOCAL_MODEL = "smollm2-135m-instruct"

#: Each is a place of its own that a request may go to.
_MOST_KEYS = 16

_ENDPOINTS = ("/chat/completions", "/responses", "/messages")
#: The path of a base URL that has none, for dialects whose version stands there.
_BARE_PATHS = {"anthropic": "/v1", "gemini": "/v1beta"}


class Provider(Struct, frozen=True, kw_only=True):
    """One configured upstream.

    Attributes:
        template: a target for it, with an empty model.
        by_door: the template's dialect is that of Chat Completions; other front doors are better served in Responses.
        models: names and patterns that are reachable without the provider's name; empty when it has no such list.
        aliases: further bare names, and the models they stand for.
        known: what is known of its models. Their prices are left out where the server is not the known one itself.
        credentials: where there are several, all of them; the template has the first.
        key_strategy: which of them comes first.
        region: where it serves, in lower case; empty where nobody knows.
        calls: how its models call, where the operator says it.
    """

    name: str
    template: Target
    by_door: bool = False
    models: tuple[str, ...] = ()
    aliases: Mapping[str, str] = field(default_factory=dict)
    known: KnownModels = KnownModels()
    credentials: tuple[Credential, ...] = ()
    key_strategy: Strategy = "least_busy"
    region: str = ""
    calls: Calls | None = None


class Catalog(Struct, frozen=True, kw_only=True):
    """Providers in the order of the configuration, and the operator's names for models.

    Attributes:
        fallbacks: names to try after any other.
        fallback: whether another place may be tried at all, where neither request nor name says so.
        tenant_regions: where the requests of a tenant may be served; anywhere for those that are not here.
        responses_only: models that no other dialect than Responses serves.
        bridged: whether they are there for clients of other dialects all the same.
    """

    providers: tuple[Provider, ...] = ()
    aliases: tuple[Alias, ...] = ()
    fallbacks: tuple[str, ...] = ()
    fallback: bool = True
    tenant_regions: Mapping[str, frozenset[str]] = field(default_factory=dict)
    responses_only: ResponsesOnly = field(default_factory=ResponsesOnly)
    bridged: bool = False


def build_catalog(settings: Settings, *, extra: Sequence[Provider] = ()) -> Catalog:
    """All that is reachable. `extra` are providers that no configuration names, such as the local model.

    Without `providers` in the settings, every known provider whose usual key variable is set is on.

    Raises:
        ConfigError: with everything that is wrong.
    """
    origin, problems, table = settings.origin, list[Problem](), load_known_models()
    providers: list[Provider] = []
    for name, entry in _configured(settings).items():
        try:
            provider = _provider(name, entry, origin=origin, limits=settings.limits)
            providers.append(structs.replace(provider, known=_known_models(provider.template, table)))
        except ConfigError as error:
            problems.extend(error.problems)
    taken = {provider.name for provider in providers}
    problems += [
        origin.problem(("providers", more.name), f"the name `{more.name}` is taken by a provider of Antiphon's own")
        for more in extra
        if more.name in taken
    ]
    everything = (*providers, *extra)
    aliases = read_aliases(settings.models)
    if not problems:
        problems += name_problems(settings, aliases, {one.name: (*one.models, *one.aliases) for one in everything})
    if problems:
        raise ConfigError(problems)
    routing = settings.routing
    return Catalog(
        providers=everything,
        aliases=aliases,
        fallbacks=routing.fallbacks,
        fallback=routing.fallback,
        tenant_regions={name: lowered(regions) for name, regions in routing.tenant_regions.items()},
        responses_only=ResponsesOnly(settings.endpoints.responses_only_models),
        bridged=settings.endpoints.responses_only == "bridge",
    )


def local_provider(base_url: str, *, secret: Secret | None = None, context: int | None = None) -> Provider:
    """The model that comes with Antiphon, as a provider: `local/…`, its bare name, and simply `local`.

    `context` is the number of tokens that it takes. It costs nothing.
    """
    facts = ModelFacts(context=context, input=("text",), output=("text",), price=Price(input=0.0, output=0.0))
    template = Target(
        provider="local",
        model="",
        protocol="chat",
        quirks="llamacpp",
        base_url=base_url.rstrip("/"),
        credential=Credential("local", secret) if secret is not None else None,
    )
    return Provider(
        name="local",
        template=template,
        models=(LOCAL_MODEL,),
        aliases={"local": LOCAL_MODEL},
        known=KnownModels({LOCAL_MODEL: facts}),
    )


def normalise_base_url(url: str, entry: Quirks, protocol: str = "chat") -> str:
    """One form for all the ways to write a base URL: no slash at the end, no endpoint, and a path. A query stays.

    Without any path it gets the provider's own where the host is the provider's, else the usual one of the dialect.
    """
    address, mark, query = url.strip().partition("?")
    url = address.rstrip("/")
    for endpoint in _ENDPOINTS:
        url = url.removesuffix(endpoint).rstrip("/")
    if not urlsplit(url).path:
        own = entry.address(protocol)
        if own is not None and _host(url) == _host(own):
            url += urlsplit(own).path
        else:
            url += _BARE_PATHS.get(protocol, entry.bare_path)
    return f"{url}{mark}{query}"


def _configured(settings: Settings) -> Mapping[str, ProviderSettings]:
    if settings.providers is not None:
        return settings.providers
    environ = settings.origin.environ
    return {
        entry.name: ProviderSettings()
        for entry in KNOWN
        if entry.auto and entry.base_url is not None and any(environ.get(name) for name in entry.key_env)
    }


def _provider(name: str, entry: ProviderSettings, *, origin: Origin, limits: LimitSettings) -> Provider:
    path: KeyPath = ("providers", name)
    facts = _facts(name, entry, origin=origin)
    protocol, by_door = _dialect(entry, facts)
    base_url = facts.address(protocol)
    if entry.base_url is not None:
        base_url = normalise_base_url(entry.base_url, facts, protocol)
    problems = list(_protocol_problems(entry, facts, origin, path=path))
    if protocol in ("anthropic", "gemini") and base_url is not None and "?" in base_url:
        problems.append(origin.problem((*path, "base_url"), f"protocol `{protocol}` takes no query in it"))
    if base_url is None:
        problems.append(origin.problem(path, _no_address(name)))
    problems += _key_problems(entry, origin, path=path)
    credentials = _credentials(name, entry, facts=facts, environ=origin.environ)
    if not credentials and facts.key_required and _is_own(name, entry, facts=facts):
        problems.append(origin.problem(path, _no_key(facts.key_env)))
    if problems or base_url is None:
        raise ConfigError(problems)
    template = Target(
        provider=name,
        model="",
        protocol=protocol,
        quirks=facts.name,
        base_url=base_url,
        credential=credentials[0] if credentials else None,
        headers={header: value.value for header, value in entry.headers.items()},
        params=entry.params,
        proxy=entry.proxy.value if entry.proxy is not None else None,
        ca_file=str(entry.ca_file) if entry.ca_file is not None else None,
        stream=entry.stream,
        first_byte_s=entry.first_byte_s or limits.first_byte_s,
        idle_s=entry.idle_s or limits.idle_s,
        fetches_urls=_fetches_urls(entry, facts, base_url=base_url),
        upstream_ids=entry.upstream_ids,
        strict=entry.strict,
        hosted_tools=entry.hosted_tools,
    )
    return Provider(
        name=name,
        template=template,
        by_door=by_door,
        models=entry.models,
        credentials=credentials if len(credentials) > 1 else (),
        key_strategy=entry.key_strategy,
        region=(entry.region or "").lower(),
        calls=entry.calls,
    )


def _known_models(template: Target, table: Table) -> KnownModels:
    """What the table knows of a provider's models."""
    known_models, facts = table.of(template.quirks), quirks(template.quirks)
    own = facts.address(template.protocol)
    if own is None or _host(own) == _host(template.base_url):
        return known_models
    return KnownModels({name: one.without_price() for name, one in known_models.models.items()})


def _facts(name: str, entry: ProviderSettings, *, origin: Origin) -> Quirks:
    if entry.quirks is None:
        return known(name) or quirks("generic")
    facts = known(entry.quirks)
    if facts is None:
        hint = did_you_mean(entry.quirks, (one.name for one in KNOWN), noun="known ones")
        message = f"provider `{entry.quirks}` is not known{hint}"
        raise ConfigError([origin.problem(("providers", name, "quirks"), message)])
    return facts


def _dialect(entry: ProviderSettings, facts: Quirks) -> tuple[str, bool]:
    """The dialect, and whether each front door has its own. A server that is only like a known one may have less."""
    if entry.protocol == AUTO:
        return "chat", True
    if entry.protocol is not None:
        return entry.protocol, False
    own = entry.base_url is None or _host(entry.base_url) == _host(facts.base_url or "")
    return facts.protocol, facts.by_door and own


def _protocol_problems(entry: ProviderSettings, facts: Quirks, origin: Origin, *, path: KeyPath) -> Iterable[Problem]:
    if entry.protocol == AUTO and not {"chat", "responses"} <= {facts.protocol, *facts.speaks}:
        message = (
            "`auto` is for providers that are known to speak both `chat` and `responses`; say which (or set `quirks`)"
        )
        yield origin.problem((*path, "protocol"), message)
    elif entry.protocol not in (None, AUTO, *PROTOCOLS):
        known_ones = ", ".join(f"`{protocol}`" for protocol in (*PROTOCOLS, AUTO))
        message = f"protocol `{entry.protocol}` is not supported, expected one of {known_ones}"
        yield origin.problem((*path, "protocol"), message)
    spoken = _dialect(entry, facts)[0]
    if entry.calls == "constrained" and spoken != "chat":
        yield origin.problem((*path, "calls"), f"`constrained` needs protocol `chat`, and here it is `{spoken}`")


def _is_own(name: str, entry: ProviderSettings, *, facts: Quirks) -> bool:
    """Whether this is the known provider itself. A key of its must not go to a server that is only like it."""
    return entry.base_url is None or name == facts.name


def _key_problems(entry: ProviderSettings, origin: Origin, *, path: KeyPath) -> Iterable[Problem]:
    if entry.api_key is not None and entry.api_keys:
        yield origin.problem((*path, "api_keys"), "either `api_key` or `api_keys`, not both")
    if len(entry.api_keys) > _MOST_KEYS:
        yield origin.problem((*path, "api_keys"), f"are more than {_MOST_KEYS}")


def _credentials(
    name: str, entry: ProviderSettings, *, facts: Quirks, environ: Mapping[str, str]
) -> tuple[Credential, ...]:
    if entry.api_keys:
        return tuple(Credential(alias, secret) for alias, secret in entry.api_keys.items())
    if entry.api_key is not None:
        return (Credential(name, entry.api_key),)
    if not _is_own(name, entry, facts=facts):
        return ()
    for variable in facts.key_env:
        value = environ.get(variable, "").strip()
        if value:
            return (Credential(variable, Secret(value)),)
    return ()


def _fetches_urls(entry: ProviderSettings, facts: Quirks, *, base_url: str) -> bool:
    """What the operator says; else what is known, but never for a server that stands elsewhere than the known one."""
    if entry.fetches_urls is not None:
        return entry.fetches_urls
    return facts.fetches_urls and (facts.base_url is None or _host(base_url) == _host(facts.base_url))


def _host(url: str) -> str | None:
    return urlsplit(url).hostname


def _no_address(name: str) -> str:
    if known(name) is not None:
        return "`base_url` is missing: this provider has no address of its own"
    hint = did_you_mean(name, (entry.name for entry in KNOWN if entry.base_url is not None), noun="known ones")
    return f"`base_url` is missing: provider `{name}` is not known{hint}"


def _no_key(variables: Sequence[str]) -> str:
    if len(variables) == 1:
        return f"environment variable {variables[0]} is not set, and there is no `api_key`"
    return f"none of the environment variables {', '.join(variables)} is set, and there is no `api_key`"
