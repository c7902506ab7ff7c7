"""What only some vendors can say: dropped by name, or refused by name. Never silent."""

import pytest
from msgspec import Raw, structs

from antiphon.protocol.faults import RequestFault
from antiphon.protocol.items import InputItem, OtherItem
from antiphon.protocol.request import Dialect, HostedTool
from antiphon.providers.hosted import drop_fields, drop_item, drop_tools
from tests.helpers.requests import make_request

F = {"type": "function", "name": "f"}
KINDS = ["mcp", "file_search", "code_interpreter", "image_generation", "computer", "computer_use_preview", "local_shell", "shell", "apply_patch", "acme:thing", ""]  # fmt: skip


@pytest.mark.parametrize("kind", ["web_search", "web_search_preview", "web_search_2025_08_26", "tool_search"])
def test_bug_25_tools_that_the_answer_can_do_without_are_dropped_by_name(kind: str) -> None:
    (notice,) = drop_tools(make_request(tools=[F, {"type": kind}]))
    assert (notice.where, notice.kind) == (f"tools[1].{kind}", "dropped")


@pytest.mark.parametrize("kind", KINDS)
def test_bug_25_other_tools_are_refused_by_type(kind: str) -> None:
    with pytest.raises(RequestFault, match=f"'{kind}'") as caught:
        drop_tools(make_request(tools=[F, {"type": kind, "name": "x"}]))
    assert (caught.value.status, caught.value.code) == (400, "unsupported_parameter")
    assert caught.value.param == "tools[1].type"


@pytest.mark.parametrize(
    ("dialect", "known"), [("responses", "'namespace'"), ("chat", "functions."), ("messages", "functions.")]
)
def test_a_refusal_names_what_its_dialect_has(dialect: Dialect, known: str) -> None:
    request = make_request(tools=[F])
    asked = structs.replace(request, dialect=dialect, tools=(HostedTool("namespace", Raw(b"{}")),))
    with pytest.raises(RequestFault) as caught:
        drop_tools(asked)
    assert caught.value.message.rpartition("Supported: ")[2].endswith(f"{known}." if "'" in known else known)


def test_a_long_type_is_not_repeated_in_whole() -> None:
    with pytest.raises(RequestFault) as caught:
        drop_tools(make_request(tools=[{"type": "x" * 5000}]))
    assert len(caught.value.message) < 300


def test_what_the_codec_sends_itself_is_no_loss() -> None:
    request = make_request(tools=[F, {"type": "mcp"}], tool_choice={"type": "mcp"})
    assert drop_tools(request, native=("mcp",)) == []


def test_the_choice_of_a_dropped_tool_is_dropped() -> None:
    request = make_request(tools=[{"type": "web_search"}], tool_choice={"type": "web_search"})
    assert [notice.where for notice in drop_tools(request)] == ["tools[0].web_search", "tool_choice"]


def test_behind_a_namespace_places_are_not_told() -> None:
    space = {"type": "namespace", "name": "n", "tools": [F, {"type": "custom", "name": "c"}]}
    (notice,) = drop_tools(make_request(tools=[space, {"type": "web_search"}]))
    assert notice.where == "tools.web_search"


def test_items_are_dropped_taken_up_or_refused() -> None:
    def dropped(kind: str) -> object:
        return drop_item(InputItem(OtherItem(kind), b"{}", "input[3]"), OtherItem(kind))

    assert dropped("additional_tools") is None
    assert "input[3]" in str(dropped("web_search_call"))
    for kind in ("computer_call", "mcp_call", "compaction", "local_shell_call", "x" * 5000):
        with pytest.raises(RequestFault, match=kind[:80]) as caught:
            dropped(kind)
        assert (caught.value.status, caught.value.param) == (400, "input[3].type")
        assert len(caught.value.message) < 300


def test_fields_of_another_dialect_are_named() -> None:
    notices = drop_fields(make_request(zzz=1, client_metadata={}))
    assert [(notice.where, notice.kind) for notice in notices] == [("zzz", "dropped"), ("client_metadata", "dropped")]
