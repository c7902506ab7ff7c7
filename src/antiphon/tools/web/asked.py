"""What a client says about a `web_search` tool, in the words of the Responses API, and what it comes to here."""

import msgspec
from msgspec import Raw, Struct

from antiphon.protocol.faults import RequestFault
from antiphon.protocol.validation import validation_fault
from antiphon.tools.web.domains import DomainFilter, domain_of
from antiphon.tools.web.engine import ContextSize, Location

__all__ = ["Asked", "Room", "asked"]

#: OpenAI's limit for a list of domains.
_MAX_DOMAINS = 100


class Room(Struct, frozen=True):
    """How much a model is given to read: results of a search, characters of each, characters of a page at once."""

    results: int
    snippet_chars: int
    page_chars: int


_ROOMS: dict[ContextSize, Room] = {
    "low": Room(5, 300, 6_000),
    "medium": Room(6, 600, 12_000),
    "high": Room(10, 1500, 30_000),
}


class Asked(Struct, frozen=True):
    """A tool as the client wants it.

    Attributes:
        live: whether anything may be fetched at all (`external_web_access`).
    """

    domains: DomainFilter
    location: Location
    context: ContextSize
    room: Room
    live: bool = True


class _Filters(Struct, frozen=True):
    allowed_domains: list[str] | None = None
    blocked_domains: list[str] | None = None


class _Place(Struct, frozen=True):
    country: str | None = None
    region: str | None = None
    city: str | None = None
    timezone: str | None = None


class _Tool(Struct, frozen=True):
    """`max_results` is an extension of ours."""

    filters: _Filters | None = None
    search_context_size: ContextSize | None = None
    user_location: _Place | None = None
    external_web_access: bool | None = None
    max_results: int | None = None


_decoder = msgspec.json.Decoder(_Tool)


def asked(raw: Raw, *, context: ContextSize, most_results: int, place: str = "tools") -> Asked:
    """The tool as it was sent; `context` for who does not say, never more than `most_results`.

    Raises `RequestFault` for what is wrong in it. Fields that only say what kind of content is wanted are left aside.
    """
    try:
        tool = _decoder.decode(raw)
    except msgspec.ValidationError as error:
        raise validation_fault(error, prefix=place, expected=_Tool) from error
    size = tool.search_context_size or context
    room = _ROOMS[size]
    results = room.results if tool.max_results is None else tool.max_results
    if results < 1:
        raise _invalid(f"{place}.max_results", "expected at least 1")
    filters = tool.filters or _Filters()
    said = tool.user_location or _Place()
    return Asked(
        domains=DomainFilter(
            _domains(filters.allowed_domains, f"{place}.filters.allowed_domains"),
            _domains(filters.blocked_domains, f"{place}.filters.blocked_domains"),
        ),
        location=Location(*(_short(one) for one in (said.country, said.region, said.city, said.timezone))),
        context=size,
        room=msgspec.structs.replace(room, results=min(results, most_results)),
        live=tool.external_web_access is not False,
    )


def _domains(entries: list[str] | None, place: str) -> tuple[str, ...]:
    if len(entries or ()) > _MAX_DOMAINS:
        raise _invalid(place, f"expected at most {_MAX_DOMAINS} domains")
    found = []
    for index, entry in enumerate(entries or ()):
        domain = domain_of(entry)
        if domain is None:
            raise _invalid(f"{place}[{index}]", "expected a domain such as example.com")
        found.append(domain)
    return tuple(dict.fromkeys(found))


def _short(text: str | None) -> str | None:
    """One line of a place's name: it goes to engines and to the model."""
    return " ".join(text.split())[:100] or None if text else None


def _invalid(param: str, what: str) -> RequestFault:
    return RequestFault(f"Invalid value for '{param}': {what}.", code="invalid_value", param=param)
