"""What programs that talk to models want to be told: one function for each, from facts to the text of its settings.

Pure. Forms as of November 2026, from each program's own documentation.
"""

import shlex
from collections.abc import Callable, Mapping
from types import MappingProxyType

import msgspec
from msgspec import Struct

__all__ = ["CLIENTS", "KEY_VARIABLE", "ClientFacts", "ClientSettings"]

#: Where programs find the key unless it is to be written out.
KEY_VARIABLE = "ANTIPHON_API_KEY"


class ClientFacts(Struct, frozen=True):
    """What there is to tell.

    Attributes:
        url: the gateway, without `/v1`.
        key: to be written out; `None` for a reference to the environment.
        context, max_output: of the model, where they are known.
    """

    url: str
    model: str
    key: str | None = None
    context: int | None = None
    max_output: int | None = None

    @property
    def v1(self) -> str:
        """The address for clients that expect the version in it."""
        return f"{self.url}/v1"

    def key_or(self, reference: str) -> str:
        """The key, or how the program is told to look into the environment."""
        return reference if self.key is None else self.key

    @property
    def shell_key(self) -> str:
        """As a word of a shell."""
        return f'"${KEY_VARIABLE}"' if self.key is None else shlex.quote(self.key)


class ClientSettings(Struct, frozen=True):
    """The settings, where they belong, and what to do then."""

    text: str
    where: str
    then: str = ""


def _codex(facts: ClientFacts) -> ClientSettings:
    context = f"model_context_window = {facts.context}\n" if facts.context else ""
    text = (
        f"model = {_quoted(facts.model)}\n"
        'model_provider = "antiphon"\n'
        f"{context}"
        "\n[model_providers.antiphon]\n"
        'name = "Antiphon"\n'
        f"base_url = {_quoted(facts.v1)}\n"
        f'env_key = "{KEY_VARIABLE}"\n'
        'wire_api = "responses"\n'
    )
    key = facts.key_or("sk-…")
    return ClientSettings(text, "~/.codex/config.toml", f"export {KEY_VARIABLE}={shlex.quote(key)}, then: codex")


def _claude(facts: ClientFacts) -> ClientSettings:
    variables = {
        "ANTHROPIC_BASE_URL": shlex.quote(facts.url),
        "ANTHROPIC_AUTH_TOKEN": facts.shell_key,
        **dict.fromkeys(
            (
                "ANTHROPIC_MODEL",
                "ANTHROPIC_DEFAULT_OPUS_MODEL",
                "ANTHROPIC_DEFAULT_SONNET_MODEL",
                "ANTHROPIC_DEFAULT_HAIKU_MODEL",
            ),
            shlex.quote(facts.model),
        ),
        "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
    }
    return ClientSettings(
        f"unset ANTHROPIC_API_KEY\n{_exports(variables)}", "the shell, or `env` in ~/.claude/settings.json", "claude"
    )


def _opencode(facts: ClientFacts) -> ClientSettings:
    limits = {"context": facts.context, "output": facts.max_output}
    known = {"limit": limits} if all(limits.values()) else {}
    document = {
        "$schema": "https://opencode.ai/config.json",
        "model": f"antiphon/{facts.model}",
        "provider": {
            "antiphon": {
                "npm": "@ai-sdk/openai",
                "name": "Antiphon",
                "options": {"baseURL": facts.v1, "apiKey": facts.key_or(f"{{env:{KEY_VARIABLE}}}")},
                "models": {facts.model: {"name": facts.model, **known}},
            }
        },
    }
    return ClientSettings(
        _json(document), "~/.config/opencode/opencode.json, or opencode.json in a project", "opencode"
    )


def _crush(facts: ClientFacts) -> ClientSettings:
    limits = {"context_window": facts.context, "default_max_tokens": facts.max_output}
    model = {"id": facts.model, "name": facts.model, **{name: value for name, value in limits.items() if value}}
    provider = {
        "type": "openai-compat",
        "base_url": facts.v1,
        "api_key": facts.key_or(f"${KEY_VARIABLE}"),
        "models": [model],
    }
    return ClientSettings(_json({"providers": {"antiphon": provider}}), "~/.config/crush/crush.json", "crush")


def _continue(facts: ClientFacts) -> ClientSettings:
    limits = {"contextLength": facts.context, "maxTokens": facts.max_output}
    known = [f"      {name}: {value}\n" for name, value in limits.items() if value]
    options = f"    defaultCompletionOptions:\n{''.join(known)}" if known else ""
    text = (
        "name: Antiphon\n"
        "version: 0.0.1\n"
        "schema: v1\n"
        "models:\n"
        f"  - name: {_quoted(facts.model)}\n"
        "    provider: openai\n"
        f"    model: {_quoted(facts.model)}\n"
        f"    apiBase: {_quoted(facts.v1)}\n"
        f"    apiKey: {_quoted(facts.key_or(f'${{{{ secrets.{KEY_VARIABLE} }}}}'))}\n"
        "    roles: [chat, edit, apply]\n"
        f"{options}"
    )
    then = "" if facts.key else f"Put {KEY_VARIABLE}=sk-… into ~/.continue/.env."
    return ClientSettings(text, "~/.continue/config.yaml", then)


def _cline(facts: ClientFacts) -> ClientSettings:
    text = (
        "API Provider: OpenAI Compatible\n"
        f"Base URL:     {facts.v1}\n"
        f"API Key:      {facts.key_or('sk-…')}\n"
        f"Model ID:     {facts.model}\n"
    )
    if facts.context:
        text += f"Context Window Size: {facts.context}\n"
    if facts.max_output:
        text += f"Max Output Tokens:   {facts.max_output}\n"
    return ClientSettings(text, "Cline's settings panel (the gear icon)")


def _aider(facts: ClientFacts) -> ClientSettings:
    text = _exports({"OPENAI_API_BASE": shlex.quote(facts.v1), "OPENAI_API_KEY": facts.shell_key})
    return ClientSettings(text, "the shell", f"aider --model {shlex.quote('openai/' + facts.model)}")


def _goose(facts: ClientFacts) -> ClientSettings:
    variables = {
        "GOOSE_PROVIDER": "openai",
        "GOOSE_MODEL": shlex.quote(facts.model),
        "OPENAI_HOST": shlex.quote(facts.url),
        "OPENAI_BASE_PATH": "v1/chat/completions",
        "OPENAI_API_KEY": facts.shell_key,
    }
    return ClientSettings(_exports(variables), "the shell", "goose session")


def _zed(facts: ClientFacts) -> ClientSettings:
    model: dict[str, object] = {"name": facts.model, "display_name": facts.model}
    model["max_tokens"] = facts.context or 32_768  # Zed demands one
    if facts.max_output:
        model["max_output_tokens"] = facts.max_output
    provider = {"api_url": facts.v1, "available_models": [model]}
    document = {"language_models": {"openai_compatible": {"Antiphon": provider}}}
    then = f"Zed finds the key as {KEY_VARIABLE} in the environment, or asks for it in the agent's settings."
    return ClientSettings(_json(document), "Zed's settings.json", then)


def _open_webui(facts: ClientFacts) -> ClientSettings:
    variables = {"OPENAI_API_BASE_URL": shlex.quote(facts.v1), "OPENAI_API_KEY": facts.shell_key}
    return ClientSettings(_exports(variables), "the environment of the server", "open-webui serve")


def _openai(facts: ClientFacts) -> ClientSettings:
    variables = {"OPENAI_BASE_URL": shlex.quote(facts.v1), "OPENAI_API_KEY": facts.shell_key}
    return ClientSettings(_exports(variables), "the environment of programs that use OpenAI's SDKs")


def _anthropic(facts: ClientFacts) -> ClientSettings:
    variables = {"ANTHROPIC_BASE_URL": shlex.quote(facts.url), "ANTHROPIC_API_KEY": facts.shell_key}
    return ClientSettings(_exports(variables), "the environment of programs that use Anthropic's SDKs")


#: By the name on the command line.
CLIENTS: Mapping[str, Callable[[ClientFacts], ClientSettings]] = MappingProxyType(
    {
        "codex": _codex,
        "claude": _claude,
        "opencode": _opencode,
        "crush": _crush,
        "cline": _cline,
        "continue": _continue,
        "aider": _aider,
        "goose": _goose,
        "zed": _zed,
        "open-webui": _open_webui,
        "openai": _openai,
        "anthropic": _anthropic,
    }
)


def _exports(variables: Mapping[str, str]) -> str:
    """Values are words of a shell already."""
    return "".join(f"export {name}={value}\n" for name, value in variables.items())


def _quoted(text: str) -> str:
    """A string in double quotes, as JSON, TOML and YAML read it alike."""
    return msgspec.json.encode(text).decode()


def _json(document: object) -> str:
    return msgspec.json.format(msgspec.json.encode(document)).decode() + "\n"
