"""Models behind all four wire formats, before which the gateway searches, and clients of all doors that ask for it."""

from collections.abc import Callable, Mapping

import msgspec

from tests.helpers.gateway import Gateway
from tests.helpers.stream import output_text
from tests.matrix.door import Door, Json
from tests.matrix.doors import ChatDoor, MessagesDoor, ResponsesDoor, StoredResponsesDoor
from tests.matrix.scenarios import Asks, Offer, Piece, Says, Scenario, Turn
from tests.matrix.stage import Stage
from tests.matrix.test_matrix import UPSTREAMS
from tests.matrix.upstream import Upstream

__all__ = ["DOORS", "Cited", "cited", "plays"]

#: Address, and the text that stands for it where the dialect says so.
Cited = tuple[str, str | None]


class _Searching(ResponsesDoor):
    def _body(self) -> Json:
        body = super()._body()
        return {**body, "tools": [{"type": "web_search"}, *body.get("tools", ())]}


class _SearchingStored(_Searching, StoredResponsesDoor):
    pass


class _SearchingChat(ChatDoor):
    def _body(self) -> Json:
        return {**super()._body(), "web_search_options": {}}


class _SearchingMessages(MessagesDoor):
    def _body(self) -> Json:
        body = super()._body()
        return {**body, "tools": [{"type": "web_search_20250305", "name": "web_search"}, *body.get("tools", ())]}


DOORS: Mapping[str, Callable[[Gateway, str, Offer], Door]] = {
    "responses": _Searching,
    "stored": _SearchingStored,
    "chat": _SearchingChat,
    "messages": _SearchingMessages,
}


def plays(stage: Stage, upstream: str, *answers: list[Piece], offer: Offer) -> Upstream:
    """A model behind that wire format that gives these answers, one after the other."""
    turns = [Turn(Asks(), Says(pieces)) for pieces in answers]
    stage.upstream = UPSTREAMS[upstream](Scenario("hosted", turns, offer))
    return stage.upstream


def cited(door: str, body: bytes, *, streamed: bool) -> list[Cited]:
    """What an answer cites, as its bytes say it. The text stands in the answer at the offsets that it gives."""
    if door == "messages":
        return [(each["url"], None) for each in _messages_citations(body, streamed=streamed)]
    if streamed:
        events = [msgspec.json.decode(line[6:]) for line in body.split(b"\n") if line.startswith(b"data: {")]
        if door == "chat":
            deltas = [choice["delta"] for event in events for choice in event["choices"]]
            text = "".join(delta.get("content") or "" for delta in deltas)
            notes = [each["url_citation"] for delta in deltas for each in delta.get("annotations", ())]
        else:
            text, notes = _of_response(events[-1]["response"])
            added = [event for event in events if event["type"] == "response.output_text.annotation.added"]
            assert [event["annotation"] for event in added] == notes
    elif door == "chat":
        message = msgspec.json.decode(body)["choices"][0]["message"]
        text, notes = message["content"], [each["url_citation"] for each in message.get("annotations", ())]
    else:
        text, notes = _of_response(msgspec.json.decode(body))
    return [(note["url"], text[note["start_index"] : note["end_index"]]) for note in notes]


def _of_response(response: Json) -> tuple[str, list[Json]]:
    parts = [part for item in response["output"] if item["type"] == "message" for part in item["content"]]
    return output_text(response), [note for part in parts for note in part["annotations"]]


def _messages_citations(body: bytes, *, streamed: bool) -> list[Json]:
    if not streamed:
        blocks = msgspec.json.decode(body)["content"]
        return [each for block in blocks for each in block.get("citations") or ()]
    events = [msgspec.json.decode(line[6:]) for line in body.split(b"\n") if line.startswith(b"data: {")]
    deltas = [event["delta"] for event in events if event["type"] == "content_block_delta"]
    return [delta["citation"] for delta in deltas if delta["type"] == "citations_delta"]
