"""The official JavaScript client on Node: the documentation's example, and what else its users do."""

from pathlib import Path
from typing import Any

import msgspec

from tests.contract.node import run_example
from tests.contract.serving import SCRIPTED_TEXT, Serving
from tests.helpers.gateway import Gateway
from tests.helpers.stream import check_response, check_stream
from tests.helpers.upstream import ThreadedUpstream, tool_brain


def _run(name: str, serving: Serving) -> dict[str, Any]:
    gateway = serving.gateway
    result: dict[str, Any] = run_example(
        name,
        {
            "ANTIPHON_URL": f"{gateway.url}/v1",
            "ANTIPHON_KEY": gateway.key,
            "ANTIPHON_MODEL": serving.model,
            "ANTIPHON_SHORT": msgspec.json.encode(serving.short).decode(),
        },
    )
    return result


def _check_text(text: str, serving: Serving) -> None:
    assert text
    assert serving.is_real or text == SCRIPTED_TEXT


def test_a_simple_request_from_javascript(serving: Serving) -> None:
    result = _run("plain", serving)
    check_response(result["response"])
    _check_text(result["text"], serving)


def test_a_stream_read_by_javascript(serving: Serving) -> None:
    checked = check_stream(_run("streaming", serving)["events"])
    _check_text(checked.text, serving)


def test_the_stream_helper_of_javascript(serving: Serving) -> None:
    result = _run("helper", serving)
    check_response(result["response"])
    _check_text(result["text"], serving)


def test_a_stateful_conversation_from_javascript(serving: Serving) -> None:
    result = _run("stateful", serving)
    first, second = check_response(result["first"]), check_response(result["second"])
    assert second["previous_response_id"] == first["id"]
    assert result["read"]["output"] == second["output"]
    assert result["items"][0]["content"] == [{"type": "input_text", "text": "What's my name?"}]
    assert len(result["items"]) == (3 if first["status"] == "completed" else 2)
    assert result["gone"] == 404


def test_a_function_is_called_from_javascript(tmp_path: Path) -> None:
    with ThreadedUpstream(tool_brain) as upstream, Gateway(upstream.url, tmp_path) as gateway:
        result = _run("tools", Serving(gateway, "test/m"))
    assert result["call"]["name"] == "get_weather"
    check_response(result["response"])
    assert result["text"] == "The tool said: sunny"


def test_javascript_gets_errors_as_its_own(scripted: Serving) -> None:
    result = _run("refusal", scripted)
    assert result == {"name": "BadRequestError", "status": 400, "code": "invalid_value", "param": "temperature"}


def test_javascript_lists_the_models(local: Serving) -> None:
    assert "local" in _run("models", local)["names"]
