"""A gateway before two providers that have the same models, each under the test's control."""

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

from tests.helpers.gateway import Answer, Gateway
from tests.helpers.stream import Checked, check_response, check_stream
from tests.helpers.upstream import Brain, Reply, Script, Seen, ThreadedUpstream, error

__all__ = ["Pair", "open_pair"]

Json = dict[str, Any]


class Pair:
    """Two providers that both have all models `m-*`. Each does as its script says."""

    def __init__(self, gateway: Gateway, upstreams: list[ThreadedUpstream], told: dict[str, Brain]) -> None:
        self.gateway = gateway
        self._upstreams = upstreams
        self._told = told
        self._numbers = count()

    def script(self, *scripts: Script) -> None:
        """For a model of its own: what happened to others is remembered."""
        self.model = f"m-{next(self._numbers)}"
        for name, script in zip(("one", "two"), scripts, strict=True):
            self._told[name] = _brain(script)
        self._asked = [len(upstream.requests) for upstream in self._upstreams]

    @property
    def asked(self) -> list[int]:
        """How often each was asked since it was told what to do."""
        return [len(upstream.requests) - before for upstream, before in zip(self._upstreams, self._asked, strict=True)]

    def heard(self, which: int) -> list[Seen]:
        return self._upstreams[which].requests[self._asked[which] :]

    def closed(self, which: int) -> None:
        """Wait until the gateway has hung up on the last request that this one got."""
        upstream = self._upstreams[which]
        upstream.closed(upstream.requests[-1].connection)

    def send(self, *, path: str = "responses", **body: Any) -> Answer:
        return self.gateway.request(
            "POST", f"/v1/{path}", body={"model": self.model, "input": "Hi", "store": False, **body}
        )

    def whole(self, **body: Any) -> tuple[Json, Answer]:
        got = self.send(**body)
        assert got.status == 200, got.body
        return check_response(got.json), got

    def stream(self, **body: Any) -> tuple[Checked, Answer]:
        got = self.send(stream=True, **body)
        assert got.status == 200, got.body
        checked = check_stream(got.body)
        assert checked.done
        return checked, got

    def record(self, response_id: str) -> Json:
        found = self.gateway.request("GET", f"/v1/antiphon/runs/{response_id}")
        while found.status == 404:
            found = self.gateway.request("GET", f"/v1/antiphon/runs/{response_id}")
        record: Json = found.json
        return record


def _brain(script: Script) -> Brain:
    if isinstance(script, Reply):
        return lambda _: script
    if callable(script):
        return script
    replies = iter(script)
    return lambda _: next(replies, error(400, "the test's script has no more replies"))


@contextmanager
def open_pair(data_dir: Path, *, both: Json | None = None, second: Json | None = None, **config: Any) -> Iterator[Pair]:
    """`both` and `second` add to how the providers are configured, `config` to the rest."""
    told: dict[str, Brain] = {}

    def brain(name: str) -> Brain:
        def play(seen: Seen) -> Reply:
            return told[name](seen)

        return play

    with ThreadedUpstream(brain("one")) as one, ThreadedUpstream(brain("two")) as two:
        common = {"protocol": "chat", "models": ["m-*"], **(both or {})}
        providers = {
            "one": {**common, "base_url": one.url, "api_key": "sk-one"},
            "two": {**common, "base_url": two.url, "api_key": "sk-two", **(second or {})},
        }
        config = {**config, "retries": {"attempts": 3, **config.get("retries", {})}}
        with Gateway(None, data_dir, config={"providers": providers, **config}) as gateway:
            yield Pair(gateway, [one, two], told)
