"""The loop before models of all four wire formats, behind all doors, in one piece and as a stream.

The models refuse what their vendors refuse: thoughts and signatures that are missing or stand elsewhere, calls without
results, tools that are named and not there.
"""

import pytest

from tests.helpers.threaded_web import ThreadedWeb
from tests.hosted.matrix import DOORS, cited, plays
from tests.matrix.scenarios import Asks, Call, Line, Offer, Piece, Thought, Tokens, Words
from tests.matrix.stage import Stage
from tests.matrix.test_matrix import UPSTREAMS

_THINKS = Offer(thinks=True, limit=16000)
_MIXES = Offer(thinks=True, limit=16000, tools=True)
_SEARCH = Call("call_search", "web_search", {"query": "bread"})
_WEATHER = Call("call_weather", "get_weather", {"city": "Oslo"})
_QUESTION = "When was the bread weekly founded?"

_every = pytest.mark.parametrize(
    ("upstream", "door", "streamed"),
    [
        pytest.param(upstream, door, streamed, id=f"{upstream}-{door}-{'stream' if streamed else 'whole'}")
        for upstream in UPSTREAMS
        for door in DOORS
        for streamed in (False, True)
    ],
)


def kinds(lines: list[Line]) -> list[str]:
    """Who says something, and of calls and results which."""
    return [f"{line[0]} {line[1]}" if line[0] in ("call", "result") else str(line[0]) for line in lines]


@_every
def test_a_model_searches_reads_side_by_side_and_answers_and_the_next_turn_goes_on(
    hosted: Stage, web: ThreadedWeb, upstream: str, door: str, streamed: bool
) -> None:
    url = web.web.url("/bread", "127.0.0.1")
    opened = Call("call_open", "open_page", {"url": url})
    looked = Call("call_find", "find_in_page", {"url": url, "pattern": "Ada"})
    says = f"In 1871 😀, says [the Gazette]({url})."
    model = plays(
        hosted,
        upstream,
        [Thought("Search first.", "RXNlYWwx"), _SEARCH],
        [Thought("Now read.", "RXNlYWwy"), opened, looked],
        [Words(says)],
        [Words("Quite.")],
        offer=_THINKS,
    )
    client = DOORS[door](hosted.gateway, f"{model.provider}/{model.model}", _THINKS)
    try:
        heard = client.ask(Asks(_QUESTION), streamed=streamed)
        assert not model.broken, model.broken
        assert (heard.text, heard.ending, heard.calls) == (says, "done", [])
        assert heard.thoughts.replace("\n\n", "") == "Search first.Now read."
        assert heard.tokens == Tokens(33, 0, 0, 21, 0)
        expected = (url, None if door == "messages" else f"[the Gazette]({url})")
        assert cited(door, client.line.body, streamed=streamed) == [expected]
        seen = model.transcript(2)
        rounds: list[Line] = [
            ("user", _QUESTION),
            ("thought", "Search first."),
            ("call", "web_search", {"query": "bread"}),
            ("result", "web_search"),
            ("thought", "Now read."),
            ("call", "open_page", {"url": url}),
            ("call", "find_in_page", {"url": url, "pattern": "Ada"}),
            ("result", "open_page"),
            ("result", "find_in_page"),
        ]
        assert [line[:2] if line[0] == "result" else line for line in seen] == rounds
        assert "The bread weekly." in seen[3][2]
        assert "Ada Crumb" in seen[7][2]
        assert "1 places" in seen[8][2]
        assert client.ask(Asks("Sure?"), streamed=streamed).text == "Quite."
        assert not model.broken, model.broken
        later = [line for line in kinds(model.transcript(3)) if line != "thought"]
        before = kinds([("user",), ("model",), ("user",)] if door == "chat" else [*rounds, ("model",), ("user",)])
        assert later == [line for line in before if line != "thought"]
    finally:
        client.close()


@_every
def test_in_a_mixed_round_the_search_runs_and_the_clients_call_stays_open(
    hosted: Stage, upstream: str, door: str, streamed: bool
) -> None:
    asked = f"Weather for bread, {upstream} {door} {streamed}?"
    pieces: list[Piece] = [Thought("Both at once.", "RXNlYWwx"), _SEARCH, _WEATHER]
    model = plays(hosted, upstream, pieces, [Words("Rain.")], offer=_MIXES)
    client = DOORS[door](hosted.gateway, f"{model.provider}/{model.model}", _MIXES)
    try:
        heard = client.ask(Asks(asked), streamed=streamed)
        assert not model.broken, model.broken
        assert heard.calls == [("get_weather", {"city": "Oslo"})]
        assert len(model.requests) == 1
        assert client.ask(Asks(results={"get_weather": "rain"}), streamed=streamed).text == "Rain."
        assert not model.broken, model.broken
        whole = [
            "user",
            "thought",
            "call web_search",
            "call get_weather",
            "result web_search",
            "result get_weather",
        ]
        if door == "chat":  # whose clients are not told of searches, and so cannot send them back
            whole = [line for line in whole if "web_search" not in line]
        seen = kinds(model.transcript(1))
        assert [line for line in seen if not line.startswith("result")] == [
            line for line in whole if not line.startswith("result")
        ]
        assert sorted(seen) == sorted(whole)
    finally:
        client.close()
