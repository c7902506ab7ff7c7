"""What the scripted model wants next, whatever the wire format: it knows one task for each kind of tools.

It keeps nothing in mind: what it does follows from the tools that it is offered and the results that it is shown, as
with real models. What it says at the end it can only know from the results.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

__all__ = ["ANSWER", "PATCHED", "SHELL_SAYS", "SUM_SAYS", "Call", "Move", "Schemas", "next_move"]

#: The tools on offer: name to the schema of the arguments, `None` for tools that take plain text.
Schemas = Mapping[str, dict[str, Any] | None]

#: What the commands leave in `answer.txt`; only a shell knows.
ANSWER = "answer=42"
SHELL_SAYS = "The file says 42."
SUM_SAYS = "Together that is 38 degrees."
#: What the patch leaves in `patched.txt`: all that is easily lost between plain text and JSON.
PATCHED = 'one "two" \\three\\ {"four": 5}\n\ttabs, ünïcödé and 🙂\n'

_COMMAND = 'echo "answer=$((6*7))" > answer.txt && pwd && cat answer.txt'
_BESIDE = "echo beside=$((3*3))"
_ADDED = "".join(f"+{line}\n" for line in PATCHED.splitlines())
_PATCH = f"*** Begin Patch\n*** Add File: patched.txt\n{_ADDED}*** End Patch\n"

_ANSWERED = re.compile(r"answer=(\d+)")
_FOLDER = re.compile(r"^(/\S+)$", re.MULTILINE)
_DEGREES = re.compile(r"(\d+) degrees")


@dataclass(frozen=True)
class Call:
    """One call. `arguments` are a text for tools that take plain text."""

    name: str
    arguments: dict[str, Any] | str


@dataclass(frozen=True)
class Move:
    """One answer of the model: words, and the calls after them."""

    words: str
    calls: tuple[Call, ...] = ()


def next_move(tools: Schemas, results: Sequence[str]) -> Move:
    """What to do, with these tools and after these results of all calls so far."""
    seen = 0
    for move in _plan(tools, results):
        if not move.calls or seen == len(results):
            return move
        seen += len(move.calls)
        assert seen <= len(results), f"of {seen} results only {len(results)} came: {results}"
    raise AssertionError("a plan ends with words")


def _plan(tools: Schemas, results: Sequence[str]) -> Sequence[Move]:
    """All moves, the last of them without calls. What follows from results that are not there yet is left open."""
    own = {name.rpartition("__")[2].rpartition(".")[2]: name for name in tools}
    if "exec" in own:
        return _code_mode(tools, own["exec"], results)
    if "exec_command" in own:
        return _codex(tools, own, results)
    if "Bash" in own:
        return _claude_code(own, results)
    if "get_weather" in own:
        return _weather(results)
    return [Move("Nothing to do.")]


def _code_mode(tools: Schemas, name: str, results: Sequence[str]) -> Sequence[Move]:
    """Codex with its newest models: scripts that call the other tools."""
    patch = f"text(await tools.apply_patch({_quoted(_PATCH)}));\n"
    run = f"const run = await tools.exec_command({{cmd: {_quoted(_COMMAND)}}});\ntext(run.output);\n"
    scripts = [_plain(tools, name, script) for script in (patch, run)]
    return [Move("First the patch.", (scripts[0],)), Move("Then the command.", (scripts[1],)), _told(results)]


def _codex(tools: Schemas, own: Mapping[str, str], results: Sequence[str]) -> Sequence[Move]:
    """Codex with models that call its tools one by one: a patch where it may, then two commands at once."""
    patch = [Move("First the patch.", (_plain(tools, own["apply_patch"], _PATCH),))] if "apply_patch" in own else []
    commands = tuple(Call(own["exec_command"], {"cmd": command}) for command in (_COMMAND, _BESIDE))
    return [*patch, Move("I run two commands.", commands), _told(results)]


def _claude_code(own: Mapping[str, str], results: Sequence[str]) -> Sequence[Move]:
    """A command, and then a look at its file."""
    command = Call(own["Bash"], {"command": _COMMAND, "description": "Compute the answer"})
    folder = _FOLDER.search(results[0]) if results else None
    look = Call(own["Read"], {"file_path": f"{folder[1] if folder else '/nowhere'}/answer.txt"})
    return [Move("I run a command.", (command,)), Move("I look at the file.", (look,)), _told(results)]


def _weather(results: Sequence[str]) -> Sequence[Move]:
    """Two calls at once, and one that needs both results."""
    both = tuple(Call("get_weather", {"location": city}) for city in ("Tokyo", "Paris"))
    terms = [int(number) for result in results[:2] for number in _DEGREES.findall(result)]
    add = Call("add", dict(zip("ab", terms, strict=False)))
    total = results[2] if len(results) > 2 else "unknown"
    return [Move("Let me look.", both), Move("", (add,)), Move(f"Together that is {total} degrees.")]


def _told(results: Sequence[str]) -> Move:
    """The answer as the latest result that has one."""
    found = _ANSWERED.search("\n".join(reversed(results)))
    return Move(f"The file says {found[1]}." if found else f"I saw no answer in {results}.")


def _plain(tools: Schemas, name: str, text: str) -> Call:
    """A call of a tool that takes plain text, also where it is offered as a function of one string."""
    return Call(name, text if tools[name] is None else {"input": text})


def _quoted(text: str) -> str:
    """As a JavaScript string."""
    return msgspec.json.encode(text).decode()
