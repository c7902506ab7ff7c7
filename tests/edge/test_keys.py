"""Keys at the door: row C7."""

import time
from typing import Any

import pytest

from antiphon.access.keys import generate
from antiphon.store.keys import open_keys
from tests.edge.refusals import assert_refused, nothing_done
from tests.edge.wire import Wire, head_of
from tests.helpers.gateway import Answer, Gateway, add_key
from tests.helpers.stream import check_response
from tests.helpers.upstream import ThreadedUpstream

DENIED: dict[str, dict[str, Any]] = {
    "revoked": {"revoked_at": 2},
    "expired": {"expires_at": 2},
    "disabled": {"disabled": True},
    "expired and for another address": {"expires_at": 2, "addresses": ("10.0.0.0/8",)},
}


def refused_key(gateway: Gateway, name: str) -> str:
    if name in DENIED:
        return add_key(gateway.settings.database_url, name=name, **DENIED[name])
    return {"unknown": generate()[0], "no key at all": "x", "very long": "k" * 20_000, "blank": " \t ", "nul": "%00"}[
        name
    ]


def told(answer: Answer) -> tuple[int, bytes, dict[str, str]]:
    """All that a client can see, but for what differs from answer to answer."""
    return answer.status, answer.body, {k: v for k, v in answer.headers.items() if k not in {"date", "x-request-id"}}


def test_c7_all_keys_that_do_not_work_are_answered_alike(gateway: Gateway, upstream: ThreadedUpstream) -> None:
    names = (*DENIED, "unknown", "no key at all", "very long", "nul")
    with nothing_done(gateway, upstream):
        answers = [gateway.create(input="Hi", key=refused_key(gateway, name)) for name in names]
        answers.append(gateway.request("GET", "/v1/models", key="x"))
        answers.append(gateway.request("GET", "/v1/models", key=None, headers={"x-api-key": "x"}))
        answers.append(gateway.request("GET", "/v1/models", key=None, headers={"authorization": "Bearer \xff\xfe"}))
    assert_refused(answers[0], 401, "invalid_api_key")
    assert all(told(answer) == told(answers[0]) for answer in answers)


@pytest.mark.parametrize(
    "headers", [{}, {"authorization": "Basic dTpw"}, {"authorization": "Bearer "}, {"x-api-key": ""}]
)
def test_c7_without_a_key_the_answer_tells_how_to_send_one(gateway: Gateway, headers: dict[str, str]) -> None:
    answer = gateway.request("GET", "/v1/models", key=None, headers=headers)
    assert "x-api-key" in assert_refused(answer, 401, "missing_api_key")


@pytest.mark.parametrize("body", ["declared", "chunked", "expected"])
def test_c7_a_bad_key_is_refused_before_any_of_the_body(gateway: Gateway, body: str) -> None:
    extra = {"declared": [], "chunked": [b"transfer-encoding: chunked"], "expected": [b"expect: 100-continue"]}[body]
    head = head_of(gateway, *extra, length=None if body == "chunked" else 10_000_000)
    with Wire(gateway) as wire:
        wire.send(head.replace(gateway.key.encode(), b"sk-wrong"))
        assert_refused(wire.answer(), 401, "invalid_api_key")


def test_c7_a_bad_key_is_refused_before_the_type_of_the_body(gateway: Gateway) -> None:
    answer = gateway.request(
        "POST", "/v1/responses", body=b"<x/>", headers={"content-type": "text/xml"}, key="sk-wrong"
    )
    assert_refused(answer, 401, "invalid_api_key")


def test_c7_the_key_may_come_in_x_api_key(gateway: Gateway) -> None:
    assert gateway.request("GET", "/v1/models", key=None, headers={"x-api-key": gateway.key}).status == 200
    assert (
        gateway.request("GET", "/v1/models", key=None, headers={"authorization": f"bearer  {gateway.key}"}).status
        == 200
    )


def test_c7_of_two_keys_the_one_in_authorization_counts(gateway: Gateway) -> None:
    wrong = gateway.request("GET", "/v1/models", key="sk-wrong", headers={"x-api-key": gateway.key})
    assert_refused(wrong, 401, "invalid_api_key")
    assert gateway.request("GET", "/v1/models", headers={"x-api-key": "sk-wrong"}).status == 200


@pytest.mark.parametrize("how", ["revoke", "disable"])
def test_c7_a_key_that_is_taken_away_stops_within_a_second(gateway: Gateway, how: str) -> None:
    url = gateway.settings.database_url
    key = add_key(url, name=how)
    assert gateway.request("GET", "/v1/models", key=key).status == 200
    with open_keys(url) as keys:
        (record,) = [each for each in keys.list_keys(None) if each.name == how]
        began = time.monotonic()
        if how == "revoke":
            assert keys.revoke_key(record.tenant, record.id, at=2)
        else:
            assert keys.set_key_disabled(record.tenant, record.id, disabled=True)
        while gateway.request("GET", "/v1/models", key=key).status == 200:
            assert time.monotonic() - began < 1.5
        if how == "disable":
            keys.set_key_disabled(record.tenant, record.id, disabled=False)
            began = time.monotonic()
            while gateway.request("GET", "/v1/models", key=key).status == 401:
                assert time.monotonic() - began < 1.5


def test_c7_a_new_key_works_at_once(gateway: Gateway) -> None:
    url = gateway.settings.database_url
    assert gateway.request("GET", "/v1/models", key="sk-not-yet").status == 401
    assert gateway.request("GET", "/v1/models", key=add_key(url, name="new")).status == 200


def test_c7_a_key_is_good_for_its_addresses_only(gateway: Gateway, upstream: ThreadedUpstream) -> None:
    url = gateway.settings.database_url
    here = add_key(url, name="here", addresses=("192.0.2.7", "127.0.0.0/8"))
    elsewhere = add_key(url, name="elsewhere", addresses=("10.0.0.0/8", "2001:db8::/32"))
    check_response(gateway.create(input="Hi", key=here).json)
    with nothing_done(gateway, upstream):
        assert_refused(gateway.create(input="Hi", key=elsewhere), 403, "ip_not_allowed")
        # Nobody said that there is a proxy in front whose word counts.
        spoofed = {"x-forwarded-for": "10.1.1.1", "x-real-ip": "10.1.1.1", "forwarded": "for=10.1.1.1"}
        assert_refused(gateway.request("GET", "/v1/models", key=elsewhere, headers=spoofed), 403, "ip_not_allowed")


def test_c7_a_key_is_good_for_its_models_only(gateway: Gateway, upstream: ThreadedUpstream) -> None:
    key = add_key(gateway.settings.database_url, name="some models", models=("test/gpt-*", "other"))
    check_response(gateway.create(model="test/gpt-5", input="Hi", key=key).json)
    with nothing_done(gateway, upstream):
        for stream in (False, True):
            answer = gateway.create(model="test/secret", input="Hi", key=key, stream=stream)
            assert_refused(answer, 403, "model_access_denied", param="model")
        assert_refused(
            gateway.request("GET", "/v1/models/test/secret", key=key), 403, "model_access_denied", param="model"
        )
    assert gateway.request("GET", "/v1/models/test/gpt-5", key=key).status == 200
