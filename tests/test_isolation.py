"""What the runtime does not do: import torch, talk to anyone, write anything.

In processes of their own, because what is imported once stays imported. CI is unset there:
onnxruntime keeps its telemetry quiet where it is set, and would hide what we look for.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from support import ROOT, python

HEAVY = ("torch", "transformers", "sentence_transformers", "optimum", "huggingface_hub", "onnx")
UNSET = {"CI": None, "ORT_DISABLE_TELEMETRY": None, "GITHUB_ACTIONS": None}

ENCODE = """
import sys
from edgembed import Embedder
model = Embedder(sys.argv[1])
vectors = model.encode(["Кошка", "The cat"] * 4)
model.similarity(vectors, vectors)
"""

# Prints every file opened for writing and every socket call, as Python's own audit hooks see them.
WATCHED = (
    """
import json, os, sys
seen = {"sockets": [], "written": [], "processes": []}
def hook(event, args):
    if event.startswith("socket."):
        seen["sockets"].append([event, repr(args)])
    elif event in ("subprocess.Popen", "os.fork", "os.posix_spawn", "os.exec", "os.system"):
        seen["processes"].append(event)
    elif event == "open" and isinstance(args[2], int) and args[2] & (os.O_WRONLY | os.O_RDWR):
        seen["written"].append(str(args[0]))
    elif event in ("os.mkdir", "os.rename", "os.remove", "os.truncate"):
        seen["written"].append(f"{event} {args[0]}")
sys.addaudithook(hook)
"""
    + ENCODE
    + """
seen["modules"] = sorted({name.partition(".")[0] for name in sys.modules})
seen["telemetry"] = os.environ["ORT_DISABLE_TELEMETRY"]
print(json.dumps(seen))
"""
)


def test_torch_is_not_even_installed_here() -> None:
    if (ROOT / ".venv" / "export").is_dir() and "export" in Path(sys.prefix).parts:
        pytest.skip("this is the export environment, where torch belongs")
    script = (
        "import sys; from importlib.util import find_spec; print(*map(find_spec, sys.argv[1:]))"
    )
    done = python("-c", script, "torch", "transformers", "sentence_transformers", "optimum")
    assert done.stdout.split() == [b"None"] * 4


def test_an_encode_imports_sends_and_writes_nothing(bundles: Path, tmp_path: Path) -> None:
    # -B: Python's own bytecode caches are not ours to count.
    done = python("-B", "-c", WATCHED, bundles / "tiny-frida", HOME=str(tmp_path), **UNSET)
    assert done.returncode == 0, done.stderr.decode()
    seen = json.loads(done.stdout.splitlines()[-1])
    assert not set(HEAVY) & set(seen["modules"])
    assert "edgembed_export" not in seen["modules"]
    assert seen["sockets"] == []
    assert seen["processes"] == []
    assert [name for name in seen["written"] if name != "/dev/null"] == []
    assert seen["telemetry"] == "1"
    assert list(tmp_path.rglob("*")) == []  # nothing under the home folder either


def test_import_edgembed_alone_imports_no_dependency() -> None:
    script = (
        "import sys, edgembed; print({'numpy', 'onnxruntime', 'tokenizers'} & set(sys.modules))"
    )
    assert python("-c", script).stdout.strip() == b"set()"


def test_the_embedder_needs_its_three_dependencies_only(bundles: Path, tmp_path: Path) -> None:
    # Everything else that is installed here is hidden from the process.
    script = (
        """
import importlib.abc, sys
HIDDEN = {"tqdm", "pyarrow", "pytest", "hypothesis", "huggingface_hub", "packaging", "requests",
          "flatbuffers", "google", "sympy", "coloredlogs", "yaml", "httpx", "filelock", "fsspec"}
class Hide(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in HIDDEN:
            raise ImportError(f"{name} is hidden")
sys.meta_path.insert(0, Hide())
"""
        + ENCODE
        + "\nprint(vectors.shape)"
    )
    done = python("-c", script, bundles / "tiny-frida")
    assert done.stdout.strip() == b"(8, 48)", done.stderr.decode()


@pytest.mark.parametrize(
    "line",
    [
        "import torch",
        "from torch import nn",
        "import transformers",
        "from sentence_transformers import SentenceTransformer",
        "import optimum.onnxruntime",
        "from huggingface_hub import snapshot_download",
        "from edgembed_export import pipeline",
    ],
)
def test_ruff_refuses_the_import_in_the_runtime(line: str) -> None:
    # The house's own configuration, on a file that would stand in the runtime.
    pytest.importorskip("ruff", reason="ruff is not installed")
    source = f'"""A room."""\n\n{line}\n'.encode()
    done = python(
        "-m",
        "ruff",
        "check",
        "--no-cache",
        "--output-format=concise",
        "--config",
        ROOT / "pyproject.toml",
        "--stdin-filename",
        ROOT / "runtime" / "edgembed" / "room.py",
        "-",
        stdin=source,
    )
    assert done.returncode == 1
    assert b"TID251" in done.stdout
    allowed = python(
        "-m",
        "ruff",
        "check",
        "--no-cache",
        "--select=TID251",
        "--config",
        ROOT / "pyproject.toml",
        "--stdin-filename",
        ROOT / "export" / "edgembed_export" / "room.py",
        "-",
        stdin=source,
    )
    assert allowed.returncode == 0, allowed.stdout
