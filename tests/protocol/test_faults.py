"""The fault tree: statuses, types, and what a failed response may say."""

import pytest

from antiphon.protocol.exchange import NetworkFault
from antiphon.protocol.faults import (
    AccessFault,
    Fault,
    LimitFault,
    RequestFault,
    ServerFault,
    StoreFault,
    UpstreamFault,
)

#: The table of statuses and types, as far as it is set by the classes.
KINDS: list[tuple[Fault, int, str]] = [
    (RequestFault("m"), 400, "invalid_request_error"),
    (AccessFault("m"), 401, "authentication_error"),
    (LimitFault("m"), 429, "rate_limit_error"),
    (UpstreamFault("m"), 502, "server_error"),
    (StoreFault("sqlite says no"), 503, "server_error"),
    (ServerFault("m"), 500, "server_error"),
    (NetworkFault("m", code="upstream_unreachable", phase="dns"), 502, "server_error"),
]


@pytest.mark.parametrize(("fault", "status", "kind"), KINDS)
def test_each_fault_has_its_status_and_type(fault: Fault, status: int, kind: str) -> None:
    assert (fault.status, fault.type) == (status, kind)


def test_status_and_type_may_be_more_exact() -> None:
    fault = AccessFault("m", status=403, type="permission_error", code="model_access_denied")
    assert (fault.status, fault.type, fault.code) == (403, "permission_error", "model_access_denied")


def test_private_detail_stands_in_no_text() -> None:
    fault = StoreFault("password=hunter2")
    assert "hunter2" not in f"{fault} {fault.message} {fault.args}"
    assert (fault.detail, fault.code, fault.retry_after_s) == ("password=hunter2", "store_unavailable", 1.0)


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        (ServerFault("m", code="shutting_down", status=503), "server_error"),
        (UpstreamFault("m", code="rate_limit_exceeded", status=429), "rate_limit_exceeded"),
        (UpstreamFault("m", code="anything", status=429), "rate_limit_exceeded"),
        (LimitFault("m", code="insufficient_quota", status=402), "insufficient_quota"),
        (RequestFault("m", code="context_length_exceeded"), "context_length_exceeded"),
        (RequestFault("m", code="invalid_prompt"), "invalid_prompt"),
        (RequestFault("m", status=422), "invalid_prompt"),
        (RequestFault("m", status=404, code="model_not_found"), "server_error"),
        (UpstreamFault("m", status=413), "server_error"),
    ],
)
def test_in_band_code_is_one_that_clients_know(fault: Fault, code: str) -> None:
    assert fault.in_band_code == code


@pytest.mark.parametrize("phase", ["setup", "dns", "tls"])
def test_some_places_cannot_be_helped_by_asking_again(phase: str) -> None:
    assert NetworkFault("m", code="c", phase=phase).elsewhere_only  # type: ignore[arg-type]  # literals by parameter


@pytest.mark.parametrize("phase", ["connect", "proxy", "head", "body"])
def test_other_network_faults_may_be_tried_again(phase: str) -> None:
    fault = NetworkFault("m", code="c", phase=phase)  # type: ignore[arg-type]  # literals by parameter
    assert (fault.retryable, fault.elsewhere_only) == (True, False)
