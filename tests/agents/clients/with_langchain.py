"""LangChain at the task."""

from collections.abc import Awaitable, Mapping
from typing import Any

from langchain.agents import create_agent
from langchain_anthropic import ChatAnthropic
from langchain_openai import ChatOpenAI

from tests.agents.clients.task import PROMPT, Place, add, get_weather, report


def ways(place: Place) -> Mapping[str, Awaitable[str]]:
    model = _model(place)
    found = {"whole": _whole(model), "streamed": _streamed(model)}
    if place.door == "responses":
        found["stored"] = _whole(_model(place, store=True, use_previous_response_id=True))
        sealed = _model(place, store=False, include=["reasoning.encrypted_content"], output_version="responses/v1")
        found["sealed"] = _whole(sealed)
    return found


def _model(place: Place, **options: Any) -> Any:
    common = {"model": place.model, "api_key": place.key, "max_retries": 0, **options}
    if place.door == "messages":
        return ChatAnthropic(base_url=place.url, **common)
    return ChatOpenAI(base_url=f"{place.url}/v1", use_responses_api=place.door == "responses", **common)


async def _whole(model: Any) -> str:
    agent = create_agent(model, tools=[get_weather, add])
    result = await agent.ainvoke({"messages": [{"role": "user", "content": PROMPT}]})
    return str(result["messages"][-1].text)


async def _streamed(model: Any) -> str:
    agent = create_agent(model, tools=[get_weather, add])
    asked = {"messages": [{"role": "user", "content": PROMPT}]}
    pieces: list[str] = []
    async for piece, about in agent.astream(asked, stream_mode="messages"):
        if about["langgraph_step"] == 5:  # model, tools, model, tools, model
            pieces.append(piece.text)
    return "".join(pieces)


if __name__ == "__main__":
    report(ways)
