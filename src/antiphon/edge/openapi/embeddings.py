"""Embeddings in the description: OpenAI's shapes, as far as this gateway does something with them."""

from antiphon.edge.openapi.endpoint import SERVED_BY, Answer, Endpoint
from antiphon.edge.openapi.fallback import FALLBACK_FIELDS
from antiphon.edge.openapi.schemas import Schema, reference

__all__ = ["EMBEDDINGS_ENDPOINTS", "EMBEDDINGS_SCHEMAS"]

_ERRORS = (400, 401, 403, 404, 408, 413, 415, 429, 500, 502, 503, 504)

EMBEDDINGS_ENDPOINTS = (
    Endpoint(
        method="POST",
        path="/v1/embeddings",
        name="createEmbedding",
        tag="Embeddings",
        summary="Create embeddings",
        text=(
            "For models whose provider makes embeddings in OpenAI's dialect. The body goes on as it came, but for the "
            "model's name and `user` (hashed); the answer comes back as it was, but for the model's name. Nothing is "
            "stored but the usage."
        ),
        body="CreateEmbedding",
        examples={"text": {"summary": "Two texts", "value": {"model": "local", "input": ["A fugue.", "A canon."]}}},
        answers={
            200: Answer("The vectors.", {"application/json": reference("EmbeddingList")}, SERVED_BY),
        },
        errors=_ERRORS,
    ),
)

_MODEL: Schema = {"type": "string", "minLength": 1, "maxLength": 256, "description": "The model's name."}

EMBEDDINGS_SCHEMAS: dict[str, Schema] = {
    "CreateEmbedding": {
        "type": "object",
        "description": "What to embed. Further fields go to the provider as they are.",
        "properties": {
            "model": _MODEL,
            "input": {
                "type": ["string", "array"],
                "description": "A text, a list of texts, a list of tokens, or a list of such lists.",
            },
            "encoding_format": {
                "type": ["string", "null"],
                "enum": ["float", "base64", None],
                "description": "Numbers, or their bytes in base64.",
            },
            "dimensions": {
                "type": ["integer", "null"],
                "minimum": 1,
                "description": "Numbers in a vector, where the model lets you choose.",
            },
            "user": {"type": ["string", "null"], "maxLength": 1024, "description": "Your end user; passed on hashed."},
            **FALLBACK_FIELDS,
        },
        "required": ["model", "input"],
    },
    "Embedding": {
        "type": "object",
        "description": "One vector.",
        "properties": {
            "object": {"type": "string", "const": "embedding", "description": "Always `embedding`."},
            "index": {"type": "integer", "description": "Which input it belongs to."},
            "embedding": {
                "type": ["array", "string"],
                "items": {"type": "number"},
                "description": "Numbers, or base64.",
            },
        },
        "required": ["embedding"],
    },
    "EmbeddingList": {
        "type": "object",
        "description": "Vectors, in the order of the input. The provider may add fields.",
        "properties": {
            "object": {"type": "string", "const": "list", "description": "Always `list`."},
            "data": {"type": "array", "items": reference("Embedding"), "description": "The vectors."},
            "model": {"type": "string", "description": "The model as it was asked for."},
            "usage": {
                "type": "object",
                "description": "`prompt_tokens` and `total_tokens`, where the provider counts.",
            },
        },
        "required": ["object", "data", "model"],
    },
}
