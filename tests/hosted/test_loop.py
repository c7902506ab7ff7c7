"""Web search for a model that has none: rounds, items, what the model sees, and what the client sees."""

from collections.abc import Callable
from typing import Any

import msgspec

from tests.engine.stage import Stage, output_text
from tests.helpers.chat_wire import chat_json, text_chunks, tool_call_chunks
from tests.helpers.threaded_web import ThreadedWeb
from tests.helpers.upstream import Reply, Seen, answer, stream
from tests.helpers.web import reply

Json = dict[str, Any]
WEATHER = {"type": "function", "name": "weather", "parameters": {"type": "object", "properties": {}}}
SEARCH = {"type": "web_search"}


def results(request: Seen) -> list[Json]:
    """Outputs of calls that the model is shown."""
    return [message for message in request.json["messages"] if message["role"] == "tool"]


def searcher(
    says: Callable[[Seen], str], *, calls: tuple[tuple[str, str], ...] = (("web_search", '{"query":"bread"}'),)
) -> Any:
    """A model that makes these calls, one a round, and then says something."""

    def brain(request: Seen) -> Reply:
        done = len(results(request))
        offered = [tool["function"]["name"] for tool in request.json.get("tools", ())]
        if done < len(calls) and calls[done][0] in offered:
            name, arguments = calls[done]
            if request.json.get("stream"):
                return stream(*tool_call_chunks(name, arguments, call_id=f"call_{done}", usage=usage(10, 5)))
            call = {"id": f"call_{done}", "name": name, "arguments": arguments}
            return answer(chat_json(None, tool_calls=[call], usage=usage(10, 5)))
        text = says(request)
        if request.json.get("stream"):
            return stream(*text_chunks(text[:7], text[7:], usage=usage(20, 7)))
        return answer(chat_json(text, usage=usage(20, 7)))

    return brain


def usage(prompt: int, completion: int) -> Json:
    return {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion}


def cites(url: str) -> Callable[[Seen], str]:
    return lambda _: f"Founded in 1871, says [the Gazette]({url})."


def test_a_search_is_run_shown_and_cited(stage: Stage, web: ThreadedWeb) -> None:
    url = web.web.url("/bread", "127.0.0.1")
    model = stage.model(searcher(cites(url)))
    response = model.ask("When was the bread weekly founded?", tools=[SEARCH])
    search, message = response["output"]
    assert (search["type"], search["status"]) == ("web_search_call", "completed")
    assert search["action"] == {"type": "search", "query": "bread", "queries": ["bread"]}
    text = output_text(response)
    (cited,) = message["content"][0]["annotations"]
    assert cited["type"] == "url_citation"
    assert (cited["url"], cited["title"]) == (url, "Gazette of Bread")
    assert text[cited["start_index"] : cited["end_index"]] == f"[the Gazette]({url})"
    assert response["usage"]["input_tokens"] == 30
    assert response["usage"]["output_tokens"] == 12
    assert response["tools"] == [SEARCH]
    shown = results(model.requests[-1])[0]["content"]
    assert "The bread weekly." in shown
    assert url in shown


def test_the_same_is_streamed(stage: Stage, web: ThreadedWeb) -> None:
    url = web.web.url("/bread", "127.0.0.1")
    model = stage.model(searcher(cites(url)))
    checked = model.stream(
        "When was the bread weekly founded?", tools=[SEARCH], include=["web_search_call.action.sources"]
    )
    kinds = [event["type"] for event in checked.events]
    order = [kind for kind in kinds if "web_search" in kind or "annotation" in kind or kind.endswith("text.delta")]
    assert order == [
        "response.web_search_call.in_progress",
        "response.web_search_call.searching",
        "response.web_search_call.completed",
        "response.output_text.delta",
        "response.output_text.delta",
        "response.output_text.annotation.added",
    ]
    search = checked.response["output"][0]
    assert search["action"]["sources"] == [{"type": "url", "url": url}]


def test_pages_are_opened_over_several_rounds(stage: Stage, web: ThreadedWeb) -> None:
    url = web.web.url("/bread", "127.0.0.1")
    calls = (("web_search", '{"query":"bread"}'), ("open_page", msgspec.json.encode({"url": url}).decode()))
    model = stage.model(searcher(lambda request: results(request)[1]["content"][:2000], calls=calls))
    response = model.ask("Who was its first editor?", tools=[SEARCH])
    assert [item["type"] for item in response["output"]] == ["web_search_call", "web_search_call", "message"]
    assert response["output"][1]["action"] == {"type": "open_page", "url": url}
    assert "Ada Crumb" in output_text(response)
    record = model.record(response["id"])
    assert [one["number"] for one in record["rounds"]] == [1, 2, 3]
    assert record["tool_cost_micros"] == 5000


def test_the_next_turn_sees_what_was_found(stage: Stage, web: ThreadedWeb) -> None:
    model = stage.model(searcher(cites(web.web.url("/bread", "127.0.0.1"))))
    first = model.ask("When?", tools=[SEARCH])
    model.ask("Sure?", previous_response_id=first["id"], tools=[SEARCH])
    heard = model.heard()
    assert [message["role"] for message in heard] == ["user", "assistant", "tool", "assistant", "user"]
    assert "The bread weekly." in heard[2]["content"]
    assert heard[1]["tool_calls"][0]["id"] == heard[2]["tool_call_id"]


def test_the_next_turn_may_open_what_a_page_linked_to(stage: Stage, web: ThreadedWeb) -> None:
    bread, links = (web.web.url(path, "127.0.0.1") for path in ("/bread", "/links"))
    web.web.paths["/links"] = reply(f"The weekly is at {bread}.".encode(), "text/plain")
    first, second = (("open_page", msgspec.json.encode({"url": url}).decode()) for url in (links, bread))
    opened = stage.model(searcher(lambda _: "Read.", calls=(first,))).ask(f"Read {links}", tools=[SEARCH])
    model = stage.model(searcher(lambda _: "Read.", calls=(first, second)))
    response = model.ask("And the link?", previous_response_id=opened["id"], tools=[SEARCH])
    assert [one.get("status") for one in (*opened["output"][:1], *response["output"][:1])] == ["completed"] * 2


def test_the_next_turn_of_a_stateless_client_sees_it_too(stage: Stage, web: ThreadedWeb) -> None:
    model = stage.model(searcher(cites(web.web.url("/bread", "127.0.0.1"))))
    first = model.ask("When?", tools=[SEARCH], store=False)
    model.ask(
        [{"role": "user", "content": "When?"}, *first["output"], {"role": "user", "content": "Sure?"}],
        tools=[SEARCH],
        store=False,
    )
    assert [message["role"] for message in model.heard()] == ["user", "assistant", "tool", "assistant", "user"]
    other = model.as_tenant("somebody-else")
    other.ask(
        [{"role": "user", "content": "When?"}, *first["output"], {"role": "user", "content": "Sure?"}], store=False
    )
    assert [message["role"] for message in other.heard()] == ["user", "assistant", "user"]


def both(request: Seen) -> Reply:
    """A model that searches and calls the client's function in one breath, and then says what it was shown."""
    shown = results(request)
    if shown:
        return answer(chat_json(" / ".join(str(one["content"])[:20] for one in shown)))
    calls = [("a", "web_search", '{"query":"bread"}'), ("b", "weather", "{}")]
    return answer(chat_json(None, tool_calls=[{"id": i, "name": name, "arguments": said} for i, name, said in calls]))


def test_in_a_mixed_round_the_clients_call_is_left_open_and_the_next_turn_goes_on(stage: Stage) -> None:
    model = stage.model(both)
    first = model.ask("Weather for bread?", tools=[SEARCH, WEATHER])
    assert [(item["type"], item["status"]) for item in first["output"]] == [
        ("function_call", "completed"),
        ("web_search_call", "completed"),
    ]
    call = first["output"][0]
    reply = {"type": "function_call_output", "call_id": call["call_id"], "output": "sunny"}
    second = model.ask([reply], previous_response_id=first["id"], tools=[SEARCH, WEATHER])
    assert output_text(second).endswith("sunny")
    heard = model.heard()
    assert [message["role"] for message in heard] == ["user", "assistant", "tool", "tool"]
    assert len(heard[1]["tool_calls"]) == 2


def test_calls_beyond_the_limit_are_not_run_and_the_model_answers(stage: Stage, web: ThreadedWeb) -> None:
    calls = (("web_search", '{"query":"bread"}'),) * 5
    model = stage.model(searcher(cites(web.web.url("/bread", "127.0.0.1")), calls=calls))
    response = model.ask("When?", tools=[SEARCH], max_tool_calls=2)
    assert [item["type"] for item in response["output"]] == ["web_search_call", "web_search_call", "message"]
    assert "tools" not in model.requests[-1].json


def test_a_forced_search_is_forced_once(stage: Stage, web: ThreadedWeb) -> None:
    model = stage.model(searcher(cites(web.web.url("/bread", "127.0.0.1"))))
    forced = {"type": "web_search_preview"}
    response = model.ask("When?", tools=[forced], tool_choice=forced)
    assert response["tool_choice"] == forced
    first, second = (request.json.get("tool_choice") for request in model.requests)
    assert first == {"type": "function", "function": {"name": "web_search"}}
    assert second is None


def test_only_allowed_tools_are_shown(stage: Stage) -> None:
    model = stage.model(searcher(lambda _: "No search."))
    choice = {"type": "allowed_tools", "mode": "auto", "tools": [{"type": "function", "name": "weather"}]}
    response = model.ask("When?", tools=[SEARCH, WEATHER], tool_choice=choice)
    assert [item["type"] for item in response["output"]] == ["message"]
    choice["tools"] = [{"type": "web_search"}]
    response = model.ask("When?", tools=[SEARCH, WEATHER], tool_choice=choice)
    assert response["output"][0]["type"] == "web_search_call"


def test_a_function_of_the_same_name_is_refused(stage: Stage) -> None:
    model = stage.model(searcher(lambda _: ""))
    problem = model.refuse(tools=[{**WEATHER, "name": "open_page"}, SEARCH])
    assert problem["param"] == "tools[0].name"


def test_a_search_that_fails_is_told_to_the_model_and_shown(stage: Stage) -> None:
    model = stage.model(searcher(lambda request: results(request)[0]["content"], calls=(("web_search", "{}"),)))
    response = model.ask("When?", tools=[SEARCH])
    assert response["status"] == "completed"
    assert response["output"][0]["status"] == "failed"
    assert "`query` is missing" in output_text(response)


def test_an_upstream_that_dies_in_the_second_round_fails_the_response(stage: Stage) -> None:
    def dying(request: Seen) -> Reply:
        if results(request):
            return Reply(["reset"])
        return stream(*tool_call_chunks("web_search", '{"query":"bread"}'))

    model = stage.model(dying)
    checked = model.stream("When?", tools=[SEARCH])
    response = checked.response
    assert response["status"] == "failed"
    assert [(item["type"], item["status"]) for item in response["output"]] == [("web_search_call", "completed")]
    assert len(model.requests) > 2


def test_a_later_round_is_asked_once_more_while_it_gave_nothing(stage: Stage) -> None:
    asked: list[int] = []

    def hesitant(request: Seen) -> Reply:
        if not results(request):
            return stream(*tool_call_chunks("web_search", '{"query":"bread"}'))
        asked.append(1)
        return Reply(["reset"]) if len(asked) == 1 else stream(*text_chunks("1871."))

    checked = stage.model(hesitant).stream("When?", tools=[SEARCH])
    assert checked.response["status"] == "completed"
    assert output_text(checked.response) == "1871."


def test_tokens_are_limited_over_all_rounds(stage: Stage) -> None:
    model = stage.model(searcher(lambda _: "Never said."))
    response = model.ask("When?", tools=[SEARCH], max_output_tokens=16)
    assert model.requests[1].json["max_tokens"] == 11
    spent = model.ask("When?", tools=[SEARCH], max_output_tokens=5)
    assert (spent["status"], spent["incomplete_details"]) == ("incomplete", {"reason": "max_output_tokens"})
    assert response["status"] == "completed"


def test_the_report_tells_what_was_emulated(stage: Stage, web: ThreadedWeb) -> None:
    model = stage.model(searcher(cites(web.web.url("/bread", "127.0.0.1"))))
    response = model.ask("When?", tools=[SEARCH], include=["antiphon.fidelity"])
    notices = response["antiphon"]["notices"]
    assert ("tools[0]", "emulated", "hosted_tool") in [(one["where"], one["kind"], one["reason"]) for one in notices]


def test_sources_that_were_not_asked_for_can_be_seen_later(stage: Stage, web: ThreadedWeb) -> None:
    url = web.web.url("/bread", "127.0.0.1")
    calls = (("web_search", '{"query":"bread"}'), ("open_page", msgspec.json.encode({"url": url}).decode()))
    model = stage.model(searcher(cites(url), calls=calls))
    first = model.ask("When?", tools=[SEARCH])
    path, query = f"responses/{first['id']}", "?include=web_search_call.action.sources"
    assert model.get(path).json == first
    search, opened, _ = model.get(path + query).json["output"]
    assert search["action"]["sources"] == [{"type": "url", "url": url}]
    assert opened == first["output"][1]
    second = model.ask("Sure?", previous_response_id=first["id"])
    items = model.get(f"responses/{second['id']}/input_items{query}").json["data"]
    assert [item["action"] for item in items if item["type"] == "web_search_call"][-1] == search["action"]
