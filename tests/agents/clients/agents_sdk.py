"""OpenAI's Agents SDK at the task."""

from collections.abc import Awaitable, Mapping

from openai import AsyncOpenAI

from agents import (
    Agent,
    ModelSettings,
    OpenAIChatCompletionsModel,
    OpenAIResponsesModel,
    Runner,
    function_tool,
    set_tracing_disabled,
)
from tests.agents.clients.task import PROMPT, Place, add, get_weather, report


def ways(place: Place) -> Mapping[str, Awaitable[str]]:
    client = AsyncOpenAI(base_url=f"{place.url}/v1", api_key=place.key, max_retries=0)
    by_value = _agent(place, client, store=False)
    found = {"whole": _whole(by_value), "streamed": _streamed(by_value)}
    if place.door == "responses":
        found["stored"] = _whole(_agent(place, client, store=True), stored=True)
    return found


def _agent(place: Place, client: AsyncOpenAI, *, store: bool) -> Agent:
    make = OpenAIResponsesModel if place.door == "responses" else OpenAIChatCompletionsModel
    return Agent(
        name="Forecaster",
        instructions="Use the tools.",
        model=make(model=place.model, openai_client=client),
        model_settings=ModelSettings(store=store if place.door == "responses" else None),
        tools=[function_tool(get_weather), function_tool(add)],
    )


async def _whole(agent: Agent, *, stored: bool = False) -> str:
    result = await Runner.run(agent, PROMPT, auto_previous_response_id=stored)
    return str(result.final_output)


async def _streamed(agent: Agent) -> str:
    result = Runner.run_streamed(agent, PROMPT)
    async for _ in result.stream_events():
        pass
    return str(result.final_output)


if __name__ == "__main__":
    set_tracing_disabled(disabled=True)
    report(ways)
