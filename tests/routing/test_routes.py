"""Names with several places: conditions, needs, health, strategies, fallbacks."""

from collections import Counter
from collections.abc import Mapping
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from antiphon.config.load import load
from antiphon.protocol.faults import Fault, RequestFault
from antiphon.protocol.target import Ask, Needs, Route, Target
from antiphon.routing.catalog import Catalog, build_catalog
from antiphon.routing.choosing import Health
from antiphon.routing.router import ModelRouter, PriceInfo
from tests.routing.conftest import Build

CONFIG = """
providers:
  eu: {base_url: "http://eu", region: EU, models: [shared]}
  us: {base_url: "http://us", region: us, models: [shared]}
  far: {base_url: "http://far"}
  keys: {base_url: "http://keys", api_keys: {one: k1, two: k2, three: k3}}
models:
  ordered: {targets: [eu/a, us/b, far/c]}
  weighted: {targets: [{target: eu/a, weight: 3}, us/b, {target: far/c, weight: 0}], strategy: weighted}
  loose: {targets: [eu/a, us/b, far/c], strategy: weighted, sticky: off}
  busy: {targets: [eu/a, us/b], strategy: least_busy}
  fast: {targets: [eu/a, us/b], strategy: lowest_latency}
  cheap-a: {target: eu/a, prices: {input: 3, output: 3}}
  cheap-b: {target: us/b, prices: {input: 1, output: 5}}
  cheap: {targets: [far/c, cheap-a, cheap-b], strategy: cheapest}
  nested: {targets: [weighted, far/last]}
  again: {targets: [ordered, us/b, eu/a]}
  when:
    targets:
      - {target: eu/batch, when: {tags: [batch, nightly]}}
      - {target: eu/acme, when: {tenants: [acme]}}
      - {target: eu/bound, when: {regions: [eu]}}
      - us/all
  never: {targets: [{target: eu/a, when: {tags: [x]}}]}
  small: {target: eu/small, context: 1000, input: [text]}
  large: {target: us/large, context: 9000, input: [text, image]}
  sized: {targets: [small, large]}
  backed: {target: eu/a, fallbacks: [far/c, backed, ordered]}
  alone: {target: eu/a, fallback: off}
  via: backed
  gpt-*: {targets: [eu/*, us/*]}
"""


class Told:
    """Implements `Health` with what a test tells."""

    def __init__(
        self,
        verdicts: Mapping[str, str] | None = None,
        *,
        waits: Mapping[str, float] | None = None,
        busy: Mapping[str, int] | None = None,
        latency: Mapping[str, float] | None = None,
    ) -> None:
        self.verdicts = dict(verdicts or {})
        self.waits = waits or {}
        self.busy = busy or {}
        self.latency = latency or {}

    def verdict(self, target: Target) -> str | None:
        return self.verdicts.get(named(target))

    def wait_s(self, target: Target) -> float:
        return self.waits.get(named(target), 0.0)

    def in_flight(self, target: Target) -> int:
        return self.busy.get(named(target), 0)

    def latency_ms(self, target: Target) -> float | None:
        return self.latency.get(named(target))


def named(target: Target) -> str:
    key = f"#{target.credential.alias}" if target.credential else ""
    return f"{target.provider}/{target.model}{key}"


def tried(route: Route) -> list[str]:
    return [named(one.target) for one in route.candidates if one.verdict is None]


def verdicts(route: Route) -> dict[str, str]:
    return {named(one.target): one.verdict for one in route.candidates if one.verdict is not None}


@pytest.fixture(scope="module")
def catalog(tmp_path_factory: pytest.TempPathFactory) -> Catalog:
    file = tmp_path_factory.mktemp("routes") / "antiphon.yaml"
    file.write_text(CONFIG)
    return build_catalog(load(file, {}))


def router(catalog: Catalog, health: Health | None = None, seed: int = 1) -> ModelRouter:
    return ModelRouter(catalog, health=health, chance=Random(seed).random)


def test_an_ordered_route_keeps_its_order(catalog: Catalog) -> None:
    route = router(catalog).route(Ask(model="ordered"))
    assert tried(route) == ["eu/a", "us/b", "far/c"]
    assert (route.strategy, route.affinity) == ("ordered", False)
    assert {one.model for one in route.candidates} == {"ordered"}


def test_a_name_with_nothing_to_choose_gives_the_same_route_every_time(catalog: Catalog) -> None:
    routes = router(catalog)
    assert routes.route(Ask(model="far/x")) is routes.route(Ask(model="far/x", tenant="t", affinity="c"))
    assert tried(routes.route(Ask(model="far/x"))) == ["far/x"]


def test_weights_are_shares_and_zero_is_a_reserve(catalog: Catalog) -> None:
    routes = router(catalog)
    orders = [tried(routes.route(Ask(model="weighted"))) for _ in range(2000)]
    firsts = Counter(order[0] for order in orders)
    assert firsts["eu/a"] / 2000 == pytest.approx(0.75, abs=0.04)
    assert firsts["us/b"] / 2000 == pytest.approx(0.25, abs=0.04)
    assert {order[-1] for order in orders} == {"far/c"}


def test_a_conversation_stays_at_its_place_in_every_process(catalog: Catalog) -> None:
    here, there = router(catalog, seed=1), router(catalog, seed=2)
    for number in range(50):
        ask = Ask(model="weighted", affinity=f"conversation {number}")
        first, other = here.route(ask), there.route(ask)
        assert tried(first) == tried(other)
        assert first.affinity
    seen = {tried(here.route(Ask(model="weighted", affinity=str(number))))[0] for number in range(50)}
    assert seen == {"eu/a", "us/b"}


def test_a_conversation_goes_on_where_it_was(catalog: Catalog) -> None:
    routes = router(catalog)
    for number in range(20):
        for went in ("eu/a", "us/b"):
            route = routes.route(Ask(model="weighted", affinity=f"c{number}", went=went))
            assert tried(route)[0] == went
            assert route.affinity
    assert tried(routes.route(Ask(model="ordered", went="us/b"))) == ["eu/a", "us/b", "far/c"]
    unwell = router(catalog, Told({"eu/a": "circuit_open"}))
    assert tried(unwell.route(Ask(model="weighted", affinity="c", went="eu/a"))) == ["us/b", "far/c"]
    assert not routes.route(Ask(model="keys/m", went="keys/m")).affinity


def test_without_stickiness_conversations_move(catalog: Catalog) -> None:
    routes = router(catalog)
    seen = {tried(routes.route(Ask(model="loose", affinity="one")))[0] for _ in range(60)}
    assert seen == {"eu/a", "us/b", "far/c"}
    assert not routes.route(Ask(model="loose", affinity="one")).affinity


def test_health_overrides_affinity_and_moves_only_who_was_there(catalog: Catalog) -> None:
    well, unwell = router(catalog), router(catalog, Told({"eu/a": "circuit_open"}))
    for number in range(50):
        ask = Ask(model="loose" if number % 2 else "weighted", affinity=str(number))
        if ask.model == "weighted":
            expected = [name for name in tried(well.route(ask)) if name != "eu/a"]
            assert tried(unwell.route(ask)) == expected
        assert verdicts(unwell.route(ask)) == {"eu/a": "circuit_open"}


def test_the_least_busy_and_the_fastest_come_first(catalog: Catalog) -> None:
    health = Told(busy={"eu/a": 4, "us/b": 1}, latency={"eu/a": 100, "us/b": 900})
    routes = router(catalog, health)
    assert tried(routes.route(Ask(model="busy"))) == ["us/b", "eu/a"]
    firsts = Counter(tried(routes.route(Ask(model="fast")))[0] for _ in range(400))
    assert firsts["eu/a"] > 350
    assert firsts["us/b"] > 0


def test_the_cheapest_comes_first_and_the_unpriced_last(catalog: Catalog) -> None:
    route = router(catalog).route(Ask(model="cheap", affinity="does not matter"))
    assert tried(route) == ["us/b", "eu/a", "far/c"]
    assert route.strategy == "cheapest"


def test_a_route_may_be_a_target_of_another(catalog: Catalog) -> None:
    route = router(catalog).route(Ask(model="nested", affinity="c"))
    assert set(tried(route)[:2]) == {"eu/a", "us/b"}
    assert tried(route)[2:] == ["far/c", "far/last"]
    assert route.affinity
    assert {one.model for one in route.candidates} == {"nested"}


def test_a_place_that_several_ways_lead_to_is_tried_once(catalog: Catalog) -> None:
    assert tried(router(catalog).route(Ask(model="again"))) == ["eu/a", "us/b", "far/c"]


def test_keys_of_a_provider_are_places_of_their_own(catalog: Catalog) -> None:
    health = Told({"keys/m#one": "cooling_down"}, busy={"keys/m#two": 3})
    route = router(catalog, health).route(Ask(model="keys/m"))
    assert tried(route) == ["keys/m#three", "keys/m#two"]
    assert verdicts(route) == {"keys/m#one": "cooling_down"}
    assert len(router(catalog).targets("keys/m")) == 3


def test_a_conversation_stays_with_its_key(catalog: Catalog) -> None:
    routes = router(catalog)
    for number in range(20):
        ask = Ask(model="keys/m", affinity=str(number))
        assert len({tried(routes.route(ask))[0] for _ in range(5)}) == 1
    assert len({tried(routes.route(Ask(model="keys/m")))[0] for _ in range(60)}) == 3


@pytest.mark.parametrize(
    ("ask", "places", "excluded"),
    [
        (
            Ask(model="when"),
            ["us/all"],
            {"eu/batch": "condition_excluded", "eu/acme": "condition_excluded", "eu/bound": "region_excluded"},
        ),
        (
            Ask(model="when", tags=frozenset({"nightly", "other"}), tenant="acme"),
            ["eu/batch", "eu/acme", "us/all"],
            {"eu/bound": "region_excluded"},
        ),
        (
            Ask(model="when", regions=frozenset({"eu"})),
            ["eu/bound"],
            {"eu/batch": "condition_excluded", "eu/acme": "condition_excluded", "us/all": "region_excluded"},
        ),
        (
            Ask(model="ordered", regions=frozenset({"us"})),
            ["us/b"],
            {"eu/a": "region_excluded", "far/c": "region_excluded"},
        ),
        (Ask(model="eu/x", regions=frozenset({"eu", "ch"})), ["eu/x"], {}),
    ],
)
def test_conditions_exclude_places(catalog: Catalog, ask: Ask, places: list[str], excluded: dict[str, str]) -> None:
    route = router(catalog).route(ask)
    assert tried(route) == places
    assert verdicts(route) == excluded


@pytest.mark.parametrize(
    ("ask", "why"),
    [
        (Ask(model="never"), "its tenant or tags"),
        (Ask(model="far/x", regions=frozenset({"eu"})), "its regions"),
        (Ask(model="never", regions=frozenset({"us"})), "its tenant or tags"),
    ],
)
def test_where_every_place_is_excluded_it_is_said(catalog: Catalog, ask: Ask, why: str) -> None:
    with pytest.raises(Fault) as caught:
        router(catalog).route(ask)
    assert (caught.value.status, caught.value.code, caught.value.retryable) == (503, "no_candidate", False)
    assert caught.value.message.endswith(f"because of {why}.")


def test_a_tenant_stays_in_its_regions_whatever_the_client_says(build: Build) -> None:
    routes = router(build(CONFIG + "routing: {tenant_regions: {acme: [EU]}, fallbacks: [us/z]}\n"))
    assert tried(routes.route(Ask(model="ordered", tenant="acme"))) == ["eu/a"]
    assert tried(routes.route(Ask(model="eu/x", tenant="acme"))) == ["eu/x"]
    assert tried(routes.route(Ask(model="ordered", tenant="other"))) == ["eu/a", "us/b", "far/c", "us/z"]
    with pytest.raises(Fault):
        routes.route(Ask(model="ordered", tenant="acme", regions=frozenset({"us"})))
    with pytest.raises(Fault):
        routes.route(Ask(model="us/x", tenant="acme"))


@pytest.mark.parametrize(
    ("needs", "places", "excluded"),
    [
        (Needs(500), ["eu/small", "us/large"], {}),
        (Needs(5000), ["us/large"], {"eu/small": "context_too_small"}),
        (Needs(0, frozenset({"image"})), ["us/large"], {"eu/small": "modality_missing"}),
        (Needs(50_000), ["eu/small", "us/large"], {}),
        (Needs(5000, frozenset({"audio"})), ["eu/small", "us/large"], {}),
    ],
)
def test_places_that_cannot_serve_are_left_out_where_another_can(
    catalog: Catalog, needs: Needs, places: list[str], excluded: dict[str, str]
) -> None:
    route = router(catalog).route(Ask(model="sized", needs=lambda: needs))
    assert tried(route) == places
    assert verdicts(route) == excluded


def test_nobody_counts_what_a_request_needs_where_there_is_no_choice(catalog: Catalog) -> None:
    def needs() -> Needs:
        raise AssertionError

    assert tried(router(catalog).route(Ask(model="eu/x", needs=needs, regions=frozenset({"eu"})))) == ["eu/x"]


def test_unhealthy_places_are_last_with_their_reasons(catalog: Catalog) -> None:
    health = Told({"eu/a": "cooling_down", "far/c": "unhealthy_probe"})
    route = router(catalog, health).route(Ask(model="ordered"))
    assert [(named(one.target), one.verdict) for one in route.candidates] == [
        ("us/b", None),
        ("eu/a", "cooling_down"),
        ("far/c", "unhealthy_probe"),
    ]


def test_where_all_are_unhealthy_the_one_that_is_back_first_is_tried(catalog: Catalog) -> None:
    health = Told(
        {"eu/a": "cooling_down", "us/b": "circuit_open", "far/c": "cooling_down"},
        waits={"eu/a": 9.0, "us/b": 2.5, "far/c": 30.0},
    )
    route = router(catalog, health).route(Ask(model="ordered"))
    assert tried(route) == ["us/b"]
    assert verdicts(route) == {"eu/a": "cooling_down", "far/c": "cooling_down"}


def test_the_only_place_is_tried_however_it_feels(catalog: Catalog) -> None:
    health = Told({"eu/a": "circuit_open", "us/b": "circuit_open"})
    assert tried(router(catalog, health).route(Ask(model="eu/a"))) == ["eu/a"]
    assert tried(router(catalog, health).route(Ask(model="ordered", regions=frozenset({"us"})))) == ["us/b"]


def test_fallbacks_of_a_name_follow_it(catalog: Catalog) -> None:
    route = router(catalog).route(Ask(model="via"))
    assert [(named(one.target), one.model) for one in route.candidates] == [
        ("eu/a", "via"),
        ("far/c", "far/c"),
        ("us/b", "ordered"),
    ]


def test_fallbacks_of_the_request_win(catalog: Catalog) -> None:
    route = router(catalog).route(Ask(model="backed", fallbacks=("us/b", "backed", "us/b")))
    assert tried(route) == ["eu/a", "us/b"]


def test_fallbacks_of_the_system_are_for_names_without_any(build: Build) -> None:
    routes = router(build(CONFIG + "  none: {target: eu/a, fallbacks: []}\nrouting: {fallbacks: [far/z]}\n"))
    assert tried(routes.route(Ask(model="eu/x"))) == ["eu/x", "far/z"]
    assert tried(routes.route(Ask(model="backed"))) == ["eu/a", "far/c", "us/b"]
    assert tried(routes.route(Ask(model="none"))) == ["eu/a"]
    assert tried(routes.route(Ask(model="far/z"))) == ["far/z"]


def test_without_fallback_only_one_place_is_tried_with_all_its_keys(catalog: Catalog) -> None:
    routes = router(catalog)
    off = routes.route(Ask(model="ordered", fallback=False, fallbacks=("far/z",)))
    assert tried(off) == ["eu/a"]
    assert verdicts(off) == {"us/b": "not_needed", "far/c": "not_needed"}
    assert len(tried(routes.route(Ask(model="keys/m", fallback=False)))) == 3
    assert tried(routes.route(Ask(model="backed", fallback=False))) == ["eu/a"]


def test_whether_to_fall_back_is_the_requests_then_the_names_then_the_systems_to_say(build: Build) -> None:
    text = CONFIG + "  yes: {targets: [eu/a, us/b], fallback: on}\nrouting: {fallback: off}\n"
    routes = router(build(text))
    assert tried(routes.route(Ask(model="ordered"))) == ["eu/a"]
    assert tried(routes.route(Ask(model="ordered", fallback=True))) == ["eu/a", "us/b", "far/c"]
    assert tried(routes.route(Ask(model="yes"))) == ["eu/a", "us/b"]
    assert tried(routes.route(Ask(model="alone", fallbacks=("us/b",)))) == ["eu/a", "us/b"]
    assert tried(routes.route(Ask(model="eu/x"))) == ["eu/x"]


def test_a_fallback_that_does_not_exist_is_named(catalog: Catalog) -> None:
    with pytest.raises(RequestFault) as caught:
        router(catalog).route(Ask(model="eu/a", fallbacks=("us/b", "b/m")))
    assert (caught.value.status, caught.value.code, caught.value.param) == (404, "model_not_found", "fallback_models")
    assert "`b/m`" in caught.value.message


def test_patterns_have_routes_too(catalog: Catalog) -> None:
    assert tried(router(catalog).route(Ask(model="gpt-5"))) == ["eu/5", "us/5"]


def test_a_bare_name_of_several_providers_is_an_ordered_route(catalog: Catalog) -> None:
    assert tried(router(catalog, Told({"eu/shared": "circuit_open"})).route(Ask(model="shared"))) == ["us/shared"]


def test_no_more_than_thirty_two_candidates(build: Build) -> None:
    targets = ", ".join(f"a/{number}" for number in range(32))
    text = (
        f"providers: {{a: {{base_url: 'http://a', api_keys: {{k: x, l: y}}}}}}\nmodels: {{m: {{targets: [{targets}]}}}}"
    )
    route = router(build(text)).route(Ask(model="m"))
    assert len(route.candidates) == 32
    assert len(tried(route)) == 32


def test_the_model_list_tells_what_holds_for_all_places(catalog: Catalog) -> None:
    info = router(catalog).model("sized")
    assert (info.context_length, info.input_modalities) == (1000, ("text",))
    assert (info.owned_by, info.protocol) == ("eu", "chat")
    cheap = router(catalog).model("cheap-a")
    assert isinstance(cheap.pricing, PriceInfo)
    assert not router(catalog).model("cheap").pricing


@given(
    unwell=st.sets(st.sampled_from(["eu/a", "us/b", "far/c"])),
    affinity=st.sampled_from(["", "a", "b"]),
    regions=st.sampled_from([frozenset[str](), frozenset({"eu"}), frozenset({"us", "eu"})]),
    model=st.sampled_from(["ordered", "weighted", "loose", "busy", "fast", "cheap", "nested", "backed"]),
)
def test_every_route_has_each_place_once_and_somewhere_to_go(
    catalog: Catalog, unwell: set[str], affinity: str, regions: frozenset[str], model: str
) -> None:
    health = Told(dict.fromkeys(unwell, "circuit_open"))
    route = router(catalog, health).route(Ask(model=model, affinity=affinity, regions=regions))
    names = [named(one.target) for one in route.candidates]
    assert len(set(names)) == len(names)
    first = [one.verdict for one in route.candidates]
    assert first[0] is None
    assert None not in first[len(tried(route)) :], "those to try come before the excluded"
