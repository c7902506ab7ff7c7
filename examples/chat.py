"""A conversation through Antiphon with the official Python SDK: pip install openai; python chat.py"""

import os

from openai import OpenAI

client = OpenAI(
    base_url=os.environ.get("ANTIPHON_URL", "http://127.0.0.1:8000") + "/v1", api_key=os.environ["ANTIPHON_API_KEY"]
)
previous = None
while True:
    try:
        question = input("> ")
    except EOFError:
        break
    stream = client.responses.create(
        model=os.environ.get("ANTIPHON_MODEL", "local"), input=question, previous_response_id=previous, stream=True
    )
    for event in stream:
        if event.type == "response.output_text.delta":
            print(event.delta, end="", flush=True)
        elif event.type in ("response.completed", "response.incomplete"):
            previous = event.response.id
            print()
        elif event.type == "response.failed":
            print(f"\n{event.response.error.message}")
