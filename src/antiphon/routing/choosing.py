"""Which places a request may go to, and in which order: conditions, needs, health, strategy.

Conditions are the operator's or the client's will and never bent. Needs and health are what we believe: they put a
place behind others, but never leave a request without any.
"""

from collections.abc import Iterable, Sequence
from typing import Protocol, final

from msgspec import Struct, structs

from antiphon.protocol.faults import ServerFault
from antiphon.protocol.target import Ask, Candidate, Needs, Route, Target
from antiphon.routing import strategies
from antiphon.routing.doors import ResponsesOnly
from antiphon.routing.names import ALWAYS, When
from antiphon.routing.places import Group, Member, Node, Place, places_in

__all__ = ["Choice", "Health", "NothingKnown", "Scope"]

#: More are never tried, and would only fill run records.
_MOST_CANDIDATES = 32
_BY_CHANCE = frozenset({"weighted", "random", "least_busy", "lowest_latency"})


class Health(Protocol):
    """What is known of targets from the requests that they had."""

    def verdict(self, target: Target) -> str | None:
        """Why it should not be tried now (`circuit_open`, `cooling_down`, `unhealthy_probe`); `None`: it may be."""

    def wait_s(self, target: Target) -> float:
        """Seconds until it may be tried again; 0.0 where it may be now."""

    def in_flight(self, target: Target) -> int:
        """How many requests are under way there, of this process."""

    def latency_ms(self, target: Target) -> float | None:
        """How long its answers lately took to begin; `None` where none was seen."""


@final
class NothingKnown:
    """Implements `Health` for who watches nothing, such as commands that only show routes."""

    def verdict(self, target: Target) -> str | None:
        """Nothing speaks against it."""
        del target
        return None

    def wait_s(self, target: Target) -> float:
        """No time."""
        del target
        return 0.0

    def in_flight(self, target: Target) -> int:
        """None."""
        del target
        return 0

    def latency_ms(self, target: Target) -> float | None:
        """Never measured."""
        del target
        return None


class Scope(Struct, frozen=True):
    """What bounds a request, wherever its model's name leads.

    Attributes:
        regions: where it may be served; `None` anywhere.
        closed: the models that the front door does not serve; `None`: it serves all.
    """

    regions: frozenset[str] | None = None
    closed: ResponsesOnly | None = None


class _Order(Struct, frozen=True):
    """Places, best first; `affinity`: whether the first was chosen by it."""

    places: Sequence[Place]
    affinity: bool = False


@final
class Choice:
    """One request's choice among places. Use `route` once.

    Attributes:
        scope: where it may be served.
    """

    def __init__(self, ask: Ask, health: Health, *, scope: Scope, chance: strategies.Chance) -> None:
        self._ask = ask
        self._health = health
        self._regions = scope.regions
        self._closed = scope.closed
        self._chance = chance
        self._verdicts: dict[Place, str] = {}

    def route(self, nodes: Sequence[Node], *, fallback: bool) -> Route:
        """Where it may go: the places of the first node, then those of the others.

        Raises:
            ServerFault: 503 `no_candidate`: none of them is for this request.
        """
        for node in nodes:
            self._apply_conditions(node, None)
        seen = [place for node in nodes for place in places_in(node)]
        if self._closed is not None:
            self._apply_door(nodes[0], seen, self._closed)
        left = [place for place in seen if place not in self._verdicts]
        if not left:
            raise _no_candidate(self._ask, self._verdicts.values())
        if len(left) > 1:
            left = self._apply_needs(left)
            self._apply_health(left)
        orders = [self._ordered(node) for node in nodes]
        first = next(order for order in orders if order.places)
        tried = [place for order in orders for place in order.places]
        if not fallback:
            tried = self._only_first(tried)
        return Route(self._candidates(tried, seen), _strategy(nodes[0]), first.affinity)

    def _apply_conditions(self, node: Node, verdict: str | None) -> None:
        if isinstance(node, Place):
            if verdict is None and self._regions is not None and node.region not in self._regions:
                verdict = "region_excluded"
            if verdict is not None:
                self._verdicts[node] = verdict
            return
        for member in node.members:
            self._apply_conditions(member.node, verdict or self._unmet(member.when))

    def _unmet(self, when: When) -> str | None:
        if when is ALWAYS:
            return None
        if when.regions and not when.regions & (self._regions or frozenset()):
            return "region_excluded"
        unmet = (when.tags and not when.tags & self._ask.tags) or (
            when.tenants and self._ask.tenant not in when.tenants
        )
        return "condition_excluded" if unmet else None

    def _apply_door(self, named: Node, places: Iterable[Place], closed: ResponsesOnly) -> None:
        """Note the models that are not for this front door; not if all that was asked for are: it tells that itself."""
        if all(closed.applies(place.target.model) for place in places_in(named)):
            return
        for place in places:
            if closed.applies(place.target.model):
                self._verdicts.setdefault(place, "endpoint_excluded")

    def _apply_needs(self, places: list[Place]) -> list[Place]:
        """The places that can serve it; all, where none seems to: then the provider shall tell."""
        needs = self._ask.needs() if self._ask.needs is not None else None
        if needs is None:
            return places
        missed = {place: why for place in places if (why := _missing(place, needs)) is not None}
        if len(missed) == len(places):
            return places
        self._verdicts |= missed
        return [place for place in places if place not in missed]

    def _apply_health(self, places: Sequence[Place]) -> None:
        """Note who should be spared; who may be tried soonest is not, where all should."""
        unwell = {place: why for place in places if (why := self._health.verdict(place.target)) is not None}
        if len(unwell) == len(places):
            del unwell[min(places, key=lambda place: self._health.wait_s(place.target))]
        self._verdicts |= unwell

    def _ordered(self, node: Node) -> _Order:
        """The places of a node that may be tried."""
        if isinstance(node, Place):
            return _Order(() if node in self._verdicts else (node,))
        ranked = [(member, order) for member in node.members if (order := self._ordered(member.node)).places]
        if len(ranked) < 2:
            return ranked[0][1] if ranked else _Order(())
        positions, kept = self._positions(node, ranked)
        places = [place for at in positions for place in ranked[at][1].places]
        return _Order(places, kept or ranked[positions[0]][1].affinity)

    def _positions(self, group: Group, ranked: Sequence[tuple[Member, _Order]]) -> tuple[list[int], bool]:
        """Which member comes first, and so on; and whether that is for the sake of the conversation."""
        members = [member for member, _ in ranked]
        stays = group.sticky and group.strategy in _BY_CHANCE
        kept = stays and bool(self._ask.affinity)
        if kept:
            keys = [member.key for member in members]
            positions = strategies.rendezvous(keys, _weights(members), affinity=self._ask.affinity)
        else:
            positions = self._arranged(group, members, [order.places[0] for _, order in ranked])
        positions.sort(key=lambda at: members[at].weight == 0)
        knows = {at for at in positions if stays and _is_at(self._ask.went, ranked[at][1].places)}
        if 0 < len(knows) < len(positions):  # the place that has the conversation in its cache, whatever the lots say
            positions.sort(key=lambda at: at not in knows)
            kept = True
        return positions, kept

    def _arranged(self, group: Group, members: Sequence[Member], firsts: Sequence[Place]) -> list[int]:
        """Positions by the group's strategy. Each member is as busy, fast and dear as the place it would choose."""
        chance, health = self._chance, self._health
        match group.strategy:
            case "weighted" | "random":
                return strategies.weighted(_weights(members), chance=chance)
            case "least_busy":
                in_flight = [health.in_flight(place.target) for place in firsts]
                return strategies.least_busy(in_flight, _weights(members), chance=chance)
            case "lowest_latency":
                return strategies.lowest_latency([health.latency_ms(one.target) for one in firsts], chance=chance)
            case "cheapest":
                return strategies.cheapest([place.price for place in firsts])
        return list(range(len(members)))

    def _only_first(self, tried: Sequence[Place]) -> list[Place]:
        """The first place with all its keys; the others are noted as not needed."""
        first = tried[0].target
        others = [
            place for place in tried if (place.target.provider, place.target.model) != (first.provider, first.model)
        ]
        self._verdicts |= dict.fromkeys(others, "not_needed")
        return [place for place in tried if place not in self._verdicts]

    def _candidates(self, tried: Iterable[Place], seen: Iterable[Place]) -> tuple[Candidate, ...]:
        """Those to try, then the excluded; a place that several names lead to only once."""
        found: dict[str, Candidate] = {}
        for place in tried:
            found.setdefault(place.key, place.candidate)
        for place in seen:
            verdict = self._verdicts.get(place)
            if verdict is not None and place.key not in found:
                found[place.key] = structs.replace(place.candidate, verdict=verdict)
        return tuple(found.values())[:_MOST_CANDIDATES]


def _weights(members: Iterable[Member]) -> list[float]:
    return [member.weight for member in members]


def _is_at(went: str, places: Iterable[Place]) -> bool:
    return any(f"{place.target.provider}/{place.target.model}" == went for place in places)


def _strategy(node: Node) -> str:
    return node.strategy if isinstance(node, Group) else "ordered"


def _missing(place: Place, needs: Needs) -> str | None:
    context, reads = place.facts.context, place.facts.input
    if context is not None and needs.tokens > context:
        return "context_too_small"
    if reads is not None and not needs.contents.issubset(reads):
        return "modality_missing"
    return None


def _no_candidate(ask: Ask, verdicts: Iterable[str]) -> ServerFault:
    reasons = {
        "region_excluded": "its regions",
        "condition_excluded": "its tenant or tags",
        "endpoint_excluded": "the endpoint it was sent to",
    }
    why = " or ".join(reasons[verdict] for verdict in sorted(set(verdicts)))
    return ServerFault(
        f"No place that serves the model `{ask.model[:100]}` may take this request, because of {why}.",
        code="no_candidate",
        status=503,
    )
