"""`antiphon chat` with a question or a pipe, against a real server that speaks scripted Responses events."""

import asyncio
from pathlib import Path

import pytest

from tests.cli.conftest import Cli
from tests.cli.processes import antiphon
from tests.cli.talking import ended, says, text, thought
from tests.helpers.gateway import Gateway
from tests.helpers.upstream import Reply, ThreadedUpstream, answer, error, text_chunks
from tests.helpers.upstream import stream as chat_stream


def place(up: ThreadedUpstream) -> list[str]:
    return ["--url", up.url, "--key", "sk-me"]


def test_answer_of_one_question_is_printed_and_nothing_else(cli: Cli) -> None:
    with ThreadedUpstream(says(thought("hmm"), text("Hel"), text("lo.\x1b[2J"), ended())) as up:
        done = cli("chat", *place(up), "--instructions", "be brief", "--model", "gpt-5", "say", "hello")
        (seen,) = up.requests
    assert (done.exit_code, done.stderr) == (0, "")
    assert done.stdout.startswith("Hello.")
    assert "hmm" not in done.stdout
    assert (seen.method, seen.path, seen.headers["authorization"]) == ("POST", "/v1/responses", "Bearer sk-me")
    assert seen.json == {"model": "gpt-5", "input": "say hello", "instructions": "be brief", "stream": True}


def test_question_comes_through_a_pipe(data_dir: Path) -> None:
    assert not data_dir.exists()
    with ThreadedUpstream(says(text("4"), ended())) as up:
        whole = asyncio.run(antiphon("chat", *place(up), given="what is 2+2?\n"))
        both = asyncio.run(antiphon("chat", *place(up), "translate", given="two lines\nof text\n"))
        first, second = up.requests
    assert (whole.code, whole.out, whole.err) == (0, "4\n", "")
    assert both.out == "4\n"
    assert first.json == {"model": "local", "input": "what is 2+2?", "stream": True}
    assert second.json["input"] == "translate\n\ntwo lines\nof text"


def test_nothing_to_ask_is_told(cli: Cli) -> None:
    done = cli("chat", "--url", "here", "--key", "k", text="  \n")
    assert done.exit_code == 2
    assert "Standard input is empty" in done.stderr


def test_gateway_that_does_not_run_is_told_with_what_to_do(data_dir: Path) -> None:
    assert not data_dir.exists()
    done = asyncio.run(antiphon("chat", "--url", "127.0.0.1:1", "--key", "k", "hi"))
    assert (done.code, done.out) == (1, "")
    assert done.err.startswith("Error: Nothing answers at http://127.0.0.1:1. Start the gateway with `antiphon serve`")


def test_host_that_does_not_exist_is_told(cli: Cli) -> None:
    done = cli("chat", "--url", "http://nowhere.invalid", "--key", "k", "hi")
    assert (done.exit_code, done.stdout) == (1, "")
    assert "there is no host nowhere.invalid" in done.stderr


@pytest.mark.parametrize(
    ("reply", "message"),
    [
        (error(404, "The model `x` does not exist here."), "Error: The model `x` does not exist here."),
        (error(401, "The API key is not valid."), "Error: The API key is not valid. Make a key with `antiphon keys"),
        (answer(b"<html>It works!", status=200), "is not Antiphon (status 200)"),
        (answer({"detail": "Not Found"}, status=404), "is not Antiphon (status 404)"),
        (answer({}, status=302), "gives no answer: "),
        (
            says(ended(status="failed", error={"code": "server_error", "message": "The provider broke."})),
            "provider broke",
        ),
        (says({"type": "error", "code": "server_error", "message": "Overloaded."}), "Error: Overloaded."),
        (says(text("Hel")), "The connection ended in the middle of the answer."),
        (says(text("Hel"), "reset"), "broke in the middle of the answer"),
        (says(b"data: {oops\n\n"), "something that is no Responses event"),
        (says(b'data: {"type": "response.completed"}\n\n'), "something that is no Responses event"),
        (Reply(["close"], framing="raw"), "gives no answer: "),
    ],
)
def test_failure_is_told_in_one_line_with_code_1(cli: Cli, reply: Reply, message: str) -> None:
    with ThreadedUpstream(reply) as up:
        done = cli("chat", *place(up), "hi")
    assert done.exit_code == 1
    assert message in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_answer_that_was_cut_off_says_why(cli: Cli) -> None:
    end = ended(status="incomplete", incomplete_details={"reason": "max_output_tokens"})
    with ThreadedUpstream(says(text("Once upon"), end)) as up:
        done = cli("chat", *place(up), "hi")
    assert (done.exit_code, done.stdout) == (0, "Once upon\n")
    assert "(cut off: max_output_tokens)" in done.stderr


def test_refusal_is_an_answer_too(cli: Cli) -> None:
    with ThreadedUpstream(says({"type": "response.refusal.delta", "delta": "No."}, ended())) as up:
        assert cli("chat", *place(up), "hi").stdout == "No.\n"


def test_key_comes_from_the_environment_or_dotenv_before_the_quickstart(
    cli: Cli, data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data_dir.mkdir()
    (data_dir / "quickstart.key").write_text("sk-quick\n")
    with ThreadedUpstream(says(ended())) as up:
        cli("chat", "--url", up.url, "hi")
        Path(".env").write_text("ANTIPHON_API_KEY=sk-dotenv\n")
        cli("chat", "--url", up.url, "hi")
        monkeypatch.setenv("ANTIPHON_API_KEY", "sk-environment")
        cli("chat", "--url", up.url, "hi")
        cli("chat", "--url", up.url, "--key", "sk-option", "hi")
        keys = [seen.headers["authorization"].removeprefix("Bearer ") for seen in up.requests]
    assert keys == ["sk-quick", "sk-dotenv", "sk-environment", "sk-option"]


def test_quickstart_key_is_not_given_to_a_gateway_elsewhere(cli: Cli, data_dir: Path) -> None:
    data_dir.mkdir()
    (data_dir / "quickstart.key").write_text("sk-quick\n")
    done = cli("chat", "--url", "http://gateway.invalid", "hi")
    assert done.exit_code == 1
    assert "There is no key. Make one with `antiphon keys create NAME`" in done.stderr


def test_gateway_of_the_configuration_is_asked(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    with ThreadedUpstream(says(text("Here."), ended())) as up:
        monkeypatch.setenv("ANTIPHON_HOST", "0.0.0.0")
        monkeypatch.setenv("ANTIPHON_PORT", up.url.rpartition(":")[2].partition("/")[0])
        assert cli("chat", "--key", "k", "hi").stdout == "Here.\n"


def test_real_gateway_answers_and_tells_about_unknown_models(cli: Cli, data_dir: Path) -> None:
    data_dir.mkdir()
    with ThreadedUpstream(chat_stream(*text_chunks("Hello."))) as up, Gateway(up.url, data_dir) as gateway:
        place = ["--url", f"{gateway.url}/v1/", "--key", gateway.key]
        assert cli("chat", *place, "--model", "test/m", "hi").stdout == "Hello.\n"
        wrong_key = cli("chat", "--url", gateway.url, "--key", "sk-wrong", "hi")
        assert "antiphon keys create NAME" in wrong_key.stderr
