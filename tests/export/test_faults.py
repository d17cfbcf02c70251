"""Exports where the disk is full or fails, or many write at once: a whole bundle or none."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="strace and tmpfs are Linux's")
Amount = Callable[[int, int], int]
Figure = Callable[[str], None]

STAGED = """
import sys
from pathlib import Path
from edgembed_export.write import staging
target, content, overwrite = Path(sys.argv[1]), sys.argv[2], sys.argv[3] == "overwrite"
try:
    with staging(target, overwrite=overwrite) as folder:
        (folder / "onnx").mkdir()
        for index in range(3):
            (folder / "onnx" / f"{index}.txt").write_text(content)
        (folder / "manifest.json").write_text(content)
except OSError as error:
    sys.exit(f"failed: {error}")
"""
CALLS = ("write", "fsync", "mkdir", "rename", "renameat2", "chmod")


def staged(*before: str, target: Path, content: str, mode: str) -> subprocess.CompletedProcess[str]:
    command = [*before, sys.executable, "-B", "-c", STAGED, str(target), content, mode]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)


def contents(target: Path) -> set[str]:
    files = [path for path in target.rglob("*") if path.is_file()]
    assert len(files) == 4
    return {path.read_text() for path in files}


@pytest.mark.parametrize("mode", ["fresh", "overwrite"])
def test_every_call_on_the_new_folder_fails(tmp_path: Path, mode: str, figure: Figure) -> None:
    """The first system call in the target's parent fails, then the second, up to the last."""
    if shutil.which("strace") is None:
        pytest.skip("needs strace")
    target = tmp_path / "room" / "bundle"
    target.parent.mkdir()
    failed = 0
    for call in CALLS:  # strace counts each kind of call by itself
        for number in range(1, 200):
            if mode == "overwrite" and not target.exists():
                assert staged(target=target, content="old", mode="fresh").returncode == 0
            inject = f"inject={call}:error={('ENOSPC', 'EIO')[number % 2]}:when={number}"
            trace = tmp_path / "trace"
            done = staged("strace", "-qq", "-o", str(trace), "-e", inject,
                          target=target, content="new", mode=mode)  # fmt: skip
            if "ptrace" in done.stderr.lower():
                pytest.skip("this system does not allow ptrace")
            check_whole_or_none(done, target, mode)
            if "(INJECTED)" not in trace.read_text(errors="replace"):
                break
            failed += 1
    assert failed > 8
    figure(f"{failed} calls failed one by one: a whole folder or none, nothing beside it")


def check_whole_or_none(done: subprocess.CompletedProcess[str], target: Path, mode: str) -> None:
    if target.exists():
        # A flush that fails after the new one is in its place leaves it there: whole as well.
        assert contents(target) in ([{"new"}] if mode == "fresh" else [{"old"}, {"new"}])
    else:
        assert mode == "fresh"
        assert done.returncode != 0
    assert {path.name for path in target.parent.iterdir()} <= {"bundle"}, done.stderr
    if mode == "fresh":
        shutil.rmtree(target, ignore_errors=True)


def test_many_writers_of_one_folder(tmp_path: Path, amount: Amount, figure: Figure) -> None:
    writers, target = amount(6, 32), tmp_path / "room" / "bundle"
    target.parent.mkdir()
    assert staged(target=target, content="old", mode="fresh").returncode == 0
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", STAGED, str(target), str(number) * 5000, "overwrite"],
            stderr=subprocess.PIPE,
        )
        for number in range(writers)
    ]
    for process in processes:
        _, said = process.communicate(timeout=300)
        assert process.returncode == 0, said
    assert contents(target) < {str(number) * 5000 for number in range(writers)}
    assert {path.name for path in target.parent.iterdir()} == {"bundle"}
    figure(f"{writers} writers, one whole folder")


MAIN = "import sys; from edgembed_export.cli import main; sys.exit(main())"
EXPORT = """
mount -t tmpfs -o size="$1" none "$2"
shift 2
exec "$@"
"""


def test_an_export_to_a_full_disk(
    checkpoint_folder: Callable[[str], Path], tmp_path: Path, amount: Amount, figure: Figure
) -> None:
    texts, disk = tmp_path / "texts.txt", tmp_path / "disk"
    texts.write_text("Кошка сидит на окне.\nThe cat sits.\n", encoding="utf-8")
    disk.mkdir()
    sizes = ["0k", "40k", "300k", "500k", "700k", "900k", "1100k"][: amount(3, 7)]
    if amount(1, 0):
        sizes = ["300k"]
    said = []
    for size in sizes:
        number = "4k" if size == "0k" else size  # 0 is no limit
        command = [
            sys.executable, "-c", MAIN, str(checkpoint_folder("tiny-frida")), str(disk / "bundle"),
            "--calibration", str(texts), "--evaluation", str(texts), "--min-cosine", "0.9",
        ]  # fmt: skip
        script = EXPORT.replace('exec "$@"', f'"$@"; code=$?; ls -A "{disk}"; exit $code')
        done = subprocess.run(
            ["unshare", "--mount", "sh", "-c", script, "sh", number, str(disk), *command],
            capture_output=True, text=True, check=False, timeout=600,
        )  # fmt: skip
        if "unshare" in done.stderr or "mount:" in done.stderr:
            pytest.skip("needs root and unshare: " + done.stderr.strip()[:200])
        if done.returncode == 0:
            said.append(f"{size} is enough")
            break
        assert done.returncode == 1, done.stderr
        assert re.search(r"^edgembed-export: .*(No space left|space)", done.stderr, re.MULTILINE)
        assert "Traceback" not in done.stderr
        assert done.stdout.split() == []  # nothing is left on it
        said.append(f"{size} is not: said so, nothing left")
    assert said
    figure("; ".join(said))
