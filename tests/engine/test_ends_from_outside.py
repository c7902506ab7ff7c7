"""Runs that are ended from outside while the client reads slowly: the stream has no gap and one end."""

import asyncio
from pathlib import Path

from antiphon.dialects.responses import ResponsesStream
from antiphon.edge.asgi import Exchange, Message
from antiphon.edge.sse_out import StreamSettings, StreamSink
from antiphon.protocol import deltas
from antiphon.protocol.assembler import Assembler, Outcome
from antiphon.protocol.faults import ServerFault
from antiphon.protocol.ids import ResponseId
from tests.helpers.gateway import Gateway
from tests.helpers.requests import begun
from tests.helpers.stream import check_stream
from tests.helpers.upstream import Reply, ThreadedUpstream, sse, tool_call_chunks


def test_a_write_that_was_cancelled_is_sent_before_the_end() -> None:
    async def main() -> bytes:
        sent: list[bytes] = []
        full = asyncio.Event()  # as a server whose transport is full: it waits before it takes anything

        async def send(message: Message) -> None:
            if full.is_set():
                full.clear()
                await asyncio.Event().wait()
            sent.append(message.get("body", b""))

        async def receive() -> Message:
            raise AssertionError("nobody reads here")

        scope = {"headers": [], "type": "http"}
        sink = StreamSink(Exchange(scope, receive, send=send, began=0.0), StreamSettings(), encoder=ResponsesStream())
        assembler = Assembler(begun(), owner=ResponseId(bytes(16)), new_call_id=lambda: "call_1")
        sink.hold(assembler.open())
        await sink.write(assembler.feed([deltas.Text("t", "one")]))
        full.set()
        stuck = asyncio.create_task(sink.write(assembler.feed([deltas.Text("t", "two")])))
        await asyncio.sleep(0)
        stuck.cancel()
        await asyncio.wait([stuck])
        closing, terminal = assembler.finish(Outcome("failed", fault=ServerFault("over", code="run_timeout")))
        await sink.end([*closing, terminal])
        return b"".join(sent)

    checked = check_stream(asyncio.run(main()), usage_optional=True)
    assert checked.text == "onetwo"


def test_cut_calls_are_never_told_as_complete(tmp_path: Path) -> None:
    first = tool_call_chunks("delete", '{"path": "/tm')
    second = tool_call_chunks("list", "")
    for chunk in second:
        for choice in chunk["choices"]:
            for call in choice["delta"].get("tool_calls", []):
                call["index"] = 1
                call["id"] = "call_2"
    cut = [c for c in (*first, *second) if c["choices"] and not c["choices"][0].get("finish_reason")]
    reply = Reply(parts=[*sse(*cut, done=False)], framing="eof", headers={"content-type": "text/event-stream"})
    tools = [{"type": "function", "name": name} for name in ("delete", "list")]
    with ThreadedUpstream(reply) as up, Gateway(up.url, tmp_path) as gateway:
        checked = check_stream(gateway.stream(input="Hi", tools=tools), usage_optional=True)
    assert checked.response["status"] == "failed"
    assert {item["status"] for item in checked.items if item["type"] == "function_call"} == {"incomplete"}
    assert all(item["arguments"] != "{}" for item in checked.items)
