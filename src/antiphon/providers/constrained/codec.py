"""Any codec, for a model that cannot call: its requests in other words, its answers read as calls.

Which of the three a request is, its `tool_choice` says: `required` and a named tool get a call; `none` gets an answer;
so does `auto`, of which `first_question` asks before whether it shall be a call.
"""

from collections.abc import Mapping

from msgspec import structs

from antiphon.protocol.faults import Fault
from antiphon.protocol.request import Request
from antiphon.protocol.target import Target
from antiphon.providers.base import Codec, Decoder, Encoded, InlineMedia
from antiphon.providers.constrained.asking import answering, ask_first, calling, forced, offered, without_tools
from antiphon.providers.constrained.reader import CallReader
from antiphon.providers.constrained.retelling import calls_since_user, has_calls, retold
from antiphon.providers.names import ToolNames
from antiphon.providers.registry import effective

__all__ = ["ConstrainedCodec", "constrained", "first_question"]


def constrained(codec: Codec, request: Request, target: Target) -> Codec:
    """The codec itself where nothing is about calls, or the model can make them."""
    if target.calls != "constrained" or not (request.tools or has_calls(request.input)):
        return codec
    return ConstrainedCodec(codec)


def first_question(codec: Codec, request: Request, target: Target) -> tuple[Codec, Request] | None:
    """What to ask before the request itself, in whose words; `None` where it is clear whether to call.

    Once it has called as often in this turn as such a model sensibly does, it is to answer.
    """
    if not isinstance(codec, ConstrainedCodec) or request.tool_choice.mode != "auto" or not offered(request):
        return None
    most = effective(target.quirks, target.model).calls_in_turn
    if most is not None and calls_since_user(request.input) >= most:
        return None
    return codec.inner, ask_first(request)


class ConstrainedCodec:
    """Implements `providers.base.Codec` over another one. Holds nothing else: one serves all."""

    def __init__(self, inner: Codec) -> None:
        self.inner = inner

    def encode(self, request: Request, target: Target, *, media: InlineMedia) -> Encoded:
        """Write the upstream request.

        Raises:
            RequestFault: as the codec underneath does; 400 for parameters that nobody can be held to.
        """
        if forced(request):
            asked = calling(request, longest_text=_longest_text(target))
        else:
            asked = answering(request, longest_text=_longest_text(target))
        encoded = self.inner.encode(asked.request, target, media=media)
        return structs.replace(encoded, notices=(*encoded.notices, *asked.notices))

    def hosts(self, kind: str, target: Target) -> bool:
        """As the codec underneath says."""
        return self.inner.hosts(kind, target)

    def media_urls(self, request: Request, target: Target) -> tuple[str, ...]:
        """As the codec underneath says."""
        return self.inner.media_urls(structs.replace(request, input=retold(request.input)), target)

    def decoder(self, request: Request, target: Target, *, content_type: str) -> Decoder:
        """A decoder for one answer: of a call, where one was asked for."""
        bare = without_tools(request)
        if not forced(request):
            return self.inner.decoder(bare, target, content_type=content_type)
        decoder = self.inner.decoder(structs.replace(bare, stop=()), target, content_type=content_type)
        return CallReader(decoder, ToolNames(request.tools), target=target)

    def fault(self, status: int, headers: Mapping[str, str], *, body: bytes, target: Target) -> Fault:
        """Explain an answer that is no 2xx."""
        return self.inner.fault(status, headers, body=body, target=target)


def _longest_text(target: Target) -> int:
    return effective(target.quirks, target.model).call_text_max
