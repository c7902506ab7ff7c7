"""`/v1/models`: what this key may use, in the form of OpenAI's list and in the one that Codex asks for."""

import msgspec

from antiphon.edge.app import Services
from antiphon.edge.asgi import Exchange, send_bytes
from antiphon.protocol.faults import RequestFault
from antiphon.routing.router import ModelInfo

__all__ = ["list_models", "retrieve_model"]


async def list_models(services: Services, exchange: Exchange) -> None:
    """`GET /v1/models`."""
    principal = exchange.known
    models = [info for info in services.router.models() if principal.may_use(info.id)]
    body = {"object": "list", "data": models, "models": [_codex_model(model.id) for model in models]}
    await send_bytes(exchange, 200, body=msgspec.json.encode(body))


async def retrieve_model(services: Services, exchange: Exchange) -> None:
    """`GET /v1/models/{model_id}`; any name that can be routed is a model."""
    name = exchange.path_params["model_id"]
    exchange.known.allow_model(name)
    for info in services.router.models():
        if info.id == name:
            await send_bytes(exchange, 200, body=msgspec.json.encode(info))
            return
    try:
        target = services.router.targets(name)[0]
    except RequestFault as fault:
        raise RequestFault(fault.message, status=404, code="model_not_found", param="model") from fault
    model = ModelInfo(id=name, created=0, owned_by=target.provider)
    await send_bytes(exchange, 200, body=msgspec.json.encode(model))


def _codex_model(name: str) -> dict[str, object]:
    return {"slug": name, "display_name": name}
