"""Looking at servers: which, and what is found there."""

import asyncio
import socket

import pytest
from msgspec import structs

from antiphon.config.health import HealthSettings
from antiphon.protocol.faults import UpstreamFault
from antiphon.protocol.target import Credential, Secret, Target
from antiphon.routing.health import TargetHealth
from antiphon.routing.probes import is_own_server, keep_looking, look_at, servers_of
from antiphon.upstream.client import UpstreamClient
from tests.helpers.upstream import Reply, ScriptedUpstream, Seen, answer, error

PAID = Target(provider="paid", model="", protocol="chat", quirks="generic", base_url="https://api.example.com/v1")
OWN = structs.replace(PAID, provider="own", base_url="http://10.0.0.7:8000/v1")
TEMPLATED = structs.replace(OWN, provider="odd", base_url="http://10.0.0.8/{model}")


@pytest.mark.parametrize(
    ("url", "own"),
    [
        ("http://127.0.0.1:8000/v1", True),
        ("http://[::1]:8000/v1", True),
        ("http://192.168.1.5/v1", True),
        ("http://vllm:8000/v1", True),
        ("http://vllm.models.svc/v1", True),
        ("http://box.local/v1", True),
        ("https://api.openai.com/v1", False),
        ("https://8.8.8.8/v1", False),
    ],
)
def test_servers_in_the_operators_own_network_are_told_by_their_address(url: str, own: bool) -> None:
    assert is_own_server(url) is own


@pytest.mark.parametrize(
    ("probes", "broken", "looked_at"),
    [
        ("off", {PAID.base_url}, set()),
        ("failed", set(), set()),
        ("failed", {PAID.base_url}, {PAID.base_url}),
        ("own", set(), {OWN.base_url}),
        ("own", {PAID.base_url}, {OWN.base_url, PAID.base_url}),
        ("all", set(), {OWN.base_url, PAID.base_url}),
    ],
)
def test_which_servers_are_looked_at_is_the_operators_choice(
    probes: str, broken: set[str], looked_at: set[str]
) -> None:
    settings = structs.replace(HealthSettings(), probes=probes)
    assert servers_of([PAID, OWN, TEMPLATED], settings, frozenset(broken)).keys() == looked_at


@pytest.mark.parametrize(
    ("reply", "answers"),
    [
        (answer({"object": "list", "data": []}), True),
        (error(401, "No key."), True),
        (error(404, "Not here."), True),
        (error(503, "Nobody there."), False),
        (Reply(["reset"], framing="raw"), False),
    ],
)
def test_any_answer_but_a_failure_is_a_sign_of_life(reply: Reply, answers: bool) -> None:
    async def main() -> tuple[bool, Seen]:
        async with ScriptedUpstream(reply) as upstream, UpstreamClient() as client:
            secret = Credential("k", Secret("sk-secret"))
            target = structs.replace(PAID, base_url=upstream.url, credential=secret)
            return await look_at(target, client), upstream.requests[0]

    found, request = asyncio.run(main())
    assert found is answers
    assert (request.method, request.path) == ("GET", "/v1/models")
    assert "sk-secret" not in repr(request)


def test_nobody_at_the_address_is_no_sign_of_life() -> None:
    async def main() -> bool:
        with socket.socket() as reserved:
            reserved.bind(("127.0.0.1", 0))
            url = f"http://127.0.0.1:{reserved.getsockname()[1]}/v1"
            async with UpstreamClient(connect_s=1) as client:
                return await look_at(structs.replace(PAID, base_url=url), client)

    assert asyncio.run(main()) is False


def test_a_broken_server_is_looked_at_until_it_answers_again() -> None:
    async def main() -> list[str | None]:
        health = TargetHealth(lambda: 1000.0)
        replies = [error(503, "Away."), error(503, "Away."), answer({"data": []}), answer({"data": []})]
        async with ScriptedUpstream(replies) as upstream, UpstreamClient() as client:
            target = structs.replace(PAID, base_url=upstream.url)
            other = structs.replace(target, model="other")
            for _ in range(5):
                health.begin(target).failed(UpstreamFault("Boom.", code="upstream_error"))
            verdicts = [health.verdict(other)]
            every = structs.replace(HealthSettings(), probe_every_s=0.01)
            looking = asyncio.create_task(keep_looking(lambda: [target], lambda: every, client=client, health=health))
            await upstream.received(3)
            verdicts.append(health.verdict(other))
            await upstream.received(4)
            verdicts.append(health.verdict(other))
            looking.cancel()
            await asyncio.wait([looking])
        return verdicts

    assert asyncio.run(main()) == [None, "unhealthy_probe", None]
