"""Secrets of the operator and words of the users stand in no log line and in no answer, whatever goes wrong."""

import asyncio
import socket
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.helpers.gateway import add_key
from tests.helpers.process import GatewayProcess, database_url, gateway_process, write_config
from tests.helpers.upstream import Reply, ScriptedUpstream, Seen, answer, error, sse, stream, text_chunks

UPSTREAM_KEY = "sk-operators-own-key-4711"
HEADER = "operators-header-value-0815"
PROXY_PASSWORD = "proxypassword42"
PROMPT = "the users confidential question"
OUTPUT = "the models confidential answer"
SAID = f"bad key {UPSTREAM_KEY}, header {HEADER}, at http://10.1.2.3:8000/v1"

REPLIES: dict[str, Reply] = {
    "good": stream(*text_chunks(OUTPUT)),
    "whole": answer(b'{"choices":[{"message":{"content":"%b"},"finish_reason":"stop"}]}' % OUTPUT.encode()),
    **{f"status {status}": error(status, SAID, param="x") for status in (400, 401, 403, 404, 413, 422, 429, 500, 503)},
    "html": Reply([b"<html>" + SAID.encode()], headers={"content-type": "text/html"}),
    "error in a stream": stream(*text_chunks(OUTPUT)[:2], *sse({"error": {"message": SAID}}, done=False), done=False),
    "broken stream": stream(*text_chunks(OUTPUT)[:2], b"data: " + SAID.encode() + b"\n\n", done=False),
    "cut stream": stream(*text_chunks(OUTPUT)[:2], "reset", done=False),
    "no http": Reply([SAID.encode() + b"\r\n\r\n"], framing="raw"),
    "nothing": Reply(["reset"], framing="raw"),
}


def brain(request: Seen) -> Reply:
    return REPLIES[request.json["model"]]


def test_nothing_that_is_secret_is_logged_or_answered_whatever_the_provider_does(tmp_path: Path) -> None:
    async def main() -> None:
        async with ScriptedUpstream(brain) as upstream:
            with socket.socket() as closed:
                closed.bind(("127.0.0.1", 0))
                config = configure(tmp_path, upstream.url, proxy_port=closed.getsockname()[1])
                key = add_key(database_url(config))
                async with gateway_process(config) as gateway:
                    answers = [await ask(gateway, key, name, streamed=s) for name in REPLIES for s in (False, True)]
                    answers += [await ask(gateway, key, "m", provider="proxied", streamed=False)]
                    answers += [await ask(gateway, key + "x", "good", streamed=False)]
                    assert await gateway.stop() == 0
                told = "\n".join(gateway.said)
        assert '"logger":"access"' in told
        assert "status 500" in told, "the model's name may be logged"
        for secret in (UPSTREAM_KEY, HEADER, PROXY_PASSWORD, key, PROMPT, OUTPUT):
            assert secret not in told
        for secret in (UPSTREAM_KEY, HEADER, PROXY_PASSWORD, key, "10.1.2.3", "127.0.0.1"):
            assert not [got for got in answers if secret in got]

    asyncio.run(main())


def configure(directory: Path, url: str, *, proxy_port: int) -> Path:
    provider = {"base_url": url, "protocol": "chat", "api_key": UPSTREAM_KEY, "headers": {"x-operator": HEADER}}
    proxied = {**provider, "proxy": f"http://user:{PROXY_PASSWORD}@127.0.0.1:{proxy_port}"}
    server = {"access_log": True}
    return write_config(directory, providers={"test": provider, "proxied": proxied}, server=server)


async def ask(gateway: GatewayProcess, key: str, model: str, *, streamed: bool, provider: str = "test") -> str:
    """The whole answer with its head, as text."""
    body = {"model": f"{provider}/{model}", "input": PROMPT, "instructions": PROMPT, "stream": streamed, "store": True}
    headers = {"authorization": f"Bearer {key}"}
    async with (
        aiohttp.ClientSession() as session,
        session.post(gateway.url + "/v1/responses", json=body, headers=headers) as got,
    ):
        return f"{got.status} {dict(got.headers)!r} {await got.text()}"


@pytest.mark.parametrize(
    "sections",
    [
        {"store": {"url": "postgresql://antiphon:databasepassword@127.0.0.1:1/antiphon"}},
        {"store": {"url": "mysql://antiphon:databasepassword@127.0.0.1/antiphon"}},
        {"providers": {"test": {"base_url": "http://user:databasepassword@127.0.0.1/v1"}}},
        {"providers": {"test": {"api_key": "databasepassword\r\nx: y"}}},
        {"providers": {"test": {"base_url": "http://127.0.0.1/v1", "proxy": "socks9://u:databasepassword@x"}}},
    ],
    ids=["database away", "wrong database", "url with password", "key with newline", "wrong proxy"],
)
def test_settings_that_do_not_work_are_refused_without_their_secrets(tmp_path: Path, sections: dict[str, Any]) -> None:
    config = write_config(tmp_path, **sections)

    async def main() -> tuple[int, str]:
        gateway = await GatewayProcess.start(config)
        try:
            with pytest.raises(AssertionError, match="ended before it listened"):
                await gateway.listening()
            return await gateway.stop(), "\n".join(gateway.said)
        finally:
            await gateway.kill()

    code, told = asyncio.run(main())
    assert code != 0
    assert told
    assert "databasepassword" not in told
