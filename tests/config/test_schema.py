import jsonschema
import msgspec
import pytest
import yaml

from antiphon.config.problems import ConfigError
from antiphon.config.schema import schema
from tests.config.conftest import Load
from tests.config.test_load import FULL


def test_schema_is_a_valid_schema_and_plain_json() -> None:
    jsonschema.Draft202012Validator.check_schema(schema())
    assert msgspec.json.decode(msgspec.json.encode(schema())) == schema()


def test_every_setting_has_a_description_and_unknown_ones_are_refused() -> None:
    definitions = schema()["$defs"]
    assert isinstance(definitions, dict)
    for name, definition in definitions.items():
        assert definition["description"], name
        assert definition["additionalProperties"] is False
        assert [key for key, part in definition["properties"].items() if not part.get("description")] == []


@pytest.mark.parametrize(
    "text",
    [
        FULL,
        "{}",
        "local: on",
        "local: 'off'",
        "local: ${LOCAL}",
        "server: {port: '${PORT}', docs: '${DOCS:-on}'}",
        "store: {synchronous: '${S:-FULL}'}",
        "providers:\n  openai:\n",
        "server:\nmodels:\n  a: openai/b\n  c: {target: d}\n",
        "models: {a: {targets: [b, {target: c, weight: 2, when: {tags: [d]}}], strategy: weighted, sticky: 'off'}}",
        "routing: {fallbacks: [a], tenant_regions: {acme: [eu]}}",
    ],
)
def test_schema_accepts_what_load_accepts(text: str) -> None:
    jsonschema.validate(yaml.safe_load(text), schema())


@pytest.mark.parametrize(
    "text",
    [
        "sever: {}",
        "server: {prot: 1}",
        "server: {port: 65536}",
        "server: {port: '80'}",
        "server: {docs: maybe}",
        "store: {synchronous: normal}",
        "local: []",
        "local: {threads: 0}",
        "limits: {run_s: 0}",
        "providers: [openai]",
        "providers: {a: {models: gpt}}",
        "models: {a: {}}",
        "models: {a: {target: b, targets: [c]}}",
        "models: {a: {targets: [{weight: 2}]}}",
        "models: {a: {targets: b}}",
        "providers: {a: {api_keys: [b]}}",
    ],
)
def test_schema_refuses_wrong_shapes_as_load_does(load_text: Load, text: str) -> None:
    with pytest.raises(ConfigError):
        load_text(text)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(yaml.safe_load(text), schema())
