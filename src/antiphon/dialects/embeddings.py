"""The body of `POST /v1/embeddings`: a model, and everything else as the client wrote it."""

from collections.abc import Mapping
from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Raw, Struct

from antiphon.dialects.fallback import FallbackModels, FallbackTimeout, seconds
from antiphon.protocol.faults import RequestFault
from antiphon.protocol.items import validation_fault
from antiphon.protocol.request import NULL

__all__ = ["EmbeddingsRequest", "parse_embeddings"]

_fields = msgspec.json.Decoder(dict[str, Raw])


class EmbeddingsRequest(Struct, frozen=True):
    """What is asked.

    Attributes:
        fields: the whole body; views of it, which must not outlive it.
        input_bytes: the size of what shall be embedded.
        user: the client's name for its end user.
        fallbacks, fallback, fallback_s: as in `Request`.
    """

    model: str
    fields: Mapping[str, Raw]
    input_bytes: int
    user: str | None = None
    fallbacks: tuple[str, ...] = ()
    fallback: bool | None = None
    fallback_s: float | None = None


class _Params(Struct, frozen=True, kw_only=True):
    model: Annotated[str, Meta(min_length=1, max_length=256)] | None = None
    input: Raw = NULL
    encoding_format: Literal["float", "base64"] | None = None
    dimensions: Annotated[int, Meta(ge=1, le=2**53 - 1)] | None = None
    user: Annotated[str, Meta(max_length=1024)] | None = None
    fallback_models: FallbackModels | None = None
    fallback_timeout: FallbackTimeout | None = None
    fallback_enabled: bool | None = None


_params = msgspec.json.Decoder(_Params)


def parse_embeddings(body: bytes) -> EmbeddingsRequest:
    """The request in a body.

    Raises:
        RequestFault: 400, with the offending `param`. `invalid_json` when it is not JSON that can be read.
    """
    try:
        body.decode()  # what is passed on unread is not checked by the decoder
        params = _params.decode(body)
        fields = _fields.decode(body)
    except msgspec.ValidationError as error:
        raise validation_fault(error, expected=_Params) from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        reason = "nested too deeply" if isinstance(error, RecursionError) else str(error)
        message = f"The request body is not valid JSON: {reason}.".replace("`", "'")
        raise RequestFault(message, code="invalid_json") from error
    if params.model is None:
        raise _missing("model")
    if params.input == NULL:
        raise _missing("input")
    asked = memoryview(params.input)
    if bytes(asked[:1]) not in (b'"', b"["):
        message = "Invalid type for 'input': expected a string, or a list of strings or tokens."
        raise RequestFault(message, code="invalid_value", param="input")
    return EmbeddingsRequest(
        params.model,
        fields,
        len(asked),
        params.user,
        fallbacks=tuple(params.fallback_models or ()),
        fallback=params.fallback_enabled,
        fallback_s=seconds(params.fallback_timeout),
    )


def _missing(name: str) -> RequestFault:
    return RequestFault(f"Missing required parameter: '{name}'.", code="missing_required_parameter", param=name)
