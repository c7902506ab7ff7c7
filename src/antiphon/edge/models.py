"""`/v1/models`: what this key may use, in the form of OpenAI's list and in the one that Codex asks for."""

import msgspec
from msgspec import structs

from antiphon.edge.app import Services
from antiphon.edge.asgi import Exchange, send_bytes
from antiphon.protocol.faults import RequestFault
from antiphon.providers.embeddings import embeddings_url
from antiphon.routing.router import ModelInfo

__all__ = ["list_models", "retrieve_model"]


async def list_models(services: Services, exchange: Exchange) -> None:
    """`GET /v1/models`."""
    principal = exchange.known
    models = [_with_endpoints(services, info) for info in services.router.models() if principal.may_use(info.id)]
    body = {"object": "list", "data": models, "models": [_codex_model(model.id) for model in models]}
    await send_bytes(exchange, 200, body=msgspec.json.encode(body))


async def retrieve_model(services: Services, exchange: Exchange) -> None:
    """`GET /v1/models/{model_id}`; any name that can be routed is a model."""
    name = exchange.path_params["model_id"]
    exchange.known.allow_model(name)
    try:
        info = services.router.model(name)
    except RequestFault as fault:
        raise RequestFault(fault.message, status=404, code="model_not_found", param="model") from fault
    await send_bytes(exchange, 200, body=msgspec.json.encode(_with_endpoints(services, info)))


def _with_endpoints(services: Services, info: ModelInfo) -> ModelInfo:
    """Which ways in serve the model."""
    targets = services.router.targets(info.id)
    rule = services.responses_only
    endpoints = ["/v1/responses"]
    if rule is None or not all(rule.applies(target.model) for target in targets):
        endpoints += ["/v1/chat/completions", "/v1/messages"]
    if any(embeddings_url(target) is not None for target in targets):
        endpoints.append("/v1/embeddings")
    return structs.replace(info, endpoints=tuple(endpoints))


def _codex_model(name: str) -> dict[str, object]:
    return {"slug": name, "display_name": name}
