"""One turn with a running gateway, through its own `/v1/responses`: what any client does, in a few lines.

Knows the network and the wire; knows nothing of terminals.
"""

from collections.abc import Callable
from typing import Literal
from urllib.parse import urlsplit

import msgspec
from msgspec import UNSET, Struct, UnsetType

from antiphon.lib.sse import FrameTooLongError, SseEvent, SseParser
from antiphon.protocol.exchange import NetworkFault, UpstreamRequest
from antiphon.upstream.client import Exchange, UpstreamClient

__all__ = ["Door", "Question", "Reply", "Show", "TalkError", "ask", "base_of"]

#: Called with each piece of the answer as it comes.
Show = Callable[[Literal["text", "reasoning"], str], None]

#: The gateway sends its status at once or with the first output, and a comment now and then after that.
_FIRST_BYTE_S = 600.0
_IDLE_S = 600.0
_MOST_ERROR_BYTES = 256 * 1024
_TEXT = frozenset({"response.output_text.delta", "response.refusal.delta"})
_REASONING = frozenset({"response.reasoning_summary_text.delta", "response.reasoning_text.delta"})
_TERMINAL = frozenset({"response.completed", "response.incomplete", "response.failed"})


class TalkError(Exception):
    """No answer, or no whole one. The text is for the person who asked."""


class Door(Struct, frozen=True):
    """Where the gateway is, and the key for it. `url` has no `/v1` and no slash at its end."""

    url: str
    key: str


class Question(Struct, frozen=True):
    """A request in its wire form."""

    model: str
    input: str
    instructions: str | UnsetType = UNSET
    previous_response_id: str | UnsetType = UNSET
    stream: bool = True


class Reply(Struct, frozen=True):
    """How an answer ended.

    Attributes:
        response_id: what the next question continues.
        cut_off: why it is not complete, e.g. `max_output_tokens`; empty when it is.
    """

    response_id: str
    cut_off: str = ""


class _Kind(Struct):
    type: str = ""


class _Delta(Struct):
    delta: str


class _Error(Struct):
    message: str = "The answer failed."


class _Why(Struct):
    reason: str = "unknown reason"


class _Response(Struct):
    id: str
    error: _Error | None = None
    incomplete_details: _Why | None = None


class _Terminal(Struct):
    response: _Response


class _ErrorBody(Struct):
    error: _Error


def base_of(url: str) -> str:
    """The gateway's address however it was written: with or without scheme, slash or `/v1`."""
    url = url.strip().rstrip("/").removesuffix("/v1").rstrip("/")
    return url if "://" in url else f"http://{url}"


async def ask(door: Door, question: Question, show: Show) -> Reply:
    """Ask, show the answer as it comes, and return how it ended.

    Raises `TalkError`. On cancel the connection is closed, which ends the answer at the gateway too.
    """
    request = UpstreamRequest(
        url=f"{door.url}/v1/responses",
        body=msgspec.json.encode(question),
        headers={"content-type": "application/json", "authorization": f"Bearer {door.key}"},
        stream=True,
        provider="gateway",
        first_byte_s=_FIRST_BYTE_S,
        idle_s=_IDLE_S,
    )
    try:
        async with UpstreamClient() as client, await client.open(request) as exchange:
            await _check(exchange, door)
            return await _follow(exchange, show)
    except NetworkFault as fault:
        raise TalkError(_unreachable(fault, door)) from fault


async def _follow(exchange: Exchange, show: Show) -> Reply:
    """Read to the terminal event."""
    parser = SseParser()
    try:
        while data := await exchange.read():
            for event in parser.feed(data):
                reply = _take(event, show)
                if reply is not None:
                    return reply
    except (msgspec.MsgspecError, FrameTooLongError) as error:
        raise TalkError("The gateway sent something that is no Responses event.") from error
    raise TalkError("The connection ended in the middle of the answer.")


def _take(event: SseEvent, show: Show) -> Reply | None:
    """Show a piece, or say how it ended. Events that say neither are passed over."""
    if event.data == b"[DONE]":
        return None
    kind = msgspec.json.decode(event.data, type=_Kind).type
    if kind in _TEXT:
        show("text", msgspec.json.decode(event.data, type=_Delta).delta)
    elif kind in _REASONING:
        show("reasoning", msgspec.json.decode(event.data, type=_Delta).delta)
    elif kind == "error":
        raise TalkError(msgspec.json.decode(event.data, type=_Error).message)
    elif kind in _TERMINAL:
        return _ended(kind, msgspec.json.decode(event.data, type=_Terminal).response)
    return None


def _ended(kind: str, response: _Response) -> Reply:
    if kind == "response.failed":
        raise TalkError((response.error or _Error()).message)
    cut_off = (response.incomplete_details or _Why()).reason if kind == "response.incomplete" else ""
    return Reply(response.id, cut_off)


async def _check(exchange: Exchange, door: Door) -> None:
    """The gateway is about to answer, or has said why not."""
    if exchange.status == 200 and exchange.content_type == "text/event-stream":
        return
    body = await exchange.read_all(_MOST_ERROR_BYTES)
    try:
        message = msgspec.json.decode(body, type=_ErrorBody).error.message
    except msgspec.MsgspecError as error:
        raise TalkError(f"What answers at {door.url} is not Antiphon (status {exchange.status}).") from error
    if exchange.status == 401:
        message += " Make a key with `antiphon keys create NAME`, and give it as --key or ANTIPHON_API_KEY."
    raise TalkError(message)


def _unreachable(fault: NetworkFault, door: Door) -> str:
    match fault.phase:
        case "connect":
            return (
                f"Nothing answers at {door.url}. Start the gateway with `antiphon serve`, or name another with --url."
            )
        case "dns" | "setup":
            return (
                f"{door.url} cannot be reached: there is no host {urlsplit(door.url).hostname or 'in it'}. See --url."
            )
        case "body":
            return f"The connection to {door.url} broke in the middle of the answer."
        case _:
            return f"{door.url} gives no answer: {fault.detail or fault.message}"
