"""Imports point down only: the contracts in pyproject.toml hold."""

import asyncio
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
#: In a process of its own: the linter sets up logging anew, which silences every logger that there is.
LINT = "import sys; from importlinter.cli import lint_imports; sys.exit(lint_imports('pyproject.toml', no_cache=True))"


def test_import_contracts_hold() -> None:
    async def linted() -> tuple[int | None, str]:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", LINT, cwd=ROOT, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
        )
        said, _ = await process.communicate()
        return process.returncode, said.decode()

    status, said = asyncio.run(linted())
    assert status == 0, said
