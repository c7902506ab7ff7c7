"""One gateway whose provider does what each test scripts, without a gateway of its own for every test."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.helpers.gateway import Answer, Gateway
from tests.helpers.stream import Checked, check_response, check_stream
from tests.helpers.upstream import Brain, Reply, Seen, ThreadedUpstream, error

__all__ = ["KEY", "Stage", "open_stage"]

#: As the helper configures it.
KEY = "sk-upstream"


class Stage:
    """A gateway in front of an upstream that gives `reply` to whatever it is asked."""

    def __init__(self, gateway: Gateway, upstream: ThreadedUpstream, told: list[Reply | Brain]) -> None:
        self.gateway = gateway
        self.upstream = upstream
        self._told = told

    def script(self, reply: Reply | Brain) -> None:
        self._told[:] = [reply]

    def ask(self, reply: Reply | Brain, **body: Any) -> Answer:
        """The answer to one request; no more than one must have gone upstream."""
        self.script(reply)
        before = len(self.upstream.requests)
        answer = self.gateway.request(
            "POST", "/v1/responses", body={"model": "test/m", "input": "Hi", "store": False, **body}
        )
        assert len(self.upstream.requests) <= before + 1, "it tried again"
        self.assert_discreet(answer)
        return answer

    def stream(self, reply: Reply | Brain, **body: Any) -> Checked:
        answer = self.ask(reply, stream=True, **body)
        assert answer.status == 200, answer.body
        checked = check_stream(answer.body)
        assert checked.done
        return checked

    def whole(self, reply: Reply | Brain, **body: Any) -> Any:
        answer = self.ask(reply, **body)
        assert answer.status == 200, answer.body
        return check_response(answer.json)

    def assert_discreet(self, answer: Answer) -> None:
        """Neither the upstream's key nor its address may be seen."""
        port = self.upstream.url.rsplit(":", 1)[1].removesuffix("/v1")
        seen = answer.body + repr(answer.headers).encode()
        for secret in (KEY, "127.0.0.1", f":{port}"):
            assert secret.encode() not in seen

    def run_row(self, response_id: str) -> Any:
        """(status, error code, output tokens, estimated) of a run; waits for it to be written."""
        found = self.gateway.request("GET", f"/v1/antiphon/runs/{response_id}")
        while found.status == 404:
            found = self.gateway.request("GET", f"/v1/antiphon/runs/{response_id}")
        raw = response_id.removeprefix("resp_")
        (row,) = self.gateway.sql(
            f"SELECT status, error_code, output_tokens, estimated FROM runs WHERE id = x'{raw}'"  # noqa: S608 - hex digits
        )
        return row


@contextmanager
def open_stage(data_dir: Path, **config: Any) -> Iterator[Stage]:
    """A gateway with these settings, and its upstream; `providers` adds to how it is configured.

    Nothing is tried again, so that each test has one attempt to look at: `retries` changes that.
    """
    told: list[Reply | Brain] = [error(500, "nothing was scripted")]

    def brain(request: Seen) -> Reply:
        now = told[0]
        return now if isinstance(now, Reply) else now(request)

    with ThreadedUpstream(brain) as upstream:
        here = {"base_url": upstream.url, "protocol": "chat", "api_key": KEY}
        providers = {name: {**here, **more} for name, more in config.pop("providers", {"test": {}}).items()}
        with Gateway(None, data_dir, config={"retries": {"attempts": 1}, **config, "providers": providers}) as gateway:
            yield Stage(gateway, upstream, told)
