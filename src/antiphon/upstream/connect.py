"""New connections: name, TCP, the proxy's tunnel, TLS. One limit is on all of it together."""

import asyncio
import socket
import ssl

import aiohappyeyeballs
from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser
from yarl import URL

from antiphon.protocol.exchange import Phase
from antiphon.upstream.head import Origin, basic_credentials
from antiphon.upstream.resolve import Address, Resolver
from antiphon.upstream.translate import unreachable_fault
from antiphon.upstream.wire import CutError, Keeper, Wire

__all__ = ["Connector"]

#: How many distinct `ca_file`s are remembered. They come from the configuration, so this is only a backstop: beyond
#: it the oldest is forgotten and read again when needed.
_MAX_CA_FILES = 64

#: An address that does not answer is not waited for longer before the next one is tried beside it (RFC 8305).
_NEXT_ADDRESS_S = 0.25

#: What a proxy may say before it opens a tunnel.
_MAX_TUNNEL_HEAD_BYTES = 64 * 1024


class _ProxyError(Exception):
    """The proxy did not open the way."""


class Connector:
    """Makes connections, and hands each to `keeper`.

    Args:
        connect_s: limit for one: name, TCP, proxy and TLS together.
    """

    __slots__ = ("_authorities", "_connect_s", "_keeper", "_resolver")

    def __init__(self, keeper: Keeper, *, connect_s: float) -> None:
        self._keeper = keeper
        self._connect_s = connect_s
        self._resolver = Resolver()
        self._authorities: dict[str | None, ssl.SSLContext] = {}

    async def dial(self, origin: Origin, *, provider: str) -> Wire:
        """A connection that is ready for a request.

        Raises:
            NetworkFault: `upstream_unreachable`, with the phase in which it failed.

        Cancelling closes what there was at once.
        """
        proxy = None if origin.proxy is None else URL(origin.proxy)
        tls = None
        if origin.secure or origin.ca_file is not None or (proxy is not None and proxy.scheme == "https"):
            try:
                tls = await self._trusting(origin.ca_file)
            except OSError as error:  # an SSLError is one, too
                raise unreachable_fault(error, provider=provider, phase="setup") from error
        try:
            async with asyncio.timeout(self._connect_s):
                if proxy is None:
                    wire = await self._straight(origin, tls)
                else:
                    wire = await self._through(origin, proxy, tls=tls)
        except (OSError, UnicodeError, _ProxyError, CutError) as error:
            raise unreachable_fault(error, provider=provider, phase=_phase(error, origin)) from error
        # Only now: a loop that is interrupted while it connects does not always tell the end of a connection.
        self._keeper.join(wire)
        return wire

    async def _straight(self, origin: Origin, tls: ssl.SSLContext | None) -> Wire:
        opened = await self._reach(origin.host, origin.port)
        wire = Wire(origin, self._keeper)
        await _attach(wire, opened, tls=tls if origin.secure else None, host=origin.host)
        return wire

    async def _through(self, origin: Origin, proxy: URL, *, tls: ssl.SSLContext | None) -> Wire:
        host = proxy.raw_host or ""
        opened = await self._reach(host, proxy.port or 0)
        outer = tls if proxy.scheme == "https" else None
        wire = Wire(origin, self._keeper)
        if not origin.secure or tls is None:
            await _attach(wire, opened, tls=outer, host=host)
            return wire
        tunnel = _Tunnel()
        await _attach(tunnel, opened, tls=outer, host=host)
        try:
            await tunnel.open(origin, credentials=basic_credentials(proxy))
            inner = await asyncio.get_running_loop().start_tls(
                tunnel.transport, wire, tls, server_hostname=_name_in_certificate(origin.host)
            )
        except BaseException:
            tunnel.transport.abort()
            raise
        if inner is None:  # as the interface has it: the transport was closed in between
            raise CutError("the proxy closed the connection")
        wire.connection_made(inner)
        return wire

    async def _reach(self, host: str, port: int) -> socket.socket:
        addresses = await self._resolver.find(host, port)
        try:
            return await aiohappyeyeballs.start_connection(
                addresses,
                happy_eyeballs_delay=_NEXT_ADDRESS_S,
                interleave=1,
                loop=asyncio.get_running_loop(),
                socket_factory=_open_socket,
            )
        except OSError:
            self._resolver.forget(host, port)
            raise

    async def _trusting(self, ca_file: str | None) -> ssl.SSLContext:
        context = self._authorities.get(ca_file)
        if context is None:
            context = await asyncio.to_thread(_tls_context, ca_file)
            while len(self._authorities) >= _MAX_CA_FILES:
                del self._authorities[next(iter(self._authorities))]
            # Two first requests may both have read the file; both then use one context.
            context = self._authorities.setdefault(ca_file, context)
        return context


class _Tunnel(asyncio.Protocol):
    """The connection to a proxy until it has opened the way: its answer to CONNECT, and nothing behind it."""

    def __init__(self) -> None:
        self.transport: asyncio.Transport
        self._parser = HttpResponseParser(self)
        self._head_bytes = 0
        self._status = 0
        self._is_spoilt = False
        self._answered: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def open(self, origin: Origin, *, credentials: str | None) -> None:
        """Ask for the way to `origin`. Raises `_ProxyError`, `CutError` or `OSError`."""
        host = f"[{origin.host}]" if ":" in origin.host else origin.host
        lines = [f"CONNECT {host}:{origin.port} HTTP/1.1", f"host: {host}:{origin.port}"]
        if credentials is not None:
            lines.append(f"proxy-authorization: {credentials}")
        self.transport.write("\r\n".join([*lines, "", ""]).encode())
        await self._answered

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as asyncio's subclasses have it
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self._head_bytes += len(data)
        try:
            self._parser.feed_data(data)
        except HttpParserError as error:
            self._end(_ProxyError(f"the proxy does not speak HTTP: {error}"))
        except HttpParserUpgrade:
            self._is_spoilt = True
        if self._is_spoilt or self._head_bytes > _MAX_TUNNEL_HEAD_BYTES:
            self._end(_ProxyError("the proxy said more than was asked for"))
        elif self._status:
            opened = 200 <= self._status < 300
            self._end(None if opened else _ProxyError(f"the proxy answered with status {self._status}"))

    def on_headers_complete(self) -> None:
        """Called by the parser. Interim answers (1xx) are passed over."""
        status = self._parser.get_status_code()
        self._status = status if status >= 200 else 0

    def on_body(self, part: bytes) -> None:  # noqa: ARG002 - the interface is the parser's
        """Called by the parser: nobody has asked the far side anything yet."""
        self._is_spoilt = self._status < 300

    def connection_lost(self, exc: Exception | None) -> None:
        self._end(exc or CutError("the proxy closed the connection"))

    def _end(self, error: Exception | None) -> None:
        if self._answered.done():
            return
        if error is None:
            self._answered.set_result(None)
        else:
            self._answered.set_exception(error)


async def _attach(protocol: asyncio.Protocol, opened: socket.socket, *, tls: ssl.SSLContext | None, host: str) -> None:
    # The loop closes the socket when this fails; closing it here as well might hit another one of the same number.
    await asyncio.get_running_loop().create_connection(
        lambda: protocol,
        sock=opened,
        ssl=tls,
        server_hostname=None if tls is None else _name_in_certificate(host),
    )


def _name_in_certificate(host: str) -> str:
    return host.removesuffix(".")


def _phase(error: Exception, origin: Origin) -> Phase:
    if isinstance(error, socket.gaierror | UnicodeError):
        return "dns"
    if isinstance(error, ssl.SSLError):
        return "tls"
    # A limit that was reached says nothing about where the time went.
    return "connect" if origin.proxy is None or isinstance(error, TimeoutError) else "proxy"


def _tls_context(ca_file: str | None) -> ssl.SSLContext:
    context = ssl.create_default_context()
    if ca_file is not None:
        context.load_verify_locations(ca_file)
    context.set_alpn_protocols(["http/1.1"])
    return context


def _open_socket(address: Address) -> socket.socket:
    # A model may think for many minutes without a byte; keep-alive probes stop middle boxes from forgetting us, and
    # notice a peer that vanished without a word.
    family, kind, protocol = address[:3]
    opened = socket.socket(family, kind, protocol)
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if hasattr(socket, "TCP_KEEPIDLE"):
        opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 60)
        opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 15)
    return opened
