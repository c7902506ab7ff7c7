"""The process that holds the local model: llama.cpp's HTTP server, on this machine's loopback only.

Run by `antiphon.local.supervisor` as `python -m antiphon.local.child`. The first line on stdin is the API key (in the
arguments every user of the machine could read it); one JSON line on stdout says that it listens. It ends when stdin
ends, which the system sees to however the parent dies, and on SIGTERM. Both at once: there is no state to save, and
requests under way belong to a parent that has given them up.

It is a process of its own because native code that crashes or is killed for its memory must not take the gateway along.
"""

import argparse
import os
import signal
import sys
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
import xllamacpp

__all__ = ["main"]

_HOST = "127.0.0.1"
_WARNINGS = 2  # llama.cpp's levels: 1 errors, 2 warnings, 3 information, and prompts above that
_HTTP_THREADS = 32  # each open stream holds one; waiting requests hold one too
_PROMPT_CACHE_MIB = 128  # the default is 8 GiB
#: What a client that asks for no limit gets of a model that rambles: left alone, SmolLM2 goes on to the end of its
#: context in one answer out of six.
_TAME_TOKENS = 512


@dataclass(frozen=True, slots=True)
class _Options:
    model: str
    alias: str
    port: int
    slots: int
    context: int
    threads: int
    tame: bool


def main(arguments: Sequence[str] | None = None) -> None:
    """Serve until stdin ends. Does not return: the process ends with status 0."""
    options = _parse(arguments)
    # Control-C in a terminal reaches the whole process group: the parent decides when the model may go.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    announce = _take_stdout()
    api_key = sys.stdin.buffer.readline().decode("ascii").strip()
    if not api_key:
        sys.exit("no API key on stdin: an open server on loopback would be everybody's")
    server = xllamacpp.Server(_parameters(options, api_key))
    os.write(announce, msgspec.json.encode({"ready": True, "address": server.listening_address}) + b"\n")
    sys.stdin.buffer.read()
    os._exit(0)  # not sys.exit: tearing the server down would wait for its requests


def _parse(arguments: Sequence[str] | None) -> _Options:
    parser = argparse.ArgumentParser(prog="antiphon.local.child")
    parser.add_argument("--model", required=True, help="path of a GGUF file")
    parser.add_argument("--alias", default="local", help="the name under which the model reports itself")
    parser.add_argument("--port", type=int, default=0, help="0: any free one")
    parser.add_argument("--slots", type=int, default=2, help="requests answered at the same time")
    parser.add_argument("--context", type=int, default=8192, help="tokens, shared out evenly over the slots")
    parser.add_argument("--threads", type=int, default=1, help="computing threads; never more than idle cores")
    parser.add_argument("--tame", action="store_true", help="defaults for a very small model; requests still win")
    return _Options(**vars(parser.parse_args(arguments)))


def _take_stdout() -> int:
    """Keep stdout for the one line of ours; whatever native code prints goes to stderr."""
    announce = os.dup(1)
    os.dup2(2, 1)
    return announce


def _parameters(options: _Options, api_key: str) -> xllamacpp.CommonParams:
    parameters = xllamacpp.CommonParams()
    parameters.model.path = options.model
    parameters.model_alias = {options.alias}
    parameters.hostnames = [_HOST]
    parameters.port = options.port
    parameters.api_keys = [api_key]
    parameters.n_parallel = options.slots
    parameters.n_ctx = options.context
    parameters.cpuparams.n_threads = options.threads
    parameters.cpuparams_batch.n_threads = options.threads
    parameters.n_threads_http = _HTTP_THREADS
    parameters.cache_ram_mib = _PROMPT_CACHE_MIB
    parameters.verbosity = _WARNINGS
    # Embeddings beside answers. Of a model that was not trained for them, the mean of all tokens says the most.
    parameters.embedding = True
    parameters.pooling_type = xllamacpp.llama_pooling_type.LLAMA_POOLING_TYPE_MEAN
    if options.tame:
        parameters.n_predict = _TAME_TOKENS
        parameters.sampling.temp = 0.2
        parameters.sampling.top_p = 0.9
        parameters.sampling.penalty_repeat = 1.05
        parameters.sampling.penalty_last_n = 256
    # Less to reach: no web page, no cross-origin use, no downloads, no view of other requests.
    parameters.ui = False
    parameters.cors_origins = ""
    parameters.offline = True
    parameters.endpoint_slots = False
    parameters.endpoint_props = False
    parameters.endpoint_metrics = False
    return parameters


if __name__ == "__main__":
    main()
