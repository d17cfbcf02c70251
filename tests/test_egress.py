"""Loading and encoding: no socket, no file but the declared ones, no thread but the counted ones.

Seen by the kernel (strace), because Python's audit hooks (test_isolation) see Python only. CI is
unset there: onnxruntime keeps its telemetry quiet where it is set, and would hide what we look for.
`test_telemetry_would_be_seen` switches it on, in a network namespace of its own, and looks whether
this way of looking finds it.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import onnxruntime
import pytest

from support import ROOT

THREADS = 2
UNSET = {"CI", "GITHUB_ACTIONS", "ORT_DISABLE_TELEMETRY"}
ENCODE = f"""
import sys, time
from edgembed import Embedder
model = Embedder(sys.argv[1], "float32", {THREADS})  # which is worth them for short texts, too
for number in range(int(sys.argv[2])):
    model.encode(f"The cat sits at window {{number}}.")
model.encode(["several", "at once"])
time.sleep(float(sys.argv[3]))
"""
CALLS = "%network,open,openat,openat2,creat,mkdir,mkdirat,rename,renameat,renameat2,link,linkat,\
symlink,symlinkat,unlink,unlinkat,chmod,fchmodat,truncate,clone,clone3,fork,vfork,execve,sched_setaffinity"
# What a process on Linux reads without being asked: the loader's and the C library's settings.
SYSTEM = ("/etc/ld.so.", "/etc/localtime", "/etc/os-release", "/lib", "/usr/lib", "/usr/local/lib",
          "/usr/share/locale", "/usr/share/zoneinfo", "/proc/", "/sys/", "/dev/null",
          "/dev/urandom")  # fmt: skip
_CALL = re.compile(r"^\d+ +(?:<\.\.\. )?(\w+)")

pytestmark = [
    pytest.mark.skipif(
        shutil.which("strace") is None, reason="strace is not installed (Debian: strace)"
    ),
    pytest.mark.skipif(sys.platform != "linux", reason="strace is Linux's"),
]


class Seen(NamedTuple):
    """What the kernel was asked for: (call, line of the trace) each, and threads started."""

    lines: list[tuple[str, str]]

    def calls(self, *names: str) -> list[str]:
        return [line for name, line in self.lines if name in names]

    def paths(self) -> set[str]:
        """Every path that was opened, or tried."""
        opened = self.calls("open", "openat", "openat2", "creat")
        return {match[1] for line in opened if (match := re.search(r'"([^"]*)"', line))}

    def threads(self) -> int:
        return len(self.calls("clone", "clone3", "fork", "vfork"))

    def network(self) -> list[str]:
        others = {"execve", "fork", "vfork", "clone", "clone3"}
        return [
            line
            for name, line in self.lines
            if name not in others and re.match(r"socket|connect|send|recv|bind|listen|accept", name)
        ]

    def changes(self) -> list[str]:
        """Whatever makes, renames, removes or writes a file."""
        plain = {"open", "openat", "openat2", "execve", "fork", "vfork", "clone", "clone3"}
        plain.add("sched_setaffinity")
        changes = [x for n, x in self.lines if n not in plain and x not in self.network()]
        written = ("O_WRONLY", "O_RDWR", "O_CREAT")
        opened = [
            x for x in self.calls("open", "openat", "openat2") if any(w in x for w in written)
        ]
        return changes + [x for x in opened if '"/dev/null"' not in x]


def look(
    script: str, arguments: Sequence[object], home: Path, before: Sequence[str] = (), **more: str
) -> Seen:
    """Run a script of Python under strace."""
    trace = home.with_name("trace")
    home.mkdir(exist_ok=True)
    environment = {k: v for k, v in os.environ.items() if k not in UNSET}
    command = [
        *before,
        "strace",
        "-f",
        "-qq",
        "-s",
        "400",
        "-e",
        f"trace={CALLS}",
        "-o",
        str(trace),
    ]
    done = subprocess.run(
        [*command, sys.executable, "-B", "-c", script, *map(str, arguments)],
        env={**environment, "HOME": str(home), **more},
        cwd=home.parent,  # which `python -c` looks into for modules
        capture_output=True,
        check=False,
    )
    if b"ptrace" in done.stderr.lower():
        pytest.skip("this system does not allow ptrace")
    assert done.returncode == 0, done.stderr.decode()
    lines = [(m[1], x) for x in trace.read_text().splitlines() if (m := _CALL.match(x))]
    return Seen([(name, line) for name, line in lines if "resumed>" not in line])


def declared(bundle: Path) -> tuple[str, ...]:
    """Where files may be read: Python's own, this installation, the bundle, and the system's."""
    own = {sys.prefix, sys.base_prefix, str(ROOT / "runtime"), str(ROOT / "export"), str(bundle)}
    own |= {str(Path(p).resolve()) for p in own}
    own |= {p for p in sysconfig.get_paths().values() if p not in ("/", "")}
    return (*own, *SYSTEM)


def test_nothing_goes_out_and_nothing_else_is_read(
    bundles: Path, tmp_path: Path, amount: Callable[[int, int], int], figure: Callable[[str], None]
) -> None:
    bundle, home = bundles / "minilm", tmp_path / "home"
    texts, seconds = amount(50, 1_000), amount(1, 30)
    seen = look(ENCODE, [bundle, texts, seconds], home)
    assert seen.network() == []
    assert seen.changes() == []
    known = declared(bundle)
    paths = seen.paths()
    assert str(bundle / "tokenizer.json") in paths
    assert sorted(path for path in paths if not path.startswith(known)) in ([], [str(tmp_path)])
    assert list(home.iterdir()) == []
    # onnxruntime's import asks the cores of an Intel CPU for their kind, from a thread that ends.
    asking = {line.split()[0] for line in seen.calls("sched_setaffinity")}
    assert len(asking) <= 1
    # numpy's own, one that hashes while the other imports, the model's, and the workers of a list.
    numpys = look("import numpy", [], home).threads()
    assert seen.threads() == numpys + len(asking) + 1 + (THREADS - 1) + THREADS
    figure(
        f"load + {texts:,} encodes + {seconds} s: no socket, no file changed, {len(paths)} opened, "
        f"all declared; {seen.threads()} threads, of which numpy {numpys}"
    )


@pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root may unshare the network"
)
def test_an_empty_network_namespace_changes_nothing(bundles: Path, tmp_path: Path) -> None:
    script = "import sys; from edgembed import Embedder; m = Embedder(sys.argv[1]); "
    script += "sys.stdout.buffer.write(m.encode('The cat').tobytes())"
    command = [sys.executable, "-B", "-c", script, str(bundles / "tiny-frida")]
    environment = {k: v for k, v in os.environ.items() if k not in UNSET}
    environment["HOME"] = str(tmp_path)
    if subprocess.run(["unshare", "-n", "true"], capture_output=True, check=False).returncode:
        pytest.skip("this system does not allow network namespaces")
    apart, here = (
        subprocess.run([*before, *command], env=environment, capture_output=True, check=True).stdout
        for before in (["unshare", "-n"], [])
    )
    assert apart == here
    assert len(here) == 48 * 4


def test_a_socket_and_a_file_would_be_seen(tmp_path: Path) -> None:
    script = """
import pathlib, socket, threading
socket.socket(socket.AF_UNIX).close()
(pathlib.Path.home() / "note").write_text("x")
threading.Thread(target=print).start()
"""
    seen = look(script, [], tmp_path / "home")
    assert len(seen.network()) == 1
    assert len(seen.changes()) == 1
    assert any(path.endswith("/home/note") for path in seen.paths())
    assert seen.threads() == 1


@pytest.mark.skipif(
    tuple(map(int, onnxruntime.__version__.split(".")[:2])) < (1, 29),
    reason="onnxruntime sends telemetry from 1.29 on",
)
@pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root may unshare the network"
)
def test_telemetry_would_be_seen(bundles: Path, tmp_path: Path) -> None:
    """Switched on, where it reaches nobody."""
    if subprocess.run(["unshare", "-n", "true"], capture_output=True, check=False).returncode:
        pytest.skip("this system does not allow network namespaces")
    apart, arguments = ["unshare", "-n"], [bundles / "tiny-frida", 1, 0]
    quiet = look(ENCODE, arguments, tmp_path / "home", apart)
    loud = look(ENCODE, arguments, tmp_path / "loud", apart, ORT_DISABLE_TELEMETRY="0")
    assert quiet.changes() == []
    assert loud.changes() != []
    assert loud.threads() > quiet.threads()
