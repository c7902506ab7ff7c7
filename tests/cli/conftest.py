"""The commands in a directory and an environment of their own, with a real database."""

from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from antiphon.cli import main
from antiphon.providers.registry import KNOWN

Cli = Callable[..., Result]


@pytest.fixture
def data_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory, with a data directory in it that the environment names, and no provider's key."""
    for entry in KNOWN:
        for name in entry.key_env:
            monkeypatch.delenv(name, raising=False)
    for name in (
        "ANTIPHON_CONFIG",
        "ANTIPHON_API_KEY",
        "ANTIPHON_HOST",
        "ANTIPHON_DATABASE_URL",
        "ANTIPHON_LOCAL_MODEL",
    ):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ANTIPHON_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("ANTIPHON_LOCAL", "off")
    monkeypatch.setenv("ANTIPHON_PORT", "0")
    return tmp_path / "data"


@pytest.fixture
def cli(data_dir: Path) -> Cli:
    """Runs a command in this process, its standard output and error apart."""
    assert not data_dir.exists()

    def run(*arguments: str, text: str | None = None) -> Result:
        return CliRunner().invoke(main, arguments, input=text, catch_exceptions=False)

    return run
