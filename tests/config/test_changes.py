"""Which settings can change while the process lives."""

from pathlib import Path

from antiphon.config.changes import FIXED, with_fixed
from antiphon.config.load import load
from antiphon.config.settings import Settings

DOCS = Path(__file__).parents[2] / "docs"


def settings(directory: Path, text: str) -> Settings:
    file = directory / "antiphon.yaml"
    file.write_text(text)
    return load(file, {})


def test_what_was_opened_with_a_setting_keeps_it_and_the_rest_changes(tmp_path: Path) -> None:
    old = settings(
        tmp_path, "server: {port: 1}\nstore: {url: 'sqlite:////a', retention_days: 1}\ndata_dir: a\nlocal: off"
    )
    new = settings(
        tmp_path, "server: {port: 2, docs: off}\nstore: {url: 'sqlite:////b', retention_days: 2}\ndata_dir: b"
    )
    used, names = with_fixed(old, new)
    assert list(names) == ["server.port", "store.url", "local", "data_dir"]
    assert (used.server.port, used.server.docs) == (1, False)
    assert (used.store.url, used.store.retention_days) == (old.store.url, 2)
    assert (used.data_dir, used.local) == (old.data_dir, old.local)


def test_nothing_is_told_where_nothing_fixed_has_changed(tmp_path: Path) -> None:
    old = settings(tmp_path, "server: {port: 1}")
    new = settings(tmp_path, "server: {port: 1}\nlimits: {run_s: 3}\nproviders: {openai: {api_key: x}}")
    assert with_fixed(old, new) == (new, [])


def test_documentation_names_all_that_need_a_restart() -> None:
    text = (DOCS / "configuration.md").read_text().partition("These need a restart")[2].partition("\n\n")[0]
    assert [".".join(path) for path in FIXED if f"`{'.'.join(path)}`" not in text] == []
