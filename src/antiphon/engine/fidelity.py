"""What became of what was asked: told in full to who asks for it, and refused where the operator wants no losses."""

from collections.abc import Sequence

import msgspec
from msgspec import Raw, Struct

from antiphon.protocol.faults import RequestFault
from antiphon.protocol.request import Notice, NoticeKind
from antiphon.protocol.target import Target

__all__ = ["FIDELITY", "Fidelity", "fidelity_report", "refuse_losses"]

#: The `include` value that asks for the report.
FIDELITY = "antiphon.fidelity"

_LOSSES: frozenset[NoticeKind] = frozenset({"dropped", "approximated"})
#: So many losses are named in a refusal.
_NAMED = 20

_encoder = msgspec.json.Encoder()


class Fidelity(Struct, frozen=True):
    """The report. `target` is `provider/model`."""

    target: str | None
    notices: Sequence[Notice]


def fidelity_report(notices: Sequence[Notice], target: Target | None) -> Raw:
    """The report as JSON, for the response's `antiphon`."""
    name = f"{target.provider}/{target.model}" if target is not None else None
    return Raw(_encoder.encode(Fidelity(name, notices)))


def refuse_losses(notices: Sequence[Notice], target: Target) -> None:
    """What a strict target does.

    Raises:
        RequestFault: 400 `fidelity_refused`, naming every field that would be dropped or only come near.
    """
    if not target.strict:
        return
    losses = [notice for notice in notices if notice.kind in _LOSSES]
    if not losses:
        return
    named = "; ".join(dict.fromkeys(map(_told, losses[:_NAMED])))
    more = f"; and {len(losses) - _NAMED} more" if len(losses) > _NAMED else ""
    raise RequestFault(
        f"This model is served exactly as asked or not at all. What cannot be: {named}{more}.",
        code="fidelity_refused",
        param=losses[0].where,
    )


def _told(notice: Notice) -> str:
    change = f", {notice.asked[:80]} became {notice.became[:80]}" if notice.became else ""
    return f"'{notice.where[:160]}' ({notice.kind}: {notice.reason}{change})"
