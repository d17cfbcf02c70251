"""Where little is there: no home, no /tmp, nobody's rights, nothing to write to, a full disk.

An output is whole or not there at all, the error says what is wrong, and nothing is left behind.
"""

from __future__ import annotations

import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from edgembed.replacing import replacing
from serving import MAIN
from support import ROOT

Amount = Callable[[int, int], int]
Figure = Callable[[str], None]
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="namespaces are Linux's")
FORMATS = ("npy", "jsonl", "parquet")
COUNT = 40


def run(*command: str | Path, **environment: str | None) -> subprocess.CompletedProcess[str]:
    own = {**os.environ, **environment}
    kept = {name: value for name, value in own.items() if value is not None}
    return subprocess.run(
        list(map(str, command)), env=kept, capture_output=True, text=True, check=False, timeout=300
    )


def encode(*arguments: str | Path) -> list[str | Path]:
    return [sys.executable, "-B", "-c", MAIN, "encode", "--prompt", "", *arguments]


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "texts.txt"
    path.write_text("".join(f"text number {i}\n" for i in range(COUNT)), encoding="utf-8")
    return path


@pytest.fixture
def room(tmp_path: Path) -> Path:
    """Where outputs go, and nothing else is."""
    folder = tmp_path / "room"
    folder.mkdir()
    return folder


@pytest.fixture(scope="module")
def frida(bundles: Path) -> Path:
    return bundles / "tiny-frida"


# --- little is there


def unshared(script: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """A shell script in namespaces of its own: mounts, and a network with nothing in it."""
    command = ["unshare", "--mount", "--net", "--propagation", "private", "sh", "-e", "-c"]
    probe = run(*command, "mount -t tmpfs none /mnt") if shutil.which("unshare") else None
    if probe is None or probe.returncode:
        pytest.skip("needs root and unshare: " + (probe.stderr.strip() if probe else "no unshare"))
    return run(*command, script, "sh", *arguments, HOME=None, TMPDIR=None, XDG_CACHE_HOME=None)


BARE = """
mount -o remount,bind,ro / 2>/dev/null || { mount --bind / / && mount -o remount,bind,ro /; }
[ "$1" = seen ] || mount -t tmpfs -o ro none /tmp
shift
exec setpriv --reuid 65534 --regid 65534 --clear-groups "$@"
"""


def test_nobody_on_a_read_only_root_without_home_tmp_and_network(
    frida: Path, tmp_path: Path
) -> None:
    # What the process reads must be there for nobody, and /tmp is about to be empty.
    if shutil.which("setpriv") is None:
        pytest.skip("needs setpriv")
    place = ROOT / ".cache" / "surroundings"
    shutil.rmtree(place, ignore_errors=True)
    shutil.copytree(frida, place / "bundle")
    try:
        (place / "in.txt").write_text("the cat\nкошка\n", encoding="utf-8")
        for path in (place, *place.rglob("*")):
            path.chmod(0o755 if path.is_dir() else 0o644)
        can_read = unshared('exec setpriv --reuid 65534 --regid 65534 --clear-groups "$@"',
                            sys.executable, "-c", "import edgembed")  # fmt: skip
        if can_read.returncode:
            pytest.skip("nobody may not read this Python: " + can_read.stderr.strip()[-200:])
        # An empty /tmp would hide a checkout or a Python that stands in it; read-only it is so too.
        own = (ROOT, Path(sys.executable), Path(sys.prefix))
        bare = "seen" if any(Path("/tmp") in path.parents for path in own) else "empty"
        here = place / "bundle", place / "in.txt"
        done = unshared(BARE, bare, *encode(*here, "--format", "jsonl"))
        assert (done.returncode, done.stderr) == (0, "")
        assert len(done.stdout.splitlines()) == 2
        refused = unshared(BARE, bare, *encode(*here, "-o", place / "o.npy"))
        assert refused.returncode == 1
        assert re.fullmatch(r"edgembed: .*Read-only file system.*\n", refused.stderr)
        assert {path.name for path in place.iterdir()} == {"bundle", "in.txt"}
    finally:
        shutil.rmtree(place)


@pytest.mark.parametrize("ending", FORMATS)
@pytest.mark.parametrize("extra", [[], ["--resume"]], ids=["", "resume"])
def test_a_full_disk(
    frida: Path, source: Path, tmp_path: Path, ending: str, extra: list[str]
) -> None:
    script = """
mount -t tmpfs -o size=8k none "$1"
out="$1/out.$2"
shift 2
"$@" -o "$out" || code=$?
ls -A "$(dirname "$out")"
exit "${code:-0}"
"""
    disk = tmp_path / "disk"
    disk.mkdir()
    source.write_text("".join(f"text {i} {i * i}\n" for i in range(2000)), encoding="utf-8")
    done = unshared(script, disk, ending, *encode(frida, source, *extra))
    assert done.returncode == 1, done.stderr
    assert re.search(r"^edgembed: .*No space left on device", done.stderr, re.MULTILINE)
    # --resume keeps what there was room for, so that it can go on: that is what it is for.
    assert done.stdout.split() == ([f"out.{ending}.partial"] if extra else [])


# --- every write may fail

STRACE = ("strace", "-f", "-qq", "-o")
CALLS = ("write", "pwrite64", "fsync", "ftruncate", "rename")


def strace() -> None:
    if shutil.which("strace") is None:
        pytest.skip("needs strace")


@pytest.mark.parametrize("case", [*FORMATS, "npy --resume", "parquet --resume"])
def test_every_write_fails(
    frida: Path,
    source: Path,
    room: Path,
    tmp_path: Path,
    case: str,
    amount: Amount,
    figure: Figure,
) -> None:
    """The first system call of the process that writes fails, then the second, up to the last."""
    strace()
    source.write_text("".join(f"text {i}\n" for i in range(amount(10, COUNT))), encoding="utf-8")
    ending, *extra = case.split()
    out, whole = room / f"out.{ending}", tmp_path / f"whole.{ending}"
    assert run(*encode(frida, source, "-o", whole)).returncode == 0
    command = encode(frida, source, *extra, "-o", out)
    failed = 0
    for call in CALLS:  # strace counts each kind of call by itself
        for number in range(1, 1000):
            errors = ["ENOSPC", "EIO"]
            for error in errors[number % 2 : number % 2 + 1] if amount(1, 0) else errors:
                inject = f"inject={call}:error={error}:when={number}"
                check_whole_or_none(injected(inject, tmp_path, command), out, whole, bool(extra))
            if not was_injected(tmp_path):
                break
            failed += 1
    assert failed > 3
    figure(f"{failed} calls failed one by one: a whole output or none, and a clear error")


def check_whole_or_none(
    done: subprocess.CompletedProcess[str], out: Path, whole: Path, resumed: bool
) -> None:
    if done.returncode == 0:  # what failed was not the output's, such as a hint on stderr
        assert out.read_bytes() == whole.read_bytes()
        out.unlink()
    else:
        assert done.returncode == 1, done.stderr
        said = r"^edgembed: .*(No space left|Input/output error)|^$"
        assert re.search(said, done.stderr, re.MULTILINE), done.stderr
        assert "Traceback" not in done.stderr
    left = {path.name for path in out.parent.iterdir()}
    assert left <= ({f"{out.name}.partial"} if resumed else set())
    for path in out.parent.iterdir():
        path.unlink()


def injected(
    inject: str, tmp_path: Path, command: list[str | Path]
) -> subprocess.CompletedProcess[str]:
    done = run(
        *STRACE, tmp_path / "trace", "-e", inject, "-e", f"trace={','.join(CALLS)}", *command
    )
    if "ptrace" in done.stderr.lower():
        pytest.skip("this system does not allow ptrace")
    return done


def was_injected(tmp_path: Path) -> bool:
    return "(INJECTED)" in (tmp_path / "trace").read_text(errors="replace")


# --- killed, and many at once


def test_killed_at_random_moments(
    frida: Path, source: Path, room: Path, tmp_path: Path, amount: Amount, figure: Figure
) -> None:
    """In forks of one process that has everything imported, so that they die while they work."""
    out, whole = room / "out.jsonl", tmp_path / "whole.jsonl"
    assert run(*encode(frida, source, "-o", whole)).returncode == 0
    kills = amount(6, 100)
    done = run(sys.executable, "-c", KILLS, frida, source, out, str(kills), whole)
    assert done.returncode == 0, done.stderr
    # What the killed ones could not take away, the next that ends well does.
    assert run(*encode(frida, source, "-o", out)).returncode == 0
    assert out.read_bytes() == whole.read_bytes()
    assert {path.name for path in room.iterdir()} == {"out.jsonl"}
    figure(done.stdout.strip())


KILLS = """
import os, random, signal, sys, time
from pathlib import Path
import numpy, tokenizers
from edgembed import Embedder
from edgembed.cli import main
bundle, source, out, kills, whole = sys.argv[1:]
expected, generator, seen = Path(whole).read_bytes(), random.Random(0), {"none": 0, "whole": 0}
def begin():
    if not (pid := os.fork()):
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
        os._exit(main(["encode", "--prompt", "", bundle, source, "-o", out]))
    return pid
start = time.monotonic()
os.waitpid(begin(), 0)
seconds = time.monotonic() - start
for number in range(int(kills)):
    Path(out).unlink(missing_ok=True)
    pid = begin()
    time.sleep(generator.uniform(0, 1.2 * seconds))
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    if Path(out).exists():
        assert Path(out).read_bytes() == expected
        seen["whole"] += 1
    else:
        seen["none"] += 1
print(f"{kills} kills: {seen}")
"""


def test_many_writers_to_one_target(
    frida: Path, source: Path, room: Path, amount: Amount, figure: Figure
) -> None:
    writers = amount(4, 32)
    out = room / "out.npy"
    # Each has texts of its own, so that a mixture would show.
    expected = []
    processes = []
    for number in range(writers):
        own = source.with_name(f"{number}.txt")
        own.write_text(f"writer {number}\n" * 3, encoding="utf-8")
        command = [str(part) for part in encode(frida, own, "-o", out)]
        processes.append(subprocess.Popen(command, stderr=subprocess.PIPE))
    for process in processes:
        _, said = process.communicate(timeout=600)
        assert process.returncode == 0, said
    from edgembed import Embedder

    model = Embedder(frida)
    expected = [model.encode([f"writer {number}"] * 3, prompt="") for number in range(writers)]
    assert any(np.array_equal(np.load(out), one) for one in expected)
    assert {path.name for path in room.iterdir()} == {"out.npy"}
    figure(f"{writers} writers, one whole result")


def test_a_file_is_not_swept_away_before_it_has_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another writer comes between the last byte and the renaming."""
    out, replace = tmp_path / "out.npy", Path.replace

    def another_writer_first(path: Path, target: Path) -> Path:
        monkeypatch.undo()
        with replacing(out) as stream:
            stream.write(b"another")
        return replace(path, target)

    monkeypatch.setattr(Path, "replace", another_writer_first)
    with replacing(out) as stream:
        stream.write(b"first")
    assert out.read_bytes() == b"first"
    assert list(tmp_path.iterdir()) == [out]


def test_a_pipe_or_a_device_is_written_to_and_stays(tmp_path: Path) -> None:
    """/dev/null is one; whoever may rename it would leave the whole system without."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    with replacing(pipe) as stream:
        stream.write(b"vectors")
    assert os.read(reader, 100) == b"vectors"
    os.close(reader)
    assert pipe.is_fifo()
    assert list(tmp_path.iterdir()) == [pipe]


def test_a_link_stays_and_so_do_rights(tmp_path: Path) -> None:
    (tmp_path / "far").mkdir()
    out, link = tmp_path / "far" / "out.npy", tmp_path / "link.npy"
    link.symlink_to(out)
    for content in (b"first", b"second"):
        with replacing(link) as stream:
            stream.write(content)
        assert link.is_symlink()
        assert out.read_bytes() == content
        if content == b"first":
            made = tmp_path / "made"
            made.touch()
            assert out.stat().st_mode == made.stat().st_mode  # as umask has it
            out.chmod(0o600)
    assert out.stat().st_mode & 0o777 == 0o600
    assert list(out.parent.iterdir()) == [out]


def test_only_what_a_writer_left_is_swept_away(tmp_path: Path) -> None:
    out, mine = tmp_path / "out.npy", tmp_path / ".out.npy.settings"
    mine.write_text("mine")
    (tmp_path / ".out.npy.new-0123abcd").write_text("left by a kill")
    with replacing(out) as stream:
        stream.write(b"vectors")
    assert sorted(tmp_path.iterdir()) == [mine, out]


def test_where_nothing_can_be_written_is_said_by_its_name(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "missing" / "out.npy"):
        with pytest.raises(OSError) as error, replacing(path):
            pytest.fail("not before the work")
        assert error.value.filename == str(path)


def test_interrupted_and_terminated(frida: Path, source: Path, room: Path) -> None:
    source.write_text("a text of some words\n" * 100_000, encoding="utf-8")
    for number, sign in enumerate((signal.SIGINT, signal.SIGTERM)):
        command = [str(part) for part in encode(frida, source, "-o", room / "out.jsonl")]
        with subprocess.Popen(command, stderr=subprocess.PIPE) as process:
            time.sleep(random.Random(number).uniform(1, 3))
            process.send_signal(sign)
            try:
                process.communicate(timeout=120)
            finally:
                process.kill()
        assert process.returncode != 0
        assert list(room.iterdir()) == []
