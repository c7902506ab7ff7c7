"""Where endpoints are."""

import pytest

from antiphon.providers.address import address, models_address
from antiphon.providers.chat.codec import ChatCodec
from antiphon.providers.responses.codec import ResponsesCodec
from tests.helpers.requests import make_request
from tests.providers.corpus import target_for

AZURE = "https://me.openai.azure.com/openai/deployments/{model}?api-version=2024-10-21"


@pytest.mark.parametrize(
    ("base_url", "model", "found"),
    [
        ("https://h/v1", "m", "https://h/v1/x"),
        (AZURE, "gpt-5", "https://me.openai.azure.com/openai/deployments/gpt-5/x?api-version=2024-10-21"),
        (AZURE, "a/b?c", "https://me.openai.azure.com/openai/deployments/a%2Fb%3Fc/x?api-version=2024-10-21"),
        ("https://h/openai/v1?api-version=preview", "m", "https://h/openai/v1/x?api-version=preview"),
    ],
)
def test_the_endpoint_stands_before_the_query(base_url: str, model: str, found: str) -> None:
    assert address(target_for(f"azure/{model}", base_url=base_url), "/x") == found


def test_models_are_listed_beside_the_deployments() -> None:
    listed = "https://me.openai.azure.com/openai/models?api-version=2024-10-21"
    assert models_address(target_for("azure/", base_url=AZURE)) == listed
    assert models_address(target_for("azure/", base_url="https://h/v1")) == "https://h/v1/models"


def test_both_dialects_use_it() -> None:
    target = target_for("azure/gpt-5", base_url=AZURE)
    for codec, endpoint in ((ChatCodec(), "/chat/completions"), (ResponsesCodec(), "/responses")):
        encoded = codec.encode(make_request(), target, media={})
        assert encoded.url == address(target, endpoint)
        assert encoded.headers["api-key"] == "sk-corpus-secret-0001"
