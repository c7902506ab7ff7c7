"""One gateway and one scripted provider for many tests: each test gets a model of its own, and so a script of its own.

Starting a gateway costs more than most of what is tested through it.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import msgspec

from tests.helpers.gateway import Answer, Gateway, add_key
from tests.helpers.stream import Checked, check_response, check_stream
from tests.helpers.upstream import Brain, Reply, Script, Seen, ThreadedUpstream, answer, chat_json, error

__all__ = ["Model", "Stage", "open_stage", "output_text", "user"]

Json = dict[str, Any]


class Run(msgspec.Struct, frozen=True):
    """What is counted of a run."""

    id: bytes
    status: str
    error_code: str | None
    input_tokens: int | None
    cached_tokens: int | None
    output_tokens: int | None
    reasoning_tokens: int | None
    estimated: bool

    @property
    def response_id(self) -> str:
        return f"resp_{self.id.hex()}"


@dataclass
class Model:
    """A model with its script. `requests` are those that reached it at the provider."""

    gateway: Gateway
    name: str
    key: str = ""
    requests: list[Seen] = field(default_factory=list)

    def ask(self, content: object = "Hello", **body: object) -> Json:
        """A response in JSON, whole and checked."""
        got = self.send(content, **body)
        assert got.status == 200, got.body
        return check_response(got.json)

    def stream(self, content: object = "Hello", **body: object) -> Checked:
        """A response as a stream, whole and checked."""
        got = self.send(content, stream=True, **body)
        assert got.status == 200, got.body
        checked = check_stream(got.body)
        assert checked.done
        return checked

    def refuse(self, content: object = "Hello", *, status: int = 400, **body: object) -> Json:
        """The error of a request that must not be answered."""
        got = self.send(content, **body)
        assert got.status == status, got.body
        problem: Json = got.json["error"]
        assert set(problem) == {"message", "type", "param", "code"}
        return problem

    def send(self, content: object = "Hello", **body: object) -> Answer:
        """Whatever comes back."""
        return self.gateway.request(
            "POST", "/v1/responses", body={"model": self.name, "input": content, **body}, key=self.key
        )

    def get(self, path: str) -> Answer:
        """`GET /v1/…` with this key."""
        return self.gateway.request("GET", f"/v1/{path}", key=self.key)

    def delete(self, response: Json) -> Answer:
        """`DELETE` that response."""
        return self.gateway.request("DELETE", f"/v1/responses/{response['id']}", key=self.key)

    def record(self, response_id: str) -> Json:
        """The run record of that response."""
        got = self.get(f"antiphon/runs/{response_id}")
        assert got.status == 200, got.body
        record: Json = got.json
        return record

    def runs(self) -> list[Run]:
        """The rows that are counted, of runs that have ended. Those of runs that are not stored are written later."""
        self._settle()
        columns = ", ".join(Run.__struct_fields__)
        found = self.gateway.sql(f"SELECT {columns} FROM runs WHERE model = '{self.name}' ORDER BY id")  # noqa: S608 - a test's own name
        return [msgspec.convert(dict(zip(Run.__struct_fields__, row, strict=True)), Run, strict=False) for row in found]

    def _settle(self) -> None:
        """Rows are written in the order in which they were queued, and a stored response is answered once it is."""
        self.gateway.create(model="test/settle", input="")

    def heard(self, turn: int = -1) -> list[Json]:
        """The messages of a request that reached the provider."""
        messages: list[Json] = self.requests[turn].json["messages"]
        return messages

    def turns(self, columns: str) -> Sequence[Any]:
        """These columns of the stored responses, oldest first."""
        return self.gateway.sql(f"SELECT {columns} FROM responses WHERE model = '{self.name}' ORDER BY id")  # noqa: S608 - a test's own name

    def as_tenant(self, tenant: str) -> "Model":
        """The same model, asked by somebody else."""
        key = add_key(self.gateway.settings.database_url, name=tenant, tenant=tenant)
        return Model(self.gateway, self.name, key, self.requests)


class Stage:
    """Makes models. `provider` is the one of the configuration whose peculiarities the model shall have."""

    def __init__(self) -> None:
        self._brains: dict[str, tuple[Brain, Model]] = {}
        self._numbers = count()
        self.gateway: Gateway

    def model(self, script: Script, *, provider: str = "test", name: str = "m") -> Model:
        """A new model of that provider."""
        unique = f"{name}-{next(self._numbers)}"
        model = Model(self.gateway, f"{provider}/{unique}")
        self._brains[unique] = (_brain(script), model)
        return model

    def known(self, upstream: str, script: Script, *, name: str) -> Model:
        """The model behind a name of the configuration, which the provider calls `upstream`."""
        model = Model(self.gateway, name)
        self._brains[upstream] = (_brain(script), model)
        return model

    def prepare(self) -> None:
        """Make the model that `Model.runs` needs."""
        model = Model(self.gateway, "test/settle")
        self._brains["settle"] = (_brain(answer(chat_json("Settled."))), model)

    def play(self, request: Seen) -> Reply:
        """What the provider says."""
        brain, model = self._brains[request.json["model"]]
        model.requests.append(request)
        return brain(request)


@contextmanager
def open_stage(
    data_dir: Path,
    *,
    quirks: Sequence[str] = (),
    provider: Mapping[str, Any] | None = None,
    config: Mapping[str, Any] | None = None,
) -> Iterator[Stage]:
    """A stage whose provider `test` is a plain one but for `provider`, and those in `quirks` are like known ones."""
    stage = Stage()
    with ThreadedUpstream(stage.play) as upstream:
        plain: Json = {"base_url": upstream.url, "api_key": "sk-upstream", **(provider or {})}
        providers = {"test": plain, **{f"like-{name}": {**plain, "quirks": name} for name in quirks}}
        with Gateway(None, data_dir, config={"providers": providers, **(config or {})}) as stage.gateway:
            stage.prepare()
            yield stage


def output_text(response: Json) -> str:
    """What clients show."""
    parts = [part for item in response["output"] if item["type"] == "message" for part in item["content"]]
    return "".join(part.get("text", "") for part in parts)


def user(text: str) -> Json:
    """A user's message."""
    return {"role": "user", "content": text}


def _brain(script: Script) -> Brain:
    if isinstance(script, Reply):
        return lambda _: script
    if callable(script):
        return script
    replies = iter(script)
    return lambda _: next(replies, error(500, "the test's script has no more replies"))
