"""Addresses of providers: asked for once, however many want them at the same time."""

import asyncio
import socket

import pytest

from antiphon.upstream.resolve import Resolver


@pytest.mark.parametrize(("host", "family"), [("192.0.2.7", socket.AF_INET), ("2001:db8::7", socket.AF_INET6)])
def test_address_is_taken_as_it_stands(host: str, family: socket.AddressFamily) -> None:
    (found,) = asyncio.run(Resolver().find(host, 443))
    assert (found[0], found[4][:2]) == (family, (host, 443))


def test_name_is_asked_for_once_and_again_when_its_addresses_were_of_no_use() -> None:
    async def scene() -> None:
        resolver = Resolver()
        found = await asyncio.gather(*(resolver.find("localhost", 80) for _ in range(20)))
        assert all(addresses is found[0] for addresses in found)
        assert "127.0.0.1" in {str(address[4][0]) for address in found[0]}
        resolver.forget("localhost", 80)
        assert await resolver.find("localhost", 80) is not found[0]

    asyncio.run(scene())


def test_all_who_wait_for_a_name_that_does_not_exist_are_told_at_once() -> None:
    async def scene() -> None:
        resolver = Resolver()
        names = (resolver.find("no-such-host.invalid", 80) for _ in range(20))
        ends = await asyncio.gather(*names, return_exceptions=True)
        assert {type(end) for end in ends} == {socket.gaierror}
        with pytest.raises(socket.gaierror):
            await resolver.find("no-such-host.invalid", 80)

    asyncio.run(scene())


def test_cancelled_look_up_leaves_the_name_to_the_next() -> None:
    async def scene() -> None:
        resolver = Resolver()
        first = asyncio.create_task(resolver.find("localhost", 80))
        second = asyncio.create_task(resolver.find("localhost", 80))
        await asyncio.sleep(0)
        first.cancel()
        assert await second
        with pytest.raises(asyncio.CancelledError):
            await first

    asyncio.run(scene())
