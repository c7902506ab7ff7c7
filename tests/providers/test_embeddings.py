import pytest

from antiphon.protocol.target import Credential, Secret, Target
from antiphon.providers.embeddings import embeddings_url, encode_embeddings, read_embeddings


def target(protocol: str, base_url: str, quirks: str = "generic") -> Target:
    credential = Credential("key", Secret("k"))
    return Target("p", "m", protocol=protocol, quirks=quirks, base_url=base_url, credential=credential)


@pytest.mark.parametrize(
    ("protocol", "base_url", "url"),
    [
        ("chat", "http://gpu/v1", "http://gpu/v1/embeddings"),
        ("responses", "https://api.openai.com/v1", "https://api.openai.com/v1/embeddings"),
        (
            "gemini",
            "https://generativelanguage.googleapis.com/v1beta",
            "https://generativelanguage.googleapis.com/v1beta/openai/embeddings",
        ),
        ("gemini", "https://eu-aiplatform.googleapis.com/v1/projects/p", None),
        ("anthropic", "https://api.anthropic.com/v1", None),
    ],
)
def test_where_embeddings_are_made(protocol: str, base_url: str, url: str | None) -> None:
    assert embeddings_url(target(protocol, base_url)) == url


def test_google_is_shown_its_key_as_its_endpoint_in_openais_dialect_wants_it() -> None:
    google = target("gemini", "https://generativelanguage.googleapis.com/v1beta", "gemini")
    encoded = encode_embeddings({}, google, url="https://x/embeddings", user=None)
    assert encoded.headers["authorization"] == "Bearer k"
    assert encoded.body == b'{"model":"m"}'


@pytest.mark.parametrize(
    "body", [b"", b"null", b"[]", b"{}", b'{"data":{}}', b'{"data":[],"usage":[]}', b'{"data":["\xff"]}', b"[" * 9999]
)
def test_what_is_no_answer_is_none(body: bytes) -> None:
    assert read_embeddings(body, model="m") is None


@pytest.mark.parametrize("usage", [b"null", b"{}", b'{"prompt_tokens":null}', b'{"prompt_tokens":-1}'])
def test_counts_that_are_none_are_no_counts(usage: bytes) -> None:
    answer = read_embeddings(b'{"data":[],"usage":%b}' % usage, model="m")
    assert answer is not None
    assert answer.input_tokens is None
