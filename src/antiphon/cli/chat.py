"""`antiphon chat`: a first conversation in the terminal, through the running gateway."""

import asyncio
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Literal
from urllib.parse import urlsplit

import click
from msgspec import UNSET, Struct, structs

from antiphon.cli.options import config_option, settings_from
from antiphon.cli.output import note, printable
from antiphon.config.settings import Settings

if TYPE_CHECKING:
    from antiphon.cli.conversation import Door, Reply

__all__ = ["command"]

_KEY_FILE = "quickstart.key"
_PROMPT = "> "
_HELP = """\
/new          begin a new conversation
/model NAME   ask another model from now on (without NAME: say which one)
/help         this
Ctrl-C stops an answer, Ctrl-D leaves."""


class _Talk(Struct, frozen=True):
    """A conversation so far."""

    door: "Door"
    model: str
    instructions: str | None
    previous: str | None = None


@click.command("chat")
@click.argument("question", nargs=-1)
@config_option
@click.option("--model", default="local", show_default=True, help="Which model to ask.")
@click.option("--url", help="The gateway. Default: the one of the configuration, http://127.0.0.1:8000 without any.")
@click.option(
    "--key",
    envvar="ANTIPHON_API_KEY",
    show_envvar=True,
    help="Your key. Default: for a gateway on this machine, the one made at its first start.",
)
@click.option("--instructions", help="What the model should keep to.")
@click.pass_context
def command(
    ctx: click.Context,
    config: Path | None,
    *,
    question: Sequence[str],
    model: str,
    url: str | None,
    key: str | None,
    instructions: str | None,
) -> None:
    """Talk to a model through the running gateway.

    With a QUESTION, or one on standard input, it answers that and ends.
    """
    talk = _Talk(_door(config, url=url, key=key), model, instructions)
    text = " ".join(question)
    if not sys.stdin.isatty():
        text = "\n\n".join(part for part in (text, sys.stdin.read().strip()) if part)
        if not text:
            raise click.UsageError("Standard input is empty, and there is no QUESTION.")
    if text:
        ctx.exit(_answer_once(talk, text))
    _converse(talk)


def _door(config: Path | None, *, url: str | None, key: str | None) -> "Door":
    """Where to go and with which key. The configuration is only read when it is needed."""
    from antiphon.cli.conversation import Door, base_of  # noqa: PLC0415 - the HTTP client takes a moment to import

    if url is not None and key is not None:
        return Door(base_of(url), key.strip())
    settings = settings_from(config)
    base = base_of(url) if url is not None else _own_url(settings)
    key = key or settings.origin.environ.get("ANTIPHON_API_KEY") or _quickstart_key(settings, base)
    if key is None:
        raise click.ClickException(
            "There is no key. Make one with `antiphon keys create NAME`, and give it as --key or ANTIPHON_API_KEY."
        )
    return Door(base, key.strip())


def _own_url(settings: Settings) -> str:
    from antiphon.cli.service_checks import reachable_host  # noqa: PLC0415 - same

    return f"http://{reachable_host(settings.server.host)}:{settings.server.port}"


def _quickstart_key(settings: Settings, base: str) -> str | None:
    """The key that the first start made; never for a gateway elsewhere, to which it would be given away."""
    if urlsplit(base).hostname not in {"127.0.0.1", "::1", "localhost", settings.server.host}:
        return None
    try:
        return (settings.data_path / _KEY_FILE).read_text(encoding="utf-8").strip() or None
    except OSError:
        return None


def _answer_once(talk: _Talk, text: str) -> int:
    from antiphon.cli.conversation import TalkError  # noqa: PLC0415 - same

    try:
        _ask(talk, text)
    except TalkError as error:
        raise click.ClickException(printable(str(error))) from error
    except KeyboardInterrupt:
        click.echo()
        return 130  # what shells expect of a program that SIGINT ended
    return 0


def _converse(talk: _Talk) -> None:
    """Until Ctrl-D."""
    with suppress(ImportError):
        import readline  # noqa: F401, PLC0415 - gives `input` its editing keys and history, where there is one
    note(f"{talk.model} at {talk.door.url}. /help shows what else there is; Ctrl-D leaves.")
    while True:
        try:
            talk = _step(talk)
        except EOFError:
            click.echo()
            return
        except KeyboardInterrupt:
            note("\n(Ctrl-D leaves)")


def _step(talk: _Talk) -> _Talk:
    """One line of the person's."""
    line = input(_PROMPT).strip()
    if line.startswith("/"):
        return _obey(talk, line)
    return _turn(talk, line) if line else talk


def _obey(talk: _Talk, line: str) -> _Talk:
    match line.split():
        case ["/new"]:
            note("(a new conversation)")
            return structs.replace(talk, previous=None)
        case ["/model", name]:
            note(f"(asking {name} from now on)")
            return structs.replace(talk, model=name)
        case ["/model"]:
            note(f"(asking {talk.model})")
        case ["/help"]:
            note(_HELP)
        case [word, *_]:
            note(f"There is no {word}.\n{_HELP}")
    return talk


def _turn(talk: _Talk, line: str) -> _Talk:
    """One question. One that failed or was stopped is no part of the conversation."""
    from antiphon.cli.conversation import TalkError  # noqa: PLC0415 - same

    try:
        reply = _ask(talk, line)
    except TalkError as error:
        note(f"\nError: {error}")
        return talk
    except KeyboardInterrupt:
        note("\n(stopped; the conversation goes on before this question)")
        return talk
    return structs.replace(talk, previous=reply.response_id)


def _ask(talk: _Talk, text: str) -> "Reply":
    """Ask, print the answer as it comes. Ctrl-C cancels the call, and with it the connection."""
    from antiphon.cli.conversation import Question, ask  # noqa: PLC0415 - same

    question = Question(talk.model, text, talk.instructions or UNSET, talk.previous or UNSET)
    printer = _Printer()
    reply = asyncio.run(ask(talk.door, question, printer.show))
    printer.end()
    if reply.cut_off:
        note(f"(cut off: {reply.cut_off})")
    return reply


class _Printer:
    """Prints pieces of an answer. On a terminal, what a model writes can neither move the cursor nor pose as us."""

    def __init__(self) -> None:
        self._is_terminal = sys.stdout.isatty()
        self._last: Literal["text", "reasoning", ""] = ""

    def show(self, kind: Literal["text", "reasoning"], piece: str) -> None:
        """One piece. Reasoning is only shown to a person, and paler."""
        if kind == "reasoning" and not self._is_terminal:
            return
        if self._last == "reasoning" and kind == "text":
            click.echo("\n")
        self._last = kind
        if self._is_terminal:
            piece = printable(piece, keep="\n\t")
        click.echo(click.style(piece, dim=True) if kind == "reasoning" else piece, nl=False)

    def end(self) -> None:
        """After the last piece."""
        click.echo()
