"""Pydantic AI at the task."""

from collections.abc import AsyncIterable, Awaitable, Mapping

from pydantic_ai import Agent
from pydantic_ai.models import Model
from pydantic_ai.models.anthropic import AnthropicModel
from pydantic_ai.models.openai import OpenAIChatModel, OpenAIResponsesModel
from pydantic_ai.providers.anthropic import AnthropicProvider
from pydantic_ai.providers.openai import OpenAIProvider

from tests.agents.clients.task import PROMPT, Place, add, get_weather, report


def ways(place: Place) -> Mapping[str, Awaitable[str]]:
    agent = Agent(_model(place), tools=[get_weather, add], instructions="Use the tools.")
    return {"whole": _whole(agent), "streamed": _streamed(agent)}


def _model(place: Place) -> Model:
    if place.door == "messages":
        return AnthropicModel(place.model, provider=AnthropicProvider(api_key=place.key, base_url=place.url))
    provider = OpenAIProvider(base_url=f"{place.url}/v1", api_key=place.key)
    if place.door == "responses":
        return OpenAIResponsesModel(place.model, provider=provider)
    return OpenAIChatModel(place.model, provider=provider)


async def _whole(agent: Agent) -> str:
    return str((await agent.run(PROMPT)).output)


async def _streamed(agent: Agent) -> str:
    async def listen(_: object, events: AsyncIterable[object]) -> None:
        async for _ in events:
            pass

    return str((await agent.run(PROMPT, event_stream_handler=listen)).output)


if __name__ == "__main__":
    report(ways)
