"""The whole gateway in one process."""

import asyncio
from functools import partial

from antiphon.app import Application
from antiphon.cli.overrides import settings_again
from antiphon.cli.reloading import Reload, Reloader
from antiphon.cli.serve import Serving
from antiphon.cli.signals import on_signals
from antiphon.cli.takeover import Takeover
from antiphon.cli.welcome import say
from antiphon.edge.server import GatewayServer, server_config
from antiphon.lib.background import Background

__all__ = ["serve_alone"]


def serve_alone(serving: Serving) -> int:
    """Serve until told to stop. Returns the exit code. Raises `CancelledError` when told so while it starts."""
    server = serving.settings.server
    app = Application(serving.settings, progress=serving.progress)
    # The server that retires is made below: it is what is told first when the process is to end.
    takeover = Takeover(server, serving.sockets, retire=lambda: gateway.retire(serving.retire_s))
    gateway = GatewayServer(
        server_config(
            app, host=server.host, port=server.port, drain_s=server.drain_s, proxies=server.forwarded_allow_ips
        ),
        drain=partial(_drain, serving, app, takeover=takeover),
        hurry=partial(app.drain, 0.0),
        started=lambda url: serving.started(url, _models(app)),
    )
    with asyncio.Runner(loop_factory=gateway.config.get_loop_factory()) as runner:
        runner.run(_run(gateway, app, serving=serving, takeover=takeover))
    return 1 if gateway.failed else 0


async def _run(gateway: GatewayServer, app: Application, *, serving: Serving, takeover: Takeover) -> None:
    again = partial(settings_again, serving.settings.origin.file, serving.overrides)
    reloader = Reloader(serving.settings, Reload(load=again, use=app.reload, told=partial(_count_reload, app)))
    with on_signals(reload=reloader.ask, take_over=takeover.ask):
        async with Background() as background:
            background.start(reloader.run())
            background.start(takeover.run())
            try:
                await gateway.serve(list(serving.sockets))
            finally:  # told to stop before it served, it has not drained
                takeover.stop()


def _count_reload(app: Application, taken_over: bool) -> None:
    if app.services is not None:
        app.services.telemetry.reloaded(changed=taken_over)


def _models(app: Application) -> list[str]:
    return [model.id for model in app.services.router.models()] if app.services is not None else []


async def _drain(serving: Serving, app: Application, *, takeover: Takeover) -> None:
    takeover.stop()
    live = app.services.engine.live_runs if app.services is not None else 0
    if live and serving.console.is_terminal:
        patience_s = app.settings.server.drain_s
        say(
            serving.console,
            f"\nWaiting up to {patience_s:g} s for {live} unfinished answers. Ctrl-C once more ends them.",
        )
    await app.drain()
