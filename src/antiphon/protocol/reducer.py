"""Events in, response out: what a reader of the event log does, and the check on what the Assembler says at the end."""

from collections.abc import Iterable

from msgspec import structs

from antiphon.protocol import events
from antiphon.protocol.extended import extended, extras
from antiphon.protocol.response import OutputItem, Response

__all__ = ["reduce"]


def reduce(stream: Iterable[events.Event]) -> Response:
    """The response that these events describe.

    The beginning comes from `response.created`, every item from its own `output_item.done`, and only the outcome
    from the terminal event; for a whole stream that is, field by field, the terminal event's response. A stream that
    was cut gives the response as it began, with the items that were finished by then.

    Raises:
        ValueError: the first event is not `response.created`.
    """
    remaining = iter(stream)
    match next(remaining, None):
        case events.Created(response=response):
            pass
        case _:
            raise ValueError("a stream of events begins with response.created")
    items: dict[int, OutputItem] = {}
    for event in remaining:
        if isinstance(event, events.ItemDone):
            items[event.output_index] = event.item
        elif isinstance(event, events.TERMINAL):
            response = _with_outcome(response, event.response)
    return structs.replace(response, output=tuple(items[index] for index in sorted(items)))


def _with_outcome(response: Response, ended: Response) -> Response:
    response = structs.replace(
        response,
        status=ended.status,
        completed_at=ended.completed_at,
        error=ended.error,
        incomplete_details=ended.incomplete_details,
        service_tier=ended.service_tier,
        store=ended.store,  # false when the commit failed for good
        usage=ended.usage,
    )
    return extended(response, extras(ended))
