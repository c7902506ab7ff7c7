import pytest

from antiphon.protocol.records import Tenant


@pytest.fixture
def tenant() -> Tenant:
    return Tenant("t1")
