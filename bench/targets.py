"""What is measured: the gateway, the floor below it, a plain proxy, and the upstream itself."""

import os
import shutil
import subprocess  # noqa: TID251 - a benchmark starts processes of its own
import sys
from dataclasses import dataclass, field
from pathlib import Path

from machine import SERVER_CORE, start, stop, wait_for_port

HERE = Path(__file__).resolve().parent
#: Where everything listens, from here on: another bench may be running.
PORTS = int(os.environ.get("BENCH_PORTS", "9001"))
UPSTREAM_PORT = PORTS

NGINX = """
worker_processes 1; daemon off; pid {work}/nginx.pid; error_log {work}/nginx.log;
events {{ worker_connections 4096; }}
http {{
  access_log off; keepalive_requests 100000000; client_body_buffer_size 128k;
  client_body_temp_path {work}/body; proxy_temp_path {work}/proxy;
  fastcgi_temp_path {work}/fastcgi; uwsgi_temp_path {work}/uwsgi; scgi_temp_path {work}/scgi;
  upstream provider {{ server 127.0.0.1:{upstream}; keepalive 512; keepalive_requests 100000000; }}
  server {{ listen 127.0.0.1:{port}; location / {{
    proxy_pass http://provider; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_buffering off; }} }}
}}
"""

CONFIG = """
data_dir: {work}/data
local: off
providers:
  bench:
    protocol: chat
    base_url: http://127.0.0.1:{upstream}/v1
    api_key: x
    models: [mock-model]
"""


@dataclass
class Target:
    """One server. `direct` is the upstream itself and has no process of its own."""

    name: str
    port: int
    dialect: str
    stores: bool = False
    process: subprocess.Popen | None = None
    headers: list[str] = field(default_factory=list)
    ready_s: float = 0.0

    @property
    def path(self) -> str:
        """Where its requests go."""
        return "/v1/chat/completions" if self.dialect == "chat" else "/v1/responses"

    @property
    def text_mark(self) -> str:
        """What stands in front of streamed text, and nowhere before it."""
        return '"content":" ' if self.dialect == "chat" else '"delta":"'


def direct() -> Target:
    return Target("direct", UPSTREAM_PORT, "chat")


def launch(name: str, work: Path) -> Target:
    """Start one of the others and wait until it listens."""
    target, command, env = {"nginx": _nginx, "floor": _floor, "antiphon": _antiphon}[name](work)
    log = work / f"{name}.log"
    target.process = start(command, core=SERVER_CORE, log=log, env=env)
    try:
        target.ready_s = wait_for_port(target.port, target.process)
    except RuntimeError as error:
        stop(target.process)
        raise RuntimeError(f"{error}\n{log.read_text()[-2000:]}") from error
    return target


def available() -> list[str]:
    names = ["floor", "antiphon"]
    return ["nginx", *names] if shutil.which("nginx") else names


def _nginx(work: Path) -> tuple[Target, list[str], dict[str, str] | None]:
    config = work / "nginx.conf"
    config.write_text(NGINX.format(work=work, upstream=UPSTREAM_PORT, port=PORTS + 9))
    return Target("nginx", PORTS + 9, "chat"), ["nginx", "-p", str(work), "-c", str(config)], None


def _floor(work: Path) -> tuple[Target, list[str], dict[str, str] | None]:  # noqa: ARG001 - as the others
    command = [sys.executable, str(HERE / "relay.py"), str(PORTS + 10), str(UPSTREAM_PORT)]
    return Target("floor", PORTS + 10, "responses"), command, None


def _antiphon(work: Path) -> tuple[Target, list[str], dict[str, str] | None]:
    config = work / "antiphon.yaml"
    config.write_text(CONFIG.format(work=work, upstream=UPSTREAM_PORT))
    env = {name: value for name, value in os.environ.items() if not name.startswith("ANTIPHON_")}
    antiphon = [sys.executable, "-m", "antiphon"]
    create = [*antiphon, "keys", "create", "bench", "--config", str(config)]
    made = subprocess.run(create, capture_output=True, text=True, env=env, check=False)
    if made.returncode != 0:
        raise RuntimeError(f"no key: {made.stderr.strip() or made.stdout.strip()}")
    headers = [f"authorization: Bearer {made.stdout.strip()}"]
    command = [*antiphon, "serve", "--config", str(config), "--port", str(PORTS + 11)]
    return Target("antiphon", PORTS + 11, "responses", stores=True, headers=headers), command, env
