"""The way from a file and an environment to `Settings`. The only place that reads either, once, at the start."""

from collections.abc import Mapping
from functools import cache
from io import StringIO
from pathlib import Path

import platformdirs
from dotenv import dotenv_values
from msgspec import inspect, structs

from antiphon.config.nodes import parse
from antiphon.config.origin import Origin
from antiphon.config.problems import ConfigError, KeyPath, Problem
from antiphon.config.reader import Reader, unwrap
from antiphon.config.scalars import Unacceptable, value_of
from antiphon.config.secret import Secret
from antiphon.config.settings import Document, Settings
from antiphon.config.web_search import search_problems

__all__ = ["DEFAULT_FILE", "OVERRIDES", "load"]

#: Read from the working directory when no other file is named.
DEFAULT_FILE = "antiphon.yaml"

#: Environment variables that win over the file, and the settings they stand for.
OVERRIDES: Mapping[str, KeyPath] = {
    "ANTIPHON_DATA_DIR": ("data_dir",),
    "ANTIPHON_HOST": ("server", "host"),
    "ANTIPHON_PORT": ("server", "port"),
    "ANTIPHON_DATABASE_URL": ("store", "url"),
    "ANTIPHON_SEAL_KEYS": ("store", "seal_keys"),
    "ANTIPHON_LOCAL": ("local", "enabled"),
    "ANTIPHON_LOCAL_MODEL": ("local", "model"),
}


def load(path: Path | None, environ: Mapping[str, str], *, files: Mapping[str, str] | None = None) -> Settings:
    """Settings from a file, `.env` files and the environment, checked.

    The file is `path`, else ANTIPHON_CONFIG, else `antiphon.yaml` in the working directory if there is one. Variables
    come from the environment, then from `.env` beside the file, then from `.env` in the working directory. Relative
    paths in the file start at its folder, those in the environment at the working directory.

    With `files`, the texts of another load (`Origin.files`) are taken for all that is on the disk: processes that serve
    together read the same.

    Raises:
        ConfigError: with everything that is wrong, where it is, and what would be accepted.
    """
    disk = _Disk(files)
    here = _dotenv(disk, Path())
    file = _find(disk, path, {**here, **environ})
    beside = _dotenv(disk, file.parent) if file is not None else {}
    environ = {**here, **beside, **environ}
    reader = Reader(str(file or ""), environ, base=file.parent if file is not None else Path())
    document = _read(disk, file, reader)
    values, problems = _overrides(environ)
    problems = [*reader.problems, *problems]
    if problems or not isinstance(document, Document):
        raise ConfigError(sorted(problems, key=_line))
    document = _apply(document, values)
    if document.data_dir is None:
        document = structs.replace(document, data_dir=Path(platformdirs.user_data_dir("antiphon", appauthor=False)))
    origin = Origin(str(file or ""), reader.lines, environ=environ, files=disk.read)
    unmet = search_problems(document.web_search, origin)
    if unmet:
        raise ConfigError(unmet)
    return Settings(**{name: getattr(document, name) for name in Document.__struct_fields__}, origin=origin)


def _line(problem: Problem) -> int:
    line = problem.place.rpartition(":")[2]
    return int(line) if line.isdecimal() else 0


class _Disk:
    """The files that settings stand in, or what they held when somebody else read them.

    Attributes:
        read: the texts that were asked for, by their paths.
    """

    def __init__(self, given: Mapping[str, str] | None) -> None:
        self._given = given
        self.read: dict[str, str] = {}

    def has(self, file: Path) -> bool:
        """Whether there is such a file."""
        return file.is_file() if self._given is None else str(file) in self._given

    def text(self, file: Path) -> str:
        """Raises `ConfigError`."""
        self.read[str(file)] = text = _text(file) if self._given is None else self._given[str(file)]
        return text


def _dotenv(disk: _Disk, folder: Path) -> dict[str, str]:
    file = folder / ".env"
    if not disk.has(file):
        return {}
    values = dotenv_values(stream=StringIO(disk.text(file)), interpolate=False)
    return {name: value for name, value in values.items() if value is not None}


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise ConfigError([Problem(str(file), (), f"cannot be read: {error.strerror}")]) from error
    except UnicodeDecodeError as error:
        raise ConfigError([Problem(str(file), (), "not UTF-8 text")]) from error


def _find(disk: _Disk, path: Path | None, environ: Mapping[str, str]) -> Path | None:
    if path is not None:
        return path
    named = environ.get("ANTIPHON_CONFIG")
    if named:
        return Path(named).expanduser()
    default = Path(DEFAULT_FILE)
    return default if disk.has(default) else None


def _read(disk: _Disk, file: Path | None, reader: Reader) -> object:
    if file is None:
        return Document()
    root, problems = parse(disk.text(file), str(file))
    reader.problems.extend(problems)
    return Document() if root is None else reader.read(root, _document_type(), ())


@cache
def _document_type() -> inspect.Type:
    return inspect.type_info(Document)  # milliseconds


def _overrides(environ: Mapping[str, str]) -> tuple[dict[KeyPath, object], list[Problem]]:
    """The values that the environment sets. An empty variable counts as not set."""
    values: dict[KeyPath, object] = {}
    problems: list[Problem] = []
    for name, path in OVERRIDES.items():
        text = environ.get(name)
        if not text:
            continue
        spec = unwrap(_type_at(path))
        try:
            values[path] = value_of(spec.kind, text, tag="", check=spec.check, base=Path())
        except Unacceptable as error:
            secret = isinstance(spec.kind, inspect.CustomType) and spec.kind.cls is Secret
            found = "" if secret else f", got `{text[:60]}`"
            problems.append(Problem(name, (), f"expected {error}{found}"))
    return values, problems


def _type_at(path: KeyPath) -> inspect.Type:
    kind = _document_type()
    for step in path:
        struct = unwrap(kind).kind
        assert isinstance(struct, inspect.StructType)  # noqa: S101 - `OVERRIDES` is a constant
        kind = next(field.type for field in struct.fields if field.name == step)
    return kind


def _apply(document: Document, values: Mapping[KeyPath, object]) -> Document:
    for (section, *rest), value in values.items():
        if rest:
            part = structs.replace(getattr(document, str(section)), **{str(rest[0]): value})
            document = structs.replace(document, **{str(section): part})
        else:
            document = structs.replace(document, **{str(section): value})
    return document
