"""The API description, an OpenAPI 3.1 document made from the types that the code itself works with."""

from antiphon.edge.openapi.document import build_document
from antiphon.edge.openapi.endpoints import ENDPOINTS
from antiphon.edge.openapi.errors import ERROR_CODES

__all__ = ["ENDPOINTS", "ERROR_CODES", "build_document"]
