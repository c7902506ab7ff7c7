"""What must hold for a response after the process that made it was killed: it is whole, or it was never there."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal, NamedTuple

import aiohttp
import msgspec
from sqlalchemy import create_engine, text

from antiphon.protocol.ids import parse_response_id
from tests.crash.talk import Ask, Heard, call
from tests.helpers.stream import check_response, check_stream, output_text
from tests.helpers.upstream import ScriptedUpstream

__all__ = ["Fate", "Survivors", "Usage", "check_rows"]

Fate = Literal["absent", "whole"]

_TOGETHER = 8

#: Each must count nothing. In these trials every run is stored, unless it is refused before it has begun.
_HALVES = {
    "responses without their run": (
        "SELECT count(*) FROM responses r LEFT JOIN runs u ON u.id = r.id AND u.tenant = r.tenant"
        " AND u.status = r.status WHERE u.id IS NULL"
    ),
    "runs without their response": (
        "SELECT count(*) FROM runs u LEFT JOIN responses r ON u.id = r.id WHERE r.id IS NULL AND u.status <> 'failed'"
    ),
    "responses whose instructions are nowhere": (
        "SELECT count(*) FROM responses r LEFT JOIN blobs b ON b.tenant = r.tenant AND b.digest = r.echo_digest"
        " WHERE r.echo IS NULL AND b.digest IS NULL"
    ),
    "responses with two sets of instructions": (
        "SELECT count(*) FROM responses WHERE echo IS NOT NULL AND echo_digest IS NOT NULL"
    ),
    "instructions without a response": (
        "SELECT count(*) FROM blobs b LEFT JOIN responses r ON b.tenant = r.tenant AND b.digest = r.echo_digest"
        " WHERE r.id IS NULL"
    ),
    "responses that continue nothing": (
        "SELECT count(*) FROM responses r LEFT JOIN responses p ON p.id = r.previous_id"
        " WHERE r.previous_id IS NOT NULL AND p.id IS NULL"
    ),
    "responses that have not ended": "SELECT count(*) FROM responses WHERE status IN ('queued', 'in_progress')",
}


class Usage(NamedTuple):
    """One row of the table of runs."""

    status: str
    input_tokens: int | None
    output_tokens: int | None


def check_rows(url: str) -> Mapping[bytes, Usage]:
    """No half of anything is in the database, and it is sound. Its runs by id."""
    engine = create_engine(url)
    try:
        with engine.connect() as connection:
            if engine.dialect.name == "sqlite":
                assert connection.execute(text("PRAGMA integrity_check")).scalars().all() == ["ok"]
            halves = {name: connection.execute(text(sql)).scalar_one() for name, sql in _HALVES.items()}
            assert halves == dict.fromkeys(_HALVES, 0), halves
            rows = connection.execute(text("SELECT id, status, input_tokens, output_tokens FROM runs"))
            return {bytes(run_id): Usage(*fields) for run_id, *fields in rows}
    finally:
        engine.dispose()


class Survivors:
    """Asks a gateway that was started anew what has become of the responses that clients heard of."""

    def __init__(self, session: aiohttp.ClientSession, url: str, *, key: str) -> None:
        self._session = session
        self._url = f"{url}/v1"
        self._key = key

    async def check(self, heard: Iterable[Heard], usage: Mapping[bytes, Usage]) -> Mapping[str, Fate]:
        """The fate of each response of which at least the beginning was heard."""
        limit = asyncio.Semaphore(_TOGETHER)

        async def one(each: Heard, response_id: str) -> tuple[str, Fate]:
            async with limit:
                return response_id, await self._fate(each, response_id, usage)

        return dict(await asyncio.gather(*(one(each, each.id) for each in heard if each.id is not None)))

    async def check_continuation(self, heard: Heard, fate: Fate, up: ScriptedUpstream) -> None:
        """One that is there can be continued, with all that was said; one that is not says so."""
        ask = Ask("next", 2, previous=heard.id)
        status, body = await self._call("POST", "/responses", ask.body)
        if fate == "absent":
            assert status == 400
            assert msgspec.json.decode(body)["error"]["code"] == "previous_response_not_found"
            return
        assert status == 200, body
        assert check_stream(body).text == ask.answer
        seen = [message["content"] for message in up.requests[-1].json["messages"]]
        assert seen[-3:] == [heard.ask.text, heard.ask.answer, ask.text]

    async def _fate(self, heard: Heard, response_id: str, usage: Mapping[bytes, Usage]) -> Fate:
        status, body = await self._call("GET", f"/responses/{response_id}")
        raw_id = parse_response_id(response_id)
        assert raw_id is not None
        if status == 404:
            assert heard.final is None, "a client was told that it is complete, and it is not there"
            assert raw_id not in usage
            return "absent"
        assert status == 200, body
        self._check_resource(msgspec.json.decode(body), heard)
        assert usage[raw_id] == Usage("completed", 5, heard.ask.pieces)
        await self._check_views(msgspec.json.decode(body), heard)
        return "whole"

    def _check_resource(self, resource: Any, heard: Heard) -> None:
        check_response(resource)
        assert resource["status"] == "completed"
        assert output_text(resource) == heard.ask.answer
        assert heard.ask.answer.startswith(heard.text)
        assert resource["instructions"] == heard.ask.instructions
        assert resource["previous_response_id"] == heard.ask.previous
        assert heard.final in (None, resource), "what is stored is not what the client was sent"

    async def _check_views(self, resource: Any, heard: Heard) -> None:
        """The same response by its other doors: as a stream, its input, its run record."""
        path = f"/responses/{resource['id']}"
        status, body = await self._call("GET", f"{path}?stream=true")
        assert (status, check_stream(body).response) == (200, resource)
        status, body = await self._call("GET", f"{path}/input_items?order=desc")
        assert (status, _texts(msgspec.json.decode(body)["data"][0])) == (200, [heard.ask.text])
        status, body = await self._call("GET", f"/antiphon/runs/{resource['id']}")
        record = msgspec.json.decode(body)
        assert (status, record["id"], record["status"]) == (200, resource["id"], "completed")

    async def _call(self, method: str, path: str, body: object = None) -> tuple[int, bytes]:
        return await call(self._session, method, self._url + path, key=self._key, body=body)


def _texts(item: Any) -> Sequence[str]:
    return [part["text"] for part in item["content"]]
