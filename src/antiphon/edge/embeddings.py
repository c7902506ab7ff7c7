"""`/v1/embeddings`: passed on to providers that have it, with the keys, limits and counts of everything else."""

from msgspec import structs

from antiphon.dialects.embeddings import parse_embeddings
from antiphon.edge.app import Services
from antiphon.edge.asgi import Exchange, send_bytes
from antiphon.edge.door import allow_models, arrival
from antiphon.edge.sse_out import notice_headers
from antiphon.edge.watch import Watch

__all__ = ["create"]


async def create(services: Services, exchange: Exchange) -> None:
    """`POST /v1/embeddings`. Closes the upstream when the client leaves."""
    asked = parse_embeddings(await services.bodies.read_json(exchange))
    allow_models(exchange, asked)
    came = arrival(exchange)
    came = structs.replace(came, caller=structs.replace(came.caller, front_door="embeddings"))
    run = services.engine.start_embedding(asked, tenant=exchange.known.tenant, arrival=came)
    exchange.run = run
    async with Watch(exchange):
        embedded = await services.engine.embed(run)
    if not exchange.client_gone:
        headers = notice_headers((), embedded.target, fallback=embedded.fallback)
        await send_bytes(exchange, 200, body=embedded.body, headers=headers)
