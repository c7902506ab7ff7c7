"""A tool call through Antiphon with the official Python SDK: pip install openai; python tools.py"""

import json
import os

from openai import OpenAI

WEATHER = {
    "type": "function",
    "name": "get_weather",
    "description": "Today's weather in a city.",
    "parameters": {
        "type": "object",
        "properties": {"city": {"type": "string"}},
        "required": ["city"],
        "additionalProperties": False,
    },
}


def get_weather(city: str) -> str:
    return json.dumps({"city": city, "weather": "sunny", "celsius": 21})


client = OpenAI(
    base_url=os.environ.get("ANTIPHON_URL", "http://127.0.0.1:8000") + "/v1", api_key=os.environ["ANTIPHON_API_KEY"]
)
model = os.environ.get("ANTIPHON_MODEL", "local")
response = client.responses.create(model=model, input="What is the weather in Paris?", tools=[WEATHER])
while calls := [item for item in response.output if item.type == "function_call"]:
    outputs = [
        {
            "type": "function_call_output",
            "call_id": call.call_id,
            "output": get_weather(json.loads(call.arguments).get("city", "")),
        }
        for call in calls
    ]
    response = client.responses.create(model=model, input=outputs, previous_response_id=response.id)
print(response.output_text)
