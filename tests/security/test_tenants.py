"""What belongs to another tenant does not exist: rule R8, byte for byte."""

from collections.abc import Callable
from typing import Any

import pytest

from antiphon.lib.clock import SystemIds
from antiphon.protocol.ids import ResponseId, response_id_text
from tests.edge.wire import Wire, head_of, request_of
from tests.faults.upstreams import Stage
from tests.helpers.gateway import Answer, Gateway, add_key
from tests.helpers.stream import check_response, check_stream
from tests.helpers.upstream import Gate, Seen, answer_like, stream, text_chunks


@pytest.fixture(scope="module")
def stranger(stage: Stage) -> str:
    """A key of another tenant."""
    return add_key(stage.gateway.settings.database_url, name="stranger", tenant="other")


def say(stage: Stage, text: str) -> None:
    def brain(request: Seen) -> Any:
        return answer_like(request, text)

    stage.script(brain)


def never_made() -> str:
    return response_id_text(ResponseId(SystemIds().new_response_id()))


def told(answer: Answer, name: str) -> tuple[int, bytes, dict[str, str]]:
    """All that a client can see, with the id taken out, and what differs from answer to answer."""
    headers = {k: v for k, v in answer.headers.items() if k not in {"date", "x-request-id"}}
    return answer.status, answer.body.replace(name.encode(), b"ID"), headers


Door = Callable[[Gateway, str, str], Answer]


def door(method: str, path: str) -> Door:
    return lambda gateway, name, key: gateway.request(method, path.format(name), key=key)


def continued(gateway: Gateway, name: str, key: str) -> Answer:
    return gateway.create(input="Go on", previous_response_id="resp_" + name, key=key)


def continued_as_stream(gateway: Gateway, name: str, key: str) -> Answer:
    return gateway.create(input="Go on", previous_response_id="resp_" + name, stream=True, key=key)


def referenced(kind: str) -> Door:
    item = kind + "_{}0000"
    return lambda gateway, name, key: gateway.create(
        input=[{"type": "item_reference", "id": item.format(name)}, {"role": "user", "content": "x"}], key=key
    )


DOORS: dict[str, Door] = {
    "read": door("GET", "/v1/responses/resp_{}"),
    "stream": door("GET", "/v1/responses/resp_{}?stream=true"),
    "input": door("GET", "/v1/responses/resp_{}/input_items"),
    "page of input": door("GET", "/v1/responses/resp_{}/input_items?after=msg_{}8000".replace("{}", "{0}")),
    "run record": door("GET", "/v1/antiphon/runs/resp_{}"),
    "delete": door("DELETE", "/v1/responses/resp_{}"),
    "continue": continued,
    "continue as stream": continued_as_stream,
    "output item": referenced("msg"),
    "input item": lambda gateway, name, key: gateway.create(
        input=[{"type": "item_reference", "id": f"msg_{name}8000"}], key=key
    ),
}


@pytest.mark.parametrize("name", DOORS)
def test_r8_a_foreign_response_cannot_be_told_from_one_that_never_was(stage: Stage, stranger: str, name: str) -> None:
    say(stage, "My secret answer.")
    gateway = stage.gateway
    made = check_response(gateway.create(input="My secret question.").json)
    foreign, unknown = made["id"].removeprefix("resp_"), never_made().removeprefix("resp_")
    open_door = DOORS[name]
    asked = len(stage.upstream.requests)
    got = open_door(gateway, foreign, stranger)
    assert got.status in (400, 404)
    assert b"secret" not in got.body
    assert told(got, foreign) == told(open_door(gateway, unknown, stranger), unknown)
    assert len(stage.upstream.requests) == asked
    # It is still there, for its owner.
    assert gateway.request("GET", f"/v1/responses/{made['id']}").json == made
    assert open_door(gateway, foreign, gateway.key).status == 200


def test_r8_a_foreign_response_that_is_being_made_cannot_be_seen_either(stage: Stage, stranger: str) -> None:
    gate = Gate()
    stage.script(stream(*text_chunks("Hello.")[:2], gate, *text_chunks("Hello.")[2:]))
    gateway = stage.gateway
    with Wire(gateway) as wire:
        wire.send(request_of(gateway, stream=True))
        seen = b""
        while b'"delta":"Hello."' not in seen:
            seen += wire.socket.recv(65536)
        name = seen.partition(b'"id":"resp_')[2][:32].decode()
        own = gateway.request("GET", f"/v1/responses/resp_{name}")
        assert check_response(own.json)["status"] == "in_progress"
        assert gateway.create(input="x", previous_response_id=f"resp_{name}").json["error"]["code"] == (
            "response_in_progress"
        )
        for open_door in (DOORS["read"], DOORS["stream"], DOORS["run record"], DOORS["continue"], DOORS["delete"]):
            unknown = never_made().removeprefix("resp_")
            foreign = told(open_door(gateway, name, stranger), name)
            assert foreign == told(open_door(gateway, unknown, stranger), unknown)
        gate.open()
        while b"[DONE]" not in seen:
            seen += wire.socket.recv(65536)
    assert check_response(gateway.request("GET", f"/v1/responses/resp_{name}").json)["status"] == "completed"


def test_tenants_with_the_same_words_share_no_row(stage: Stage, stranger: str) -> None:
    """Large equal instructions are kept once per tenant, never once for both."""
    say(stage, "Hello.")
    gateway = stage.gateway
    common = "Common instructions. " * 1000
    mine = check_response(gateway.create(input="Hi", instructions=common).json)
    theirs = check_response(gateway.create(input="Hi", instructions=common, key=stranger).json)
    assert gateway.request("DELETE", f"/v1/responses/{mine['id']}").status == 200
    assert gateway.request("GET", f"/v1/responses/{theirs['id']}", key=stranger).json == theirs


def test_keys_of_one_tenant_share_what_is_stored(stage: Stage) -> None:
    say(stage, "Hello.")
    second = add_key(stage.gateway.settings.database_url, name="second")
    made = check_response(stage.gateway.create(input="Hi").json)
    assert stage.gateway.request("GET", f"/v1/responses/{made['id']}", key=second).json == made


def test_a_key_sees_only_the_models_that_it_may_use(tmp_path_factory: pytest.TempPathFactory, stage: Stage) -> None:
    provider = {
        "base_url": stage.upstream.url,
        "protocol": "chat",
        "api_key": "sk-upstream",
        "models": ["gpt-a", "gpt-b"],
    }
    config = {"providers": {"test": provider}, "models": {"fast": "test/gpt-a"}}
    with Gateway(None, tmp_path_factory.mktemp("models"), config=config) as gateway:
        narrow = add_key(gateway.settings.database_url, name="narrow", models=("gpt-a",))
        listed = gateway.request("GET", "/v1/models", key=narrow)
        assert [model["id"] for model in listed.json["data"]] == ["gpt-a"]
        assert b"gpt-b" not in listed.body
        assert b"fast" not in listed.body
        hidden = told(gateway.request("GET", "/v1/models/gpt-b", key=narrow), "gpt-b")
        never = told(gateway.request("GET", "/v1/models/gpt-z", key=narrow), "gpt-z")
        assert hidden == never
        assert gateway.request("GET", "/v1/models/gpt-a", key=narrow).status == 200
        say(stage, "Hello.")
        assert check_stream(gateway.create(model="gpt-a", input="Hi", stream=True, key=narrow).body).text == "Hello."


def test_two_requests_on_one_connection_are_two_tenants(stage: Stage, stranger: str) -> None:
    say(stage, "Hello.")
    gateway = stage.gateway
    made = check_response(gateway.create(input="Hi").json)
    read = b"GET /v1/responses/%b HTTP/1.1\r\nhost: x\r\nauthorization: Bearer %b\r\n\r\n"
    with Wire(gateway) as wire:
        assert wire.send(read % (made["id"].encode(), gateway.key.encode())).answer().status == 200
        assert wire.send(read % (made["id"].encode(), stranger.encode())).answer().status == 404
        assert wire.send(head_of(gateway, length=0).replace(gateway.key.encode(), b"x")).answer().status == 401
