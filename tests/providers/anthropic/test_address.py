"""Where the Messages API is spoken, and with which headers."""

from typing import Any

import msgspec
import pytest

from antiphon.protocol.faults import RequestFault
from antiphon.protocol.target import Credential, Secret
from antiphon.providers.base import Encoded
from tests.helpers.requests import make_request
from tests.providers.anthropic.script import CODEC, target_for
from tests.providers.corpus import SECRET

VERTEX = "https://us-east5-aiplatform.googleapis.com/v1/projects/p/locations/us-east5/publishers/anthropic"


def encode(model: str = "anthropic/claude-opus-5", *, stream: bool = False, **changes: Any) -> Encoded:
    return CODEC.encode(make_request(model=model, stream=stream), target_for(model, **changes), media={})


@pytest.mark.parametrize(
    ("base", "url"),
    [
        ("https://api.anthropic.com/v1", "https://api.anthropic.com/v1/messages"),
        ("https://r.services.ai.azure.com/anthropic", "https://r.services.ai.azure.com/anthropic/v1/messages"),
        ("https://api.vendor.example/anthropic/v1", "https://api.vendor.example/anthropic/v1/messages"),
        (VERTEX, f"{VERTEX}/models/claude-opus-5:rawPredict"),
        (f"{VERTEX}/models", f"{VERTEX}/models/claude-opus-5:rawPredict"),
    ],
)
def test_the_address_follows_from_the_base_url(base: str, url: str) -> None:
    assert encode(base_url=base).url == url


def test_vertex_has_model_and_version_elsewhere() -> None:
    encoded = encode(base_url=VERTEX, stream=True)
    assert encoded.url.endswith(":streamRawPredict")
    body = msgspec.json.decode(encoded.body)
    assert "model" not in body
    assert body["anthropic_version"] == "vertex-2023-10-16"
    assert "anthropic-version" not in encoded.headers
    assert encoded.headers["authorization"] == f"Bearer {SECRET}"


def test_the_runtime_api_of_bedrock_is_refused_by_name() -> None:
    with pytest.raises(RequestFault, match="Bedrock"):
        encode(base_url="https://bedrock-runtime.us-east-1.amazonaws.com")


def test_the_key_travels_as_the_vendor_has_it() -> None:
    headers = encode().headers
    assert headers["x-api-key"] == SECRET
    assert headers["anthropic-version"] == "2023-06-01"
    assert headers["accept"] == "application/json"
    assert headers.keys().isdisjoint({"authorization", "anthropic-beta"})
    assert encode(stream=True).headers["accept"] == "text/event-stream"


@pytest.mark.parametrize(
    ("model", "header", "prefix"),
    [("azure/c", "api-key", ""), ("openrouter/c", "authorization", "Bearer "), ("generic/c", "x-api-key", "")],
)
def test_other_vendors_have_their_own_header(model: str, header: str, prefix: str) -> None:
    assert encode(model).headers[header] == prefix + SECRET


def test_a_header_of_the_configuration_replaces_the_key() -> None:
    headers = encode(headers={"Authorization": "Bearer own", "Anthropic-Version": "2030-01-01"}).headers
    assert headers["authorization"] == "Bearer own"
    assert headers["anthropic-version"] == "2030-01-01"
    assert "x-api-key" not in headers


def test_betas_of_the_configuration_and_of_the_key_are_joined() -> None:
    token = Credential("main", Secret("sk-ant-oat01-abc"))
    headers = encode(credential=token, headers={"anthropic-beta": "one, two,one"}).headers
    assert headers["authorization"] == "Bearer sk-ant-oat01-abc"
    assert headers["anthropic-beta"] == "one,two,oauth-2025-04-20"


def test_no_key_sends_none() -> None:
    assert encode(credential=None).headers.keys().isdisjoint({"x-api-key", "authorization"})


@pytest.mark.parametrize(
    ("asked", "setting", "overlay", "wanted"),
    [
        (True, "auto", None, True),
        (False, "auto", None, False),
        (True, "never", None, False),
        (False, "always", None, True),
        (True, "always", b"false", False),
    ],
)
def test_who_decides_about_the_stream(asked: bool, setting: str, overlay: bytes | None, wanted: bool) -> None:
    params = {} if overlay is None else {"stream": msgspec.Raw(overlay)}
    encoded = CODEC.encode(
        make_request(stream=asked),
        msgspec.structs.replace(target_for("anthropic/claude-opus-5"), stream=setting, params=params),
        media={},
    )
    assert encoded.stream is wanted
    assert msgspec.json.decode(encoded.body).get("stream", False) is wanted


def test_the_operators_overlay_wins() -> None:
    body = msgspec.json.decode(encode(params={"max_tokens": msgspec.Raw(b"5")}).body)
    assert body["max_tokens"] == 5
