"""Everything in a request that is no message: limits, sampling, thinking, tools, structure, account fields.

What the vendor, or the model, lacks is left out and named in a notice.
"""

import msgspec
from msgspec import Raw, Struct

from antiphon.protocol.request import Notice, Request
from antiphon.providers.anthropic.models import ModelFacts
from antiphon.providers.anthropic.thinking import Thinking, plan_thinking
from antiphon.providers.anthropic.tools import ToolWriter, WireTool, stand_ins
from antiphon.providers.names import wire_name

__all__ = ["ParamWriter", "answer_tool", "blank_stops"]

_LACKS = "not_supported_by_upstream"
_TIERS = {"auto": "auto", "default": "standard_only", "priority": "auto"}
_SCHEMA_PROMPT = (
    "Answer with one JSON value that conforms to the following JSON Schema, and with nothing else: no explanation, "
    "no code fence.\n"
)
_JSON_PROMPT = "Answer with one JSON object and with nothing else: no explanation, no code fence."
_ANSWER_TOOL = "Gives the answer to the user. Call it exactly once."


class _Typed(Struct, frozen=True):
    type: str | list[str] | None = None


_typed = msgspec.json.Decoder(_Typed)


class ParamWriter:
    """Writes the parameters of one request into `body`, and what could not be done as asked into `notices`.

    Args:
        called: wire names of the tools that the conversation calls.
        lost_thought: see `Transcript.lost_thought`.

    Attributes:
        prompts: instructions that stand in for parameters that the model lacks.
        thinks: the model may think.

    Raises:
        RequestFault: 400 for tools that the upstream lacks.
    """

    __slots__ = ("_called", "_facts", "_request", "_thinking", "_tools", "body", "notices", "prompts")

    def __init__(self, request: Request, facts: ModelFacts, *, called: list[str], lost_thought: bool) -> None:
        self._request = request
        self._facts = facts
        self._called = called
        self._tools = ToolWriter(request, facts)
        self.notices: list[Notice] = []
        self.prompts: list[str] = []
        limit = request.max_output_tokens or facts.max_tokens
        self._thinking: Thinking = plan_thinking(
            request,
            facts,
            max_tokens=limit,
            forces=self._tools.forces or answer_tool(request, facts) is not None,
            lost_thought=lost_thought,
        )
        self.body: dict[str, object] = {"max_tokens": limit}

    @property
    def thinks(self) -> bool:
        """The model may think."""
        return self._thinking.on

    def write(self) -> None:
        """Write everything."""
        self._think()
        self._sampling()
        self._structure()
        if self._tools.any:
            self._offer()
        elif self._called and "tools" not in self.body:
            self.body["tools"] = stand_ins(self._called)
            self.body["tool_choice"] = {"type": "none"}
        self.notices += self._tools.notices
        self._account()
        self._lacking()

    def _drop(self, where: str) -> None:
        self.notices.append(Notice(where, "dropped", _LACKS))

    def _think(self) -> None:
        if self._thinking.config is not None:
            self.body["thinking"] = self._thinking.config
        if self._thinking.effort is not None:
            self.body["output_config"] = {"effort": self._thinking.effort}
        self.notices += self._thinking.notices

    def _sampling(self) -> None:
        request, facts = self._request, self._facts
        if facts.sampling == "never" or self.thinks:
            given = {"temperature": request.temperature, "top_p": request.top_p, "top_k": request.top_k}
            self.notices += [Notice(name, "dropped", _LACKS) for name, value in given.items() if value is not None]
            return
        temperature = request.temperature
        if temperature is not None and temperature > 1:
            self.notices.append(Notice("temperature", "approximated", "out_of_range", f"{temperature:g}", "1"))
            temperature = 1.0
        if temperature is not None:
            self.body["temperature"] = temperature
        if request.top_p is not None:
            if temperature is not None and facts.sampling == "one":
                self._drop("top_p")
            else:
                self.body["top_p"] = request.top_p
        if request.top_k is not None:
            self.body["top_k"] = request.top_k

    def _offer(self) -> None:
        self.body["tools"] = self._tools.tools()
        forced = self._thinking.forced
        choice = self._tools.choice(forced=forced)
        if choice is not None:
            self.body["tool_choice"] = choice
        if self._tools.forces and not forced:
            self.prompts.append(self._tools.demand())
            mode = self._request.tool_choice.mode
            self.notices.append(Notice("tool_choice", "emulated", _LACKS, mode, "auto"))

    def _structure(self) -> None:
        wanted = self._request.text.format
        if wanted.type == "text":
            return
        if wanted.type == "json_object":
            self.prompts.append(_JSON_PROMPT)
            self.notices.append(Notice("text.format", "emulated", _LACKS, wanted.type, "prompt"))
            return
        if self._facts.structured:
            config = self.body.get("output_config")
            schema = {"type": "json_schema", "schema": wanted.schema}
            self.body["output_config"] = {**(config if isinstance(config, dict) else {}), "format": schema}
            return
        name = answer_tool(self._request, self._facts)
        if name is None:
            self.prompts.append(_SCHEMA_PROMPT + bytes(wanted.schema).decode())
            self.notices.append(Notice("text.format", "emulated", _LACKS, wanted.type, "prompt"))
            return
        tools: list[object] = [WireTool(name, wanted.description or _ANSWER_TOOL, wanted.schema)]
        self.body["tools"] = tools + stand_ins(called for called in self._called if called != name)
        self.body["tool_choice"] = {"type": "tool", "name": name, "disable_parallel_tool_use": True}
        self.notices.append(Notice("text.format", "emulated", _LACKS, wanted.type, "tool"))

    def _account(self) -> None:
        request = self._request
        blank = blank_stops(request)
        stops = [stop for stop in request.stop if stop not in blank]
        if stops:
            self.body["stop_sequences"] = stops
        if blank:
            self.notices.append(Notice("stop", "emulated", "blank_sequence"))
        user = request.safety_identifier or request.user
        if user:
            self.body["metadata"] = {"user_id": user}
        tier = request.service_tier
        if tier is not None:
            if tier in _TIERS:
                self.body["service_tier"] = _TIERS[tier]
            else:
                self._drop("service_tier")

    def _lacking(self) -> None:
        """What no Claude model has."""
        request = self._request
        given = {
            "min_p": request.min_p,
            "presence_penalty": request.presence_penalty,
            "frequency_penalty": request.frequency_penalty,
            "seed": request.seed,
            "logit_bias": request.logit_bias,
            "top_logprobs": request.wants_logprobs or None,
            "text.verbosity": request.text.verbosity,
            "prompt_cache_key": request.prompt_cache_key,
        }
        for where, value in given.items():
            if value is not None:
                self._drop(where)


def blank_stops(request: Request) -> tuple[str, ...]:
    """The stop sequences of blanks alone, which the API refuses."""
    return tuple(sequence for sequence in request.stop if not sequence.strip())


def answer_tool(request: Request, facts: ModelFacts) -> str | None:
    """The tool whose input is the answer, for models that know no schema otherwise; `None` when there is none.

    It must be forced, so it goes neither with other tools nor with thinking, and a tool's input is always an object.
    """
    wanted = request.text.format
    if wanted.type != "json_schema" or facts.structured or request.tools or not _is_object(wanted.schema):
        return None
    if facts.thinking != "none" and (facts.thinks_unasked or request.reasoning.effort not in (None, "none")):
        return None
    return wire_name(wanted.name or "answer")


def _is_object(schema: Raw) -> bool:
    try:
        return _typed.decode(schema).type == "object"
    except msgspec.DecodeError:
        return False
