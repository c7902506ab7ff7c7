"""The doctor's checks of ports, providers and the local model, against real sockets and files."""

import asyncio
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

import pytest

from antiphon.cli.findings import Finding, State
from antiphon.cli.options import catalog_of
from antiphon.cli.service_checks import Visit, check_local, check_port, check_providers, reachable_host
from antiphon.config.load import load
from antiphon.config.settings import Settings
from antiphon.local.model import smollm2
from tests.helpers.gateway import Gateway
from tests.helpers.upstream import Reply, Seen, ThreadedUpstream, answer


def settings_with(tmp_path: Path, text: str = "", **environ: str) -> Settings:
    file = tmp_path / "doctor.yaml"
    file.write_text(text)
    return load(file, {"ANTIPHON_DATA_DIR": str(tmp_path), "ANTIPHON_LOCAL": "off", **environ})


def port_of(tmp_path: Path, port: int, host: str = "127.0.0.1") -> Finding:
    settings = settings_with(tmp_path, ANTIPHON_HOST=host, ANTIPHON_PORT=str(port))
    return asyncio.run(check_port(settings, timeout_s=0.5))


@contextmanager
def taken_port() -> Iterator[int]:
    """Somebody listens there and never says a word."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        yield taken.getsockname()[1]


def test_free_port_is_fine(tmp_path: Path) -> None:
    with taken_port() as port:
        pass
    assert port_of(tmp_path, port).text == f"127.0.0.1 port {port} is free"
    assert port_of(tmp_path, 0).text == "127.0.0.1, any free port"


def test_running_antiphon_is_recognised(tmp_path: Path) -> None:
    with Gateway("http://127.0.0.1:1/v1", tmp_path) as gateway:
        found = port_of(tmp_path, gateway.address[1])
    assert found.state == "ok"
    assert "Antiphon" in found.text
    assert "is running" in found.text


def test_port_of_a_silent_program_is_found(tmp_path: Path) -> None:
    with taken_port() as port:
        found = port_of(tmp_path, port)
    assert (found.state, found.text) == ("failed", f"127.0.0.1 port {port} is taken by another program")
    assert "serve --port" in found.mend


def test_port_of_another_http_server_is_found(tmp_path: Path) -> None:
    with ThreadedUpstream(answer(b"<html>")) as up:
        found = port_of(tmp_path, int(up.url.rpartition(":")[2].partition("/")[0]))
    assert "is taken by another program" in found.text


def test_address_that_is_not_ours_is_found(tmp_path: Path) -> None:
    found = port_of(tmp_path, 8765, host="192.0.2.1")
    assert found.state == "failed"
    assert "cannot be used" in found.text


@pytest.mark.parametrize(
    ("host", "reached"), [("0.0.0.0", "127.0.0.1"), ("::", "[::1]"), ("::1", "[::1]"), ("gateway.lan", "gateway.lan")]
)
def test_server_on_every_address_is_reached_on_loopback(host: str, reached: str) -> None:
    assert reachable_host(host) == reached


def visits_with(tmp_path: Path, url: str, *, offline: bool = False) -> list[Visit]:
    text = f"providers:\n  acme: {{base_url: '{url}', api_key: sk-1, headers: {{x-team: blue}}}}\n"
    catalog = catalog_of(settings_with(tmp_path, text))
    return list(asyncio.run(check_providers(catalog, offline=offline, timeout_s=5.0)))


def test_provider_is_asked_with_its_key_and_headers(tmp_path: Path) -> None:
    with ThreadedUpstream(answer({"data": []}, headers={"date": "Fri, 15 Jan 2027 08:00:00 GMT"})) as up:
        (visit,) = visits_with(tmp_path, up.url)
        (seen,) = up.requests
    assert (visit.finding.state, visit.finding.topic, visit.date) == ("ok", "acme", 1_800_000_000.0)
    assert (seen.method, seen.path) == ("GET", "/v1/models")
    assert (seen.headers["authorization"], seen.headers["x-team"]) == ("Bearer sk-1", "blue")
    assert "sk-1" not in visit.finding.text


@pytest.mark.parametrize(
    ("status", "state", "text"),
    [
        (200, "ok", "key from `api_key`"),
        (404, "ok", "no list of models, 404"),
        (429, "hint", "(429)"),
        (401, "failed", "refused with 401"),
        (403, "failed", "refused with 403"),
        (302, "failed", "redirect (302)"),
        (503, "failed", "answers with 503"),
    ],
)
def test_answer_of_a_provider_is_judged(tmp_path: Path, status: int, state: State, text: str) -> None:
    with ThreadedUpstream(answer({}, status=status)) as up:
        (visit,) = visits_with(tmp_path, up.url)
    assert visit.finding.state == state
    assert text in visit.finding.text
    assert (visit.finding.mend == "") == (state != "failed")


def test_refused_key_names_where_keys_come_from(tmp_path: Path) -> None:
    with ThreadedUpstream(answer({}, status=401)) as up:
        text = f"providers:\n  openai: {{base_url: '{up.url}'}}\n"
        catalog = catalog_of(settings_with(tmp_path, text, OPENAI_API_KEY="sk-old"))
        (visit,) = asyncio.run(check_providers(catalog, offline=False))
    assert "key from OPENAI_API_KEY" in visit.finding.text
    assert "`providers.openai.api_key`, or the variable OPENAI_API_KEY" in visit.finding.mend


def test_every_key_is_tried(tmp_path: Path) -> None:
    def brain(request: Seen) -> Reply:
        return answer({"data": []}, status=401 if request.headers["authorization"].endswith("sk-old") else 200)

    with ThreadedUpstream(brain) as up:
        text = f"providers: {{acme: {{base_url: '{up.url}', api_keys: {{one: sk-new, two: sk-old}}}}}}"
        one, two = asyncio.run(check_providers(catalog_of(settings_with(tmp_path, text)), offline=False))
    assert (one.finding.state, two.finding.state) == ("ok", "failed")
    assert "key `one`" in one.finding.text
    assert two.finding.mend == "Set a key that is valid there: `providers.acme.api_keys.two`."


def test_provider_that_is_not_there_is_found(tmp_path: Path) -> None:
    (visit,) = visits_with(tmp_path, "http://127.0.0.1:1/v1")
    assert visit.finding.state == "failed"
    assert "cannot be reached: connect: " in visit.finding.text
    assert visit.finding.mend.startswith("Start it, or correct `base_url`")


def test_provider_that_hangs_up_is_found(tmp_path: Path) -> None:
    with ThreadedUpstream(Reply(["reset"], framing="raw")) as up:
        (visit,) = visits_with(tmp_path, up.url)
    assert "cannot be reached" in visit.finding.text
    assert "really is an HTTP API" in visit.finding.mend


def test_offline_asks_nobody(tmp_path: Path) -> None:
    with ThreadedUpstream(answer({})) as up:
        (visit,) = visits_with(tmp_path, up.url, offline=True)
        assert not up.requests
    assert (visit.finding.state, visit.finding.text) == ("skipped", "key from `api_key`; not asked (--offline)")


def test_local_model_is_no_provider_to_visit(tmp_path: Path) -> None:
    catalog = catalog_of(settings_with(tmp_path, ANTIPHON_LOCAL="on"))
    assert catalog.providers
    assert not asyncio.run(check_providers(catalog, offline=False))


def local_of(tmp_path: Path, **environ: str) -> Finding:
    return asyncio.run(check_local(settings_with(tmp_path, **{"ANTIPHON_LOCAL": "on", **environ})))


def test_local_model_that_is_off_is_skipped(tmp_path: Path) -> None:
    assert local_of(tmp_path, ANTIPHON_LOCAL="off").state == "skipped"


def test_local_model_that_will_be_fetched_is_a_hint(tmp_path: Path) -> None:
    found = local_of(tmp_path)
    assert found.state == "hint"
    assert "the first start does it (98 MB)" in found.text


def test_local_model_is_judged_by_its_size(tmp_path: Path) -> None:
    file = tmp_path / "models" / PurePosixPath(smollm2().member).name
    file.parent.mkdir()
    file.write_bytes(b"GGUF")
    assert "is not whole" in local_of(tmp_path).text
    os.truncate(file, smollm2().size)
    assert (local_of(tmp_path).state, local_of(tmp_path).text) == ("ok", str(file))


def test_operators_own_model_must_be_a_gguf_file(tmp_path: Path) -> None:
    file = tmp_path / "own.gguf"
    file.write_bytes(b"GGUF....")
    assert local_of(tmp_path, ANTIPHON_LOCAL_MODEL=str(file)).text == str(file)
    file.write_bytes(b"MZ......")
    found = local_of(tmp_path, ANTIPHON_LOCAL_MODEL=str(file))
    assert found.state == "failed"
    assert "which is not a GGUF file" in found.text
    assert "local: off" in found.mend


def test_provider_of_the_messages_api_is_asked_with_its_own_headers(tmp_path: Path) -> None:
    with ThreadedUpstream(answer({"data": []})) as up:
        text = f"providers:\n  acme: {{base_url: '{up.url}', protocol: anthropic, api_key: sk-1}}\n"
        settings = settings_with(tmp_path, text)
        (visit,) = asyncio.run(check_providers(catalog_of(settings), timeout_s=5, offline=False))
        (seen,) = up.requests
    assert visit.finding.state == "ok"
    assert (seen.headers["x-api-key"], seen.headers["anthropic-version"]) == ("sk-1", "2023-06-01")
    assert "authorization" not in seen.headers


def test_provider_of_generate_content_is_asked_with_its_own_header(tmp_path: Path) -> None:
    refusal = answer({"error": {"code": 400, "details": [{"reason": "API_KEY_INVALID"}]}}, status=400)
    with ThreadedUpstream(refusal) as up:
        text = f"providers:\n  acme: {{base_url: '{up.url}', protocol: gemini, api_key: AIza-1}}\n"
        settings = settings_with(tmp_path, text)
        (visit,) = asyncio.run(check_providers(catalog_of(settings), timeout_s=5, offline=False))
        (seen,) = up.requests
    assert visit.finding.state == "failed"
    assert "refused with 400" in visit.finding.text
    assert seen.headers["x-goog-api-key"] == "AIza-1"
    assert "authorization" not in seen.headers
