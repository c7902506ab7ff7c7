"""The whole gateway on a real socket, in a thread of the test process: real server, real store, real sockets.

with ThreadedUpstream(stream(*text_chunks("Hello"))) as up, Gateway(up.url, tmp_path) as gateway:
    gateway.openai().responses.create(model="test/m", input="Hi")
"""

import asyncio
import http.client
import tempfile
import threading
from collections.abc import Mapping, Sequence
from contextlib import closing
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import msgspec
import openai
import yaml

from antiphon.access.keys import generate
from antiphon.app import Application
from antiphon.config.load import load
from antiphon.edge import server as server_module
from antiphon.edge.server import GatewayServer, server_config
from antiphon.protocol.records import KeyId, KeyRecord, Tenant
from antiphon.store.keys import open_keys
from antiphon.store.migrate import migrate

__all__ = ["Answer", "Gateway", "add_key"]


# A gateway looks for garbage when it starts, and seldom later. In a process that holds gigabytes of what tests made that
# first look took half a minute, and what they left was kept.
server_module._calm_collector = lambda: None


class Answer(msgspec.Struct, frozen=True):
    """One whole HTTP answer."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return msgspec.json.decode(self.body)


def add_key(database_url: str, *, name: str = "test", tenant: str = "default", **fields: Any) -> str:
    """Make a key directly in the store."""
    text, digest, prefix = generate()
    migrate(database_url)
    with open_keys(database_url) as keys:
        keys.add_key(
            KeyRecord(
                id=KeyId("key_" + digest.hex()[:24]),
                tenant=Tenant(tenant),
                name=name,
                prefix=prefix,
                digest=digest,
                created_at=1,
                **fields,
            )
        )
    return text


def _prepare(folder: Path, database_url: str) -> None:
    """A new database of the default kind begins as a copy: making the tables takes most of a gateway's start."""
    file = folder / "antiphon.db"
    if database_url == f"sqlite:///{file}" and not file.exists():
        file.write_bytes(_new_database())


@cache
def _new_database() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "antiphon.db"
        migrate(f"sqlite:///{file}")
        assert not file.with_name("antiphon.db-wal").exists()
        return file.read_bytes()


# Whether a client that was left open is closed by its finalizer or complained of is up to the collector. Here always the latter.
del openai._base_client.SyncHttpxClientWrapper.__del__


class Gateway:
    """A running gateway with one provider `test` at `upstream`, any model name, and a key.

    `config` is merged over the settings that this makes, section by section. Nothing is tried again unless it says so:
    most tests look at one attempt.
    """

    def __init__(self, upstream: str | None, data_dir: Path, *, config: Mapping[str, Any] | None = None) -> None:
        document: dict[str, Any] = {
            "health": {"probes": "off"},
            "limits": {"late_s": 30},  # this process does more than serve: it is the provider and the client too
            "local": False,
            "retries": {"attempts": 1},
            "server": {"port": 0, "access_log": False},
            "providers": {},
        }
        if upstream is not None:
            document["providers"] = {"test": {"base_url": upstream, "protocol": "chat", "api_key": "sk-upstream"}}
        for section, value in (config or {}).items():
            merged = isinstance(value, Mapping) and isinstance(document.get(section), dict)
            document[section] = {**document[section], **value} if merged else value
        file = data_dir / "antiphon.yaml"
        file.write_text(yaml.safe_dump(document))
        self.settings = load(file, {"ANTIPHON_DATA_DIR": str(data_dir)})
        _prepare(self.settings.data_path, self.settings.database_url)
        self.key = add_key(self.settings.database_url)
        self.app = Application(self.settings)
        self.loop: asyncio.AbstractEventLoop
        self._listening = threading.Event()
        self.url = ""
        server = self.settings.server
        self._server = GatewayServer(
            server_config(self.app, host="127.0.0.1", port=server.port, drain_s=server.drain_s, proxies=()),
            drain=self.app.drain,
            started=self._started,
        )
        self._thread = threading.Thread(target=self._server.run, daemon=True)
        self._clients: list[openai.OpenAI] = []

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._listening.wait(30), "the gateway did not start"
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self.stop()
        finally:
            for client in self._clients:
                client.close()

    def stop(self) -> None:
        """Shut down as SIGTERM does, and wait until it is done."""
        self._server.stop()
        self._thread.join(60)
        assert not self._thread.is_alive(), "the gateway did not stop"

    def begin_stop(self) -> None:
        """Shut down as SIGTERM does, without waiting."""
        self._server.stop()

    @property
    def connections(self) -> int:
        """How many clients are connected."""
        return len(self._server.server_state.connections)

    @property
    def address(self) -> tuple[str, int]:
        host, port = self.url.removeprefix("http://").split(":")
        return host, int(port)

    def openai(self, **options: Any) -> openai.OpenAI:
        """The official client, in strict mode: what does not fit its types is an error. Closed with the gateway."""
        options = {"max_retries": 0, "api_key": self.key, "_strict_response_validation": True, **options}
        client = openai.OpenAI(base_url=self.url + "/v1", **options)
        self._clients.append(client)
        return client

    def request(
        self,
        method: str,
        path: str,
        *,
        body: object = None,
        headers: Mapping[str, str] | None = None,
        key: str | None = "",
    ) -> Answer:
        """One plain HTTP exchange. `key=None` sends none."""
        raw = body if isinstance(body, bytes) or body is None else msgspec.json.encode(body)
        fields = {"content-type": "application/json"} if raw is not None else {}
        if key is not None:
            fields["authorization"] = f"Bearer {key or self.key}"
        connection = http.client.HTTPConnection(*self.address, timeout=60)
        try:
            connection.request(method, path, raw, {**fields, **(headers or {})})
            answer = connection.getresponse()
            return Answer(answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read())
        finally:
            connection.close()

    def create(self, *, key: str | None = "", **body: object) -> Answer:
        """`POST /v1/responses`."""
        return self.request("POST", "/v1/responses", body={"model": "test/m", **body}, key=key)

    def stream(self, **body: Any) -> bytes:
        """A whole stream as bytes."""
        answer = self.create(stream=True, **body)
        assert answer.status == 200, answer.body
        return answer.body

    def sql(self, statement: str) -> Sequence[Any]:
        """Rows of the gateway's own SQLite database."""
        import sqlite3  # noqa: PLC0415 - only tests look inside

        with closing(sqlite3.connect(self.settings.data_path / "antiphon.db")) as connection, connection:
            return connection.execute(statement).fetchall()

    def _started(self, url: str) -> None:
        self.loop = asyncio.get_running_loop()
        self.url = url
        self._listening.set()
