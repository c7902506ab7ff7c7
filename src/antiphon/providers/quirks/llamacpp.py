"""llama.cpp's server, also behind the model that comes with Antiphon."""

from antiphon.providers.quirks.base import ModelRule, Quirks

__all__ = ["QUIRKS"]

QUIRKS = Quirks(
    name="llamacpp",
    base_url="http://127.0.0.1:8080/v1",
    speaks=("responses", "anthropic"),
    n=False,
    top_k=True,
    min_p=True,
    single_system=True,
    audio=True,
    reasoning_request="chat_template_kwargs",
    reasoning_replay="reasoning_content",
    reasoning_replay_when="tool_turns",
    responses_bare=True,
    responses_fields=(
        "top_k",
        "min_p",
        "seed",
        "stop",
        "logit_bias",
        "presence_penalty",
        "frequency_penalty",
    ),
    responses_thoughts=True,
    responses_nested_choice=True,
    sealed_reasoning=False,
    # The model that comes along has a chat template without tools: it talks on, whatever is forced. It talks on inside
    # of a text, too, and calls on and on where it may.
    rules=(
        ModelRule(
            match=("smollm2*",), forced_tool_choice="never", calls="constrained", call_text_max=256, calls_in_turn=2
        ),
    ),
)
