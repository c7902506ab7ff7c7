"""What `antiphon serve` says once it listens: where, and on a machine without other keys how to ask for an answer."""

import shlex
import sys
from collections.abc import Sequence

from msgspec import Struct
from rich.console import Console

from antiphon import __version__
from antiphon.cli.options import LOCAL_URL, catalog_of
from antiphon.cli.quickstart import QUICKSTART, QuickstartKey
from antiphon.config.settings import Settings
from antiphon.tools.web.engines.registry import engine_in_effect

__all__ = ["Welcome", "greet", "say"]


class Welcome(Struct, frozen=True):
    """What the first lines tell.

    Attributes:
        names_itself: whether commands find the gateway without `--url`.
    """

    settings: Settings
    key: QuickstartKey | None
    names_itself: bool


def greet(console: Console, welcome: Welcome, *, url: str, models: Sequence[str]) -> None:
    """Say it. `models` are the names that can be told."""
    say(console, f"Antiphon {__version__} listens on {url} (API page: {url}/docs)")
    if _searches_by_itself(welcome.settings):
        say(console, "Models that search the web ask public search pages (ddgs). To choose another engine, or none:")
        say(console, "`web_search` in antiphon.yaml.")
    model = _a_model(models, welcome.settings)
    if model is None:
        say(console, "Nothing can answer yet: set a provider's key, such as OPENAI_API_KEY, or `local: on`.")
    elif welcome.key is not None:
        _show_first_request(console, welcome, url=url, model=model)


def _searches_by_itself(settings: Settings) -> bool:
    """What users look for leaves this machine although nobody said so."""
    return settings.web_search.engine is None and engine_in_effect(settings) != "off"


def _a_model(names: Sequence[str], settings: Settings) -> str | None:
    """A name to try: the local model if it could be had, else the first that is listed, else how names look."""
    if names:
        return "local" if "local" in names else names[0]
    others = (one.name for one in catalog_of(settings).providers if one.template.base_url != LOCAL_URL)
    return next((f"{name}/MODEL" for name in others), None)


def _show_first_request(console: Console, welcome: Welcome, *, url: str, model: str) -> None:
    key = welcome.key
    if key is None:
        return
    # The key itself goes to a person's terminal, and once, when it is made; later starts keep it out of logs.
    shown = key.text if key.is_new or console.is_terminal else f"$(cat {shlex.quote(str(key.file))})"
    say(console, f"Key '{QUICKSTART}', kept in {key.file}" + (f": {key.text}" if shown == key.text else ""))
    body = f'{{"model": "{model}", "input": "Say hello."}}'
    chat = f"{_program()} chat"
    chat += "" if model == "local" else f" --model {shlex.quote(model)}"
    chat += "" if welcome.names_itself else f" --url {url}"
    say(console, "Try it in another terminal:\n")
    say(
        console,
        f'curl {url}/v1/responses -H "Authorization: Bearer {shown}" -H "Content-Type: application/json" '
        f"-d {shlex.quote(body)}\n",
    )
    say(console, f"or talk to it: {chat}\n")


def _program() -> str:
    """How this command was called, for another terminal in the same directory."""
    if sys.argv[0].endswith("__main__.py"):
        return f"{shlex.quote(sys.executable)} -m antiphon"
    return shlex.quote(sys.argv[0])


def say(console: Console, text: str) -> None:
    """A line as it is, however narrow the terminal: what is to be pasted must not be broken."""
    console.print(text, highlight=False, markup=False, soft_wrap=True)
