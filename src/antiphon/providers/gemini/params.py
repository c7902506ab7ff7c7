"""Everything in a request that is no content: limits, sampling, thought, tools, structure.

What the model lacks is left out and named in a notice. Which of that is so for which model stands in `models`.
"""

import msgspec
from msgspec import UNSET, Raw

from antiphon.protocol.request import CustomTool, FunctionTool, HostedTool, Notice, Request
from antiphon.providers.custom import custom_function
from antiphon.providers.gemini.models import Facts
from antiphon.providers.gemini.schema import reduced
from antiphon.providers.gemini.wire import Declaration
from antiphon.providers.hosted import drop_tools
from antiphon.providers.names import ToolNames

__all__ = ["MOST_STOPS", "ParamWriter"]

_LACKS = "not_supported_by_upstream"
_SCHEMA_PROMPT = (
    "Answer with one JSON value that conforms to the following JSON Schema, and with nothing else: no explanation, "
    "no code fence.\n"
)
_JSON_PROMPT = "Answer with one JSON object and with nothing else: no explanation, no code fence."
MOST_STOPS = 5
_SEARCH = "web_search"
#: What `web_search` may say and Google Search cannot be told.
_SEARCH_OPTIONS = ("filters", "user_location")
_TIERS = {"default": "standard", "flex": "flex", "priority": "priority"}

_fields = msgspec.json.Decoder(dict[str, Raw])


class ParamWriter:
    """Writes the parameters of one request into `body`, and what could not be done as asked into `notices`.

    Attributes:
        prompt: an instruction that stands in for a parameter that the model lacks; empty when none is needed.
    """

    __slots__ = ("_config", "_facts", "_is_vertex", "_request", "body", "notices", "prompt")

    def __init__(self, request: Request, facts: Facts, *, is_vertex: bool) -> None:
        self._request = request
        self._facts = facts
        self._is_vertex = is_vertex
        self._config: dict[str, object] = {}
        self.body: dict[str, object] = {}
        self.notices: list[Notice] = []
        self.prompt = ""

    def write(self) -> None:
        """Write everything.

        Raises:
            RequestFault: 400 for tools that only other vendors have.
        """
        request = self._request
        if request.max_output_tokens is not None:
            self._config["maxOutputTokens"] = request.max_output_tokens
        self._sampling()
        self._thought()
        if request.tools:
            self._tools()
        if request.text.format.type != "text":
            self._structure()
        if self._config:
            self.body["generationConfig"] = self._config
        self._tier()
        self._leave_out()

    def _give(self, field: str, value: object, *, accepted: bool, where: str) -> None:
        if value is None:
            return
        if accepted:
            self._config[field] = value
        else:
            self._drop(where)

    def _drop(self, where: str) -> None:
        self.notices.append(Notice(where, "dropped", _LACKS))

    def _sampling(self) -> None:
        request, facts = self._request, self._facts
        self._give("temperature", request.temperature, accepted=facts.sampling, where="temperature")
        self._give("topP", request.top_p, accepted=facts.sampling, where="top_p")
        self._give("topK", request.top_k, accepted=facts.sampling, where="top_k")
        # Zero is no penalty, and may be said to every model by not saying it.
        self._give(
            "presencePenalty", request.presence_penalty or None, accepted=facts.penalties, where="presence_penalty"
        )
        self._give(
            "frequencyPenalty", request.frequency_penalty or None, accepted=facts.penalties, where="frequency_penalty"
        )
        if len(request.stop) > MOST_STOPS:
            told = Notice("stop", "emulated", "too_many", str(len(request.stop)), str(MOST_STOPS))
            self.notices.append(told)
        self._give("stopSequences", list(request.stop[:MOST_STOPS]) or None, accepted=True, where="stop")
        self._give("seed", request.seed, accepted=True, where="seed")
        if not request.wants_logprobs:
            return
        self._give("responseLogprobs", True, accepted=facts.logprobs, where="top_logprobs")
        if facts.logprobs and request.top_logprobs:
            self._config["logprobs"] = request.top_logprobs

    def _thought(self) -> None:
        asked, facts = self._request.reasoning, self._facts
        if facts.thinking == "none":
            if asked.effort not in (None, "none"):
                self._drop("reasoning.effort")
            if asked.summary is not None:
                self._drop("reasoning.summary")
            return
        config: dict[str, object] = {}
        if asked.effort is not None and facts.thinking == "level":
            level = facts.level(asked.effort)
            config["thinkingLevel"] = level
            if level.lower() != asked.effort:
                self.notices.append(Notice("reasoning.effort", "approximated", _LACKS, asked.effort, level.lower()))
        elif asked.effort is not None:
            budget = facts.budget(asked.effort)
            config["thinkingBudget"] = budget
            if asked.effort == "none" and budget:
                self.notices.append(Notice("reasoning.effort", "approximated", _LACKS, "none", f"{budget} tokens"))
        if asked.summary is not None and config.get("thinkingBudget") != 0:
            config["includeThoughts"] = True
        if config:
            self._config["thinkingConfig"] = config

    def _tools(self) -> None:
        request, facts = self._request, self._facts
        names = ToolNames(request.tools)
        offered = names.offered(request.tool_choice)
        hosted = [tool for tool in request.tools if isinstance(tool, HostedTool) and tool.type.startswith(_SEARCH)]
        if offered and hosted and not facts.mixed_tools:
            hosted = []
        self.notices += drop_tools(request, native=frozenset(tool.type for tool in hosted))
        tools: list[dict[str, object]] = []
        if offered:
            tools.append({"functionDeclarations": [self._declaration(tool, names) for tool in offered]})
            if any(isinstance(tool, FunctionTool) and tool.strict for tool in offered):
                self._drop("tools.strict")
        if hosted:
            tools.append({"googleSearch": {}})
            self._search_options(hosted)
        if tools:
            self.body["tools"] = tools
        config: dict[str, object] = {}
        if offered:
            self._choice(names, config)
            if request.parallel_tool_calls is False:
                self.notices.append(Notice("parallel_tool_calls", "emulated", "first_call_only"))
        if offered and hosted and not self._is_vertex:  # demanded here, unknown there
            config["includeServerSideToolInvocations"] = True
        if config:
            self.body["toolConfig"] = config

    def _search_options(self, hosted: list[HostedTool]) -> None:
        for tool in hosted:
            said = _fields.decode(tool.raw)
            for option in _SEARCH_OPTIONS:
                if bytes(said.get(option, Raw(b"null"))) != b"null":
                    self._drop(f"tools.{tool.type}.{option}")

    def _choice(self, names: ToolNames, config: dict[str, object]) -> None:
        """The mode. Where only some tools may be called, only these are offered: they need not be named again."""
        choice = self._request.tool_choice
        match choice.mode:
            case "auto":
                return
            case "none":
                config["functionCallingConfig"] = {"mode": "NONE"}
            case "required":
                config["functionCallingConfig"] = {"mode": "ANY"}
            case "function":
                forced = names.wire(choice.name or "", choice.namespace)
                config["functionCallingConfig"] = {"mode": "ANY", "allowedFunctionNames": [forced]}

    def _declaration(self, tool: FunctionTool | CustomTool, names: ToolNames) -> Declaration:
        name = names.wire(tool.name, tool.namespace or None)
        if isinstance(tool, CustomTool):
            description, parameters = custom_function(tool)
        else:
            description, parameters = tool.description or "", tool.parameters
        if bytes(parameters) == b"null":
            return Declaration(name, description or UNSET)
        if self._facts.json_schema:
            return Declaration(name, description or UNSET, parameters)
        return Declaration(name, description or UNSET, parameters=_parameters(parameters))

    def _structure(self) -> None:
        wanted, facts = self._request.text.format, self._facts
        if "tools" in self.body and not facts.mixed_tools:
            self.prompt = _JSON_PROMPT
            if wanted.type == "json_schema":
                self.prompt = _SCHEMA_PROMPT + bytes(wanted.schema).decode()
            self.notices.append(Notice("text.format", "emulated", "not_together_with_tools", wanted.type, "prompt"))
            return
        self._config["responseMimeType"] = "application/json"
        if wanted.type != "json_schema":
            return
        if facts.json_schema:
            self._config["responseJsonSchema"] = wanted.schema
        else:
            self._config["responseSchema"] = reduced(wanted.schema)
            self.notices.append(Notice("text.format.schema", "approximated", _LACKS, became="openapi_subset"))

    def _tier(self) -> None:
        asked = self._request.service_tier
        if asked in (None, "auto"):
            return
        tier = _TIERS.get(asked or "")
        if tier is None or self._is_vertex:
            self._drop("service_tier")
        else:
            self.body["serviceTier"] = tier

    def _leave_out(self) -> None:
        """What Gemini has no word for."""
        request = self._request
        for where, value in (
            ("min_p", request.min_p),
            ("logit_bias", request.logit_bias),
            ("text.verbosity", request.text.verbosity),
            ("prompt_cache_key", request.prompt_cache_key),
            ("safety_identifier", request.safety_identifier),
            ("user", request.user),
        ):
            if value is not None and value != {}:
                self._drop(where)
        for where in request.vendor_only:
            self._drop(where)


def _parameters(schema: Raw) -> Raw | msgspec.UnsetType:
    """A function without parameters must say nothing about them: an object without properties is refused."""
    found = reduced(schema)
    return found if b'"properties"' in bytes(found) else UNSET
