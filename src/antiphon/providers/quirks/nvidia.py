"""NVIDIA's hosted NIMs. Every model has a closed request schema of its own, so only the common fields are sent."""

from antiphon.providers.quirks.base import Quirks

__all__ = ["QUIRKS"]

QUIRKS = Quirks(
    name="nvidia",
    base_url="https://integrate.api.nvidia.com/v1",
    key_env=("NVIDIA_API_KEY",),
    key_required=True,
    logprobs=False,
    logit_bias=False,
    n=False,
    single_system=True,
    parallel_tool_calls=False,
)
