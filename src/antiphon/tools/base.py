"""What a hosted tool is to the loop that runs it: functions for the model, and calls that never raise.

A `HostedKind` is made once, when the gateway starts. For each response in which a client asks for it, `open` gives an
`OpenedTool`, which holds what belongs to that response: filters, what was found so far. The loop shows its `functions`
to the model, runs the calls, gives `Outcome.text` back to the model and `Outcome.action` to the client.
"""

from collections.abc import Sequence
from typing import Protocol

from msgspec import Raw, Struct

from antiphon.protocol.records import Tenant
from antiphon.protocol.request import FunctionTool, HostedTool
from antiphon.tools.sources import Source

__all__ = ["Caller", "Citer", "HostedKind", "OpenedTool", "Outcome"]


class Caller(Struct, frozen=True):
    """For whom a tool is opened.

    Attributes:
        sources: what earlier turns of the conversation found, in that order: they may still be cited and opened.
        said: texts of the user's own: addresses in them count as shown.
        read: what calls of earlier turns gave the model to read, each behind the name of its function.
        place: where the tool stands in the request (`tools[2]`), for the `param` of faults.
    """

    tenant: Tenant
    sources: tuple[Source, ...] = ()
    said: tuple[str, ...] = ()
    read: tuple[tuple[str, str], ...] = ()
    place: str = "tools"


class Outcome(Struct, frozen=True):
    """What came of one call.

    Attributes:
        text: what the model reads. Where strangers wrote some of it, it says so itself.
        action: for the client: in a `web_search_call` its `action`.
        sources: what was found in this call, in the order found. Those of the text are numbered over all calls.
        failed: the call did not do what it was asked to. `text` then tells the model why.
        cost_micros: what it cost, in millionths of a US dollar.
        detail: for logs and the run record only.
    """

    text: str
    action: Raw
    sources: tuple[Source, ...] = ()
    failed: bool = False
    cost_micros: int = 0
    detail: str = ""


class Citer(Protocol):
    """Finds in one text of the model's what it cites of a tool's results. The same for every split of the text."""

    def feed(self, text: str) -> Sequence[Raw]:
        """Annotations that are certain now; offsets are characters of the whole text."""

    def end(self) -> Sequence[Raw]:
        """The rest."""


class OpenedTool(Protocol):
    """A tool while one response is made. Calls may overlap."""

    @property
    def item_type(self) -> str:
        """The type of the items that show its calls, as `web_search_call`."""

    @property
    def functions(self) -> tuple[FunctionTool, ...]:
        """What the model is shown in place of the tool."""

    def begun(self, name: str, arguments: str) -> Raw:
        """The action of a call that begins: what is known before its result. Never raises."""

    async def call(self, name: str, arguments: str) -> Outcome:
        """Run one call. `arguments` is what the model wrote, however wrong.

        Raises nothing: what goes wrong is told in the outcome. Ends within the tool's own time limits. On cancel
        everything it waits for is dropped at once.
        """

    def new_citer(self) -> Citer:
        """For one text of the model's."""

    async def close(self) -> None:
        """Let go of what this response held. Called once, also after a cancel."""


class HostedKind(Protocol):
    """A kind of hosted tool, shared by all responses."""

    def serves(self, kind: str) -> bool:
        """Whether it is the tool of that type. Dated variants are the same tool."""

    async def open(self, tool: HostedTool, caller: Caller) -> OpenedTool:
        """Begin with one response.

        Raises `RequestFault` (400; its `param` is the field inside the tool) where the client's wishes are wrong.
        """
