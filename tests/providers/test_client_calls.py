"""A decoder's deltas in the client's words."""

from antiphon.protocol.deltas import Broke, CallArguments, CallOpened, Closed, Delta, Stopped, Text
from antiphon.protocol.faults import UpstreamFault
from antiphon.protocol.request import CustomTool, FunctionTool
from antiphon.providers.client_calls import ClientCalls
from antiphon.providers.names import ToolNames

NAMES = ToolNames([FunctionTool("read", namespace="fs"), CustomTool("patch", namespace="fs"), FunctionTool("plain")])


def said(*deltas: Delta, native: bool = False) -> list[Delta]:
    """One by one, and all at once: the same."""
    calls = ClientCalls(NAMES, native=native)
    single = [out for delta in deltas for out in calls.translate([delta])]
    assert ClientCalls(NAMES, native=native).translate(deltas) == single
    return single


def test_names_and_namespaces_are_the_clients() -> None:
    assert said(CallOpened(1, "c", "fs__read"), CallArguments(1, "{}"), Closed(1), CallOpened(2, "d", "plain")) == [
        CallOpened(1, "c", "read", "function", "fs"),
        CallArguments(1, "{}"),
        Closed(1),
        CallOpened(2, "d", "plain"),
    ]


def test_a_name_that_the_model_made_up_is_left_to_the_client() -> None:
    assert said(CallOpened(1, "c", "fs.read")) == [CallOpened(1, "c", "fs.read")]


def test_custom_input_is_plain_text() -> None:
    deltas: list[Delta] = [
        CallOpened(1, "c", "fs__patch"),
        Text(0, "a"),
        CallArguments(1, '{"input":"a'),
        CallArguments(1, '\\nb"}'),
    ]
    assert said(*deltas, Closed(1)) == [
        CallOpened(1, "c", "patch", "custom", "fs"),
        Text(0, "a"),
        CallArguments(1, "a"),
        CallArguments(1, "\nb"),
        Closed(1),
    ]


def test_two_custom_calls_side_by_side() -> None:
    opened: list[Delta] = [CallOpened(key, f"c{key}", "fs__patch") for key in (1, 2)]
    pieces: list[Delta] = [CallArguments(1, '{"input":'), CallArguments(2, '{"x":"two"}'), CallArguments(1, '"one"}')]
    assert said(*opened, *pieces, Closed(2), Closed(1))[2:] == [
        CallArguments(1, "one"),
        CallArguments(2, "two"),
        Closed(2),
        Closed(1),
    ]


def test_what_was_held_back_comes_before_every_end() -> None:
    fault = Broke(UpstreamFault("x", code="upstream_reset"))
    for end in (Closed(1), Stopped("max_output_tokens"), fault):
        assert said(CallOpened(1, "c", "fs__patch"), CallArguments(1, '{"x":"two'), end)[1:] == [
            CallArguments(1, '{"x":"two'),
            end,
        ]


def test_native_input_is_plain_text_already() -> None:
    deltas: list[Delta] = [CallOpened(1, "c", "fs__patch"), CallArguments(1, '{"input":"a"}'), Closed(1)]
    assert said(*deltas, native=True) == [CallOpened(1, "c", "patch", "custom", "fs"), *deltas[1:]]
