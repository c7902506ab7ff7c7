"""The web-search example that this gateway was ordered from, unchanged but for the model, with the official client.

Before models of all four wire formats whose vendors do not search, against a search engine on a real socket.
"""

import pytest

from tests.contract.tap import Tap
from tests.helpers.threaded_web import ThreadedWeb
from tests.hosted.matrix import plays
from tests.matrix.scenarios import Call, Offer, Words
from tests.matrix.stage import Stage
from tests.matrix.test_matrix import UPSTREAMS


@pytest.mark.parametrize("upstream", UPSTREAMS)
def test_the_example_searches_and_cites(hosted: Stage, web: ThreadedWeb, upstream: str) -> None:
    url = web.web.url("/bread", "127.0.0.1")
    search = Call("call_1", "web_search", {"query": "latest news bread"})
    model = plays(hosted, upstream, [search], [Words(f"The [Gazette]({url}) appears weekly.")], offer=Offer())
    with Tap(hosted.gateway) as tap:
        response = tap.client.responses.create(
            model=f"{model.provider}/{model.model}",
            input="What are the latest news about AI?",
            tools=[{"type": "web_search_preview"}],
        )
        assert tap.response()["output"][0]["type"] == "web_search_call"
    assert not model.broken
    assert response.output_text == f"The [Gazette]({url}) appears weekly."
    message = response.output[-1]
    assert message.type == "message"
    part = message.content[0]
    assert part.type == "output_text"
    (note,) = part.annotations
    assert note.type == "url_citation"
    assert part.text[note.start_index : note.end_index] == f"[Gazette]({url})"


@pytest.mark.parametrize("upstream", UPSTREAMS)
def test_the_example_is_streamed(hosted: Stage, web: ThreadedWeb, upstream: str) -> None:
    url = web.web.url("/bread", "127.0.0.1")
    search = Call("call_1", "web_search", {"query": "latest news bread"})
    model = plays(hosted, upstream, [search], [Words(f"It is in [2], says {url}.")], offer=Offer())
    with Tap(hosted.gateway) as tap:
        stream = tap.client.responses.create(
            model=f"{model.provider}/{model.model}",
            input="What are the latest news about AI?",
            tools=[{"type": "web_search_preview"}],
            stream=True,
        )
        kinds = [event.type for event in stream]
        checked = tap.stream()
    assert not model.broken
    assert [kind for kind in kinds if "web_search" in kind] == [
        "response.web_search_call.in_progress",
        "response.web_search_call.searching",
        "response.web_search_call.completed",
    ]
    assert kinds.count("response.output_text.annotation.added") == 1
    assert checked.text == f"It is in [2], says {url}."
