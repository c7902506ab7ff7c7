"""What a name leads to, as a tree: places, and groups of them with a way to choose among their members."""

from collections.abc import Iterator, Sequence

from msgspec import Struct

from antiphon.protocol.price import Price
from antiphon.protocol.target import Candidate, Target
from antiphon.routing.facts import ModelFacts
from antiphon.routing.names import ALWAYS, Strategy, When

__all__ = ["Group", "Member", "Node", "Place", "group_of", "place_of", "places_in"]

#: A usual request reads three tokens for every one that it writes. Only the order of prices matters.
_READ, _WRITTEN = 3.0, 1.0


class Place(Struct, frozen=True, eq=False):
    """One target, with one credential. Two places are never equal, so that verdicts can be noted by place.

    Attributes:
        candidate: the same without a verdict, ready to be handed out.
        key: tells it from all others; the same in every process that has this configuration.
        region: where it serves, in lower case; empty where nobody knows.
        facts: what is known of its model.
    """

    candidate: Candidate
    key: str
    region: str
    facts: ModelFacts

    @property
    def target(self) -> Target:
        """Where it is."""
        return self.candidate.target

    @property
    def price(self) -> float | None:
        """One number to compare by; `None` where a price is not known."""
        return _blended(self.target.price)


class Member(Struct, frozen=True):
    """One of a group, with its share and its condition. `key` as that of a place."""

    node: "Place | Group"
    key: str
    weight: float = 1.0
    when: When = ALWAYS


class Group(Struct, frozen=True):
    """Several, and how the first of them is chosen. `sticky`: conversations stay where they are, if chance decides."""

    members: tuple[Member, ...]
    strategy: Strategy = "ordered"
    sticky: bool = True


Node = Place | Group


def place_of(target: Target, facts: ModelFacts, *, name: str, region: str) -> Place:
    """A place that clients call `name`."""
    alias = target.credential.alias if target.credential is not None else ""
    return Place(Candidate(target, name), f"{target.provider}/{target.model}\0{alias}", region, facts)


def group_of(members: Sequence[Member], *, strategy: Strategy = "ordered", sticky: bool = True) -> Node:
    """A group; the member itself where there is only one and it is for all requests."""
    if len(members) == 1 and members[0].when == ALWAYS:
        return members[0].node
    return Group(tuple(members), strategy, sticky)


def places_in(node: Node) -> Iterator[Place]:
    """All places, in the order of the configuration."""
    if isinstance(node, Place):
        yield node
        return
    for member in node.members:
        yield from places_in(member.node)


def _blended(price: Price | None) -> float | None:
    if price is None or price.input is None or price.output is None:
        return None
    return _READ * price.input + _WRITTEN * price.output
