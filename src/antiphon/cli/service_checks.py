"""The doctor's checks of what answers on sockets: the gateway's own port, providers; and of the local model."""

import asyncio
import errno
import socket
from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath

import msgspec
from msgspec import Struct, structs

from antiphon.cli.findings import Finding, bad, fine, hint, skipped
from antiphon.cli.options import LOCAL_URL
from antiphon.config.settings import Settings
from antiphon.local.model import LocalModelError, check_runtime, ensure_model, smollm2
from antiphon.protocol.exchange import NetworkFault, Phase, UpstreamRequest
from antiphon.protocol.target import Target
from antiphon.providers.address import models_address
from antiphon.providers.anthropic.address import headers_for
from antiphon.providers.gemini.codec import auth_headers
from antiphon.providers.quirks.base import Quirks
from antiphon.providers.registry import quirks
from antiphon.routing.catalog import Catalog, Provider
from antiphon.upstream.probe import Probed, probe

__all__ = ["Visit", "check_local", "check_port", "check_providers", "reachable_host"]

_MENDS: Mapping[Phase, str] = {
    "setup": "Correct the provider's `base_url`, `proxy` or `ca_file`.",
    "dns": "Correct the host in `base_url`, or this machine's name service (DNS).",
    "connect": "Start it, or correct `base_url`; or open the way there (firewall), or name a `proxy`.",
    "tls": "Let `ca_file` name the authority that signed its certificate, or correct `base_url`.",
    "proxy": "Correct the provider's `proxy`, or start the proxy.",
    "head": "See whether `base_url` really is an HTTP API; if it is, try again later.",
    "body": "Try again later.",
}


#: Google's word for a bad key, which it answers with 400.
_BAD_KEY = b"API_KEY_INVALID"


class Visit(Struct, frozen=True):
    """What came of asking one provider: the finding, and the far end's clock (UTC seconds) if it told."""

    finding: Finding
    date: float | None = None


class _Health(Struct, frozen=True):
    status: str
    version: str


def reachable_host(host: str) -> str:
    """Where a server that listens on `host` is reached from this machine, ready for a URL."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}.get(host, host)  # noqa: S104 - nothing listens here
    return f"[{host}]" if ":" in host else host


async def check_port(settings: Settings, *, timeout_s: float = 3.0) -> Finding:
    """The port is free, or an Antiphon already answers there."""
    server = settings.server
    where = f"{server.host} port {server.port}"
    if server.port == 0:
        return fine("port", f"{server.host}, any free port")
    url = f"http://{reachable_host(server.host)}:{server.port}/healthz"
    try:
        answer = await probe(UpstreamRequest(url=url, body=b"", provider="gateway"), timeout_s=timeout_s)
    except NetworkFault:
        return _try_port(server.host, server.port)
    try:
        health = msgspec.json.decode(answer.body, type=_Health)
    except msgspec.DecodeError:
        return _taken(where)
    return fine("port", f"{where}: Antiphon {health.version} is running")


async def check_local(settings: Settings) -> Finding:
    """The runtime is installed, and the model's file is there and whole."""
    local = settings.local
    if not local.enabled:
        return skipped("local model", "off")
    try:
        check_runtime()
        if local.model is not None:  # fetches nothing then, only looks at the file
            return fine("local model", str(await ensure_model(settings.data_path, override=local.model)))
    except LocalModelError as error:
        text, _, mend = str(error).partition(". ")
        return bad("local model", text, mend=mend)
    source = smollm2()
    file = settings.data_path / "models" / PurePosixPath(source.member).name
    if not file.is_file():
        return hint("local model", f"not fetched yet: the first start does it ({source.size // 1_000_000} MB)")
    if file.stat().st_size != source.size:
        return hint("local model", f"{file} is not whole: the next start fetches it again")
    return fine("local model", str(file))


async def check_providers(catalog: Catalog, *, offline: bool, timeout_s: float = 10.0) -> Sequence[Visit]:
    """One visit for each provider and each of its keys, in the order of the configuration; all at the same time."""
    providers = [
        each for one in catalog.providers if one.template.base_url != LOCAL_URL for each in _with_single_keys(one)
    ]
    if offline:
        return [Visit(skipped(one.name, f"{_key(one)}; not asked (--offline)")) for one in providers]
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(_visit(one, timeout_s)) for one in providers]
    return [task.result() for task in tasks]


def _with_single_keys(provider: Provider) -> Sequence[Provider]:
    """The provider once for each of its keys."""
    if not provider.credentials:
        return [provider]
    return [
        structs.replace(provider, template=structs.replace(provider.template, credential=credential))
        for credential in provider.credentials
    ]


async def _visit(provider: Provider, timeout_s: float) -> Visit:
    target = provider.template
    facts = quirks(target.quirks)
    request = UpstreamRequest(
        url=models_address(target),
        body=b"",
        headers=_headers(target, facts),
        provider=provider.name,
        proxy=target.proxy,
        ca_file=target.ca_file,
    )
    try:
        answer = await probe(request, timeout_s=timeout_s)
    except NetworkFault as fault:
        why = fault.detail or fault.message
        return Visit(bad(provider.name, f"{target.base_url} cannot be reached: {why}", mend=_MENDS[fault.phase]))
    return Visit(_judge(provider, answer), answer.date)


def _headers(target: Target, facts: Quirks) -> Mapping[str, str]:
    """The key, as requests of that dialect carry it."""
    if target.protocol == "anthropic":
        return headers_for(target, facts, stream=False)
    if target.protocol == "gemini":
        return auth_headers(target)
    headers = {name.lower(): value for name, value in target.headers.items()}
    if target.credential is not None:
        headers.setdefault(facts.auth_header, facts.auth_prefix + target.credential.secret.value)
    return headers


def _judge(provider: Provider, answer: Probed) -> Finding:
    where = f"{provider.template.base_url}, {_key(provider)}"
    status = answer.status
    if status in (401, 403) or (status == 400 and _BAD_KEY in answer.body):
        mend = f"Set a key that is valid there: {_key_places(provider)}."
        return bad(provider.name, f"{where}: refused with {status}", mend=mend)
    if 300 <= status < 400:
        return bad(provider.name, f"{where}: answers with a redirect ({status})", mend=_MENDS["setup"])
    if status >= 500:
        return bad(
            provider.name, f"{where}: answers with {status}", mend="It is broken or overloaded: try again later."
        )
    if status == 429:
        return hint(provider.name, f"{where}: reachable, but limits its rate or has no credit left (429)")
    # Not every provider lists its models there: then 404 or 405 tells no more than that somebody is there.
    return fine(provider.name, where if status < 400 else f"{where}: reachable (no list of models, {status})")


def _key(provider: Provider) -> str:
    credential = provider.template.credential
    if credential is None:
        return "no key"
    if provider.credentials:
        return f"key `{credential.alias}`"
    return "key from `api_key`" if credential.alias == provider.name else f"key from {credential.alias}"


def _key_places(provider: Provider) -> str:
    credential = provider.template.credential
    if provider.credentials and credential is not None:
        return f"`providers.{provider.name}.api_keys.{credential.alias}`"
    variables = quirks(provider.template.quirks).key_env
    return f"`providers.{provider.name}.api_key`" + "".join(f", or the variable {name}" for name in variables)


def _try_port(host: str, port: int) -> Finding:
    where = f"{host} port {port}"
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        with socket.socket(family[0], socket.SOCK_STREAM) as attempt:
            attempt.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as the server does
            attempt.bind(family[4])
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            return _taken(where)
        mend = "Correct `server.host` and `server.port`; ports below 1024 need a privilege."
        return bad("port", f"{where} cannot be used: {error.strerror or error}", mend=mend)
    return fine("port", f"{where} is free")


def _taken(where: str) -> Finding:
    mend = "Stop that program, or choose another port: `server.port`, ANTIPHON_PORT or `serve --port`."
    return bad("port", f"{where} is taken by another program", mend=mend)
