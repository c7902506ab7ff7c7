"""`antiphon usage`: totals of what was used, from the run rows of the store."""

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click
from msgspec import Struct, structs

from antiphon.cli.moments import past
from antiphon.cli.options import config_option, json_option, settings_from, store_url, tenant_option
from antiphon.cli.output import Column, date_of, note, print_json, print_table
from antiphon.lib.clock import SystemClock
from antiphon.protocol.records import Tenant, UsageTotal

if TYPE_CHECKING:
    from antiphon.store.reading import UsageGroup

__all__ = ["command"]

_COLUMNS = ("runs", "failed", "input", "cached", "output", "reasoning", "cost")
#: Runs that no provider was asked for, as their model does not exist.
_NONE = "-"


class _Question(Struct, frozen=True):
    since: int
    until: int
    by: "UsageGroup"
    tenant: Tenant | None


@click.command("usage")
@config_option
@click.option(
    "--since", type=past, metavar="WHEN", default="7d", show_default=True, help="From: so long ago, or a date."
)
@click.option("--until", type=past, metavar="WHEN", help="Up to, this moment excluded. Default: now.")
@click.option(
    "--by",
    type=click.Choice(["model", "key", "provider", "day"]),
    default="model",
    show_default=True,
    help="What to sum up over. Days are UTC.",
)
@tenant_option
@json_option
def command(
    config: Path | None, since: int, *, until: int | None, by: "UsageGroup", tenant: str | None, as_json: bool
) -> None:
    """Show what was used, and what it cost.

    `~` marks sums that hold token counts of ours, where a provider told none; `+` costs in which runs are missing.
    """
    until = SystemClock().now() + 1 if until is None else until
    if since >= until:
        raise click.UsageError("--since must lie before --until.")
    question = _Question(since, until, by, None if tenant is None else Tenant(tenant))
    totals, names = asyncio.run(_ask(store_url(settings_from(config)), question))
    if as_json:
        print_json(_document(question, totals, names=names))
    elif totals:
        _print(question, totals, names=names)
    else:
        note(f"Nothing was used from {date_of(since)} to {date_of(until)} UTC.")


async def _ask(url: str, question: _Question) -> tuple[Sequence[UsageTotal], Mapping[str, str]]:
    """The totals, and what groups are called where they are ids."""
    from antiphon.store.sql import SqlStore  # noqa: PLC0415 - SQLAlchemy takes longer than all else, `--help` included

    try:
        store = await asyncio.to_thread(SqlStore.open, url, SystemClock())
    except ValueError as error:
        raise click.ClickException(str(error)) from error
    try:
        period = {"since": question.since, "until": question.until}
        totals = await store.usage(question.tenant, **period, by=question.by)
        if question.by != "key":
            return totals, {}
        return totals, {key.id: f"{key.name} ({key.prefix}…)" for key in await store.list_keys(question.tenant)}
    finally:
        await store.close()


def _document(question: _Question, totals: Sequence[UsageTotal], *, names: Mapping[str, str]) -> Mapping[str, object]:
    groups = [{**structs.asdict(total), "name": names.get(total.group, total.group)} for total in totals]
    everything = structs.asdict(_sum(totals))
    del everything["group"]
    return {"since": question.since, "until": question.until, "by": question.by, "groups": groups, "total": everything}


def _print(question: _Question, totals: Sequence[UsageTotal], *, names: Mapping[str, str]) -> None:
    everything = _sum(totals)
    columns = [Column(question.by), *(Column(name, is_number=True) for name in _COLUMNS)]
    rows = [_row(total, names.get(total.group, total.group) or _NONE) for total in totals]
    print_table(columns, [*rows, _row(everything, everything.group)], last_is_total=True)
    note(f"From {date_of(question.since)} to {date_of(question.until)} UTC.")
    if everything.unpriced_runs:
        note(f"+ The price of {everything.unpriced_runs} runs is not known: they are not in the cost.")
    if everything.estimated_runs:
        note(f"~ Tokens of {everything.estimated_runs} runs were estimated: their provider did not count them.")


def _row(total: UsageTotal, name: str) -> Sequence[str]:
    mark = "~" if total.estimated_runs else ""
    tokens = (total.input_tokens, total.cached_tokens, total.output_tokens, total.reasoning_tokens)
    counts = (f"{mark}{count:,}" for count in tokens)
    return (name, f"{total.runs:,}", f"{total.failed:,}", *counts, _cost(total))


def _cost(total: UsageTotal) -> str:
    """Dollars; `+` behind them where there is more, and `-` where nothing is known."""
    if not total.cost_micros:
        return _NONE if total.unpriced_runs else "$0"
    dollars = total.cost_micros / 1_000_000
    return f"${dollars:,.2f}{_more(total)}" if dollars >= 1 else f"${dollars:.6f}".rstrip("0") + _more(total)


def _more(total: UsageTotal) -> str:
    return "+" if total.unpriced_runs else ""


def _sum(totals: Sequence[UsageTotal]) -> UsageTotal:
    return UsageTotal(
        "total",
        runs=sum(one.runs for one in totals),
        failed=sum(one.failed for one in totals),
        input_tokens=sum(one.input_tokens for one in totals),
        cached_tokens=sum(one.cached_tokens for one in totals),
        output_tokens=sum(one.output_tokens for one in totals),
        reasoning_tokens=sum(one.reasoning_tokens for one in totals),
        estimated_runs=sum(one.estimated_runs for one in totals),
        cost_micros=sum(one.cost_micros for one in totals),
        unpriced_runs=sum(one.unpriced_runs for one in totals),
    )
