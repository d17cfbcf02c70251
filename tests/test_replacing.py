"""Files that appear whole or not at all: what else may stand at their place, or beside it."""

from __future__ import annotations

import errno
import os
import sys
from pathlib import Path
from threading import Thread

import pytest

from edgembed.replacing import check_place, replacing

_LEFT_BEHIND = ".out.new-0123abcd"
posix = pytest.mark.skipif(os.name != "posix", reason="locks, modes and pipes are POSIX's")


def write(path: Path, content: bytes = b"new") -> None:
    with replacing(path) as stream:
        stream.write(content)


def test_a_folder_is_named_and_left_alone(tmp_path: Path) -> None:
    for call in (check_place, write):
        with pytest.raises(IsADirectoryError) as caught:
            call(tmp_path)
        assert caught.value.filename == str(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_missing_folder_is_named_by_the_file(tmp_path: Path) -> None:
    for call in (check_place, write):
        with pytest.raises(FileNotFoundError) as caught:
            call(tmp_path / "none" / "out")
        assert caught.value.filename == str(tmp_path / "none" / "out")


def test_an_error_inside_leaves_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "out"
    path.write_bytes(b"old")

    def fill_the_disk() -> None:
        with replacing(path) as stream:
            stream.write(b"half")
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with pytest.raises(OSError, match="No space") as caught:
        fill_the_disk()
    assert caught.value.filename == str(path)
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_an_error_of_another_file_keeps_its_name(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError) as caught, replacing(tmp_path / "out"):
        (tmp_path / "other").read_bytes()
    assert caught.value.filename == str(tmp_path / "other")
    with pytest.raises(OSError, match=r"^no number$") as plain, replacing(tmp_path / "out"):
        raise OSError("no number")
    assert plain.value.filename is None


@posix
def test_a_pipe_is_written_to(tmp_path: Path) -> None:
    pipe, got = tmp_path / "out", []
    os.mkfifo(pipe)
    check_place(pipe)
    reader = Thread(target=lambda: got.append(pipe.read_bytes()))
    reader.start()
    write(pipe)
    reader.join(30)
    assert got == [b"new"]
    assert pipe.is_fifo()
    assert list(tmp_path.iterdir()) == [pipe]


@posix
def test_only_what_killed_writers_left_behind_is_taken_away(tmp_path: Path) -> None:
    import fcntl

    path, dead, alive = (tmp_path / name for name in ("out", _LEFT_BEHIND, ".out.new-89abcdef"))
    others = [tmp_path / name for name in (".out.new-0123abcd.txt", ".out.new-", "out.new-0")]
    for file in (dead, alive, *others):
        file.write_bytes(b"")
    with alive.open("rb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        write(path)
        assert set(tmp_path.iterdir()) == {path, alive, *others}
    write(path)
    assert set(tmp_path.iterdir()) == {path, *others}


@pytest.mark.skipif(sys.platform != "linux", reason="/proc is Linux's")
def test_no_descriptor_stays_open(tmp_path: Path) -> None:
    descriptors = Path("/proc/self/fd")
    before = len(list(descriptors.iterdir()))
    for _ in range(3):
        (tmp_path / _LEFT_BEHIND).write_bytes(b"")
        check_place(tmp_path / "out")
        write(tmp_path / "out")
    assert len(list(descriptors.iterdir())) == before


@posix
def test_who_may_read_it_stays_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "out"
    path.write_bytes(b"old")
    for mode in (0o600, 0o640):
        path.chmod(mode)
        write(path)
        assert path.stat().st_mode & 0o777 == mode
