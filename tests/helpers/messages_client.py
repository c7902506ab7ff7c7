"""Anthropic's official client against a running gateway, in strict mode: what does not fit its types is an error."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import anthropic

from tests.helpers.gateway import Answer, Gateway

__all__ = ["messages_client", "post_messages"]


@contextmanager
def messages_client(gateway: Gateway, **options: Any) -> Iterator[anthropic.Anthropic]:
    """The client, as its users make it: with the gateway's address instead of the vendor's."""
    options = {"max_retries": 0, "api_key": gateway.key, "_strict_response_validation": True, **options}
    with anthropic.Anthropic(base_url=gateway.url, **options) as client:
        yield client


def post_messages(gateway: Gateway, **body: Any) -> Answer:
    """`POST /v1/messages` without a client. A limit and a short prompt, unless told otherwise."""
    short = {"model": "test/m", "max_tokens": 64, "messages": [{"role": "user", "content": "Hi"}]}
    return gateway.request("POST", "/v1/messages", body={**short, **body})
