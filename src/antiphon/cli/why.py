"""`antiphon why`: where a run went, and why, in words. Reads the run record from the store; asks no provider."""

import asyncio
from pathlib import Path

import click
import msgspec

from antiphon.cli.options import config_option, json_option, settings_from
from antiphon.cli.output import print_json, printable
from antiphon.cli.telling import tell
from antiphon.engine.record import Record
from antiphon.protocol.ids import ResponseId, parse_response_id

__all__ = ["command"]


@click.command("why")
@click.argument("response_id", metavar="RESPONSE_ID")
@config_option
@json_option
def command(config: Path | None, response_id: str, as_json: bool) -> None:
    """Tell where the run of a response went, and why.

    Which places were looked at, what was tried, how long it took, what was not done as asked. No prompt and no output
    is shown. The id stands in the response, and in the access log. Exit code 1 when there is no such run.
    """
    run_id = parse_response_id(response_id.strip())
    if run_id is None:
        raise click.UsageError(f"`{printable(response_id[:80])}` is no id of a response: `resp_` and 32 hex digits.")
    settings = settings_from(config)
    record = asyncio.run(asyncio.to_thread(_find, settings.database_url, run_id))
    if record is None:
        days = settings.store.run_days
        kept = f"records are kept {days} days" if days else "records are kept for ever"
        raise click.ClickException(
            f"The database knows no run of {response_id.strip()}: {kept}, and a run under way has none yet."
        )
    if as_json:
        print_json(msgspec.Raw(record))
        return
    try:
        decoded = msgspec.json.decode(record, type=Record)
    except msgspec.DecodeError as error:
        raise click.ClickException(f"The record cannot be read: {error}") from error
    for line in tell(decoded):
        click.echo(printable(line))


def _find(url: str, run_id: ResponseId) -> bytes | None:
    from antiphon.store.inspection import run_record  # noqa: PLC0415 - SQLAlchemy takes longer than all else here

    try:
        return run_record(url, run_id)
    except ValueError as error:
        raise click.ClickException(str(error)) from error
