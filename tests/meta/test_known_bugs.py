"""The table of other bridges' bugs in `docs/quality.md` is whole, and every test that it names can be run."""

import asyncio
import re
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
_ROW = re.compile(r"^\| (\d+) \| .* \| (.*) \|$", re.MULTILINE)
_TEST = re.compile(r"`(tests/[^`]+::[^`]+)`")


def _rows() -> dict[int, list[str]]:
    page = (ROOT / "docs/quality.md").read_text("utf-8")
    return {int(number): _TEST.findall(cell) for number, cell in _ROW.findall(page)}


def test_every_bug_has_its_tests() -> None:
    rows = _rows()
    assert list(rows) == list(range(1, 64))
    assert [number for number, tests in rows.items() if not tests] == []


def test_every_test_of_the_table_is_collected() -> None:
    wanted = {test for tests in _rows().values() for test in tests}

    async def collect() -> tuple[int | None, str]:
        files = sorted({test.partition("::")[0] for test in wanted})
        options = ("--collect-only", "-q", "-p", "no:randomly", "-p", "no:xdist")
        command = (sys.executable, "-m", "pytest", *options, *files)
        pipe = asyncio.subprocess.PIPE
        process = await asyncio.create_subprocess_exec(
            *command, cwd=ROOT, stdout=pipe, stderr=asyncio.subprocess.STDOUT
        )
        out, _ = await process.communicate()
        return process.returncode, out.decode()

    code, out = asyncio.run(collect())
    assert code == 0, out[-2000:]
    collected = set(out.splitlines())
    collected |= {test.partition("[")[0] for test in collected}
    assert wanted - collected == set()
