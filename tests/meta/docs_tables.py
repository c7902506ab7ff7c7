"""The tables in the documentation that are made from the code.

`python -m tests.meta.docs_tables` writes them anew, between the marks in the pages; `test_docs_tables` fails while
page and code differ.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import msgspec
from msgspec import inspect

from antiphon.config.checks import CHECKS
from antiphon.config.describe import describe_type
from antiphon.config.load import OVERRIDES
from antiphon.config.reader import Spec, unwrap
from antiphon.config.settings import Document
from antiphon.edge.telemetry import Telemetry
from antiphon.providers.registry import KNOWN

ROOT = Path(__file__).parents[2]

_MARKED = re.compile(r"(<!-- made from the code: (?P<name>[a-z]+) -->\n).*?(<!-- end -->)", re.DOTALL)


def renewed(page: str) -> str:
    """The page with its marked parts made anew."""
    return _MARKED.sub(lambda found: f"{found[1]}\n{TABLES[found['name']]()}\n{found[3]}", page)


def settings_reference() -> str:
    """One table for each section, one line for each setting."""
    document = _struct(inspect.type_info(Document))
    plain = [field for field in document.fields if not _sections(field)]
    parts = [_settings_table("Outside the sections", "", plain)]
    for field in document.fields:
        for path, struct in _sections(field):
            named = field.encode_name if "." not in path.replace(".NAME", "") else path
            title = f"`{named}`: {_first_sentence(struct.cls.__doc__)}"
            parts.append(_settings_table(title, path, struct.fields))
    return "\n".join(parts)


def setting_paths() -> set[str]:
    """Every setting by its path, `NAME` for names of the operator's choice, and every section."""
    document = _struct(inspect.type_info(Document))
    paths = {field.encode_name for field in document.fields}
    for field in document.fields:
        for path, struct in _sections(field):
            paths |= {path, *(f"{path}.{one.encode_name}" for one in struct.fields)}
    return paths


def environment_table() -> str:
    """The variables that win over the file."""
    rows = [(f"`{name}`", "`" + ".".join(map(str, path)) + "`") for name, path in OVERRIDES.items()]
    return _table(("Variable", "Setting"), rows)


def providers_table() -> str:
    """What is known of each provider before anything is configured."""
    rows = []
    for entry in KNOWN:
        if entry.name == "generic":
            continue
        keys = " or ".join(f"`{name}`" for name in entry.key_env) or "none needed"
        on = "yes" if entry.auto and entry.base_url and entry.key_env else "no"
        address = entry.address(entry.protocol)
        spoken = ", ".join(f"`{protocol}`" for protocol in (entry.protocol, *entry.speaks))
        spoken = f"`auto`: {spoken}" if entry.by_door else spoken
        rows.append((f"`{entry.name}`", keys, f"`{address}`" if address else "yours", spoken, on))
    return _table(("Name", "Key", "Base URL", "Protocols", "On by its key alone"), rows)


def metrics_table() -> str:
    """Every metric that `/metrics` shows."""
    rows = []
    for metric in Telemetry(log=None, timestamp=lambda: "").collect():
        name = f"{metric.name}_total" if metric.type == "counter" else metric.name
        labels = getattr(metric, "_labelnames", ())
        rows.append((f"`{name}`", metric.type, ", ".join(f"`{one}`" for one in labels), metric.documentation))
    return _table(("Metric", "Kind", "Labels", "Meaning"), rows)


TABLES: Mapping[str, Callable[[], str]] = {
    "settings": settings_reference,
    "environment": environment_table,
    "providers": providers_table,
    "metrics": metrics_table,
}


def _struct(kind: inspect.Type) -> inspect.StructType:
    kind = unwrap(kind).kind
    assert isinstance(kind, inspect.StructType)
    return kind


def _sections(field: inspect.Field) -> list[tuple[str, inspect.StructType]]:
    """The structure behind a field, with its path, then those inside it: its own, or that of what it holds."""
    kind = unwrap(field.type).kind
    path, inner = field.encode_name, kind
    if isinstance(kind, inspect.DictType):
        path, inner = f"{path}.NAME", unwrap(kind.value_type).kind
    elif isinstance(kind, inspect.VarTupleType):
        path, inner = f"{path}[]", unwrap(kind.item_type).kind
    if not isinstance(inner, inspect.StructType):
        return []
    return [
        (path, inner),
        *((f"{path}.{below}", struct) for one in inner.fields for below, struct in _sections(one)),
    ]


def _settings_table(title: str, path: str, fields: Sequence[inspect.Field]) -> str:
    rows = []
    for field in fields:
        name = f"{path}.{field.encode_name}".lstrip(".")
        rows.append((f"`{name}`", _accepted(field.type), _default(field), _description(field.type)))
    return f"### {title}\n\n" + _table(("Setting", "Accepts", "Default", "Meaning"), rows)


def _accepted(kind: inspect.Type) -> str:
    spec = unwrap(kind)
    if isinstance(spec.kind, inspect.VarTupleType):
        return f"list of: {_accepted(spec.kind.item_type)}"
    if isinstance(spec.kind, inspect.DictType):
        return f"mapping; names: {_scalar(unwrap(spec.kind.key_type))}"
    return _scalar(spec)


def _scalar(spec: Spec) -> str:
    return CHECKS[spec.check].accepted if spec.check else describe_type(spec.kind)


def _default(field: inspect.Field) -> str:
    if field.required:
        return "required"
    value = field.default
    if value is msgspec.NODEFAULT or value == () or value is None:
        return "none"
    if isinstance(value, bool):
        return "`on`" if value else "`off`"
    return f"`{value:g}`" if isinstance(value, float) else f"`{value}`"


def _description(kind: inspect.Type) -> str:
    """The outermost one: it tells of the field, not of what is in it."""
    while not isinstance(kind, inspect.Metadata) or "description" not in (kind.extra_json_schema or {}):
        assert isinstance(kind, inspect.Metadata)
        kind = kind.type
    return str((kind.extra_json_schema or {})["description"])


def _first_sentence(text: str | None) -> str:
    return (text or "").strip().splitlines()[0].partition(". ")[0].rstrip(".")


def _table(titles: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [titles, ["---"] * len(titles), *rows]
    return "".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |\n" for line in lines)


if __name__ == "__main__":
    for page in sorted((ROOT / "docs").glob("*.md")):
        page.write_text(renewed(page.read_text()))
