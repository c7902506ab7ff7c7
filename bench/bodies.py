"""The requests that are sent: 1 KB, and the size of an agent's turn (40 KB, 20 tools), in both dialects."""

import json

SYSTEM = "You are a careful assistant that answers in short sentences. " * 8
TEXT = "Tell me about gateways. " * 10


def tool(number: int) -> dict:
    properties = {
        f"argument_{each}": {
            "type": "string",
            "description": f"Argument {each} of tool {number}, described at the length that agents describe theirs.",
        }
        for each in range(9)
    }
    parameters = {"type": "object", "properties": properties, "required": ["argument_0"], "additionalProperties": False}
    description = f"Tool number {number}. " + "It reads, writes and lists things in the working directory. " * 4
    return {
        "type": "function",
        "name": f"tool_{number}",
        "description": description,
        "parameters": parameters,
        "strict": False,
    }


def responses(knob: str, *, stream: bool, agent: bool, store: bool) -> dict:
    body = {
        "model": "mock-model",
        "instructions": SYSTEM * (12 if agent else 1),
        "input": [{"role": "user", "content": [{"type": "input_text", "text": TEXT + knob}]}],
        "temperature": 0.7,
        "max_output_tokens": 256,
        "store": store,
    }
    if agent:
        body["tools"] = [tool(number) for number in range(20)]
    return body | ({"stream": True} if stream else {})


def chat(knob: str, *, stream: bool, agent: bool) -> dict:
    body = {
        "model": "mock-model",
        "messages": [
            {"role": "system", "content": SYSTEM * (12 if agent else 1)},
            {"role": "user", "content": TEXT + knob},
        ],
        "temperature": 0.7,
        "max_tokens": 256,
    }
    if agent:
        tools = [tool(number) for number in range(20)]
        body["tools"] = [{"type": "function", "function": {k: v for k, v in t.items() if k != "type"}} for t in tools]
    return body | ({"stream": True} if stream else {})


def encoded(dialect: str, knob: str = "", *, stream: bool = False, agent: bool = False, store: bool = False) -> bytes:
    if dialect == "chat":
        return json.dumps(chat(knob, stream=stream, agent=agent)).encode()
    return json.dumps(responses(knob, stream=stream, agent=agent, store=store)).encode()
