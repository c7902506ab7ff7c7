"""`antiphon client-config`: the settings of other programs, so that they talk to this gateway."""

from pathlib import Path

import click

from antiphon.cli.clients import CLIENTS, ClientFacts
from antiphon.cli.options import catalog_of, config_option, settings_from
from antiphon.cli.output import note, printable
from antiphon.config.settings import Settings
from antiphon.protocol.faults import RequestFault
from antiphon.routing.router import ModelRouter

__all__ = ["command"]

#: Stands in the settings where nothing tells which model is meant.
_ANY_MODEL = "PROVIDER/MODEL"


@click.command("client-config")
@click.argument("client", type=click.Choice(list(CLIENTS)), metavar="CLIENT")
@config_option
@click.option("--model", help="Which model it should ask. Default: the first that has a name.")
@click.option("--url", help="The gateway as clients reach it. Default: the address of the configuration.")
@click.option("--key", help="Write this key into the settings, instead of a reference to ANTIPHON_API_KEY.")
def command(config: Path | None, client: str, *, model: str | None, url: str | None, key: str | None) -> None:
    """Print the settings with which CLIENT uses this gateway.

    CLIENT is one of codex, claude, opencode, crush, cline, continue, aider, goose, zed, open-webui, openai and
    anthropic (programs that use these SDKs). The settings go to standard output, where they belong to standard error.
    """
    settings = settings_from(config)
    told = CLIENTS[client](_facts(settings, model=model, url=url, key=key))
    click.echo(printable(told.text, keep="\n"), nl=False)
    note(f"\nThis belongs into: {told.where}")
    if told.then:
        note(f"Then: {told.then}" if not told.then.endswith(".") else told.then)
    if key is None:
        note("A key is made by `antiphon keys create NAME`.")
    if model is None:
        note("Another model is chosen with --model; `antiphon models` shows those that there are.")


def _facts(settings: Settings, *, model: str | None, url: str | None, key: str | None) -> ClientFacts:
    from antiphon.cli.conversation import base_of  # noqa: PLC0415 - takes a moment to import, which --help need not
    from antiphon.cli.service_checks import reachable_host  # noqa: PLC0415 - same

    server = settings.server
    base = base_of(url) if url is not None else f"http://{reachable_host(server.host)}:{server.port}"
    router = ModelRouter(catalog_of(settings))
    name = model or next((info.id for info in router.models()), _ANY_MODEL)
    try:
        info = router.model(name)
    except RequestFault as fault:
        if model is not None:
            raise click.UsageError(fault.message) from fault
        return ClientFacts(base, name, key)
    return ClientFacts(
        base,
        name,
        key,
        context=info.context_length or None,
        max_output=info.max_output_tokens or None,
    )
