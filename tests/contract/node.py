"""The official JavaScript client on Node."""

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from tests.helpers.node import NodePackage, node, run

__all__ = ["CLIENT", "run_example"]

#: The examples with the client that they use.
CLIENT = NodePackage(Path(__file__).parent / "javascript", Path(__file__).parents[2] / ".build" / "javascript")


def run_example(name: str, environ: Mapping[str, str]) -> Any:
    """What that example of `examples.mjs` printed."""
    folder = CLIENT.folder()
    output = asyncio.run(run([node(), str(folder / "examples.mjs"), name], cwd=folder, environ=environ))
    return msgspec.json.decode(output)
