"""Web search for models that cannot call: one that is scripted, and the real local one."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.helpers.gateway import Gateway
from tests.helpers.local_model import local_model_path
from tests.helpers.stream import check_response, check_stream
from tests.helpers.threaded_web import ThreadedWeb
from tests.helpers.upstream import Reply, Seen, ThreadedUpstream, answer_like, error
from tests.hosted.conftest import search_in

Json = dict[str, Any]

SEARCH = '{"name": "web_search", "arguments": {"query": "bread"}}'
HEAT: Json = {"type": "function", "name": "set_heat", "parameters": {"type": "object", "properties": {}}}


class Weak:
    """A scripted model that keeps to a schema and knows no tools."""

    def __init__(self) -> None:
        self.replies: list[str | Reply] = []
        self.heard: list[Json] = []

    def reply(self, seen: Seen) -> Reply:
        self.heard.append(seen.json)
        said = self.replies.pop(0) if self.replies else error(400, "nothing more to say")
        return answer_like(seen, said) if isinstance(said, str) else said


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory, web: ThreadedWeb) -> Iterator[tuple[Weak, Gateway]]:
    weak = Weak()
    with ThreadedUpstream(weak.reply) as upstream:
        entry = {"base_url": upstream.url, "protocol": "chat", "api_key": "sk-up", "calls": "constrained"}
        config = {"providers": {"test": entry}, "web_search": search_in(web)}
        config["retries"] = {"attempts": 3, "max_wait_s": 0}
        with Gateway(None, tmp_path_factory.mktemp("weak"), config=config) as gateway:
            yield weak, gateway


def ask(served: tuple[Weak, Gateway], *replies: str | Reply, stream: bool = False, **body: Any) -> Json:
    weak, gateway = served
    weak.replies, weak.heard = list(replies), []
    body = {"input": "Who edits it?", "tools": [{"type": "web_search"}], "store": False, **body}
    got = gateway.create(stream=stream, **body)
    assert got.status == 200, got.body
    return check_stream(got.body).response if stream else check_response(got.json)


def types(response: Json) -> list[str]:
    return [item["type"] for item in response["output"]]


@pytest.mark.parametrize("stream", [False, True])
def test_each_round_begins_with_the_question(served: tuple[Weak, Gateway], stream: bool) -> None:
    response = ask(served, '"web_search"', SEARCH, '"answer"', "Ada Crumb [1].", stream=stream)
    search, message = response["output"]
    assert search["status"] == "completed"
    assert search["action"]["query"] == "bread"
    (part,) = message["content"]
    assert part["text"].startswith("Ada Crumb")
    assert [one["type"] for one in part["annotations"]] == ["url_citation"]
    told = served[0].heard[-1]["messages"]
    assert "I call web_search with" in told[-2]["content"]
    assert "bread weekly" in str(told[-1]["content"])
    assert all("tools" not in asked for asked in served[0].heard)


def test_a_model_is_shown_what_users_say_who_want_a_tool(served: tuple[Weak, Gateway]) -> None:
    own = {"type": "function", "name": "coat", "description": 'Rain.\nUsers say: "Is it raining?", "Do I need a coat?"'}
    plain = {"type": "function", "name": "clock", "description": "Tells the time.\nOf day."}
    ask(served, '"answer"', "Hi.", tools=[own, plain], instructions="Be brief.")
    asked = served[0].heard[0]["messages"]
    pairs = {each["content"]: chosen["content"] for each, chosen in zip(asked[1:-1:2], asked[2:-1:2], strict=True)}
    assert asked[0] == {"role": "system", "content": "Be brief."}
    assert asked[-1] == {"role": "user", "content": "Who edits it?"}
    assert pairs["Is it raining?"] == pairs["Do I need a coat?"] == '"coat"'
    assert pairs["Tells the time."] == '"clock"'
    assert pairs["Hello!"] == pairs["Tell me a story."] == '"answer"'
    assert list(pairs)[-1] in ("Do I need a coat?", "Explain what a verb is.")  # the first tool's stand last


def test_all_questions_count(served: tuple[Weak, Gateway]) -> None:
    alone = ask(served, "It is.", tools=[])["usage"]
    usage = ask(served, '"web_search"', SEARCH, '"answer"', "Ada Crumb.")["usage"]
    assert usage["output_tokens"] == 4 * alone["output_tokens"]


def test_a_forced_search_is_forced_once(served: tuple[Weak, Gateway]) -> None:
    tool = {"type": "web_search_preview"}
    response = ask(served, SEARCH, '"answer"', "Ada Crumb.", tools=[tool], tool_choice=tool)
    assert types(response) == ["web_search_call", "message"]


def test_the_last_call_that_is_allowed_is_followed_by_no_question(served: tuple[Weak, Gateway]) -> None:
    response = ask(served, SEARCH, "Ada Crumb.", tool_choice="required", max_tool_calls=1)
    assert types(response) == ["web_search_call", "message"]


def test_searches_and_the_clients_functions_go_together(served: tuple[Weak, Gateway]) -> None:
    tools = [{"type": "web_search"}, HEAT]
    call = '{"name": "set_heat", "arguments": {}}'
    response = ask(served, '"web_search"', SEARCH, '"set_heat"', call, tools=tools)
    assert types(response) == ["web_search_call", "function_call"]


@pytest.mark.parametrize("stream", [False, True])
def test_a_later_round_that_fails_is_asked_again(served: tuple[Weak, Gateway], stream: bool) -> None:
    replies = ('"web_search"', SEARCH, error(500, "no"), '"answer"', error(500, "no"), "Ada Crumb.")
    assert types(ask(served, *replies, stream=stream)) == ["web_search_call", "message"]


EXAMPLE: Json = {
    "model": "local",
    "input": "What are the latest news about AI?",
    "tools": [{"type": "web_search_preview"}],
}


@pytest.fixture(scope="module")
def small(web: ThreadedWeb, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """The real local model, before the small web."""
    local = {"enabled": True, "model": str(local_model_path())}
    with Gateway(
        None, tmp_path_factory.mktemp("small"), config={"local": local, "web_search": search_in(web)}
    ) as opened:
        yield opened


@pytest.mark.parametrize(
    ("said", "searches"),
    [
        ("What are the latest news about AI?", True),
        pytest.param("What is the weather in Paris today?", True, marks=pytest.mark.long),
        ("Tell me a joke.", False),
        pytest.param("My name is Alice.", False, marks=pytest.mark.long),
    ],
)
def test_the_local_model_decides_by_what_users_say(small: Gateway, said: str, searches: bool) -> None:
    least: Json = {"max_tool_calls": 1, "max_output_tokens": 250, "temperature": 0}
    items = check_stream(small.create(stream=True, **{**EXAMPLE, "input": said}, **least).body).items
    assert (items[0]["type"] == "web_search_call") is searches


@pytest.mark.long
@pytest.mark.parametrize("stream", [False, True])
def test_the_example_that_was_ordered_runs_on_the_local_model_as_it_is(small: Gateway, stream: bool) -> None:
    client = small.openai().with_options(timeout=110)
    if stream:
        kinds = [event.type for event in client.responses.create(**EXAMPLE, stream=True)]
        assert "response.web_search_call.completed" in kinds
        assert kinds[-1] in ("response.completed", "response.incomplete")
    else:
        response = client.responses.create(**EXAMPLE)
        assert response.output[0].type == "web_search_call"
        assert response.output[-1].type in ("message", "web_search_call")


@pytest.mark.long
def test_the_local_model_searches(web: ThreadedWeb, tmp_path: Path) -> None:
    local = {"enabled": True, "model": str(local_model_path()), "context": 4096}
    with Gateway(None, tmp_path, config={"local": local, "web_search": search_in(web)}) as gateway:
        body: Json = {"model": "local", "input": "Search: who edits the Gazette of Bread?", "max_tool_calls": 1}
        body |= {
            "tools": [{"type": "web_search"}],
            "tool_choice": "required",
            "max_output_tokens": 300,
            "temperature": 0,
        }
        search, *rest = check_stream(gateway.create(stream=True, **body).body).items
        assert search["type"] == "web_search_call"
        assert search["action"]["type"] in ("search", "open_page", "find_in_page")
        assert [item["type"] for item in rest] in ([], ["message"])  # it may have spent its tokens
