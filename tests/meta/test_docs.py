"""The documentation is true: what it names exists, what it shows runs, what is made from the code is up to date."""

import ast
import asyncio
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

import click
import msgspec
import pytest
import yaml

from antiphon.cli import main
from antiphon.cli.group import COMMANDS
from antiphon.config.load import OVERRIDES, load
from antiphon.edge.openapi.errors import ERROR_CODES
from antiphon.edge.telemetry import AccessLine, Telemetry
from antiphon.engine import record
from antiphon.protocol.request import Notice
from antiphon.providers.registry import KNOWN
from antiphon.routing.catalog import build_catalog, local_provider
from tests.meta.docs_tables import renewed, setting_paths
from tests.meta.pages import Block, anchors, blocks, first_column, inline_code, links, pages, shown_commands

ROOT = Path(__file__).parents[2]
_VARIABLE = re.compile(r"\$\{(\w+)")
_SECTIONS = ("server", "store", "limits", "local", "fetch", "web_search")
#: Variables of ours that are no settings.
_OTHER_VARIABLES = {"ANTIPHON_CONFIG", "ANTIPHON_API_KEY", "ANTIPHON_URL", "ANTIPHON_MODEL", "ANTIPHON_FUZZ_N"}


def named(items: Iterable[Block]) -> list[object]:
    return [pytest.param(block, id=str(block)) for block in items]


def _yaml_files() -> Iterator[Block]:
    """Settings shown in a page. A block that begins with another file's name is none."""
    for block in blocks("yaml"):
        if not re.match(r"# (?!antiphon)[\w.]+\.ya?ml\n", block.text):
            yield block
    yield Block("examples/antiphon.yaml", 1, "yaml", (ROOT / "examples/antiphon.yaml").read_text())


@pytest.mark.parametrize("page", pages(), ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for source, to in links():
        if source == page:
            name, _, anchor = to.partition("#")
            target = (page.parent / name).resolve() if name else page
            assert target.exists(), f"{page.name} links to {to}"
            assert not anchor or anchor in anchors(target), f"{page.name} links to {to}"


@pytest.mark.parametrize("page", pages(), ids=lambda page: page.name)
def test_tables_made_from_the_code_are_up_to_date(page: Path) -> None:
    text = page.read_text()
    assert text == renewed(text), "run: python -m tests.meta.docs_tables"


@pytest.mark.parametrize("block", named(_yaml_files()))
def test_settings_that_are_shown_can_be_loaded(block: Block, tmp_path: Path) -> None:
    file = tmp_path / "antiphon.yaml"
    file.write_text(block.text)
    for name in ("company-ca.pem", "my-model.gguf"):
        (tmp_path / name).touch()
    environ = {name: "8000" if name == "PORT" else "secret" for name in _VARIABLE.findall(block.text)}
    environ["DATABASE_URL"] = "sqlite:////var/lib/antiphon/responses.db"
    environ |= {name: "sk-x" for entry in KNOWN for name in entry.key_env}
    settings = load(file, environ)
    build_catalog(settings, extra=[local_provider("http://127.0.0.1/v1")])


@pytest.mark.parametrize("block", named(blocks("yaml", "json")))
def test_data_that_is_shown_can_be_parsed(block: Block) -> None:
    if block.language == "json":
        msgspec.json.decode(block.text)
    else:
        yaml.safe_load(block.text)


@pytest.mark.parametrize("block", named(blocks("python")))
def test_python_that_is_shown_is_python(block: Block) -> None:
    ast.parse(block.text)


@pytest.mark.parametrize("block", named(blocks("sh")))
def test_shell_that_is_shown_is_shell(block: Block) -> None:
    async def check() -> tuple[int | None, bytes]:
        shell = await asyncio.create_subprocess_exec("sh", "-n", stdin=-1, stdout=-1, stderr=asyncio.subprocess.STDOUT)
        said, _ = await shell.communicate(block.text.encode())
        return shell.returncode, said

    assert asyncio.run(check()) == (0, b"")


def test_every_block_has_a_language_that_somebody_checks() -> None:
    known = {"console", "sh", "yaml", "json", "python", "js", "sql", ""}
    assert [str(block) for block in blocks() if block.language not in known] == []


def _refusal(words: list[str]) -> str | None:
    """Why `antiphon …` would not be understood; `None` when it would."""
    command: click.Command = main
    context = click.Context(main)
    words = words[1:]
    while isinstance(command, click.Group) and words and not words[0].startswith("-"):
        found = command.get_command(context, words[0])
        if found is None:
            return f"there is no command {words[0]}"
        command, words = found, words[1:]
    options = {name for each in command.get_params(context) for name in (*each.opts, *each.secondary_opts)}
    unknown = [word for word in words if word.startswith("-") and word.partition("=")[0] not in options]
    return f"there are no options {unknown}" if unknown else None


def test_commands_that_are_shown_exist() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    wrong = []
    for block, words in shown_commands():
        if words[0].endswith("antiphon") and (reason := _refusal(words)):
            wrong.append(f"{block}: {reason}")
        elif words[0] == "make" and words[1] not in targets:
            wrong.append(f"{block}: no target {words[1]}")
    for page, code in inline_code():
        words = code.replace("ANTIPHON", "").split()
        if len(words) > 1 and words[0].endswith("antiphon") and (reason := _refusal(words)):
            wrong.append(f"{page}: {reason}")
        elif len(words) == 2 and words[0] == "make" and words[1] not in targets:
            wrong.append(f"{page}: no target {words[1]}")
    assert wrong == []


def test_every_command_is_shown() -> None:
    shown = {" ".join(words[1:3]) for _, words in shown_commands() if words[0].endswith("antiphon")}
    shown |= {" ".join(code.split()[1:3]) for _, code in inline_code() if code.split()[0].endswith("antiphon")}
    first = {words.split()[0] for words in shown if words}
    assert set(COMMANDS) - first == set()
    keys = main.get_command(click.Context(main), "keys")
    assert isinstance(keys, click.Group)
    assert {f"keys {name}" for name in keys.commands} - shown == set()


def test_settings_that_are_named_exist() -> None:
    known = setting_paths()
    pattern = re.compile(rf"(?:{'|'.join(_SECTIONS)})\.[a-z_]+")
    named_ones = {(page, code) for page, code in inline_code() if pattern.fullmatch(code)}
    assert len(named_ones) > 30
    assert {(page, code) for page, code in named_ones if code not in known} == set()


def test_variables_that_are_named_exist() -> None:
    known = {*OVERRIDES, *_OTHER_VARIABLES}
    for page in [*pages(), *(ROOT / "examples").iterdir()]:
        assert set(re.findall(r"ANTIPHON_[A-Z_]+", page.read_text())) <= known, page.name


def test_numbers_of_known_providers_are_right() -> None:
    count = sum(entry.name != "generic" for entry in KNOWN)
    said = [found for page in pages() for found in re.findall(r"(\d+) known providers", page.read_text())]
    assert set(said) == {str(count)}


def test_every_error_code_is_explained() -> None:
    explained = first_column("operations.md", "## When something is wrong")
    assert sorted(explained) == sorted({entry.code for entry in ERROR_CODES})


def test_fields_of_the_access_log_are_explained() -> None:
    assert first_column("operations.md", "### Logs") == [*AccessLine.__struct_fields__]


def test_metrics_that_are_named_exist() -> None:
    known = {metric.name for metric in Telemetry(log=None, timestamp=lambda: "").collect()}
    for page, code in inline_code():
        if code.startswith("antiphon_"):
            assert code.removesuffix("_total") in known, page


@pytest.mark.parametrize(
    ("heading", "struct"),
    [
        (f"## {struct.__name__}", struct)
        for struct in (
            record.Record,
            record.Caller,
            record.Timing,
            record.Candidate,
            record.Attempt,
            record.RoundTrace,
            record.ItemTrace,
            Notice,
        )
    ],
)
def test_fields_of_the_run_record_are_explained(heading: str, struct: type[msgspec.Struct]) -> None:
    assert sorted(first_column("run-record.md", heading)) == sorted(struct.__struct_fields__)


def test_record_that_is_shown_is_one() -> None:
    (block,) = [block for block in blocks("json") if block.page == "docs/run-record.md"]
    msgspec.convert(_strict(msgspec.json.decode(block.text)), record.Record)


def _strict(value: object) -> object:
    """The same, after a check that no field is of another name."""
    assert isinstance(value, dict)
    assert set(value) <= set(record.Record.__struct_fields__)
    for field, struct in (("attempts", record.Attempt), ("items", record.ItemTrace), ("notices", Notice)):
        for each in value[field]:
            assert set(each) <= set(struct.__struct_fields__)
    return value
