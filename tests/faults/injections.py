"""Streams with one thing wrong with them, made of chance: the same for the same seed."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal, get_args

from tests.faults.clients import DOORS, Door
from tests.faults.tongues import EVENTS, Call, Kind, Piece, Thought, Tongue, Words
from tests.helpers.upstream import Act, Part, Reply
from tests.providers.garble import Garbler

__all__ = ["Case", "Injector"]

#: What goes wrong. `nothing` comes in odd pieces only; a client that `leaves` finds everything in order.
Wrong = Literal[
    "nothing", "reset", "close", "end", "stall", "error", "no frame", "repeated", "dropped", "swapped", "damaged",
    "garbled", "leaves",
]  # fmt: skip
#: After these the frames before the fault mean what they always do.
_CLEAN = frozenset({"nothing", "reset", "close", "end", "stall", "error", "no frame", "leaves"})
_KINDS: tuple[Kind, ...] = ("server", "rate_limit", "overloaded", "refused", "credential", "too_long")
_NO_FRAMES = (
    b"data: nonsense\n\n",
    b"data: [7]\n\n",
    b'data: {"a":\n\n',
    b"\xff\xfe\n\n",
    b"event: x\n\n",
    b": c\n\n",
    b"data:\n\n",
)
_WORDS = ("Hello", " world", ". ", "\n\n", "é", "😀", "\u2028", '"', "\\", "data: x", "<think>", "\0", "a" * 300)


@dataclass(frozen=True)
class Case:
    """One request and what its upstream does first. Asked again, it answers as it should.

    Attributes:
        leaves_after: bytes of the answer after which the client leaves.
        said: all that the model has to say, if it is known.
    """

    number: int
    door: Door
    stream: bool
    wrong: Wrong
    reply: Reply
    whole: Reply
    said: str | None
    leaves_after: int | None

    @property
    def contradicts(self) -> bool:
        """Whether the frames may say what cannot be. A client of the same dialect is told just that."""
        return self.wrong not in _CLEAN

    @property
    def about(self) -> str:
        """What the client says, by which the upstream knows it."""
        return f"case {self.number};"


class Injector:
    """Makes cases before upstreams of one tongue."""

    def __init__(self, tongue: Tongue, seed: int) -> None:
        self._tongue = tongue
        self._dice = random.Random(f"{tongue.name} {seed}")
        self._garbler = Garbler(tongue.name, self._dice)

    def case(self, number: int) -> Case:
        """The next one."""
        dice = self._dice
        pieces = self._pieces()
        wrong: Wrong = dice.choice(get_args(Wrong))
        frames = self._tongue.frames(pieces)
        body, act = self._break(frames, wrong)
        framing = dice.choice(["chunked", "chunked", "chunked", "eof"])
        said = "".join(piece.text for piece in pieces if isinstance(piece, Words))
        return Case(
            number,
            dice.choice(list(DOORS.values())),
            stream=dice.random() < 0.85,
            wrong=wrong,
            reply=Reply([*self._split(body), *act], headers=EVENTS, framing="eof" if framing == "eof" else "chunked"),
            whole=self._tongue.streamed(*frames),
            said=said if wrong in _CLEAN else None,
            leaves_after=dice.randrange(2000) if wrong == "leaves" else None,
        )

    def _pieces(self) -> list[Piece]:
        dice = self._dice
        pieces: list[Piece] = [Words("".join(dice.choices(_WORDS, k=dice.randrange(1, 8))) + ".")]
        if dice.random() < 0.4:
            pieces.insert(0, Thought("Let me see" * dice.randrange(1, 5)))
        count = dice.choice([0, 0, 0, 1, 2])
        calls = [Call("f", {"n": number, "text": "".join(dice.choices(_WORDS, k=2))}) for number in range(count)]
        return [*pieces, *calls]

    def _break(self, frames: Sequence[bytes], wrong: Wrong) -> tuple[bytes, list[Part]]:
        """The bytes, and what follows them."""
        whole, dice = b"".join(frames), self._dice
        at = dice.randrange(len(whole) + 1)
        if wrong in ("reset", "close", "stall", "leaves"):
            acts: dict[str, Act] = {"reset": "reset", "close": "close"}
            return whole[:at], [acts.get(wrong, "stall")]
        if wrong == "end":
            return whole[:at], []
        if wrong == "damaged":
            return whole[:at] + bytes([dice.randrange(256)]) + whole[at + 1 :], []
        return self._garbler.body() if wrong == "garbled" else b"".join(self._mixed(frames, wrong)), []

    def _mixed(self, frames: Sequence[bytes], wrong: Wrong) -> list[bytes]:
        """The frames with one too many, too few, or in the wrong place."""
        dice = self._dice
        place, other = dice.randrange(len(frames)), dice.randrange(len(frames))
        before, behind = list(frames[:place]), list(frames[place:])
        match wrong:
            case "error":
                return [*before, self._tongue.error_frame(dice.choice(_KINDS)), *behind]
            case "no frame":
                return [*before, dice.choice(_NO_FRAMES), *behind]
            case "repeated":
                return [*before, behind[0], *behind]
            case "dropped":
                return [*before, *behind[1:]]
            case "swapped":
                mixed = list(frames)
                mixed[place], mixed[other] = mixed[other], mixed[place]
                return mixed
        return list(frames)

    def _split(self, body: bytes) -> list[bytes]:
        size = self._dice.choice([1, 7, 50, 400, len(body) or 1])
        if size == 1:
            return [body[start:end] for start, end in pairwise([*range(min(len(body), 300)), len(body)])]
        return [body[start : start + size] for start in range(0, len(body), size)]
