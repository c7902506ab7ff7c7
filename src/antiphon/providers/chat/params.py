"""Everything in a request that is no message: limits, sampling, reasoning, tools, structure, account fields.

What an upstream lacks is left out and named in a notice. Which of that is so for whom stands in `Quirks`.
"""

from antiphon.protocol.faults import RequestFault
from antiphon.protocol.request import FunctionTool, HostedTool, Notice, Request, ToolChoice
from antiphon.providers.chat.searches import native_search, write_search
from antiphon.providers.chat.tools import reference, rewritten, write_tool
from antiphon.providers.hosted import drop_tools
from antiphon.providers.names import ToolNames
from antiphon.providers.quirks.base import Quirks

__all__ = ["ParamWriter"]

_LACKS = "not_supported_by_upstream"
_SCHEMA_PROMPT = (
    "Answer with one JSON value that conforms to the following JSON Schema, and with nothing else: no explanation, "
    "no code fence.\n"
)
_JSON_PROMPT = "Answer with one JSON object and with nothing else: no explanation, no code fence."


class ParamWriter:
    """Writes the parameters of one request into `body`, and what could not be done as asked into `notices`.

    Attributes:
        prompt: an instruction that stands in for a parameter that the upstream lacks; empty when none is needed.
    """

    __slots__ = ("_quirks", "_request", "_thinks", "body", "notices", "prompt")

    def __init__(self, request: Request, quirks: Quirks) -> None:
        self._request = request
        self._quirks = quirks
        self._thinks = request.reasoning.effort != "none"
        self.body: dict[str, object] = {}
        self.notices: list[Notice] = []
        self.prompt = ""

    def write(self) -> None:
        """Write everything.

        Raises:
            RequestFault: 400 for tools where the upstream has none.
        """
        request = self._request
        if request.max_output_tokens is not None:
            self.body[self._quirks.token_limit_field] = request.max_output_tokens
        self._sampling()
        self._tokens()
        if request.tools:
            self._tools()
        if request.reasoning.effort is not None:
            self._reasoning()
        if request.text.format.type != "text":
            self._structure()
        self._account()

    def _give(self, field: str, value: object, *, accepted: bool, where: str = "") -> None:
        if value is None:
            return
        if accepted:
            self.body[field] = value
        else:
            self._drop(where or field)

    def _drop(self, where: str) -> None:
        self.notices.append(Notice(where, "dropped", _LACKS))

    def _sampling(self) -> None:
        request, quirks = self._request, self._quirks
        temperature = request.temperature
        if temperature is not None and temperature > quirks.temperature_max and self._samples():
            self.notices.append(
                Notice("temperature", "approximated", "out_of_range", f"{temperature:g}", f"{quirks.temperature_max:g}")
            )
            temperature = quirks.temperature_max
        self._give("temperature", temperature, accepted=self._samples())
        self._give("top_p", request.top_p, accepted=self._samples())
        self._give("top_k", request.top_k, accepted=quirks.top_k)
        self._give("min_p", request.min_p, accepted=quirks.min_p)
        self._give("presence_penalty", request.presence_penalty, accepted=quirks.penalties)
        self._give("frequency_penalty", request.frequency_penalty, accepted=quirks.penalties)
        seed_field = quirks.seed if quirks.seed != "none" else "seed"
        self._give(seed_field, request.seed, accepted=quirks.seed != "none", where="seed")

    def _samples(self) -> bool:
        effort = self._request.reasoning.effort
        match self._quirks.sampling:
            case "always":
                return True
            case "unless_effort":
                return effort in (None, "none")
            case "only_effort_none":
                return effort == "none"
            case "never":
                return False

    def _tokens(self) -> None:
        request, quirks = self._request, self._quirks
        if request.logit_bias:
            bias = {token: int(value) if value == int(value) else value for token, value in request.logit_bias.items()}
            self._give("logit_bias", bias, accepted=quirks.logit_bias)
        if request.wants_logprobs:
            self._give("logprobs", True, accepted=quirks.logprobs, where="top_logprobs")
            if quirks.logprobs and request.top_logprobs is not None:
                self.body["top_logprobs"] = request.top_logprobs
        if not request.stop:
            return
        if not quirks.stop_max:
            self.notices.append(Notice("stop", "emulated", _LACKS))
            return
        if len(request.stop) > quirks.stop_max:
            self.notices.append(Notice("stop", "emulated", "too_many", str(len(request.stop)), str(quirks.stop_max)))
        self.body["stop"] = list(request.stop[: quirks.stop_max])

    def _account(self) -> None:
        request, quirks = self._request, self._quirks
        self._give("verbosity", request.text.verbosity, accepted=quirks.verbosity, where="text.verbosity")
        self._give("service_tier", request.service_tier, accepted=quirks.service_tier)
        self._give("prompt_cache_key", request.prompt_cache_key, accepted=quirks.prompt_cache_key)
        self._give("safety_identifier", request.safety_identifier, accepted=quirks.safety_identifier)
        self._give("user", request.user, accepted=quirks.user_field)

    def _tools(self) -> None:
        request, quirks = self._request, self._quirks
        searches = native_search(request, quirks.chat_search)
        self.notices += drop_tools(request, native={tool.type for tool in searches})
        server_tools = self._search(searches[:1]) if searches else []
        names = ToolNames(request.tools)
        if names.known and not quirks.tools:
            raise RequestFault("Tools are not supported for this model.", code="unsupported_parameter", param="tools")
        offered = names.offered(ToolChoice() if quirks.allowed_tools else request.tool_choice)
        if not offered:  # a choice without tools is refused by most
            if server_tools:
                self.body["tools"] = server_tools
            return
        if not quirks.strict_tools and any(isinstance(tool, FunctionTool) and tool.strict for tool in offered):
            self._drop("tools.strict")
        self.body["tools"] = [*(write_tool(tool, names, quirks=quirks) for tool in offered), *server_tools]
        if not names.plain:
            self.notices += rewritten(names, quirks=quirks)
        choice = self._tool_choice(names)
        if choice is not None:
            self.body["tool_choice"] = choice
        parallel = request.parallel_tool_calls
        if parallel is not None and quirks.parallel_tool_calls:
            self.body["parallel_tool_calls"] = parallel
        elif parallel is False:
            self.notices.append(Notice("parallel_tool_calls", "emulated", "first_call_only"))

    def _search(self, searches: list[HostedTool]) -> list[object]:
        """Ask for what the provider searches itself. What belongs among the tools is returned."""
        entries: list[object] = []
        for tool in searches:
            fields, entry = write_search(tool, self._quirks.chat_search, self.notices)
            self.body.update(fields)
            entries += [entry] if entry is not None else []
            if entry is not None and self._request.tool_choice.hosted == tool.type:
                self.notices.append(Notice("tool_choice", "dropped", _LACKS, tool.type, "auto"))
        return entries

    def _tool_choice(self, names: ToolNames) -> object:
        """What to send, `None` for the default, which is left out."""
        choice, quirks = self._request.tool_choice, self._quirks
        if choice.allowed is not None and quirks.allowed_tools:
            allowed = [names.wire(tool.name, tool.namespace or None) for tool in names.offered(choice)]
            named = [reference(name, names, quirks=quirks) for name in allowed]
            return {"type": "allowed_tools", "allowed_tools": {"mode": choice.mode, "tools": named}}
        match choice.mode:
            case "auto":
                return None
            case "none":
                return "none"
            case "required" | "function":
                if not self._forced():
                    self.notices.append(Notice("tool_choice", "dropped", _LACKS, choice.mode, "auto"))
                    return None
                if choice.mode == "required":
                    return "required"
                return reference(names.wire(choice.name or "", choice.namespace), names, quirks=quirks)

    def _forced(self) -> bool:
        """Whether a call can be forced. Who forces one and says nothing about reasoning gets the call without it."""
        rule = self._quirks.forced_tool_choice
        if rule == "not_thinking" and self._request.reasoning.effort is None:
            self._switch(on=False)
            self.notices.append(Notice("reasoning", "approximated", "forced_tool_choice", became="none"))
            return True
        return rule == "always" or (rule == "not_thinking" and not self._thinks)

    def _reasoning(self) -> None:
        asked = self._request.reasoning.effort
        quirks = self._quirks
        if asked is None:
            return
        if quirks.reasoning_request == "none":
            self._drop("reasoning.effort")
            return
        word = quirks.effort(asked)
        switched = self._switch(on=asked != "none")
        if quirks.reasoning_request == "reasoning_object" and word:
            self.body["reasoning"] = {"effort": word}
        elif word and not (switched and asked == "none"):
            self.body["reasoning_effort"] = word
        if word is None and not switched:
            self._drop("reasoning.effort")
        elif word != asked and not (switched and asked == "none"):
            self.notices.append(Notice("reasoning.effort", "approximated", _LACKS, asked, word or "on"))

    def _switch(self, *, on: bool) -> bool:
        """Switch thinking on or off, where there is a switch beside the effort."""
        match self._quirks.reasoning_request:
            case "thinking":
                self.body["thinking"] = {"type": "enabled" if on else "disabled"}
            case "reasoning_switch":
                self.body["reasoning"] = {"enabled": on}
            case "enable_thinking":
                self.body["enable_thinking"] = on
            case "chat_template_kwargs":
                self.body["chat_template_kwargs"] = {"enable_thinking": on, "thinking": on}
            case _:
                return False
        return True

    def _structure(self) -> None:
        wanted, offered = self._request.text.format, self._quirks.structured
        if wanted.type == "json_schema" and offered == "json_schema":
            schema: dict[str, object] = {"name": wanted.name, "schema": wanted.schema}
            if wanted.description is not None:
                schema["description"] = wanted.description
            if wanted.strict is not None:
                schema["strict"] = wanted.strict
            self.body["response_format"] = {"type": "json_schema", "json_schema": schema}
            return
        if offered != "none":
            self.body["response_format"] = {"type": "json_object"}
        if wanted.type == "json_schema":
            self.prompt = _SCHEMA_PROMPT + bytes(wanted.schema).decode()
        elif offered == "none":
            self.prompt = _JSON_PROMPT
        if self.prompt:
            self.notices.append(Notice("text.format", "emulated", _LACKS, wanted.type, "prompt"))
