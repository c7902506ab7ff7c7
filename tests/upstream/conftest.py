"""Event loops to run on, and a server that speaks TLS with a certificate made for it."""

import ssl
from pathlib import Path

import pytest

from tests.helpers.authority import CERTIFICATE, KEY
from tests.helpers.exchanges import Run, run_on


@pytest.fixture(params=["asyncio", "uvloop"])
def run(request: pytest.FixtureRequest) -> Run:
    return run_on(str(request.param))


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    path = tmp_path / "certificate.pem"
    path.write_text(CERTIFICATE)
    return path


@pytest.fixture
def server_tls(tmp_path: Path, certificate: Path) -> ssl.SSLContext:
    key = tmp_path / "key.pem"
    key.write_text(KEY)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return context
