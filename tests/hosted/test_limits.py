"""What clients set to the loop (allowed tools, one call at a time, truncation, a forced tool), and who runs what."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.engine.stage import Stage, output_text
from tests.faults.house import House, open_house
from tests.faults.tongues import TONGUES
from tests.faults.tongues import Call as Searches
from tests.faults.tongues import Words as Said
from tests.helpers.chat_wire import chat_json, text_chunks, tool_call_chunks
from tests.helpers.stream import check_response
from tests.helpers.threaded_web import ThreadedWeb
from tests.helpers.upstream import Reply, Seen, answer, error, stream
from tests.hosted.conftest import search_in
from tests.hosted.matrix import plays
from tests.hosted.test_loop import SEARCH, WEATHER, results
from tests.matrix.scenarios import Call, Offer, Words
from tests.matrix.stage import Stage as Matrix

Json = dict[str, Any]
A_SEARCH = {"id": "a", "name": "web_search", "arguments": '{"query":"bread"}'}
A_CALL = {"id": "b", "name": "weather", "arguments": "{}"}


def calls_first(*calls: Json) -> Any:
    """A model that makes these calls at once, and then says how many results it was shown."""

    def brain(request: Seen) -> Reply:
        shown = results(request)
        return answer(chat_json(f"{len(shown)} results.") if shown else chat_json(None, tool_calls=calls))

    return brain


def kinds(response: Json) -> list[str]:
    return [item["type"] for item in response["output"]]


def test_a_call_that_is_not_allowed_does_not_end_the_loop(stage: Stage) -> None:
    model = stage.model(calls_first(A_SEARCH, A_CALL))
    choice = {"type": "allowed_tools", "mode": "auto", "tools": [{"type": "web_search"}]}
    response = model.ask("Hi", tools=[SEARCH, WEATHER], tool_choice=choice, include=["antiphon.fidelity"])
    assert kinds(response) == ["web_search_call", "message"]
    assert output_text(response) == "1 results."
    reasons = [notice["reason"] for notice in response["antiphon"]["notices"]]
    assert "call_not_allowed" in reasons


@pytest.mark.parametrize(
    ("calls", "left"),
    [
        ([A_SEARCH, A_CALL], ["web_search_call", "message"]),
        ([A_SEARCH, {**A_SEARCH, "id": "c"}], ["web_search_call", "message"]),
        ([A_CALL, A_SEARCH], ["function_call"]),
    ],
)
def test_one_call_at_a_time_counts_all_calls(stage: Stage, calls: list[Json], left: list[str]) -> None:
    model = stage.model(calls_first(*calls))
    response = model.ask("Hi", tools=[SEARCH, WEATHER], parallel_tool_calls=False)
    assert kinds(response) == left


def test_the_most_uses_of_a_messages_client_limit_its_searches(stage: Stage) -> None:
    """Claude Code searches with eight."""
    model = stage.model(calls_first(A_SEARCH, {**A_SEARCH, "id": "b"}, {**A_SEARCH, "id": "c"}))
    tool = {"type": "web_search_20250305", "name": "web_search", "max_uses": 2}
    body = {"model": model.name, "max_tokens": 500, "messages": [{"role": "user", "content": "Hi"}], "tools": [tool]}
    got = stage.gateway.request("POST", "/v1/messages", body=body)
    assert got.status == 200, got.body
    assert [block["type"] for block in got.json["content"]].count("server_tool_use") == 2
    assert got.json["usage"]["server_tool_use"]["web_search_requests"] == 2


def test_text_behind_a_search_is_another_message_with_offsets_of_its_own(stage: Stage, web: ThreadedWeb) -> None:
    url = web.web.url("/bread", "127.0.0.1")

    def talks_on(request: Seen) -> Reply:
        if len(results(request)) < 2:
            begin, *rest = tool_call_chunks("web_search", '{"query":"bread"}')
            spoken = text_chunks(f"At {url} now. ")[1]
            after = text_chunks(f"Or {url} then.")[1]
            return stream(spoken, begin, *rest[:-2], after, *rest[-2:])
        return stream(*text_chunks("Done."))

    checked = stage.model(talks_on).stream("Hi", tools=[SEARCH], max_tool_calls=2)
    messages = [item["content"][0] for item in checked.response["output"] if item["type"] == "message"]
    for part in messages:
        for note in part["annotations"]:
            assert part["text"][note["start_index"] : note["end_index"]] == url
    assert sum(len(part["annotations"]) for part in messages) == 2


def test_text_beside_a_call_of_the_clients_has_right_offsets(stage: Stage, web: ThreadedWeb) -> None:
    url = web.web.url("/bread", "127.0.0.1")

    def talks_between(request: Seen) -> Reply:
        if not results(request):
            return stream(*tool_call_chunks("web_search", '{"query":"bread"}'))
        opened, piece, *pieces = tool_call_chunks("weather", '{"city":"Rome"}')
        begin, after = (text_chunks(text)[1] for text in ("Hello 👩‍🍳. ", f"Or {url} then."))
        return stream(opened, piece, begin, *pieces[:-2], after, *pieces[-2:])

    checked = stage.model(talks_between).stream("Hi", tools=[SEARCH, WEATHER])
    (part,) = (item["content"][0] for item in checked.response["output"] if item["type"] == "message")
    (note,) = part["annotations"]
    assert part["text"][note["start_index"] : note["end_index"]] == url


def too_long_at_first(request: Seen) -> Reply:
    """A model for which three results are too many."""
    shown = results(request)
    if not any(message["role"] == "tool" for message in request.json["messages"][-1:]):
        return answer(chat_json(None, tool_calls=[A_SEARCH]))
    if len(shown) > 1 or len(request.json["messages"]) > 3:
        return error(400, "This model's maximum context length is 8 tokens.", code="context_length_exceeded")
    return answer(chat_json("It fits."))


def test_a_later_round_that_is_too_long_is_shortened_where_the_client_lets_it(stage: Stage) -> None:
    old = [{"role": "user", "content": "Old"}, {"role": "assistant", "content": "Older"}]
    asked = [*old, {"role": "user", "content": "Hi"}]
    model = stage.model(too_long_at_first)
    response = model.ask(asked, tools=[SEARCH], truncation="auto", include=["antiphon.fidelity"])
    assert output_text(response) == "It fits."
    assert [message["role"] for message in model.heard()] == ["user", "assistant", "tool"]
    (notice,) = [one for one in response["antiphon"]["notices"] if one["where"] == "truncation"]
    assert notice["became"] == "2 of 5 items left out"
    problem = stage.model(too_long_at_first).refuse(asked, tools=[SEARCH])
    assert problem["code"] == "context_length_exceeded"


def test_the_record_tells_who_ran_what_in_which_round(stage: Stage) -> None:
    model = stage.model(calls_first(A_SEARCH))
    response = model.ask("Hi", tools=[SEARCH])
    search, message = model.record(response["id"])["items"]
    assert (search["ran_by"], search.get("round", 1)) == ("gateway", 1)
    assert ("ran_by" not in message, message["round"]) == (True, 2)


NAMESPACE = {"type": "namespace", "name": "crm", "description": "Ours.", "tools": [WEATHER]}


@pytest.mark.parametrize(
    ("choice", "first"),
    [
        ("auto", None),
        ("required", "required"),
        ({"type": "web_search_preview"}, {"type": "function", "name": "web_search"}),
        (
            {"type": "allowed_tools", "mode": "required", "tools": [{"type": "web_search_preview"}]},
            {
                "type": "allowed_tools",
                "mode": "required",
                "tools": [{"type": "function", "name": name} for name in ("web_search", "open_page", "find_in_page")],
            },
        ),
    ],
)
def test_an_upstream_of_the_same_dialect_is_told_of_no_tool_that_is_not_there(
    hosted: Matrix, choice: object, first: object
) -> None:
    search = Call("call_1", "web_search", {"query": "bread"})
    model = plays(hosted, "native", [search], [Words("Done.")], offer=Offer())
    tools = [{"type": "web_search_preview", "filters": {"allowed_domains": ["127.0.0.1"]}}, NAMESPACE, WEATHER]
    body = {"model": f"{model.provider}/{model.model}", "input": "Hi", "tools": tools, "tool_choice": choice}
    got = hosted.gateway.request("POST", "/v1/responses", body={**body, "max_tool_calls": 1})
    assert got.status == 200, got.body
    assert not model.broken
    response = check_response(got.json)
    assert response["tools"][:2] == [tools[0], {**NAMESPACE, "tools": response["tools"][1]["tools"]}]
    one, two = (request.json for request in model.requests)
    assert [tool["name"] for tool in one["tools"]] == ["web_search", "open_page", "find_in_page", "crm", "weather"]
    assert one["tools"][3]["type"] == "namespace"
    assert one.get("tool_choice") == first
    assert [tool["name"] for tool in two["tools"]] == ["crm", "weather"]
    assert two.get("tool_choice") in (None, "none")
    assert "max_tool_calls" not in one


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory, web: ThreadedWeb) -> Iterator[House]:
    """A provider that searches itself beside one that does not, and names that go from one to the other."""
    models = {
        "native-first": {"targets": ["anthropic/x", "chat/x"]},
        "native-last": {"targets": ["chat/x", "anthropic/x"]},
    }
    with open_house(
        tmp_path_factory.mktemp("house"), web_search=search_in(web), models=models, retries={"attempts": 3}
    ) as opened:
        yield opened


@pytest.mark.parametrize(("model", "fails"), [("native-first", "anthropic"), ("native-last", "chat")])
def test_the_tool_runs_here_where_the_place_that_answers_has_none(house: House, model: str, fails: str) -> None:
    asked = len(house.upstream.requests)

    def brain(request: Seen) -> Reply:
        tongue = TONGUES["anthropic" if "/messages" in request.path else "chat"]
        if tongue.name == fails:
            return tongue.fails(500, "server")
        searches = tongue.name == "chat" and not results(request)
        return tongue.answer(request, [Searches("web_search", {"query": "bread"})] if searches else [Said("Done.")])

    house.script(brain)
    response = check_response(house.gateway.create(model=model, input="Hi", tools=[SEARCH]).json)
    assert output_text(response) == "Done."
    bodies = {request.path.rsplit("/", 1)[1]: request.json for request in house.upstream.requests[asked:]}
    assert [tool["type"] for tool in bodies["messages"]["tools"]] == ["web_search_20250305"]
    if fails == "anthropic":
        assert kinds(response) == ["web_search_call", "message"]
        offered = house.upstream.requests[-1].json["tools"]
        assert [tool["function"]["name"] for tool in offered] == ["web_search", "open_page", "find_in_page"]
    else:
        assert kinds(response) == ["message"]
        assert response["tools"] == [SEARCH]


def test_a_tool_that_a_suffix_filled_in_is_not_there_either(hosted: Matrix) -> None:
    search = Call("call_1", "web_search", {"query": "bread"})
    model = plays(hosted, "native", [search], [Words("Done.")], offer=Offer())
    body = {"model": f"{model.provider}/{model.model}:web", "input": "Hi", "tools": [NAMESPACE]}
    got = hosted.gateway.request("POST", "/v1/responses", body=body)
    assert got.status == 200, got.body
    told = [tool["name"] for tool in model.requests[0].json["tools"]]
    assert told == ["crm", "web_search", "open_page", "find_in_page"]
    assert check_response(got.json)["tools"][1]["type"] == "web_search"
