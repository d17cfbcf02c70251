"""A folder appears whole or not at all, whatever happens while it is being made."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from edgembed_export.errors import ArgumentsError
from edgembed_export.write import staging

FILES = 40


def fill(folder: Path, content: str) -> None:
    """Something like a bundle: many files that all say the same."""
    (folder / "onnx").mkdir()
    for index in range(FILES):
        (folder / "onnx" / f"{index}.txt").write_text(content)
    (folder / "manifest.json").write_text(content)


def contents(folder: Path) -> set[str]:
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert len(files) == FILES + 1
    return {path.read_text() for path in files}


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def write(target: Path, content: str, *, overwrite: bool = False) -> None:
    with staging(target, overwrite=overwrite) as folder:
        fill(folder, content)


def test_a_new_folder(tmp_path: Path) -> None:
    with staging(tmp_path / "bundle", overwrite=False) as folder:
        assert folder.parent == tmp_path  # on the same disk, or a rename would not be one step
        fill(folder, "new")
        assert not (tmp_path / "bundle").exists()
    assert contents(tmp_path / "bundle") == {"new"}
    assert names(tmp_path) == ["bundle"]


def test_an_empty_folder_is_taken(tmp_path: Path) -> None:
    (tmp_path / "bundle").mkdir()
    write(tmp_path / "bundle", "new")
    assert contents(tmp_path / "bundle") == {"new"}


def test_overwrite(tmp_path: Path) -> None:
    write(tmp_path / "bundle", "old")
    write(tmp_path / "bundle", "new", overwrite=True)
    assert contents(tmp_path / "bundle") == {"new"}
    assert names(tmp_path) == ["bundle"]


def test_overwrite_where_the_system_cannot_exchange(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edgembed.staging._exchange", lambda *_: False)
    write(tmp_path / "bundle", "old")
    write(tmp_path / "bundle", "new", overwrite=True)
    assert contents(tmp_path / "bundle") == {"new"}
    assert names(tmp_path) == ["bundle"]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit, OSError])
def test_an_error_leaves_all_as_it_was(tmp_path: Path, error: type[BaseException]) -> None:
    def crash(overwrite: bool) -> None:
        with staging(tmp_path / "bundle", overwrite=overwrite) as folder:
            fill(folder, "half")
            raise error

    with pytest.raises(error):
        crash(overwrite=False)
    assert names(tmp_path) == []
    write(tmp_path / "bundle", "old")
    with pytest.raises(error):
        crash(overwrite=True)
    assert names(tmp_path) == ["bundle"]
    assert contents(tmp_path / "bundle") == {"old"}


def nothing(target: Path) -> None:
    target.mkdir()
    (target / "thesis.txt").write_text("mine")


def file(target: Path) -> None:
    target.write_text("mine")


def link(target: Path) -> None:
    write(target.parent / "real", "old")
    target.symlink_to(target.parent / "real")


def broken_link(target: Path) -> None:
    target.symlink_to(target.parent / "absent")


@pytest.mark.parametrize("make", [nothing, file, link, broken_link])
@pytest.mark.parametrize("overwrite", [False, True])
def test_what_is_no_bundle_is_not_overwritten(
    tmp_path: Path, make: Callable[[Path], None], overwrite: bool
) -> None:
    target = tmp_path / "bundle"
    make(target)
    before = sorted(tmp_path.rglob("*"))
    with (
        pytest.raises(ArgumentsError, match="another folder"),
        staging(target, overwrite=overwrite),
    ):
        pytest.fail("the work had begun")
    assert sorted(tmp_path.rglob("*")) == before


def test_a_bundle_is_not_overwritten_unless_asked(tmp_path: Path) -> None:
    write(tmp_path / "bundle", "old")
    with (
        pytest.raises(ArgumentsError, match="--overwrite"),
        staging(tmp_path / "bundle", overwrite=False),
    ):
        pytest.fail("the work had begun")
    assert contents(tmp_path / "bundle") == {"old"}


def test_missing_folders_on_the_way_are_made(tmp_path: Path) -> None:
    write(tmp_path / "a" / "b" / "bundle", "new")
    assert contents(tmp_path / "a" / "b" / "bundle") == {"new"}


def test_an_error_takes_the_folders_on_the_way_with_it(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    with pytest.raises(ValueError), staging(tmp_path / "mine" / "b" / "c", overwrite=False):
        raise ValueError
    assert names(tmp_path) == ["mine"]
    assert names(tmp_path / "mine") == []


def test_a_file_in_the_way(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    with (
        pytest.raises(ArgumentsError, match="file is a file"),
        staging(tmp_path / "file" / "bundle", overwrite=False),
    ):
        pytest.fail("the work had begun")


def test_a_relative_target(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write(Path("bundle"), "new")
    assert contents(tmp_path / "bundle") == {"new"}


@pytest.mark.skipif(os.name != "posix", reason="file modes are POSIX's")
def test_the_folder_has_the_mode_that_mkdir_would_give(tmp_path: Path) -> None:
    write(tmp_path / "bundle", "new")
    (tmp_path / "plain").mkdir()
    assert (tmp_path / "bundle").stat().st_mode == (tmp_path / "plain").stat().st_mode


@pytest.mark.skipif(os.name != "posix", reason="flock is POSIX's")
@pytest.mark.parametrize("name", ["bundle", "m[1]*"])
def test_what_killed_writers_left_is_swept_and_nothing_else(tmp_path: Path, name: str) -> None:
    kept = {".bundle2.partial-a", f".{name}.old-b", f"{name}.partial-c", ".m1.partial-d"}
    for other in (*kept, f".{name}.partial-e"):
        (tmp_path / other).mkdir()
        (tmp_path / other / "file").write_text("half")
    with staging(tmp_path / name, overwrite=False) as slow:
        (slow / "file").write_text("slow")
        write(tmp_path / name, "quick")  # another writer, while that one is at work
        assert (slow / "file").read_text() == "slow"
    assert names(tmp_path) == sorted({*kept, name})
    assert [path.name for path in (tmp_path / name).iterdir()] == ["file"]


KILLED = """
import sys
from pathlib import Path
from edgembed_export.write import staging
print("begin", flush=True)
for round in range(10**6):
    content = f"{round:09d}" * 50
    with staging(Path(sys.argv[1]), overwrite=True) as folder:
        (folder / "onnx").mkdir()
        for index in range(40):
            (folder / "onnx" / f"{index}.txt").write_text(content)
        (folder / "manifest.json").write_text(content)
    if round == 0:
        print("first", flush=True)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the exchange is Linux's")
@pytest.mark.parametrize("moment", range(8))
def test_killed_at_any_moment_a_whole_folder_stands(tmp_path: Path, moment: int) -> None:
    command = [sys.executable, "-c", KILLED, str(tmp_path / "bundle")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        assert process.stdout.readline() == "begin\n"
        assert process.stdout.readline() == "first\n"
        # Other moments of the endless rewriting on each run; any of them must do.
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(0.013 * (moment + 1))
        process.send_signal(signal.SIGKILL)
    assert len(contents(tmp_path / "bundle")) == 1


def test_a_place_in_a_bundle_is_refused(bundles: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(bundles / "tiny-frida" / "onnx", target_is_directory=True)
    for target in (bundles / "tiny-frida" / "new", tmp_path / "link" / "a" / "b"):
        with pytest.raises(ArgumentsError, match="in the bundle"), staging(target, overwrite=True):
            pass
        assert not target.exists()
