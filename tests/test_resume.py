"""`edgembed encode --resume`: killed at any moment and started again, every row once."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pytest

from edgembed import Embedder
from edgembed.cli.partial import Partial
from support import python

MAIN = "import sys; from edgembed.cli import main; sys.exit(main())"
COUNT = 150


@pytest.fixture
def frida(bundles: Path) -> Path:
    return bundles / "tiny-frida"


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "texts.txt"
    path.write_text("".join(f"text number {i}\n" for i in range(COUNT)), encoding="utf-8")
    return path


def encode(*arguments: str | Path) -> subprocess.CompletedProcess[bytes]:
    return python("-c", MAIN, "encode", *arguments)


def vectors_of(bundle: Path, source: Path) -> np.ndarray:
    texts = source.read_text(encoding="utf-8").splitlines()
    return Embedder(bundle).encode(texts)  # type: ignore[no-any-return]


# The command, killed by itself: SIGKILL leaves a process no time to tidy up. argv[1] says when:
# after so many vectors, or instead of a call that the publishing makes.
KILLED = """
import os, signal, sys
from pathlib import Path
from edgembed.cli import main, partial

def kill(*_, **__):
    os.kill(os.getpid(), signal.SIGKILL)

def kill_at_the_last(path, unlink=Path.unlink, **options):
    kill() if path.suffix == ".partial" else unlink(path, **options)  # else: what kills have left

def until(vectors, count):
    for number, vector in enumerate(vectors):
        if number == count:
            kill()
        yield vector

when, extend, unlink = sys.argv[1], partial.Partial.extend, Path.unlink
if when.isdigit():
    partial.Partial.extend = lambda self, vectors: extend(self, until(vectors, int(when)))
elif when == "unlink":
    Path.unlink = lambda self, **_: kill() if self.suffix == ".partial" else unlink(self)
else:
    setattr(os if when == "fsync" else Path, when, kill_at_the_last if when == "unlink" else kill)
sys.exit(main(sys.argv[2:]))
"""


@pytest.mark.skipif(os.name != "posix", reason="SIGKILL is POSIX's")
@pytest.mark.parametrize("ending", ["npy", "jsonl", "parquet"])
def test_killed_again_and_again(frida: Path, source: Path, tmp_path: Path, ending: str) -> None:
    out, whole = tmp_path / f"out.{ending}", tmp_path / f"whole.{ending}"
    command = ["encode", frida, source, "--resume", "-o", out]
    there = 0
    for when in ("0", "1", "70", "0", "29", "fsync", "replace"):
        done = python("-c", KILLED, when, *command)
        assert done.returncode == -signal.SIGKILL
        assert (f"{there} of {COUNT} vectors".encode() in done.stderr) == (there > 0)
        there = there + int(when) if when.isdigit() else COUNT
        assert not out.exists()
    assert encode(frida, source, "-o", whole).returncode == 0
    # The last moment of all: the output is in its place, what it was made of not yet away.
    assert python("-c", KILLED, "unlink", *command).returncode == -signal.SIGKILL
    assert out.read_bytes() == whole.read_bytes()
    assert python("-c", MAIN, *command).returncode == 0
    assert out.read_bytes() == whole.read_bytes()
    assert {path.name for path in tmp_path.iterdir()} == {"texts.txt", out.name, whole.name}


def stopped(frida: Path, source: Path, out: Path) -> Path:
    """OUT.partial as a run leaves it that has embedded everything and published nothing."""
    done = encode(frida, source, "--resume", "-o", out)
    assert done.returncode == 0
    script = """
import sys
from edgembed.cli import main, partial
partial.Partial.publish = lambda *_: sys.exit(9)
main(sys.argv[1:])
"""
    done = python("-c", script, "encode", frida, source, "--resume", "-o", out)
    assert done.returncode == 9, done.stderr
    out.unlink()
    return out.with_name(out.name + ".partial")


@pytest.fixture
def few(tmp_path: Path) -> Path:
    path = tmp_path / "few.txt"
    path.write_text("one\ntwo\n\nfour\n", encoding="utf-8")
    return path


def test_killed_after_any_byte(frida: Path, few: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.npy"
    left = stopped(frida, few, out).read_bytes()
    expected = vectors_of(frida, few)
    head = left.index(b"\n") + 1
    row = expected.shape[1] * 4
    assert len(left) == head + 4 * row
    cuts = [0, 1, head - 1, head, head + 1, head + row - 1, head + row, head + 3 * row + 5]
    for cut in [*cuts, len(left)]:
        out.with_name("out.npy.partial").write_bytes(left[:cut])
        done = encode(frida, few, "--resume", "-o", out)
        assert done.returncode == 0, done.stderr
        np.testing.assert_array_equal(np.load(out), expected)
        assert not out.with_name("out.npy.partial").exists()


def test_two_processes_of_one_run(tmp_path: Path) -> None:
    """The second one begins to publish, and is done, while the first one writes its output."""
    out, wanted = tmp_path / "out", np.arange(12, dtype=np.float32).reshape(3, 4)
    first, second = (Partial(out, {"a": 1}, 4) for _ in range(2))
    first.extend(wanted)

    def write(stream: BinaryIO, vectors: np.ndarray) -> None:
        stream.write(vectors[:1].tobytes())
        if not out.exists():
            second.publish(lambda own, all_: own.write(all_.tobytes()))  # type: ignore[arg-type]
        assert out.read_bytes() == wanted.tobytes()
        stream.write(vectors[1:].tobytes())

    first.publish(write)
    assert out.read_bytes() == wanted.tobytes()
    assert list(tmp_path.iterdir()) == [out]


def test_rows_that_are_there_are_not_computed_again(frida: Path, few: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.npy"
    partial = stopped(frida, few, out)
    left = bytearray(partial.read_bytes())
    head = left.index(b"\n") + 1
    marked = np.full(48, 7, "<f4").tobytes()
    left[head : head + len(marked)] = marked
    partial.write_bytes(left[: head + 2 * len(marked)])
    assert b"2 of 4 vectors" in encode(frida, few, "--resume", "-o", out).stderr
    expected = vectors_of(frida, few)
    expected[0] = 7
    np.testing.assert_array_equal(np.load(out), expected)


@pytest.mark.parametrize("change", ["texts", "prompt", "dtype", "bundle"])
def test_another_runs_vectors_are_refused(
    bundles: Path, frida: Path, few: Path, tmp_path: Path, change: str
) -> None:
    out = tmp_path / "out.npy"
    partial = stopped(frida, few, out)
    left = partial.read_bytes()
    options: list[str | Path] = [bundles / "tiny-cls" if change == "bundle" else frida, few]
    if change == "texts":
        few.write_text("one\ntwo\n\nfife\n", encoding="utf-8")
    options += {"prompt": ["--prompt", "query"], "dtype": ["--dtype", "float32"]}.get(change, [])
    done = encode(*options, "--resume", "-o", out)
    assert done.returncode == 2
    assert b"another run" in done.stderr
    assert partial.read_bytes() == left
    assert not out.exists()


def test_stdin_can_be_given_again(frida: Path, few: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.npy"
    stopped(frida, few, out)
    done = python("-c", MAIN, "encode", frida, "-o", out, "--resume", stdin=few.read_bytes())
    assert b"4 of 4 vectors" in done.stderr
    np.testing.assert_array_equal(np.load(out), vectors_of(frida, few))


def test_what_is_refused(frida: Path, tmp_path: Path) -> None:
    done = encode(frida, "--resume")
    assert done.returncode == 2
    assert b"-o" in done.stderr
    out = tmp_path / "out.npy"
    bad = b'{"t": "a"}\n\n{"t": "\\ud800"}\n'
    done = python("-c", MAIN, "encode", frida, "--field", "t", "--resume", "-o", out, stdin=bad)
    assert done.returncode == 2
    assert b"line 3" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_no_texts(frida: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.npy"
    assert python("-c", MAIN, "encode", frida, "--resume", "-o", out).returncode == 0
    assert np.load(out).shape == (0, 48)
    assert [path.name for path in tmp_path.iterdir()] == ["out.npy"]
