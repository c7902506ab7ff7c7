"""Writes of one turn of the event loop, on real sockets."""

import asyncio
import socket

import pytest

from antiphon.lib.outbox import Outbox


async def pair() -> tuple[asyncio.Transport, socket.socket]:
    ours, theirs = socket.socketpair()
    theirs.setblocking(False)
    transport, _ = await asyncio.get_running_loop().create_connection(asyncio.Protocol, sock=ours)
    return transport, theirs


def read(end: socket.socket) -> bytes | None:
    """What is there; `None` where there is nothing."""
    try:
        return end.recv(100)
    except BlockingIOError:
        return None


def test_writes_leave_in_order_at_the_end_of_the_turn() -> None:
    async def scene() -> None:
        outbox = Outbox()
        (one, one_end), (two, two_end) = await pair(), await pair()
        outbox.write(one, b"a")
        outbox.write(two, b"x")
        outbox.write(one, b"b")
        assert (read(one_end), read(two_end)) == (None, None)
        await asyncio.sleep(0)
        assert (read(one_end), read(two_end)) == (b"ab", b"x")
        outbox.write(one, b"c")
        await asyncio.sleep(0)
        assert read(one_end) == b"c"
        for transport, end in ((one, one_end), (two, two_end)):
            transport.abort()
            end.close()
        await asyncio.sleep(0)

    asyncio.run(scene())


def test_flush_writes_at_once_and_only_once() -> None:
    async def scene() -> None:
        outbox = Outbox()
        transport, end = await pair()
        outbox.write(transport, b"a")
        outbox.flush()
        assert read(end) == b"a"
        await asyncio.sleep(0)
        assert read(end) is None
        transport.abort()
        end.close()
        await asyncio.sleep(0)

    asyncio.run(scene())


def test_what_a_closed_connection_was_to_get_does_not_keep_others_from_theirs() -> None:
    async def scene() -> None:
        outbox = Outbox()
        (one, one_end), (two, two_end) = await pair(), await pair()
        outbox.write(one, b"a")
        outbox.write(two, b"x")
        one.abort()
        await asyncio.sleep(0)
        assert read(two_end) == b"x"
        two.abort()
        one_end.close()
        two_end.close()
        await asyncio.sleep(0)

    asyncio.run(scene())


def test_one_that_fails_is_heard_of_and_keeps_nothing_from_the_others() -> None:
    async def scene() -> None:
        outbox = Outbox()
        (one, one_end), (two, two_end) = await pair(), await pair()
        one.write_eof()
        outbox.write(one, b"a")
        outbox.write(two, b"x")
        with pytest.raises(RuntimeError):
            outbox.flush()
        await asyncio.sleep(0)
        assert read(two_end) == b"x"
        for transport, end in ((one, one_end), (two, two_end)):
            transport.abort()
            end.close()
        await asyncio.sleep(0)

    asyncio.run(scene())
