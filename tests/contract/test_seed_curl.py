"""The first example of all: a bare HTTP request, sent with curl where there is one."""

import asyncio
import http.client
import shutil

import msgspec

from tests.contract.serving import Serving
from tests.helpers.stream import check_response

TIMEOUT_S = 60


def test_the_curl_request_is_answered(serving: Serving) -> None:
    body = msgspec.json.encode({"model": serving.model, "input": "What is the capital of France?", **serving.short})
    raw = asyncio.run(_curl(serving, body)) if shutil.which("curl") else _plainly(serving, body)
    response = check_response(msgspec.json.decode(raw))
    assert response["object"] == "response"
    (message,) = response["output"]
    assert message["role"] == "assistant"
    assert message["content"][0]["type"] == "output_text"
    assert message["content"][0]["text"]


async def _curl(serving: Serving, body: bytes) -> bytes:
    process = await asyncio.create_subprocess_exec(
        *("curl", "--silent", "--show-error", "--fail-with-body", f"{serving.gateway.url}/v1/responses"),
        *("-H", "Content-Type: application/json"),
        *("-H", f"Authorization: Bearer {serving.gateway.key}"),
        *("-d", body.decode()),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    output, errors = await asyncio.wait_for(process.communicate(), TIMEOUT_S)
    assert process.returncode == 0, errors + output
    return output


def _plainly(serving: Serving, body: bytes) -> bytes:
    connection = http.client.HTTPConnection(*serving.gateway.address, timeout=TIMEOUT_S)
    try:
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {serving.gateway.key}"}
        connection.request("POST", "/v1/responses", body, headers)
        answer = connection.getresponse()
        assert answer.status == 200
        return answer.read()
    finally:
        connection.close()
