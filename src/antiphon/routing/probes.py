"""Looks at servers now and then, so that requests need not be the ones to find out that one is away.

A look is a GET of the list of models, without a key and without a cost. Any answer below 500 will do: who refuses it is
there. Failing requests count as always; this only adds what they would find out later.
"""

import asyncio
import ipaddress
from collections.abc import Callable, Iterable, Mapping
from typing import Never
from urllib.parse import urlsplit

from antiphon.config.health import HealthSettings
from antiphon.protocol.exchange import NetworkFault, UpstreamRequest
from antiphon.protocol.target import Target
from antiphon.routing.health import TargetHealth
from antiphon.upstream.client import UpstreamClient

__all__ = ["is_own_server", "keep_looking", "look_at", "servers_of"]

_WAIT_S = 5.0
_OWN_SUFFIXES = (".internal", ".local", ".lan", ".home.arpa", ".localhost", ".svc")


async def keep_looking(
    targets: Callable[[], Iterable[Target]],
    settings: Callable[[], HealthSettings],
    *,
    client: UpstreamClient,
    health: TargetHealth,
) -> Never:
    """Wait, look at all servers side by side, and begin again, until cancelled. Both functions are asked each time."""
    while True:
        await asyncio.sleep(settings().probe_every_s)
        servers = servers_of(targets(), settings(), health.broken_servers())
        health.watch_only(servers.keys())
        async with asyncio.TaskGroup() as group:
            for target in servers.values():
                group.create_task(_look(target, client=client, health=health))


def servers_of(targets: Iterable[Target], settings: HealthSettings, broken: frozenset[str]) -> Mapping[str, Target]:
    """The addresses that are to be looked at, each with a target there. `broken`: those where requests fail."""

    def is_chosen(url: str) -> bool:
        match settings.probes:
            case "off":
                return False
            case "all":
                return True
            case "own":
                return url in broken or is_own_server(url)
            case "failed":
                return url in broken

    return {target.base_url: target for target in targets if "{" not in target.base_url and is_chosen(target.base_url)}


def is_own_server(url: str) -> bool:
    """Whether the address looks like one in the operator's own network, where looking costs nobody anything."""
    host = urlsplit(url).hostname or ""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return "." not in host or host.endswith(_OWN_SUFFIXES)
    return address.is_private or address.is_loopback or address.is_link_local


async def look_at(target: Target, client: UpstreamClient) -> bool:
    """Whether the target's server answers at all. Cancelling closes the connection."""
    url, mark, query = target.base_url.partition("?")
    request = UpstreamRequest(
        url=f"{url}/models{mark}{query}",
        body=b"",
        headers={"accept": "application/json"},
        provider=target.provider,
        proxy=target.proxy,
        ca_file=target.ca_file,
        first_byte_s=_WAIT_S,
        idle_s=_WAIT_S,
    )
    try:
        async with await client.get(request) as answer:
            return answer.status < 500
    except NetworkFault:
        return False


async def _look(target: Target, *, client: UpstreamClient, health: TargetHealth) -> None:
    health.probed(target.base_url, answers=await look_at(target, client))
