"""The OpenAPI document is held to: generated requests, valid and not, and every answer as the document says.

No answer is a 5xx; status, content type, headers and body are described; what the document forbids is refused.
`ANTIPHON_FUZZ_N` is fifty times the number of cases (2,000; the long tier runs 20,000), `ANTIPHON_FUZZ_SEED` another
beginning.
"""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from schemathesis import Case, GenerationMode
from schemathesis.checks import CHECKS, load_all_checks
from schemathesis.core.failures import FailureGroup
from schemathesis.core.result import Ok

from tests.helpers.gateway import Gateway
from tests.helpers.upstream import Reply, Seen, ThreadedUpstream, answer, answer_like

CASES = int(os.environ.get("ANTIPHON_FUZZ_N", "100000")) // 50
SEED = int(os.environ.get("ANTIPHON_FUZZ_SEED", "1"))

#: Of a hundred cases, by operation. Those without any parameter have one case only.
SHARES: Mapping[str, int] = {
    "createResponse": 20,
    "createChatCompletion": 15,
    "createMessage": 15,
    "explain": 8,
    "countMessageTokens": 6,
    "createEmbedding": 8,
    "getResponse": 8,
    "listInputItems": 8,
    "deleteResponse": 4,
    "getModel": 4,
    "getRun": 4,
}
ONCE = ("listModels", "getMetrics", "getHealth", "getReadiness", "getDocsPage", "getOpenApi")
#: What answers are checked for. Not that what is valid by its types is always taken: much more than types is asked of it.
CHECKED = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_schema_conformance",
    "response_headers_conformance",
    "negative_data_rejection",
)
VALID, INVALID = GenerationMode.POSITIVE, GenerationMode.NEGATIVE
_EMBEDDING: dict[str, Any] = {
    "object": "list",
    "data": [{"object": "embedding", "index": 0, "embedding": [0.5]}],
    "model": "m",
    "usage": {"prompt_tokens": 1, "total_tokens": 1},
}


def model(request: Seen) -> Reply:
    if request.path.endswith("/embeddings"):
        return answer(_EMBEDDING)
    return answer_like(request, "Hello.")


@dataclass(frozen=True)
class Described:
    """A gateway, and what it says of itself."""

    gateway: Gateway
    operations: Mapping[str, Any]
    session: requests.Session
    checks: list[Any]
    stored: str

    def check(self, case: Case[Any]) -> None:
        """Send it, and hold the answer against the document."""
        got = case.call(
            base_url=self.gateway.url,
            session=self.session,
            headers={"authorization": f"Bearer {self.gateway.key}"},
            timeout=20,
        )
        case.validate_response(got, checks=self.checks)


@pytest.fixture(scope="module")
def described(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Described]:
    load_all_checks()
    known = {check.__name__: check for check in CHECKS.get_all()}
    directory = tmp_path_factory.mktemp("described")
    config = {"fetch": {"enabled": False}}
    with ThreadedUpstream(model) as upstream, Gateway(upstream.url, directory, config=config) as gateway:
        document = gateway.request("GET", "/openapi.json").json
        operations = _operations(document)
        stored = gateway.create(input="Hi").json["id"]
        with requests.Session() as session:
            yield Described(gateway, operations, session, [known[name] for name in CHECKED], stored)


def _operations(document: dict[str, Any]) -> dict[str, Any]:
    """By their names."""
    results = schemathesis.openapi.from_dict(document).get_all_operations()
    found = [result.ok() for result in results if isinstance(result, Ok)]
    return {operation.definition.raw["operationId"]: operation for operation in found}


def test_a_description_that_lies_is_found_out(described: Described) -> None:
    document = described.gateway.request("GET", "/openapi.json").json
    document["components"]["schemas"]["DeletedResponse"]["properties"]["deleted"] = {"const": "perhaps"}
    document["components"]["responses"]["NotFound"]["content"] = {"text/plain": {"schema": {"type": "string"}}}
    del document["paths"]["/v1/responses/{response_id}"]["get"]["responses"]["404"]
    lying = _operations(document)
    stored = described.gateway.create(input="Hi").json["id"]
    for name, response_id in (("deleteResponse", stored), ("deleteResponse", "resp_0"), ("getResponse", "resp_0")):
        with pytest.raises(FailureGroup):
            described.check(lying[name].Case(path_parameters={"response_id": response_id}))


def test_every_operation_has_its_share(described: Described) -> None:
    assert {*SHARES, *ONCE} == {*described.operations}
    assert sum(SHARES.values()) == 100


@pytest.mark.parametrize("name", ONCE)
def test_what_takes_nothing_answers_as_described(described: Described, name: str) -> None:
    described.check(described.operations[name].Case())


@pytest.mark.parametrize("mode", [VALID, INVALID], ids=["valid", "invalid"])
@pytest.mark.parametrize("name", SHARES)
def test_every_answer_is_as_described(described: Described, name: str, mode: GenerationMode) -> None:
    strategy = described.operations[name].as_strategy(generation_mode=mode)

    @seed(SEED)
    @settings(
        max_examples=max(1, CASES * SHARES[name] // 200),
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(strategy)
    def play(case: Case[Any]) -> None:
        if mode is VALID:
            _lead_somewhere(case, described.stored)
        described.check(case)

    play()


def _lead_somewhere(case: Case[Any], stored: str) -> None:
    """Where chance would only ever find what does not exist. Every third case stays as it is."""
    if isinstance(case.body, dict):
        wanted = case.body.get("model")
        if isinstance(wanted, str) and len(wanted) % 3:
            case.body["model"] = "test/m"
    if case.method == "GET" and len(str(case.path_parameters.get("response_id", ""))) % 3:
        case.path_parameters["response_id"] = stored
