"""What a model that cannot call is asked instead: to write a call as JSON, or first whether to write one."""

import re
from collections.abc import Iterable, Mapping
from itertools import islice, zip_longest

import msgspec
from msgspec import Raw, Struct, structs

from antiphon.protocol.faults import RequestFault
from antiphon.protocol.request import (
    CustomTool,
    FunctionTool,
    HostedTool,
    Notice,
    Request,
    TextConfig,
    TextFormat,
    ToolChoice,
)
from antiphon.providers.constrained.retelling import example_turns, retold
from antiphon.providers.constrained.schema import Narrow, UnusableSchemaError, narrow
from antiphon.providers.custom import custom_function
from antiphon.providers.names import ToolNames

__all__ = ["Asked", "answering", "ask_first", "calling", "chosen", "forced", "offered", "without_tools"]

_LACKS = "not_supported_by_upstream"
_BLANK_LINE = "\n\n"

#: The answer to the question what to do next that stands for no tool.
_ANSWER = "answer"
#: The longest name of a tool is some 30 tokens.
_CHOICE_TOKENS = 48

_CALL = (
    "You have these tools:\n{tools}\n\n"
    'Call a tool now. Write the call as JSON: {{"name": the tool\'s name, "arguments": what it is called with}}'
)
#: Very small models do not do as they are told, but go on with a pattern: they choose well after examples.
_CHOOSE = "Choose what fits the user's last message best:\n{tools}\n- {answer}: {about}"
_ABOUT_ANSWER = "talk, answer a question, tell or write something."
_GREETING, _THANKS = "Hello!", "Thank you!"
#: What users say who want no tool. Beside what those say who want one, a list of the tools only misleads.
_TALK = (_GREETING, "Tell me a story.", "What is three times three?", _THANKS, "Explain what a verb is.")
#: So many tools are examples, and so much of what each is for.
_MOST_EXAMPLES = 16
_EXAMPLE_CHARS = 200
_SAYS_START = "users say"
_QUOTED = re.compile(r'"([^"]+)"')

_encode = msgspec.json.Encoder().encode


class Asked(Struct, frozen=True):
    """A request in other words, and what they cannot say."""

    request: Request
    notices: tuple[Notice, ...] = ()


def offered(request: Request) -> list[FunctionTool | CustomTool]:
    """The tools that may be called."""
    choice = request.tool_choice
    if choice.mode == "none":
        return []
    found = ToolNames(request.tools).offered(choice)
    if choice.mode != "function":
        return found
    return [tool for tool in found if (tool.name, tool.namespace or None) == (choice.name, choice.namespace)]


def forced(request: Request) -> bool:
    """Whether the answer must be a call, and there is something to call."""
    return request.tool_choice.mode in ("required", "function") and bool(offered(request))


def without_tools(request: Request) -> Request:
    """The same for a model that is told of no function. Nothing of it goes on in the client's own words."""
    return structs.replace(
        request,
        tools=tuple(tool for tool in request.tools if isinstance(tool, HostedTool)),
        tool_choice=ToolChoice(hosted=request.tool_choice.hosted),
        parallel_tool_calls=None,
        body=b"",
        dialect="responses",
    )


def answering(request: Request, *, longest_text: int) -> Asked:
    """The request for an answer in words. Where it could have been a call, what holds of calls holds of it.

    Raises:
        RequestFault: as `calling` does.
    """
    bare = structs.replace(without_tools(request), input=retold(request.input))
    return Asked(bare, _notices(request, _shapes(request, longest_text=longest_text)) if offered(request) else ())


def calling(request: Request, *, longest_text: int) -> Asked:
    """The request for a call of one of the tools that may be called.

    Raises:
        RequestFault: 400, the parameters of a tool are such that no answer can be held to them.
    """
    shapes = _shapes(request, longest_text=longest_text)
    calls = [_call_of(name, shape.schema) for name, shape in shapes.items()]
    schema: object = calls[0] if len(calls) == 1 else {"anyOf": calls}
    prompt = _CALL.format(tools=_described(offered(request), ToolNames(request.tools)))
    return Asked(_constrained(request, schema=schema, prompt=prompt), _notices(request, shapes))


def ask_first(request: Request) -> Request:
    """The question whether to answer or to call, and what. `chosen` reads what comes."""
    names = _choices(request)
    prompt, examples = _pattern(names)
    asked = _constrained(request, schema={"type": "string", "enum": list(names)}, prompt=prompt)
    return structs.replace(
        asked,
        input=(*example_turns(*examples), *asked.input),
        stream=False,
        max_output_tokens=_CHOICE_TOKENS,
        temperature=0.0,
        top_p=None,
    )


def chosen(request: Request, text: str) -> ToolChoice | None:
    """The tool that was chosen; `None` for an answer without one, and for whatever is no choice."""
    try:
        name = msgspec.json.decode(text, type=str)
    except (msgspec.DecodeError, UnicodeError):
        return None
    tool = _choices(request).get(name)
    if tool is None:
        return None
    return ToolChoice("function", tool.name, request.tool_choice.allowed, namespace=tool.namespace or None)


def _pattern(names: Mapping[str, FunctionTool | CustomTool | None]) -> tuple[str, list[tuple[str, str]]]:
    """What the model is told of the tools, and what it is shown that others chose."""
    answer = next(iter(names))
    tools = {name: tool for name, tool in names.items() if tool is not None}
    about = {name: _first_line(tool) for name, tool in tools.items()}
    if not any(map(_users_say, tools.values())):
        shown = [(said, name) for name, said in islice(about.items(), _MOST_EXAMPLES)]
        told = "\n".join(f"- {name}: {said}" for name, said in about.items())
        prompt = _CHOOSE.format(tools=told, answer=answer, about=_ABOUT_ANSWER)
        return prompt, [(_GREETING, answer), *shown, (_THANKS, answer)]
    # Those of the first tool stand last: what is nearest counts most.
    shown = [(said, name) for name, tool in reversed(tools.items()) for said in _users_say(tool) or (about[name],)]
    shown = shown[-2 * _MOST_EXAMPLES :]
    mixed = zip_longest([(said, answer) for said in _TALK], shown)
    return "", [each for pair in mixed for each in pair if each is not None]


def _users_say(tool: FunctionTool | CustomTool) -> list[str]:
    """What users say who want this tool: the texts in quotes in a line of its description that begins so."""
    lines = (tool.description or "").splitlines()
    said = next((line for line in lines if line.strip().lower().startswith(_SAYS_START)), "")
    return [each[:_EXAMPLE_CHARS] for each in _QUOTED.findall(said)[:_MOST_EXAMPLES]]


def _first_line(tool: FunctionTool | CustomTool) -> str:
    """What it is for, briefly."""
    said = (tool.description or "").strip().partition("\n")[0][:_EXAMPLE_CHARS]
    return said or tool.name.replace("_", " ")


def _choices(request: Request) -> dict[str, FunctionTool | CustomTool | None]:
    names = ToolNames(request.tools)
    tools = {names.wire(tool.name, tool.namespace or None): tool for tool in offered(request)}
    answer = _ANSWER
    while answer in tools:
        answer = f"_{answer}"
    return {answer: None, **tools}


def _constrained(request: Request, *, schema: object, prompt: str) -> Request:
    bare = without_tools(request)
    form = TextFormat("json_schema", "answer", Raw(_encode(schema)), strict=True)
    told = (request.instructions, prompt)
    return structs.replace(
        bare,
        input=retold(request.input),
        instructions=_BLANK_LINE.join(text for text in told if text),
        text=TextConfig(form),
        stop=(),
        top_logprobs=None,
        include=request.include - {"message.output_text.logprobs"},
    )


def _described(tools: Iterable[FunctionTool | CustomTool], names: ToolNames) -> str:
    lines: list[str] = []
    for tool in tools:
        own = (tool.description or "", tool.parameters) if isinstance(tool, FunctionTool) else custom_function(tool)
        about, parameters = own[0], bytes(own[1]).decode("utf-8", "replace")
        lines.append(f"- {names.wire(tool.name, tool.namespace or None)}: {about} Arguments: {parameters}")
    return "\n".join(lines)


def _shapes(request: Request, *, longest_text: int) -> dict[str, Narrow]:
    """What the arguments of each tool that may be called are held to, by its name on the wire."""
    names = ToolNames(request.tools)
    return {
        names.wire(tool.name, tool.namespace or None): _parameters(tool, request, longest_text=longest_text)
        for tool in offered(request)
    }


def _parameters(tool: FunctionTool | CustomTool, request: Request, *, longest_text: int) -> Narrow:
    parameters = custom_function(tool)[1] if isinstance(tool, CustomTool) else tool.parameters
    try:
        return narrow(parameters, longest_text=longest_text)
    except UnusableSchemaError as error:
        place = next(index for index, one in enumerate(request.tools) if one is tool)
        raise RequestFault(
            f"The parameters of the function '{tool.name[:80]}' cannot be used for this model: {error}.",
            code="invalid_function_parameters",
            param=f"tools[{place}].parameters" if not tool.namespace else "tools",
        ) from error


def _call_of(name: str, arguments: object) -> dict[str, object]:
    return {
        "type": "object",
        "properties": {"name": {"type": "string", "enum": [name]}, "arguments": arguments},
        "required": ["name", "arguments"],
        "additionalProperties": False,
    }


def _notices(request: Request, shapes: Mapping[str, Narrow]) -> tuple[Notice, ...]:
    """What is done otherwise wherever a call may come."""
    notices = [Notice("tools", "emulated", _LACKS, "functions", "json_schema")]
    if any(isinstance(tool, CustomTool) for tool in request.tools):
        notices.append(Notice("tools.custom", "emulated", _LACKS, "custom", "function"))
    if request.parallel_tool_calls is not False:
        notices.append(Notice("parallel_tool_calls", "emulated", "one_call_per_answer"))
    loose = sorted({keyword for shape in shapes.values() for keyword in shape.loose})
    notices += [Notice("tools.parameters", "approximated", "not_enforced", keyword) for keyword in loose]
    return tuple(notices)
