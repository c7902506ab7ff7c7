"""Custom tools as functions: what models write into `input`, cut anywhere, is the plain text again."""

import os
import random

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw

from antiphon.protocol.request import CustomTool
from antiphon.providers.custom import CustomInput, custom_function, wrap_custom

ROUNDS = int(os.environ.get("ANTIPHON_FUZZ_N", "20000")) // 40
SEED = os.environ.get("ANTIPHON_FUZZ_SEED", "1")

#: What a model wrote, and what was meant.
WRITTEN: list[tuple[str, str]] = [
    ('{"input":"abc"}', "abc"),
    (' {\n "input" : "abc" \n}\n', "abc"),
    ('{"input":""}', ""),
    ('{"input":"*** Begin Patch\\n+a \\"b\\" \\\\ \\/ \\t\\u00e4\\n*** End Patch\\n"}', '*** Begin Patch\n+a "b" \\ / \t\u00e4\n*** End Patch\n'),
    ('{"input":"\\ud83d\\ude00 \\u0041\U0001f600"}', "\U0001f600 A\U0001f600"),
    ('{"input":"\\ud83d"}', "\ufffd"),
    ('{"input":"\\ud83d\\n"}', "\ufffd\n"),
    ('{"input":"\\ud83dx\\ude00"}', "\ufffdx\ufffd"),
    ('{"input":"\\ud83d\\ud83d\\ude00"}', "\ufffd\U0001f600"),
    ('{"input":"\\ud83d\\u0041"}', "\ufffdA"),
    ('{"input":"a","why":"b"}', "a"),
    ('{"input":"a"}{"input":"b"}', "a"),
    # Nothing at all.
    ("", ""),
    ("{}", ""),
    ('{"input":null}', ""),
    # Another key, or another order.
    ('{"patch":"a\\nb"}', "a\nb"),
    ('{"\\u0069nput":"a"}', "a"),
    ('{"why":"b","input":"a"}', "a"),
    # No object.
    ('"abc\\n"', "abc\n"),
    ("*** Begin Patch\n*** End Patch", "*** Begin Patch\n*** End Patch"),
    ("  print(1)", "  print(1)"),
    ("5", "5"),
    ("[1]", "[1]"),
    ('"a" + "b"', '"a" + "b"'),
    # Neither one string nor nothing: as it was written.
    ('{"input":{"a":1}}', '{"input":{"a":1}}'),
    ('{"input":["a"]}', '{"input":["a"]}'),
    ('{"a":"b","c":"d"}', '{"a":"b","c":"d"}'),
    ('{"a":1}', '{"a":1}'),
    ("{a: 1}", "{a: 1}"),
    ('{"inputs', '{"inputs'),
    # Broken JSON inside of the string.
    ('{"input":"a\nb\tc"}', "a\nb\tc"),
    ('{"input":"\\d+\\."}', "\\d+\\."),
    ('{"input":"\\u12G4"}', "\\u12G4"),
    ('{"input":"say "hi" now"}', 'say "hi" now'),
    # Cut.
    ('{"input":"abc', "abc"),
    ('{"input":"abc"', "abc"),
    ('{"input":"abc\\', "abc"),
    ('{"input":"abc\\u00', "abc"),
    ('{"input":"abc\\ud83d', "abc\ufffd"),
]  # fmt: skip


def unwrapped(*pieces: str) -> str:
    decoder = CustomInput()
    return "".join([*map(decoder.feed, pieces), decoder.end()])


def split(text: str, dice: random.Random) -> list[str]:
    cuts = sorted(dice.randrange(len(text) + 1) for _ in range(dice.randrange(0, 8)))
    return [text[start:end] for start, end in zip([0, *cuts], [*cuts, len(text)], strict=True)]


@pytest.mark.parametrize(("written", "meant"), WRITTEN, ids=[row[0][:40] for row in WRITTEN])
def test_bug_23_what_a_model_writes_is_read_as_it_was_meant(written: str, meant: str) -> None:
    assert unwrapped(written) == meant
    assert unwrapped(*written) == meant
    for place in range(len(written) + 1):
        assert unwrapped(written[:place], written[place:]) == meant
    assert (meant + "x").encode(), "it can be sent on"


@given(st.text(), st.randoms(use_true_random=False))
def test_bug_23_any_text_comes_back_from_any_split(text: str, dice: random.Random) -> None:
    whole = wrap_custom(text)
    assert unwrapped(*split(whole, dice)) == text
    spaced = msgspec.json.format(whole, indent=2)
    assert unwrapped(*split(spaced, dice)) == text
    escaped = '{"input": "' + "".join(f"\\u{unit:04x}" for unit in units(text)) + '"}'
    assert unwrapped(*split(escaped, dice)) == text


def units(text: str) -> list[int]:
    raw = text.encode("utf-16-be")
    return [int.from_bytes(raw[place : place + 2]) for place in range(0, len(raw), 2)]


def test_splits_of_garbage_change_nothing() -> None:
    dice = random.Random(SEED)
    tokens = [
        '{"input":"',
        '"',
        "\\",
        "}",
        "{",
        ",",
        "\\u",
        "d83d",
        "\\ud83d",
        "\\ude00",
        "ab",
        " ",
        "\n",
        '"input"',
        ":",
        "\U0001f600",
    ]
    for _ in range(ROUNDS):
        text = "".join(dice.choice(tokens) for _ in range(dice.randrange(20)))
        if dice.random() < 0.7:
            text = '{"input":"' + text
        whole = unwrapped(text)
        whole.encode()
        assert unwrapped(*split(text, dice)) == whole, text
        assert unwrapped(*text) == whole, text


def test_text_comes_out_as_soon_as_it_is_certain() -> None:
    decoder = CustomInput()
    assert [decoder.feed(piece) for piece in ('{"inp', 'ut": "', "ab", "c\\", "nd", "\\ud83d", "\\ude00", 'e" ', "}")] == [
        "", "", "ab", "c", "\nd", "", "\U0001f600", "e", "",
    ]  # fmt: skip
    assert decoder.end() == ""
    assert decoder.feed("more") == decoder.end() == ""


def test_endless_blanks_are_not_waited_for() -> None:
    decoder = CustomInput()
    assert "".join(decoder.feed(" ") for _ in range(5000)) == ""
    assert decoder.end() == ""
    decoder = CustomInput()
    assert decoder.feed('{"input":"a"' + " " * 5000) == "a"
    assert decoder.feed("b") == ""


def test_bug_24_the_grammar_goes_into_the_description() -> None:
    tool = CustomTool("t", "Edits.", Raw(b'{"type":"grammar","syntax":"regex","definition":"a+\\nb"}'))
    description, parameters = custom_function(tool)
    assert description.startswith("Edits.\n\n")
    assert "regex grammar:\na+\nb" in description
    assert msgspec.json.decode(parameters)["required"] == ["input"]


@pytest.mark.parametrize("form", [b"null", b'{"type":"text"}'])
def test_a_tool_of_plain_text_has_no_rules(form: bytes) -> None:
    assert custom_function(CustomTool("t", None, Raw(form))) == custom_function(CustomTool("t"))


@pytest.mark.parametrize("form", [b'{"type":"new","x":1}', b'{"type":7}', b'{"type":"grammar"}'])
def test_a_format_that_is_not_understood_is_shown_to_the_model(form: bytes) -> None:
    assert form.decode() in custom_function(CustomTool("t", None, Raw(form)))[0]
