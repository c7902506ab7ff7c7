"""`antiphon why`, on a real database."""

import asyncio
from pathlib import Path

import msgspec
import pytest

from antiphon.cli.telling import tell
from antiphon.engine.record import Attempt, Caller, Candidate, Record, Timing, encode_record
from antiphon.protocol.ids import ResponseId, response_id_text
from antiphon.protocol.records import Tenant
from antiphon.protocol.request import Notice
from tests.cli.conftest import Cli
from tests.helpers.gateway import Gateway
from tests.helpers.upstream import ThreadedUpstream, error
from tests.store.making import a_run, opened

RUN = ResponseId(bytes(range(16)))
NAME = response_id_text(RUN)


def a_record() -> Record:
    return Record(
        id=NAME,
        tenant="acme",
        caller=Caller("req_1", key_id="key_1", key_name="my-app", client_address="10.0.0.9"),
        created_at=1_798_761_600,
        model="fast",
        stream=True,
        store=True,
        status="completed",
        previous_response_id="resp_before",
        timing=Timing(read=0, history=1, routed=1, encoded=2, finished=2250),
        strategy="weighted",
        affinity=True,
        candidates=[
            Candidate("one/m", "failed", "k1"),
            Candidate("two/m", "served", "k2"),
            Candidate("three/m", "region_excluded"),
            Candidate("four/m", "of_a_later_version"),
        ],
        attempts=[
            Attempt(1, "one/m", "k1", 2, 503, 3, end=4, outcome="upstream_overloaded", decision="retry", wait=30),
            Attempt(2, "one/m", "k1", 34, 503, 40, end=41, outcome="upstream_error", decision="next_candidate"),
            Attempt(3, "two/m", "k2", 141, 200, 500, 512, 2200, upstream_model="m-2026", stop="stop", outcome="served"),
        ],
        notices=[
            Notice("top_k", "dropped", "not_supported_by_upstream"),
            Notice("reasoning.effort", "approximated", "nearest_effort", asked="xhigh", became="high"),
        ],
        cost_micros=1250,
    )


def keep(data_dir: Path, record: bytes) -> None:
    data_dir.mkdir(exist_ok=True)

    async def write() -> None:
        async with opened(f"sqlite:///{data_dir / 'antiphon.db'}") as store:
            await store.put(Tenant("acme"), a_run(RUN, record=record), None)

    asyncio.run(write())


def test_the_run_is_told_in_words(cli: Cli, data_dir: Path) -> None:
    keep(data_dir, encode_record(a_record()))
    done = cli("why", NAME)
    assert done.exit_code == 0
    assert (
        done.stdout
        == f"""\
{NAME}: completed after 2.25 s
  asked for   fast (stream), through responses
  asked       2027-01-01 00:00 UTC by my-app, tenant acme from 10.0.0.9
  request     req_1
  continues   resp_before
  answered by two/m (key k2), which calls itself m-2026
  cost        $0.001250

Where it could go (by lot, as weighted; kept where its conversation is):
  one/m (key k1)  was tried, and failed
  two/m (key k2)  answered
  three/m         is in none of the regions that the request is bound to, or is for others
  four/m          of_a_later_version

What was tried:
  1. one/m (key k1) at 2 ms: failed with status 503: upstream_overloaded
     answer began after 1 ms, ended after 2 ms
     then it was asked again, 30 ms later
  2. one/m (key k1) at 34 ms: failed with status 503: upstream_error
     answer began after 6 ms, ended after 7 ms
     then the next place was tried
  3. two/m (key k2) at 141 ms: answered with status 200, and stopped with `stop`
     answer began after 359 ms, first output after 371 ms, ended after 2.06 s

Where the time went:
  2 ms in the gateway before the first provider was asked (read 0 ms, history 1 ms, routed 1 ms, encoded 2 ms)
  2.07 s at providers
  130 ms between the tries
  50 ms in the gateway after that, mostly to store

What was not done exactly as asked:
  top_k: dropped (not_supported_by_upstream)
  reasoning.effort: approximated (nearest_effort, xhigh became high)
"""
    )


def test_json_is_the_record_itself(cli: Cli, data_dir: Path) -> None:
    keep(data_dir, encode_record(a_record()))
    assert msgspec.json.decode(cli("why", NAME, "--json").stdout) == msgspec.json.decode(encode_record(a_record()))


def test_a_run_that_nobody_was_asked_for_is_told_too() -> None:
    record = Record(NAME, "default", Caller("req_1"), 1, "x", stream=False, store=True, status="failed")
    record.error, record.timing.finished = "model_not_found", 3
    told = "\n".join(tell(record))
    assert "failed with model_not_found after 3 ms" in told
    assert "no provider was asked" in told
    assert "Where it could go" not in told


def test_control_characters_of_clients_are_shown_not_obeyed(cli: Cli, data_dir: Path) -> None:
    record = a_record()
    record.model = "\x1b[31mred"
    keep(data_dir, encode_record(record))
    assert "\\x1b[31mred" in cli("why", NAME).stdout


@pytest.mark.parametrize("has_database", [True, False])
def test_an_unknown_run_is_said_so(cli: Cli, data_dir: Path, *, has_database: bool) -> None:
    if has_database:
        keep(data_dir, b"{}")
    done = cli("why", "resp_" + "0" * 32)
    assert (done.exit_code, done.stdout) == (1, "")
    assert f"knows no run of resp_{'0' * 32}: records are kept 365 days" in done.stderr
    assert data_dir.exists() == has_database, "looking makes nothing"


@pytest.mark.parametrize("name", ["resp_1", "req_123", "\x1b[31m", NAME.upper()])
def test_what_is_no_id_is_refused(cli: Cli, name: str) -> None:
    done = cli("why", name)
    assert done.exit_code == 2
    assert "is no id of a response" in done.stderr
    assert "\x1b" not in done.stderr


def test_a_record_that_cannot_be_read_is_said_so(cli: Cli, data_dir: Path) -> None:
    keep(data_dir, b"{}")
    done = cli("why", NAME)
    assert done.exit_code == 1
    assert "cannot be read" in done.stderr


def test_a_real_run_is_told(cli: Cli, data_dir: Path) -> None:
    data_dir.mkdir()
    with ThreadedUpstream(error(401, "no")) as upstream, Gateway(upstream.url, data_dir) as gateway:
        assert gateway.create(input="Hi").status >= 400
        gateway.stop()
        ((run_id,),) = gateway.sql("SELECT id FROM runs")
    done = cli("why", response_id_text(ResponseId(run_id)), "--config", str(data_dir / "antiphon.yaml"))
    assert "test/m (key test)" in done.stdout
    assert "failed with status 401: upstream_credential_error" in done.stdout
    assert "was tried, and failed" in done.stdout
