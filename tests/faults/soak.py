"""Mixed traffic for as long as one likes: every door, streams and whole answers, stored or not, errors, clients that leave."""

import asyncio
import random
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import aiohttp

from tests.helpers.upstream import Reply, Seen, answer, chat_json, error, stream, text_chunks

__all__ = ["Crowd", "provider"]

_WORDS = ("Well,", " this", " is", " a", " longer", " answer", " of", " many", " words.")
_EMBEDDED = {"object": "list", "data": [{"object": "embedding", "index": 0, "embedding": [0.1] * 64}], "model": "m",
             "usage": {"prompt_tokens": 3, "total_tokens": 3}}  # fmt: skip


def provider(seed: int) -> Any:
    """A brain that mostly answers, and sometimes fails in one of the usual ways."""
    dice = random.Random(seed)

    def reply(request: Seen) -> Reply:
        if request.path.endswith("/embeddings"):
            return answer(_EMBEDDED)
        luck = dice.random()
        if luck < 0.03:
            return error(500, "it failed")
        if luck < 0.05:
            return error(429, "too fast")
        if not request.wants_stream:
            return answer(chat_json("".join(_WORDS) * 20))
        chunks = text_chunks(*(dice.choice(_WORDS) for _ in range(dice.randrange(1, 60))))
        return stream(*chunks[: len(chunks) // 2], "reset") if luck < 0.07 else stream(*chunks)

    return reply


class Crowd:
    """Clients that go on until they are told to stop. `statuses` counts what they got; 0 stands for a connection lost."""

    def __init__(self, url: str, key: str, *, seed: int) -> None:
        self._url = url
        self._key = key
        self._seed = seed
        self._stops = asyncio.Event()
        self.statuses: Counter[int] = Counter()

    async def run(self, clients: int) -> None:
        async with asyncio.TaskGroup() as group:
            for number in range(clients):
                group.create_task(self._client(random.Random(self._seed + number)))

    def stop(self) -> None:
        self._stops.set()

    async def _client(self, dice: random.Random) -> None:
        headers = {"authorization": f"Bearer {self._key}"}
        while not self._stops.is_set():
            async with aiohttp.ClientSession(self._url, headers=headers) as session:
                previous: str | None = None
                for _ in range(dice.randrange(1, 40)):
                    if self._stops.is_set():
                        return
                    with suppress(aiohttp.ClientError):
                        previous = await self._ask(session, dice, previous)

    async def _ask(self, session: aiohttp.ClientSession, dice: random.Random, previous: str | None) -> str | None:
        path, body = _request(dice, previous)
        if dice.random() < 0.02:
            body = {"model": 7}
        wrong_key = {"authorization": "Bearer ak_wrong"} if dice.random() < 0.02 else None
        async with session.post(path, json=body, headers=wrong_key) as answered:
            self.statuses[answered.status] += 1
            if dice.random() < 0.1:
                await answered.content.readany()
                answered.close()  # it has seen enough
                return previous
            if answered.status != 200 or body.get("stream") or path != "/v1/responses":
                await answered.read()
                return previous
            made: str = (await answered.json())["id"]
        if not body["store"]:
            return previous
        if dice.random() < 0.3:
            async with session.delete(f"/v1/responses/{made}") as deleted:
                await deleted.read()
            return None
        async with session.get(f"/v1/responses/{made}") as seen:
            await seen.read()
        return made


def _request(dice: random.Random, previous: str | None) -> tuple[str, dict[str, Any]]:
    text = "word " * dice.choice((1, 10, 100, 2000))
    shared: Mapping[str, Any] = {"model": "test/m", "stream": dice.random() < 0.5}
    match dice.randrange(5):
        case 0:
            return "/v1/chat/completions", {**shared, "messages": [{"role": "user", "content": text}]}
        case 1:
            return "/v1/messages", {**shared, "messages": [{"role": "user", "content": text}], "max_tokens": 99}
        case 2:
            return "/v1/embeddings", {"model": "test/m", "input": text}
        case _:
            store = dice.random() < 0.5
            chained = {"previous_response_id": previous} if previous and dice.random() < 0.5 else {}
            return "/v1/responses", {**shared, **chained, "input": text, "store": store}
