"""The keys that seal: from the operator, or from a file of the first start."""

import base64
import multiprocessing
import stat
from multiprocessing.queues import SimpleQueue
from pathlib import Path

import pytest

from antiphon.access.seal_keys import KEY_FILE, load_seal_keys
from antiphon.config.seal_keys import parse_seal_keys
from antiphon.config.secret import Secret

ONE, TWO = bytes(range(32)), bytes(range(200, 232))


def _text(key: bytes) -> str:
    return base64.b64encode(key).decode()


def _report(data_dir: Path, answers: "SimpleQueue[tuple[bytes, ...]]") -> None:
    answers.put(load_seal_keys(None, data_dir))


def test_the_first_start_makes_a_key_that_only_its_owner_can_read(tmp_path: Path) -> None:
    keys = load_seal_keys(None, tmp_path)
    assert [len(key) for key in keys] == [32]
    assert stat.S_IMODE((tmp_path / KEY_FILE).stat().st_mode) == 0o600
    assert load_seal_keys(None, tmp_path) == keys
    assert [file.name for file in tmp_path.iterdir()] == [KEY_FILE]


def test_two_data_directories_have_two_keys(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    assert load_seal_keys(None, tmp_path / "a") != load_seal_keys(None, tmp_path / "b")


def test_processes_that_start_at_once_share_one_key(tmp_path: Path) -> None:
    spawn = multiprocessing.get_context("spawn")
    answers: SimpleQueue[tuple[bytes, ...]] = spawn.SimpleQueue()
    processes = [spawn.Process(target=_report, args=(tmp_path, answers)) for _ in range(4)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert len({answers.get() for _ in processes}) == 1


def test_a_start_that_was_cut_short_leaves_nothing_in_the_way(tmp_path: Path) -> None:
    (tmp_path / f"{KEY_FILE}.new").write_text("half a k")
    assert len(load_seal_keys(None, tmp_path)) == 1


def test_a_file_may_hold_several_keys_the_newest_first(tmp_path: Path) -> None:
    (tmp_path / KEY_FILE).write_text(f"{_text(TWO)}\n{_text(ONE)}\n")
    assert load_seal_keys(None, tmp_path) == (TWO, ONE)


def test_the_operators_keys_win_and_no_file_is_made(tmp_path: Path) -> None:
    assert load_seal_keys(Secret(f"{_text(TWO)},{_text(ONE)}"), tmp_path) == (TWO, ONE)
    assert not list(tmp_path.iterdir())


def test_a_damaged_file_stops_the_start_and_says_which(tmp_path: Path) -> None:
    (tmp_path / KEY_FILE).write_text(_text(ONE)[:-6])
    with pytest.raises(ValueError, match=KEY_FILE) as caught:
        load_seal_keys(None, tmp_path)
    assert _text(ONE)[:8] not in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [_text(ONE), _text(ONE).rstrip("="), base64.urlsafe_b64encode(ONE).decode(), ONE.hex(), f" {_text(ONE)} \n"],
)
def test_a_key_may_be_written_in_several_ways(text: str) -> None:
    assert parse_seal_keys(text) == (ONE,)


@pytest.mark.parametrize("text", ["", " , ", "secret", "x" * 44, _text(ONE[:31]), _text(ONE) + _text(TWO), "é" * 64])
def test_what_is_no_key_is_refused(text: str) -> None:
    assert parse_seal_keys(text) is None
    assert parse_seal_keys(f"{_text(ONE)},{text or 'x'}") is None or not text.strip(" ,")
