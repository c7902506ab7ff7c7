"""The access log leaves in pieces that reach a pipe whole: other processes may write into it as well."""

import asyncio
import io

from antiphon.lib.log import AccessLog


class Pipe(io.StringIO):
    """Remembers what was written at once."""

    def __init__(self) -> None:
        super().__init__()
        self.pieces: list[str] = []

    def write(self, text: str) -> int:
        self.pieces.append(text)
        return len(text)


def test_lines_leave_together_but_never_more_than_a_pipe_takes_at_once() -> None:
    lines = [b"%d %b" % (number, b"x" * (number % 7) * 300) for number in range(100)]
    pipe = Pipe()

    async def main() -> None:
        log = AccessLog(pipe)
        for line in lines:
            log.write(line)
        log.close()

    asyncio.run(main())
    assert "".join(pipe.pieces).encode() == b"".join(line + b"\n" for line in lines)
    assert all(piece.endswith("\n") and len(piece) <= 4096 for piece in pipe.pieces)
    assert len(pipe.pieces) < len(lines) / 2


def test_line_that_is_longer_leaves_alone() -> None:
    pipe = Pipe()

    async def main() -> None:
        log = AccessLog(pipe)
        for line in (b"a", b"b" * 5000, b"c"):
            log.write(line)
        log.close()

    asyncio.run(main())
    assert pipe.pieces == ["a\n", "b" * 5000 + "\n", "c\n"]
