"""`antiphon usage`, on a real database."""

import asyncio
import time
from pathlib import Path

import msgspec
import pytest

from antiphon.protocol.records import RunRow, Tenant
from tests.cli.conftest import Cli
from tests.store.making import a_run, opened

NOW = int(time.time())
HOUR_S = 3600


def keep(data_dir: Path, *runs: RunRow, tenant: str = "default") -> None:
    data_dir.mkdir(exist_ok=True)

    async def write() -> None:
        async with opened(f"sqlite:///{data_dir / 'antiphon.db'}") as store:
            for run in runs:
                await store.put(Tenant(tenant), run, None)

    asyncio.run(write())


def test_totals_by_model_with_a_sum(cli: Cli, data_dir: Path) -> None:
    keep(
        data_dir,
        a_run(created_at=NOW - HOUR_S, model="gpt-5", tokens=(1000, 20), cost_micros=1_450),
        a_run(created_at=NOW - HOUR_S, model="gpt-5", tokens=(500, 5)),
        a_run(created_at=NOW - HOUR_S, model="claude", status="failed", tokens=None),
    )
    done = cli("usage")
    rows = [line.split() for line in done.stdout.splitlines()]
    assert rows == [
        ["MODEL", "RUNS", "FAILED", "INPUT", "CACHED", "OUTPUT", "REASONING", "COST"],
        ["claude", "1", "1", "0", "0", "0", "0", "$0"],
        ["gpt-5", "2", "0", "1,500", "0", "25", "0", "$0.00145+"],
        ["total", "3", "1", "1,500", "0", "25", "0", "$0.00145+"],
    ]
    assert "~" not in done.output
    assert "+ The price of 1 runs is not known" in done.stderr


@pytest.mark.parametrize(
    ("cost_micros", "shown"),
    [(None, "-"), (0, "$0"), (7, "$0.000007"), (500_000, "$0.5"), (1_234_567_890, "$1,234.57")],
)
def test_costs_are_told_in_dollars(cli: Cli, data_dir: Path, cost_micros: int | None, shown: str) -> None:
    keep(data_dir, a_run(created_at=NOW - HOUR_S, cost_micros=cost_micros))
    assert cli("usage").stdout.splitlines()[1].split()[-1] == shown
    assert msgspec.json.decode(cli("usage", "--json").stdout)["total"]["cost_micros"] == (cost_micros or 0)


def test_estimated_tokens_are_marked(cli: Cli, data_dir: Path) -> None:
    keep(
        data_dir,
        a_run(created_at=NOW - HOUR_S, model="a", tokens=(10, 2), estimated=True),
        a_run(created_at=NOW - HOUR_S, model="b", tokens=(10, 2)),
    )
    done = cli("usage")
    _, a, b, total = (line.split() for line in done.stdout.splitlines())
    assert (a[3], b[3], total[3]) == ("~10", "10", "~20")
    assert "~ Tokens of 1 runs were estimated" in done.stderr


def test_only_the_asked_period_and_tenant_count(cli: Cli, data_dir: Path) -> None:
    keep(data_dir, a_run(created_at=NOW - 10 * 86_400, model="old"), a_run(created_at=NOW - HOUR_S, model="new"))
    keep(data_dir, a_run(created_at=NOW - HOUR_S, model="theirs"), tenant="acme")

    def groups(*arguments: str) -> list[str]:
        return [group["group"] for group in msgspec.json.decode(cli("usage", "--json", *arguments).stdout)["groups"]]

    assert groups() == ["new", "theirs"]
    assert groups("--since", "30d") == ["new", "old", "theirs"]
    assert groups("--since", "30d", "--until", "7d") == ["old"]
    assert groups("--tenant", "acme") == ["theirs"]


def test_keys_are_shown_by_their_names(cli: Cli, data_dir: Path) -> None:
    text = cli("keys", "create", "laptop").stdout
    key_id = msgspec.json.decode(cli("keys", "list", "--json").stdout)[0]["id"]
    keep(data_dir, a_run(created_at=NOW - HOUR_S, key_id=key_id), a_run(created_at=NOW - HOUR_S, key_id="key_gone"))
    shown = cli("usage", "--by", "key").stdout
    assert f"laptop ({text[:8]}" in shown
    assert "key_gone" in shown
    groups = msgspec.json.decode(cli("usage", "--by", "key", "--json").stdout)["groups"]
    assert {group["group"] for group in groups} == {key_id, "key_gone"}
    assert {group["name"].partition(" ")[0] for group in groups} == {"laptop", "key_gone"}


def test_days_and_providers_are_groups_too(cli: Cli, data_dir: Path) -> None:
    keep(data_dir, a_run(created_at=1_798_761_600, provider="groq"), a_run(created_at=1_798_761_601, provider=""))
    period = ("--since", "2027-01-01", "--until", "2027-01-02")
    assert cli("usage", "--by", "day", *period).stdout.splitlines()[1].startswith("2027-01-01")
    rows = cli("usage", "--by", "provider", *period).stdout.splitlines()
    assert [row.split()[0] for row in rows] == ["PROVIDER", "-", "groq", "total"]


def test_json_tells_period_groups_and_total(cli: Cli, data_dir: Path) -> None:
    keep(data_dir, a_run(created_at=NOW - HOUR_S, tokens=(7, 3)))
    document = msgspec.json.decode(cli("usage", "--json").stdout)
    assert document["until"] - document["since"] == pytest.approx(7 * 86_400, abs=5)
    assert document["by"] == "model"
    assert document["total"]["input_tokens"] == 7
    assert document["groups"][0]["output_tokens"] == 3


def test_nothing_used_is_said_so(cli: Cli) -> None:
    done = cli("usage")
    assert (done.exit_code, done.stdout) == (0, "")
    assert "Nothing was used from" in done.stderr


def test_period_must_run_forwards(cli: Cli) -> None:
    done = cli("usage", "--since", "2026-02-01", "--until", "2026-01-01")
    assert done.exit_code == 2
    assert "--since must lie before --until" in done.stderr
