from collections.abc import Callable
from pathlib import Path

import pytest

from antiphon.config.load import load
from antiphon.routing.catalog import Catalog, Provider, build_catalog

Build = Callable[..., Catalog]


@pytest.fixture
def build(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Build:
    """The catalogue of an `antiphon.yaml`, in an environment given by name."""
    monkeypatch.chdir(tmp_path)

    def build_it(text: str, *extra: Provider, **environ: str) -> Catalog:
        (tmp_path / "antiphon.yaml").write_text(text, encoding="utf-8")
        return build_catalog(load(None, environ), extra=extra)

    return build_it
