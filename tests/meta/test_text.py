"""What must not stand in any file: this or that machine, where packages come from, unexplained exceptions to rules."""

import asyncio
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]

# Written in pieces, so that this file passes its own test.
FORBIDDEN = re.compile(
    "|".join(
        [
            "pypi" + r"\.org",
            "python" + "hosted",
            "registry" + r"\.npmjs",
            r"(?<![\w.-])/" + "work/",
            r"(?<![\w.-])/" + "root/",
            r"\.lib" + "rary",
            r"(?<![\w-])sha" + "red/",
        ]
    )
)
TODO = re.compile(r"\b(TODO|FIXME|XXX)\b(?! ?\(?#\d)")
BARE_IGNORE = re.compile(r"#\s*type:\s*ignore(?!\[[\w\-, ]+\]\s+#\s*\S)")
BARE_NOQA = re.compile(r"#\s*noqa(?!: [A-Z]+\d+(, ?[A-Z]+\d+)* +- *\S)")


@cache
def tracked() -> list[tuple[str, str]]:
    """Every text file under version control: its path, its text."""
    return asyncio.run(_tracked())


async def _tracked() -> list[tuple[str, str]]:
    git = await asyncio.create_subprocess_exec("git", "ls-files", "-z", cwd=ROOT, stdout=asyncio.subprocess.PIPE)
    listing, _ = await git.communicate()
    assert git.returncode == 0, "these tests read the list of files from git"
    files = []
    for name in listing.decode().split("\0"):
        path = ROOT / name
        if name and path.is_file():
            try:
                files.append((name, path.read_text()))
            except UnicodeDecodeError:
                continue  # an image, or a recorded body that is no text
    return files


def hits(pattern: re.Pattern[str], *, suffix: str = "") -> Iterator[str]:
    for name, text in tracked():
        if name.endswith(suffix) and Path(name).name != Path(__file__).name:
            for number, line in enumerate(text.split("\n"), 1):
                if found := pattern.search(line):
                    yield f"{name}:{number}: {found.group()}"


def test_there_are_files_to_look_at() -> None:
    assert len(tracked()) > 50


def test_no_file_names_this_machine_or_a_registry() -> None:
    assert list(hits(FORBIDDEN)) == []


def test_what_is_left_to_do_has_a_number() -> None:
    assert list(hits(TODO, suffix=".py")) == []


def test_ignored_types_have_a_code_and_a_reason() -> None:
    assert list(hits(BARE_IGNORE, suffix=".py")) == []


def test_ignored_lint_has_a_code_and_a_reason() -> None:
    assert list(hits(BARE_NOQA, suffix=".py")) == []


def test_patterns_bite() -> None:
    for bad in ("https://" + "pypi" + ".org/x", "cd /" + "work/main", " /" + "root/.x", "see sha" + "red/x.md"):
        assert FORBIDDEN.search(bad), bad
    for good in ("a framework/module", "https://example.org/root/x", "unsha" + "red/x"):
        assert not FORBIDDEN.search(good), good
    assert TODO.search("# TODO" + ": later")
    assert not TODO.search("# TODO" + " #12: later")
    assert BARE_IGNORE.search("x  # type:" + " ignore")
    assert BARE_IGNORE.search("x  # type:" + " ignore[misc]")
    assert not BARE_IGNORE.search("x  # type:" + " ignore[misc]  # a reason")
    assert BARE_NOQA.search("x  # no" + "qa")
    assert BARE_NOQA.search("x  # no" + "qa: S101")
    assert not BARE_NOQA.search("x  # no" + "qa: S101 - a reason")
