"""`antiphon chat` at a real terminal: a conversation, its commands, Ctrl-C and Ctrl-D."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from tests.cli.processes import Terminal, terminal
from tests.cli.talking import ended, says, text, thought
from tests.helpers.upstream import Gate, Reply, ScriptedUpstream, error

pytestmark = pytest.mark.usefixtures("data_dir")


@asynccontextmanager
async def conversation(*replies: Reply) -> AsyncIterator[tuple[Terminal, ScriptedUpstream]]:
    async with (
        ScriptedUpstream(list(replies)) as up,
        terminal("chat", "--url", up.url, "--key", "sk-me", "--instructions", "be kind") as person,
    ):
        await person.sees("Ctrl-D leaves.")
        await person.sees("> ")
        yield person, up


def test_conversation_continues_until_ctrl_d() -> None:
    async def scene() -> None:
        replies = [says(text("Hi Ada."), ended("resp_1")), says(text("Ada."), ended("resp_2")), says(ended("resp_3"))]
        async with conversation(*replies) as (person, up):
            person.type("I am Ada\n")
            await person.sees("Hi Ada.")
            await person.sees("> ")
            person.type("Who am I?\n")
            await person.sees("Ada.")
            await person.sees("> ")
            person.type("/new\n")
            await person.sees("(a new conversation)")
            await person.sees("> ")
            person.type("/model other\n")
            await person.sees("(asking other from now on)")
            await person.sees("> ")
            person.type("Who am I?\n")
            await up.received(3)
            await person.sees("> ")
            person.type("\x04")
            assert await person.ends() == 0
        first, second, third = (seen.json for seen in up.requests)
        assert "previous_response_id" not in first
        assert second["previous_response_id"] == "resp_1"
        assert second["instructions"] == "be kind"
        assert "previous_response_id" not in third
        assert (second["model"], third["model"]) == ("local", "other")

    asyncio.run(scene())


def test_ctrl_c_stops_the_answer_and_closes_the_connection() -> None:
    async def scene() -> None:
        replies = [says(text("First."), ended("resp_1")), says(text("Endless"), Gate()), says(text("Good."), ended())]
        async with conversation(*replies) as (person, up):
            person.type("one\n")
            await person.sees("First.")
            await person.sees("> ")
            person.type("two\n")
            await person.sees("Endless")
            person.type("\x03")
            await person.sees("(stopped;")
            await up.closed(1)
            await person.sees("> ")
            person.type("three\n")
            await person.sees("Good.")
        assert up.requests[2].json["previous_response_id"] == "resp_1"

    asyncio.run(scene())


def test_ctrl_c_at_the_prompt_leaves_everything_as_it_is() -> None:
    async def scene() -> None:
        async with conversation(says(text("Good."), ended())) as (person, _up):
            person.type("\x03\n")  # Python notices a signal in the moment before it waits only with the next key
            await person.sees("(Ctrl-D leaves)")
            person.type("one\n")
            await person.sees("Good.")

    asyncio.run(scene())


def test_failure_does_not_end_the_conversation() -> None:
    async def scene() -> None:
        replies = [says(text("First."), ended("resp_1")), error(503, "Overloaded."), says(text("Fine."), ended())]
        async with conversation(*replies) as (person, up):
            for question, shown in (("one", "First."), ("two", "Error: Overloaded."), ("three", "Fine.")):
                person.type(f"{question}\n")
                await person.sees(shown)
                await person.sees("> ")
        assert up.requests[2].json["previous_response_id"] == "resp_1"

    asyncio.run(scene())


def test_help_and_unknown_commands_ask_nobody() -> None:
    async def scene() -> None:
        async with conversation() as (person, up):
            for typed, shown in (("/help", "begin a new conversation"), ("/model", "(asking local)"), ("", "> ")):
                person.type(f"{typed}\n")
                await person.sees(shown)
            person.type("/quit now\n")
            await person.sees("There is no /quit.")
        assert not up.requests

    asyncio.run(scene())


def test_terminal_shows_reasoning_paler_and_obeys_no_control_characters() -> None:
    async def scene() -> None:
        async with conversation(says(thought("hmm\x1b[2J"), text("Done\x07\x1b]0;mine\x07."), ended())) as (
            person,
            _up,
        ):
            person.type("go\n")
            assert "\x1b[2mhmm\\x1b[2J\x1b[0m" in await person.sees("Done")
            assert "\\x07\\x1b]0;mine\\x07." in await person.sees(".")

    asyncio.run(scene())


def test_question_in_the_arguments_is_answered_once_and_ctrl_c_ends_with_130() -> None:
    async def scene() -> None:
        async with ScriptedUpstream([says(text("Yes."), ended()), says(text("Endless"), Gate())]) as up:
            place = ("chat", "--url", up.url, "--key", "sk-me")
            async with terminal(*place, "really?") as person:
                await person.sees("Yes.")
                assert await person.ends() == 0
            async with terminal(*place, "and?") as person:
                await person.sees("Endless")
                person.type("\x03")
                assert await person.ends() == 130
            await up.closed(1)

    asyncio.run(scene())
