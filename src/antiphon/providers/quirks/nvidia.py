"""NVIDIA's hosted NIMs. Every model has a closed request schema of its own, so only the common fields are sent.

Penalties are refused by some ("Extra inputs are not permitted"), `thinking` by all ("Unsupported parameter(s)"): models
that can be told whether to think are told by the template's arguments (the models' pages, 2026-10). Thoughts come in
`reasoning_content`; that any model takes them back is not documented.
"""

from antiphon.providers.quirks.base import ModelRule, Quirks

__all__ = ["QUIRKS"]

QUIRKS = Quirks(
    name="nvidia",
    base_url="https://integrate.api.nvidia.com/v1",
    key_env=("NVIDIA_API_KEY",),
    key_required=True,
    penalties=False,
    logprobs=False,
    logit_bias=False,
    n=False,
    single_system=True,
    parallel_tool_calls=False,
    rules=(
        ModelRule(match=("*gpt-oss*",), reasoning_request="reasoning_effort", efforts=("low", "medium", "high")),
        ModelRule(
            match=("nvidia/nemotron-3*", "z-ai/glm*", "qwen/qwen3.5*", "google/gemma-4*", "deepseek-ai/deepseek-v*"),
            reasoning_request="chat_template_kwargs",
        ),
        # Answers a forced call with its JSON as text.
        ModelRule(match=("nvidia/*nemotron*",), forced_tool_choice="never"),
    ),
)
