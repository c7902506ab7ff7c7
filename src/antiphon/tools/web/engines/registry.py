"""Every search engine there is, by its name in the configuration. A new one is a file beside this and a line here."""

from collections.abc import Callable, Mapping

from antiphon.config.problems import ConfigError
from antiphon.config.settings import Settings
from antiphon.config.web_search import SEARCH_KEYS, SearchEngineName
from antiphon.tools.web.engine import Engine, EngineAccess
from antiphon.tools.web.engines import brave, ddgs, exa, searxng, tavily
from antiphon.upstream.client import UpstreamClient

__all__ = ["ENGINES", "build_engine", "engine_in_effect"]

_Build = Callable[[Settings, UpstreamClient], Engine]


def _searxng(settings: Settings, client: UpstreamClient) -> Engine:
    url = (settings.web_search.url or "").rstrip("/")
    key = _key(settings)
    return searxng.Searxng(
        _access(settings, client, url=f"{url}/search", headers={"authorization": f"Bearer {key}"} if key else {})
    )


def _brave(settings: Settings, client: UpstreamClient) -> Engine:
    headers = {"x-subscription-token": _key(settings)}
    return brave.Brave(_access(settings, client, url=settings.web_search.url or brave.ADDRESS, headers=headers))


def _tavily(settings: Settings, client: UpstreamClient) -> Engine:
    headers = {"authorization": f"Bearer {_key(settings)}"}
    return tavily.Tavily(_access(settings, client, url=settings.web_search.url or tavily.ADDRESS, headers=headers))


def _exa(settings: Settings, client: UpstreamClient) -> Engine:
    headers = {"x-api-key": _key(settings)}
    return exa.Exa(_access(settings, client, url=settings.web_search.url or exa.ADDRESS, headers=headers))


def _ddgs(settings: Settings, _: UpstreamClient) -> Engine:
    return ddgs.Ddgs(settings.web_search.timeout_s)


ENGINES: Mapping[str, _Build] = {
    "searxng": _searxng,
    "brave": _brave,
    "tavily": _tavily,
    "exa": _exa,
    "ddgs": _ddgs,
}


def engine_in_effect(settings: Settings) -> SearchEngineName:
    """The engine that will be asked, or `off`: a default whose package is not installed is none."""
    name = settings.search_engine
    unavailable = name == "ddgs" and settings.web_search.engine is None and not ddgs.is_installed()
    return "off" if unavailable else name


def build_engine(settings: Settings, client: UpstreamClient) -> Engine | None:
    """The engine in effect, or nothing: it is off, or it is only the default and its package is not installed.

    Raises `ConfigError` where it was asked for and its package is not there.
    """
    name = engine_in_effect(settings)
    if name == "off":
        return None
    if name == "ddgs" and not ddgs.is_installed():
        message = "`ddgs` needs the extra `antiphon[search]`"
        raise ConfigError([settings.origin.problem(("web_search", "engine"), message)])
    return ENGINES[name](settings, client)


def _access(settings: Settings, client: UpstreamClient, *, url: str, headers: Mapping[str, str]) -> EngineAccess:
    return EngineAccess(
        client=client,
        name=settings.search_engine,
        url=url,
        headers=headers,
        secret=_key(settings),
        timeout_s=settings.web_search.timeout_s,
    )


def _key(settings: Settings) -> str:
    """The configured one, else that of the usual variable; `load` has seen to it that there is one where needed."""
    if settings.web_search.api_key is not None:
        return settings.web_search.api_key.value
    return settings.origin.environ.get(SEARCH_KEYS.get(settings.search_engine, ""), "")
