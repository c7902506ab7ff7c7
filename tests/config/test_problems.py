from pathlib import Path

import pytest

from antiphon.config.load import load
from antiphon.config.problems import ConfigError, Problem, show_path
from tests.config.conftest import Load

PROVIDER_KEYS = (
    "`protocol`, `base_url`, `api_key`, `api_keys`, `key_strategy`, `region`, `models`, `headers`, `params`, `proxy`, `ca_file`, `quirks`, `stream`, "
    "`first_byte_s`, `idle_s`, `upstream_ids`, `fetches_urls`, `strict`, `hosted_tools`, `calls`"
)

CASES = {
    "unknown key, near one": (
        "providers:\n  vllm:\n    base_ulr: http://x\n",
        "antiphon.yaml:3: providers.vllm: unknown key `base_ulr`, did you mean `base_url`?",
    ),
    "unknown key, nothing near": (
        "providers:\n  vllm: {zzz: 1}\n",
        f"antiphon.yaml:2: providers.vllm: unknown key `zzz`; known here: {PROVIDER_KEYS}",
    ),
    "unknown key at the top": ("\n\nsever: {}\n", "antiphon.yaml:3: unknown key `sever`, did you mean `server`?"),
    "key in other letters": ("Server: {}\n", "antiphon.yaml:1: unknown key `Server`, did you mean `server`?"),
    "variable not set": (
        "providers:\n  vllm:\n    api_key: ${VLLM_KEY}\n",
        "antiphon.yaml:3: providers.vllm.api_key: environment variable VLLM_KEY is not set",
    ),
    "variable in a list": (
        "server:\n  cors_origins:\n  - https://a.example\n  - ${NO}\n",
        "antiphon.yaml:4: server.cors_origins[1]: environment variable NO is not set",
    ),
    "variable in parameters": (
        "providers: {v: {params: {a: [{b: '${NO}'}]}}}\n",
        "antiphon.yaml:1: providers.v.params.a[0].b: environment variable NO is not set",
    ),
    "malformed reference": (
        "server:\n  host: ${a b}\n",
        "antiphon.yaml:2: server.host: `${a b}` is not of the form ${NAME} or ${NAME:-default}",
    ),
    "open reference": (
        "server:\n  host: x${ABC\n",
        "antiphon.yaml:2: server.host: `${ABC` is not of the form ${NAME} or ${NAME:-default}",
    ),
    "number too large": (
        "server: {port: 65536}\n",
        "antiphon.yaml:1: server.port: expected an integer from 0 to 65535, got `65536`",
    ),
    "no number": (
        "server: {port: '80'}\n",
        "antiphon.yaml:1: server.port: expected an integer from 0 to 65535, got `80`",
    ),
    "fraction for a whole number": (
        "server: {port: 80.5}\n",
        "antiphon.yaml:1: server.port: expected an integer from 0 to 65535, got `80.5`",
    ),
    "no seconds": (
        "limits: {run_s: 0}\n",
        "antiphon.yaml:1: limits.run_s: expected a number above 0 to 86400, got `0`",
    ),
    "not a number": (
        "limits: {run_s: .nan}\n",
        "antiphon.yaml:1: limits.run_s: expected a number above 0 to 86400, got `.nan`",
    ),
    "optional number": (
        "local: {threads: 0}\n",
        "antiphon.yaml:1: local.threads: expected an integer from 1 to 1024, got `0`",
    ),
    "value of a variable is not shown": (
        "server: {port: '${P}'}\n",
        "antiphon.yaml:1: server.port: expected an integer from 0 to 65535, got `${P}`",
    ),
    "nothing": ("server:\n  port:\n", "antiphon.yaml:2: server.port: expected an integer from 0 to 65535, got nothing"),
    "no switch": ("server: {docs: maybe}\n", "antiphon.yaml:1: server.docs: expected on or off, got `maybe`"),
    "no switch for the local model": (
        "local: maybe\n",
        "antiphon.yaml:1: local: expected on or off, got `maybe`",
    ),
    "list for the local model": (
        "local: []\n",
        "antiphon.yaml:1: local: expected on or off, or a mapping, got a list",
    ),
    "none of the words": (
        "store: {synchronous: normal}\n",
        "antiphon.yaml:1: store.synchronous: expected one of `FULL`, `NORMAL`, got `normal`",
    ),
    "number for a string": (
        "server: {host: 127}\n",
        "antiphon.yaml:1: server.host: expected a string (put it in quotes), got `127`",
    ),
    "empty string": (
        "server: {host: ''}\n",
        "antiphon.yaml:1: server.host: expected a string that is not empty, got ``",
    ),
    "number for a secret": (
        "providers: {a: {api_key: 12345}}\n",
        "antiphon.yaml:1: providers.a.api_key: expected a string (put it in quotes), got a number",
    ),
    "empty secret": (
        "providers: {a: {api_key: '${EMPTY}'}}\n",
        "antiphon.yaml:1: providers.a.api_key: expected a string that is not empty, got another text",
    ),
    "secret with a line break": (
        'providers: {a: {api_key: "sk\\nx"}}\n',
        "antiphon.yaml:1: providers.a.api_key: expected one line of plain ASCII, got another text",
    ),
    "mapping for a string": (
        "server: {host: {a: 1}}\n",
        "antiphon.yaml:1: server.host: expected a string, got a mapping",
    ),
    "string for a list": (
        "providers: {a: {models: gpt}}\n",
        "antiphon.yaml:1: providers.a.models: expected a list, got `gpt`",
    ),
    "list for a mapping": ("fetch: [1]\n", "antiphon.yaml:1: fetch: expected a mapping, got a list"),
    "mapping of providers": (
        "providers: [openai]\n",
        "antiphon.yaml:1: providers: expected a mapping, got a list",
    ),
    "alias without target": ("models:\n  a: {}\n", "antiphon.yaml:2: models.a: `target` or `targets` is missing"),
    "alias with both": (
        "models:\n  a: {target: b, targets: [c]}\n",
        "antiphon.yaml:2: models.a: either `target` or `targets`, not both",
    ),
    "member without target": (
        "models:\n  a:\n    targets:\n    - b\n    - {weight: 2}\n",
        "antiphon.yaml:5: models.a.targets[1]: `target` is missing",
    ),
    "weight below zero": (
        "models: {a: {targets: [{target: b, weight: -1}]}}\n",
        "antiphon.yaml:1: models.a.targets[0].weight: expected a number from 0 to 1000000, got `-1`",
    ),
    "unknown strategy": (
        "models: {a: {targets: [b], strategy: fastest}}\n",
        (
            "antiphon.yaml:1: models.a.strategy: expected one of `cheapest`, `least_busy`, `lowest_latency`, `ordered`, "
            "`weighted`, got `fastest`"
        ),
    ),
    "no list of targets": (
        "models: {a: {targets: b}}\n",
        "antiphon.yaml:1: models.a.targets: expected a list, got `b`",
    ),
    "tag that is no word": (
        "models: {a: {targets: [{target: b, when: {tags: ['a b']}}]}}\n",
        "antiphon.yaml:1: models.a.targets[0].when.tags[0]: expected up to 64 letters, digits, `_`, `-` and `.`, got `a b`",
    ),
    "no address": (
        "providers: {a: {base_url: gpu:8000}}\n",
        (
            "antiphon.yaml:1: providers.a.base_url: expected an http:// or https:// URL without credentials and fragment; "
            "of queries only `api-version`, "
            "got `gpu:8000`"
        ),
    ),
    "address with a query": (
        "providers: {a: {base_url: 'https://x/v1?key=1'}}\n",
        (
            "antiphon.yaml:1: providers.a.base_url: expected an http:// or https:// URL without credentials and fragment; "
            "of queries only `api-version`, "
            "got `https://x/v1?key=1`"
        ),
    ),
    "address with a bad port": (
        "providers: {a: {base_url: 'http://x:99999'}}\n",
        (
            "antiphon.yaml:1: providers.a.base_url: expected an http:// or https:// URL without credentials and fragment; "
            "of queries only `api-version`, "
            "got `http://x:99999`"
        ),
    ),
    "proxy with a password": (
        "providers: {a: {proxy: 'socks5://u:hush@p'}}\n",
        "antiphon.yaml:1: providers.a.proxy: expected an http:// or https:// URL, got another text",
    ),
    "origin with a path": (
        "server: {cors_origins: [https://a.example/]}\n",
        (
            "antiphon.yaml:1: server.cors_origins[0]: expected `*` or an origin such as https://chat.example.com, "
            "got `https://a.example/`"
        ),
    ),
    "no network": (
        "server: {forwarded_allow_ips: [10.0.0.0/33]}\n",
        (
            "antiphon.yaml:1: server.forwarded_allow_ips[0]: expected `*`, an IP address, or a network such as 10.0.0.0/8, "
            "got `10.0.0.0/33`"
        ),
    ),
    "everything may not be fetched": (
        "fetch: {allow: ['*']}\n",
        "antiphon.yaml:1: fetch.allow[0]: expected a host name, an IP address, or a network such as 10.0.0.0/8, got `*`",
    ),
    "other database": (
        "store: {url: 'mysql://u:hush@h/d'}\n",
        (
            "antiphon.yaml:1: store.url: expected `sqlite:///path` or `postgresql://user:password@host/name`, "
            "got another text"
        ),
    ),
    "missing file": (
        "providers: {a: {ca_file: no.pem}}\n",
        "antiphon.yaml:1: providers.a.ca_file: expected a file that exists, got `no.pem`",
    ),
    "provider with a slash": (
        "providers:\n  a/b: {}\n",
        "antiphon.yaml:2: providers: expected up to 64 letters, digits, `_`, `-` and `.`, got the key `a/b`",
    ),
    "header with a space": (
        "providers: {a: {headers: {X Y: z}}}\n",
        "antiphon.yaml:1: providers.a.headers: expected a header name, got the key `X Y`",
    ),
    "field of the codec": (
        "providers: {a: {params: {stream: true}}}\n",
        (
            "antiphon.yaml:1: providers.a.params: expected any field but `model`, `messages` and `stream`, "
            "got the key `stream`"
        ),
    ),
    "parameter that JSON cannot hold": (
        "providers: {a: {params: {x: .inf}}}\n",
        "antiphon.yaml:1: providers.a.params.x: expected a number that JSON can hold, got `.inf`",
    ),
    "too many stars": (
        "models: {a: '*********'}\n",
        "antiphon.yaml:1: models.a: expected a model name, or a pattern with at most 8 `*`, got `*********`",
    ),
    "duplicate key": (
        "server: {port: 1}\nstore: {}\nserver: {port: 2}\n",
        "antiphon.yaml:3: duplicate key `server`, first on line 1",
    ),
    "duplicate key inside": (
        "server:\n  port: 1\n  port: 1\n",
        "antiphon.yaml:3: server: duplicate key `port`, first on line 2",
    ),
    "python tag": (
        "server:\n  host: !!python/name:os.system x\n",
        "antiphon.yaml:2: server.host: tag `!!python/name:os.system` is not allowed",
    ),
    "tag of one's own": ("server:\n  host: !env x\n", "antiphon.yaml:2: server.host: tag `!env` is not allowed"),
    "merge key": (
        "server:\n  <<: {port: 1}\n",
        "antiphon.yaml:2: server: merge keys (`<<`) are not supported",
    ),
    "key that is no word": ("server:\n  [a]: 1\n", "antiphon.yaml:2: server: a key must be a plain word"),
    "no mapping at the top": ("- a\n", "antiphon.yaml:1: expected a mapping of settings"),
    "text at the top": ("just text\n", "antiphon.yaml:1: expected a mapping of settings"),
    "tab": (
        "server:\n\tport: 1\n",
        "antiphon.yaml:2: not valid YAML: found character '\\t' that cannot start any token",
    ),
    "two documents": (
        "server: {}\n---\nserver: {}\n",
        "antiphon.yaml:2: not valid YAML: but found another document",
    ),
    "unknown anchor": ("server: *x\n", "antiphon.yaml:1: not valid YAML: found undefined alias 'x'"),
    "control character": (
        "server: \x01\n",
        (
            "antiphon.yaml: not valid YAML: unacceptable character #x0001: special characters are not allowed\n"
            '  in "<unicode string>", position 8'
        ),
    ),
    "anchor inside itself": (
        "server: &x\n  host: *x\n",
        "antiphon.yaml:1: nested too deeply, or too large once its anchors are unfolded",
    ),
}


@pytest.mark.parametrize(("text", "message"), CASES.values(), ids=CASES.keys())
def test_each_mistake_names_key_line_and_what_would_be_accepted(load_text: Load, text: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_text(text, P="hunter2", EMPTY="")
    assert str(caught.value) == message


def test_all_mistakes_are_told_at_once_in_the_order_of_the_file(load_text: Load) -> None:
    with pytest.raises(ConfigError) as caught:
        load_text(
            "server:\n  port: x\n  prot: 1\nproviders:\n  a:\n    stream: maybe\n    stream: auto\nlimits: {idle_s: -1}\n",
            ANTIPHON_PORT="y",
        )
    assert str(caught.value).splitlines() == [
        "ANTIPHON_PORT: expected an integer from 0 to 65535, got `y`",
        "antiphon.yaml:2: server.port: expected an integer from 0 to 65535, got `x`",
        "antiphon.yaml:3: server: unknown key `prot`, did you mean `port`?",
        "antiphon.yaml:6: providers.a.stream: expected one of `always`, `auto`, `never`, got `maybe`",
        "antiphon.yaml:7: providers.a: duplicate key `stream`, first on line 6",
        "antiphon.yaml:8: limits.idle_s: expected a number above 0 to 86400, got `-1`",
    ]
    assert len(caught.value.problems) == 6


def test_anchors_that_unfold_without_end_are_refused_quickly(load_text: Load) -> None:
    levels = "\n".join(f"  l{n}: &l{n} [{', '.join([f'*l{n - 1}'] * 9)}]" for n in range(1, 12))
    with pytest.raises(ConfigError, match="too large once its anchors are unfolded"):
        load_text(f"providers:\n  l0: &l0 [x]\n{levels}\n")


@pytest.mark.parametrize("by_variable", [True, False])
def test_a_missing_file_is_named(tmp_path: Path, by_variable: bool) -> None:
    file = tmp_path / "no.yaml"
    with pytest.raises(ConfigError) as caught:
        load(None if by_variable else file, {"ANTIPHON_CONFIG": str(file)} if by_variable else {})
    assert str(caught.value) == f"{file}: cannot be read: No such file or directory"


@pytest.mark.parametrize("name", ["a.yaml", ".env"])
def test_a_file_that_is_no_text_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "a.yaml").touch()
    file = tmp_path / name
    file.write_bytes(b"A=\xff\xfe")
    with pytest.raises(ConfigError) as caught:
        load(tmp_path / "a.yaml", {})
    assert str(caught.value) == f"{file}: not UTF-8 text"


def test_later_checks_find_the_line_of_the_nearest_key(load_text: Load) -> None:
    origin = load_text("providers:\n  a:\n    base_url: http://a\n").origin
    assert origin.problem(("providers", "a", "quirks"), "x") == Problem(
        "antiphon.yaml:2", ("providers", "a", "quirks"), "x"
    )
    assert str(origin.problem(("providers", "a", "base_url"), "x")) == "antiphon.yaml:3: providers.a.base_url: x"
    assert str(origin.problem(("models",), "x")) == "antiphon.yaml: models: x"
    assert show_path(("a", 0, "b", 1)) == "a[0].b[1]"
