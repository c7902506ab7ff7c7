"""One gateway before all kinds of upstreams, behind all front doors, and one server that plays each of them."""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

from tests.faults.clients import Door, Told
from tests.faults.tongues import TONGUES, Tongue
from tests.helpers.gateway import Answer, Gateway
from tests.helpers.upstream import Brain, Reply, Seen, ThreadedUpstream, error

__all__ = ["KEY", "House", "new_model", "open_house", "provider_at"]

KEY = "sk-upstream"

#: The ledger's row of a run: how it ended, why, what it took, and whether that is an estimate.
Row = tuple[Any, ...]


class House:
    """`ask` goes to whatever `script` was told last."""

    def __init__(self, gateway: Gateway, upstream: ThreadedUpstream, told: list[Reply | Brain]) -> None:
        self.gateway = gateway
        self.upstream = upstream
        self._told = told
        self._expected: dict[str, tuple[Row, str]] = {}
        self._port = upstream.url.rsplit(":", 1)[1].removesuffix("/v1")

    def script(self, reply: Reply | Brain) -> None:
        self._told[:] = [reply]

    def ask(self, door: Door, model: str, *, stream: bool, tools: Sequence[str] = ()) -> Answer:
        """One request. Neither the upstream's key nor its address may be seen in what comes."""
        got = self.gateway.request("POST", door.path, body=door.body(model, stream=stream, tools=tools))
        seen = got.body + repr(got.headers).encode()
        for secret in (KEY, "127.0.0.1", f":{self._port}"):
            assert secret.encode() not in seen
        return got

    def told(self, door: Door, model: str, *, stream: bool, tools: Sequence[str] = ()) -> Told:
        """A request that is answered with 200."""
        got = self.ask(door, model, stream=stream, tools=tools)
        assert got.status == 200, got.body
        return door.stream(got.body) if stream else door.whole(got.json)

    def expect(self, model: str, row: Row) -> None:
        """The one run of that model has to be written so; `...` is at least 1, `any` anything. Looked at when the house closes: writing takes its time."""
        self._expected[model] = row, os.environ["PYTEST_CURRENT_TEST"]

    def check_ledger(self) -> None:
        """All that was expected is there, once each."""
        found: dict[str, list[Row]] = {}
        for model, *row in self.gateway.sql(
            "SELECT model, status, error_code, input_tokens, output_tokens, estimated FROM runs"
        ):
            found.setdefault(model, []).append((*row,))
        wrong = [
            f"{test}: {found.get(model)} instead of {row}"
            for model, (row, test) in self._expected.items()
            if not _is_only(row, found.get(model, []))
        ]
        assert not wrong, "\n".join(wrong[:10])


def _is_only(row: Row, found: Sequence[Row]) -> bool:
    """Whether this is all that was found."""
    if len(found) != 1:
        return False
    return all(is_ >= 1 if should is ... else should in ("any", is_) for is_, should in zip(found[0], row, strict=True))


def new_model(provider: str) -> str:
    """A name that no other run has."""
    return f"{provider}/{uuid4().hex}"


def provider_at(tongue: Tongue, root: str, **more: Any) -> dict[str, Any]:
    """The settings of a provider of that tongue at that server."""
    version = "v1beta" if tongue.name == "gemini" else "v1"
    return {"base_url": f"{root}/{version}", "protocol": tongue.name, "api_key": KEY, **more}


@contextmanager
def open_house(data_dir: Path, more: Callable[[str], dict[str, Any]] = lambda _: {}, **config: Any) -> Iterator[House]:
    """Providers are called as their tongues; `always-` before it: it is only ever asked for streams. Nothing is tried again.

    `more`: further providers, of the server's address.
    """
    told: list[Reply | Brain] = [error(500, "nothing was scripted")]

    def brain(request: Seen) -> Reply:
        now = told[0]
        return now if isinstance(now, Reply) else now(request)

    with ThreadedUpstream(brain) as upstream:
        root = upstream.url.removesuffix("/v1")
        providers = {name: provider_at(tongue, root) for name, tongue in TONGUES.items()}
        streaming = {f"always-{name}": {**each, "stream": "always"} for name, each in providers.items()}
        providers = {**providers, **streaming, **config.pop("providers", {}), **more(root)}
        with Gateway(None, data_dir, config={"retries": {"attempts": 1}, **config, "providers": providers}) as gateway:
            house = House(gateway, upstream, told)
            yield house
        house.check_ledger()
