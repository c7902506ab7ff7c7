"""What is known of the models of known providers: how much they take, what they read and write, what they cost.

The table comes along as `models.json`, one line for each model, made by `python -m tests.meta.model_facts` from public
collections. It is read once, when the catalogue is built; nothing is ever fetched.
"""

from collections.abc import Mapping, Sequence
from importlib.resources import files

import msgspec
from msgspec import Raw, Struct, field

from antiphon.protocol.price import Price

__all__ = ["NOTHING_KNOWN", "KnownModels", "ModelFacts", "Table", "common", "load_known_models"]

#: Longest tail that is tried as a date, with its dash: `-2026-11-13`.
_DATES = (11, 9)


class ModelFacts(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One model. What is not known is `None`.

    Attributes:
        context: tokens of input and output together.
        max_output: tokens of the longest answer.
        input, output: kinds of content (`text`, `image`, `audio`, `video`, `pdf`).
        released: a date, or its year and month.
    """

    context: int | None = None
    max_output: int | None = None
    input: tuple[str, ...] | None = None
    output: tuple[str, ...] | None = None
    released: str | None = None
    price: Price | None = None

    def over(self, other: "ModelFacts") -> "ModelFacts":
        """These facts, and those of `other` where these have none."""
        return ModelFacts(
            context=self.context or other.context,
            max_output=self.max_output or other.max_output,
            input=self.input or other.input,
            output=self.output or other.output,
            released=self.released or other.released,
            price=self.price or other.price,
        )

    def without_price(self) -> "ModelFacts":
        """The same, for a server that may be paid otherwise."""
        return msgspec.structs.replace(self, price=None)


#: Of a model of which nobody knows anything.
NOTHING_KNOWN = ModelFacts()


def common(several: Sequence[ModelFacts]) -> ModelFacts:
    """What holds for all of them: the tightest of their limits, what all of them read and write. At least one."""
    first = several[0]
    if all(one == first for one in several):
        return first
    return ModelFacts(
        context=_tightest([one.context for one in several]),
        max_output=_tightest([one.max_output for one in several]),
        input=_shared([one.input for one in several]),
        output=_shared([one.output for one in several]),
        released=first.released,
        price=first.price if all(one.price == first.price for one in several) else None,
    )


def _tightest(limits: Sequence[int | None]) -> int | None:
    return min((limit for limit in limits if limit is not None), default=None)


def _shared(kinds: Sequence[tuple[str, ...] | None]) -> tuple[str, ...] | None:
    known = [each for each in kinds if each is not None]
    return tuple(kind for kind in known[0] if all(kind in each for each in known)) if known else None


class KnownModels(Struct, frozen=True):
    """The models of one provider, by its names for them."""

    models: Mapping[str, ModelFacts] = field(default_factory=dict)

    def find(self, model: str) -> ModelFacts:
        """What is known of a model: of its name, and beyond that of the name without the date at its end."""
        found = self.models.get(model)
        for length in _DATES:
            name, tail = model[:-length], model[-length:]
            if tail.startswith("-") and tail.replace("-", "").isdigit() and (undated := self.models.get(name)):
                return found.over(undated) if found is not None else undated
        return found or NOTHING_KNOWN


class Table(Struct, frozen=True, kw_only=True):
    """The whole file.

    Attributes:
        sources: what it was made from, with versions.
        as_of: the day of the prices.
        providers: models by the name under which Antiphon knows the provider.
    """

    sources: tuple[str, ...]
    as_of: str
    providers: Mapping[str, Raw]

    def of(self, provider: str) -> KnownModels:
        """The models of that provider; none where nothing is known of it."""
        models = self.providers.get(provider)
        return KnownModels(msgspec.json.decode(models, type=dict[str, ModelFacts]) if models is not None else {})


def load_known_models() -> Table:
    """Read the table: a millisecond, and another one for a provider of a thousand models."""
    return msgspec.json.decode(files("antiphon.routing").joinpath("models.json").read_bytes(), type=Table)
