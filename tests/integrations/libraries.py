"""Run the tests of edgembed's integrations, each with its library in an environment of its own.

    python tests/integrations/libraries.py FOLDER [LIBRARY ...] [-- PYTEST_OPTION ...]

FOLDER keeps the environments. Exit code 1 where a library cannot be installed or a test fails.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
if __name__ == "__main__":
    sys.path.insert(0, str(HERE.parent))

from environments import ROOT, Environment, SetupError, set_up  # noqa: E402  (also a script)

_TESTS = ("pytest", "hypothesis", "-c", str(ROOT / "requirements" / "libraries.txt"))
# No library may talk to anyone.
OFFLINE = {
    "ORT_DISABLE_TELEMETRY": "1",
    "HF_HUB_OFFLINE": "1",
    "ANONYMIZED_TELEMETRY": "False",
    "HAYSTACK_TELEMETRY_ENABLED": "False",
}


def _environment(extra: str) -> Environment:
    """What `pip install 'edgembed[EXTRA]'` gives, and what the tests need."""
    files = (ROOT / "pyproject.toml", ROOT / "requirements" / "libraries.txt")
    return Environment(extra, (("-e", f"{ROOT}[{extra}]", *_TESTS),), files=files)


# torch comes first and pinned: left to the resolver, pip would take the newest build with CUDA.
def _with_torch(name: str, *packages: str) -> Environment:
    files = (ROOT / "pyproject.toml", ROOT / "requirements" / "libraries.txt")
    return Environment(name, (("torch==2.13.0",), ("-e", *packages, *_TESTS)), files=files)


# By library: its environment; its tests are test_LIBRARY.py and its section of docs/libraries.md.
LIBRARIES = {
    "langchain": _environment("langchain"),
    "llama_index": _environment("llama-index"),
    "haystack": _environment("haystack"),
    "chroma": _environment("chroma"),
    "sklearn": _environment("sklearn"),
    "sentence_transformers": _with_torch(
        "sentence-transformers", str(ROOT), "sentence-transformers"
    ),
    "mteb": _with_torch("mteb", f"{ROOT}[mteb]"),
}


def main(arguments: list[str]) -> int:
    """Test the named libraries, or all."""
    split = arguments.index("--") if "--" in arguments else len(arguments)
    (folder, *names), options = arguments[:split], arguments[split + 1 :]
    return max([_test(name, Path(folder), options) for name in names or LIBRARIES])


def _test(name: str, folder: Path, options: list[str]) -> int:
    print(f"--- {name}", flush=True)
    try:
        python = set_up(LIBRARIES[name], folder)
    except SetupError as error:
        print(error, file=sys.stderr)
        return 1
    command = [*python, "-m", "pytest", str(HERE), "--library", name, *options]
    done = subprocess.run(command, cwd=ROOT, env={**os.environ, **OFFLINE}, check=False)
    return min(done.returncode, 1)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
