"""What happens beside an attempt when a client's `fallback_timeout` ends."""

import asyncio
from collections.abc import Callable
from pathlib import Path

from antiphon.engine.media import MediaInliner
from antiphon.protocol.response import Response
from tests.engine.alone import ask_alone
from tests.helpers.far_end import Far, Script, far_end
from tests.helpers.far_end import answer as picture
from tests.helpers.upstream import Gate, Reply, ScriptedUpstream, answer, chat_json

SILENT = Reply(["stall"], framing="raw")
FIRST, SECOND = answer(chat_json("First.")), answer(chat_json("Second."))


def late(reply: Reply, after_s: float) -> Reply:
    gate = Gate()
    asyncio.get_running_loop().call_later(after_s, gate.open)
    return Reply([gate, *reply.parts], headers=reply.headers, framing=reply.framing)


def slowly(script: Script, after_s: float) -> Script:
    async def play(head: bytes, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(after_s)
        await script(head, writer)

    return play


def asked(tmp_path: Path, first: Callable[[], Reply], host: Script) -> tuple[Response, list[int], Far]:
    """The first provider fetches pictures itself, the second is sent them. How often each was asked."""

    async def main() -> tuple[Response, list[int], Far]:
        async with far_end(host) as far, ScriptedUpstream(first()) as one, ScriptedUpstream(SECOND) as two:
            parts = [{"type": "input_image", "image_url": far.url()}]
            response = await asyncio.wait_for(
                ask_alone(
                    [one, two],
                    MediaInliner(far.fetcher()),
                    data_dir=tmp_path,
                    fetches_urls=[True, False],
                    input=[{"role": "user", "content": parts}],
                    fallback_timeout=100,
                ),
                5.0,
            )
            return response, [len(one.requests), len(two.requests)], far

    return asyncio.run(main())


def test_what_the_other_place_is_sent_is_not_made_before_patience_ends(tmp_path: Path) -> None:
    response, times, far = asked(tmp_path, lambda: FIRST, picture())
    assert (response.status, times, far.requests) == ("completed", [1, 0], [])


def test_what_the_other_place_is_sent_is_made_once(tmp_path: Path) -> None:
    response, times, far = asked(tmp_path, lambda: SILENT, picture())
    assert (response.status, times, len(far.requests)) == ("completed", [1, 1], 1)


def test_who_is_asked_may_answer_while_that_is_made(tmp_path: Path) -> None:
    response, times, _ = asked(tmp_path, lambda: late(FIRST, 0.4), slowly(picture(), 2.0))
    assert (response.status, times) == ("completed", [1, 0])


def test_who_is_asked_may_answer_when_that_cannot_be_made(tmp_path: Path) -> None:
    response, times, far = asked(tmp_path, lambda: late(FIRST, 0.4), picture(status="404 Not Found"))
    assert (response.status, times, len(far.requests)) == ("completed", [1, 0], 1)
