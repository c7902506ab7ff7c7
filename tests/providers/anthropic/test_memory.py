"""What the model thought and found comes back to it on the next turns: it refuses what it did not make itself."""

from pathlib import Path

import pytest

from tests.helpers.anthropic_wire import call, redacted, text, thinking
from tests.providers.stand import BOTH_WAYS, before_claude


@BOTH_WAYS
@pytest.mark.parametrize("stored", [False, True], ids=["stateless", "stored"])
def test_thoughts_survive_three_turns(tmp_path: Path, streamed: bool, stored: bool) -> None:
    """The model refuses every thought that it did not make itself, exactly so."""
    turns = [
        [thinking("I need the weather.", "E1+/=="), redacted("Em=="), call("toolu_1", "get_weather")],
        [thinking("", "E2"), text("Rain."), call("toolu_2", "get_time")],
        [thinking("Done \u00e9.", "E3"), text("Noon.")],
    ]
    with before_claude(tmp_path, *turns) as at:
        response = at.converse((1, 1, 0), streamed=streamed, stored=stored)
        replayed = [
            [block["type"] for block in entry["content"]]
            for entry in at.sent[2]["messages"]
            if entry["role"] == "assistant"
        ]
        assert replayed == [["thinking", "redacted_thinking", "tool_use"], ["thinking", "text", "tool_use"]]
        assert response["output"][-1]["content"][0]["text"] == "Noon."


@BOTH_WAYS
def test_a_search_is_remembered(tmp_path: Path, streamed: bool) -> None:
    search = {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {"query": "rain"}}
    hit = {"type": "web_search_result", "url": "https://a.example/", "title": "A", "encrypted_content": "Eq=="}
    found = {"type": "web_search_tool_result", "tool_use_id": "srvtoolu_1", "content": [hit]}
    cite = {"type": "web_search_result_location", "url": "https://a.example/", "title": "A", "cited_text": "x"}
    turns = [[search, found, text("It "), text("rains", citations=[cite]), text(".")], [text("Oslo.")]]
    with before_claude(tmp_path, *turns) as at:
        tools = [{"type": "web_search"}]
        first = at.ask(streamed=streamed, input="Rain?", tools=tools)
        kinds = [item["type"] for item in first["output"]]
        assert kinds == ["web_search_call", "reasoning", "message"]
        assert first["output"][0]["action"]["sources"] == [{"type": "url", "url": "https://a.example/"}]
        (note,) = first["output"][2]["content"][0]["annotations"]
        assert (note["start_index"], note["end_index"], note["url"]) == (3, 8, "https://a.example/")
        at.ask(streamed=streamed, input="Where?", previous_response_id=first["id"], tools=tools)
        assert at.sent[1]["messages"][1]["content"][:2] == [search, found]
