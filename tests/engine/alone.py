"""The engine without a front door: through that only ports 80 and 443 are fetched from, which no test may open."""

from collections.abc import Sequence
from pathlib import Path

from antiphon.config.load import load
from antiphon.dialects.responses import ResponsesAnswer, parse_create
from antiphon.edge.sse_out import JsonSink
from antiphon.engine.engine import Engine
from antiphon.engine.ports import Media
from antiphon.engine.prepare import Parts, RunLimits
from antiphon.engine.record import Arrival, Caller
from antiphon.engine.seal import Sealer
from antiphon.lib.clock import SystemClock, SystemIds
from antiphon.protocol.records import Tenant
from antiphon.protocol.response import Response
from antiphon.providers.chat.codec import ChatCodec
from antiphon.routing.catalog import build_catalog
from antiphon.routing.health import TargetHealth
from antiphon.routing.router import ModelRouter
from antiphon.store.migrate import migrate
from antiphon.store.sql import SqlStore
from antiphon.upstream.client import UpstreamClient
from tests.helpers.requests import create_body
from tests.helpers.upstream import ScriptedUpstream

__all__ = ["ask_alone"]


async def ask_alone(
    upstreams: Sequence[ScriptedUpstream],
    media: Media,
    *,
    data_dir: Path,
    fetches_urls: Sequence[bool] = (False, False),
    **body: object,
) -> Response:
    """Ask the first of them, which is called `p0`; the others stand behind it."""
    file = data_dir / "antiphon.yaml"
    providers = [
        f"  p{at}: {{base_url: '{upstream.url}', api_key: sk-upstream, fetches_urls: {str(fetches).lower()}}}\n"
        for at, (upstream, fetches) in enumerate(zip(upstreams, fetches_urls, strict=False))
    ]
    file.write_text(f"local: off\nproviders:\n{''.join(providers)}")
    settings = load(file, {"ANTIPHON_DATA_DIR": str(data_dir)})
    clock = SystemClock()
    migrate(settings.database_url)
    store = SqlStore.open(settings.database_url, clock)
    try:
        async with UpstreamClient() as client:
            engine = Engine(
                Parts(
                    store=store,
                    router=ModelRouter(build_catalog(settings)),
                    client=client,
                    media=media,
                    codecs={"chat": ChatCodec()},
                    clock=clock,
                    ids=SystemIds(),
                    limits=RunLimits(),
                    sealer=Sealer([b"k" * 32]),
                    health=TargetHealth(clock.monotonic),
                )
            )
            others = [f"p{at}/m" for at in range(1, len(upstreams))]
            request = parse_create(create_body(model="p0/m", fallback_models=others, **body))
            run = engine.start(
                request,
                tenant=Tenant("default"),
                arrival=Arrival(Caller("req_1"), 0.0),
                sink=JsonSink(ResponsesAnswer()),
            )
            return await engine.execute(run)
    finally:
        await store.close()
