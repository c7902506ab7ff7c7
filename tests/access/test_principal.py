import pytest

from antiphon.access.principal import Grant, Principal, parse_networks
from antiphon.protocol.faults import AccessFault
from antiphon.protocol.records import KeyId, KeyRecord, Tenant


def grant(*, addresses: tuple[str, ...] = (), models: tuple[str, ...] = (), expires_at: int | None = None) -> Grant:
    return Grant.of(
        KeyRecord(
            id=KeyId("key_1"),
            tenant=Tenant("anna"),
            name="laptop",
            prefix="sk-Ab3dE",
            digest=b"\x00" * 32,
            created_at=0,
            expires_at=expires_at,
            models=models,
            addresses=addresses,
        )
    )


@pytest.mark.parametrize(
    ("patterns", "model", "allowed"),
    [
        ((), "anything", True),
        (("gpt-5",), "gpt-5", True),
        (("gpt-5",), "gpt-5-mini", False),
        (("gpt-*",), "gpt-5-mini", True),
        (("gpt-*",), "GPT-5", False),
        (("openai/*", "local"), "openai/o3", True),
        (("openai/*", "local"), "local", True),
        (("openai/*", "local"), "locally", False),
        (("*",), "", True),
    ],
)
def test_a_key_may_use_the_models_that_its_patterns_name(patterns: tuple[str, ...], model: str, allowed: bool) -> None:
    principal = grant(models=patterns).principal
    if allowed:
        principal.allow_model(model)
        return
    with pytest.raises(AccessFault) as caught:
        principal.allow_model(model)
    fault = caught.value
    assert (fault.status, fault.type, fault.code, fault.param) == (
        403,
        "permission_error",
        "model_access_denied",
        "model",
    )


@pytest.mark.parametrize(
    ("allowed", "address", "admitted"),
    [
        ((), "203.0.113.9", True),
        ((), "", True),
        (("10.0.0.0/8",), "10.255.0.1", True),
        (("10.0.0.0/8",), "11.0.0.1", False),
        (("10.1.2.3/8",), "10.9.9.9", True),
        (("192.0.2.7",), "192.0.2.7", True),
        (("192.0.2.7",), "192.0.2.8", False),
        (("10.0.0.0/8", "2001:db8::/32"), "2001:db8::1", True),
        (("10.0.0.0/8",), "2001:db8::1", False),
        (("10.0.0.0/8",), "::ffff:10.0.0.1", True),
        (("::ffff:10.0.0.0/104",), "10.0.0.1", True),
        (("::ffff:10.0.0.1",), "::ffff:a00:1", True),
        (("::ffff:10.0.0.1",), "10.0.0.2", False),
        (("::/0",), "2001:db8::1", True),
        (("::/0",), "10.0.0.1", False),
        (("0.0.0.0/0",), "::ffff:10.0.0.1", True),
        (("10.0.0.0/8",), "", False),
        (("10.0.0.0/8",), "unix:", False),
        (("10.0.0.0/8",), "10.0.0.1:443", False),
    ],
)
def test_an_address_list_admits_what_it_names(allowed: tuple[str, ...], address: str, admitted: bool) -> None:
    assert grant(addresses=allowed).admits(address) is admitted


def test_an_entry_that_is_no_address_is_named() -> None:
    with pytest.raises(ValueError, match=r"10\.0\.0\.0/99"):
        parse_networks(["10.0.0.1", "10.0.0.0/99"])


def test_a_key_ends_at_its_expiry_and_not_before() -> None:
    assert grant().valid_at(10**10)
    assert grant(expires_at=100).valid_at(99)
    assert not grant(expires_at=100).valid_at(100)


def test_a_principal_names_its_key() -> None:
    assert grant(models=("a",)).principal == Principal(Tenant("anna"), KeyId("key_1"), "laptop", ("a",))
