"""`/v1/embeddings` as the official client sees it, with the real local model and with a scripted provider."""

import math
from collections.abc import Iterator, Sequence
from pathlib import Path

import openai
import pytest

from tests.contract.serving import local_gateway
from tests.helpers.gateway import Gateway


@pytest.fixture(scope="module")
def local_one(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    data_dir: Path = tmp_path_factory.mktemp("embeddings")
    with local_gateway(data_dir) as running:
        yield running


def likeness(one: Sequence[float], other: Sequence[float]) -> float:
    dot = sum(a * b for a, b in zip(one, other, strict=True))
    return dot / math.sqrt(sum(a * a for a in one) * sum(b * b for b in other))


def test_the_local_model_makes_a_vector_for_each_text(local_one: Gateway) -> None:
    texts = ["The cat sat on the mat.", "Interest rates rose by two percent.", "The cat sat on the mat."]
    made = local_one.openai().embeddings.create(model="local", input=texts, encoding_format="float")
    assert [one.index for one in made.data] == [0, 1, 2]
    first, second, third = (one.embedding for one in made.data)
    assert len(first) == len(second) == len(third) > 100
    assert likeness(first, third) > 0.999 > likeness(first, second)  # so small a model knows no more than that
    assert made.model == "local"
    assert made.usage.prompt_tokens > 10


def test_numbers_and_base64_are_the_same_vector(local_one: Gateway) -> None:
    client = local_one.openai(_strict_response_validation=False)  # its types do not know its own base64
    plain = client.embeddings.create(model="local", input="Hello", encoding_format="float").data[0].embedding
    packed = client.embeddings.create(model="local", input="Hello").data[0].embedding  # by default it asks for base64
    assert packed == pytest.approx(plain, abs=1e-5)


def test_the_local_model_still_answers_between_embeddings(local_one: Gateway) -> None:
    client = local_one.openai()
    client.embeddings.create(model="local", input="Hello", encoding_format="float")
    assert client.responses.create(model="local", input="Say hello.", max_output_tokens=16).output_text
    again = client.embeddings.create(model="local", input=["Hello", "again"], encoding_format="float")
    assert len(again.data) == 2


def test_errors_are_the_clients_own(local_one: Gateway) -> None:
    with pytest.raises(openai.NotFoundError):
        local_one.openai().embeddings.create(model="", input="Hi", extra_body={"model": "nobody"})
    with pytest.raises(openai.BadRequestError):
        local_one.openai().embeddings.create(model="local", input="x " * 20_000)
