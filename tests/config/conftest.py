from collections.abc import Callable
from pathlib import Path

import pytest

from antiphon.config.load import load
from antiphon.config.settings import Settings

Load = Callable[..., Settings]


@pytest.fixture
def load_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Load:
    """Loads a text as `antiphon.yaml` of an otherwise empty working directory, in an environment given by name."""
    monkeypatch.chdir(tmp_path)

    def load_it(text: str, **environ: str) -> Settings:
        (tmp_path / "antiphon.yaml").write_text(text, encoding="utf-8")
        return load(None, environ)

    return load_it
