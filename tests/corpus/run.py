"""Run the tests of corpora, each group with its packages in an environment of its own.

    python tests/corpus/run.py FOLDER [ENVIRONMENT ...] [-- PYTEST_OPTION ...]

FOLDER keeps the environments. Exit code 1 where one cannot be made or a test fails.
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

LOCK = ROOT / "requirements" / "corpus.txt"
# No package may report its use to anyone. (Daft's and Ray's own are edgembed's to switch off.)
OFFLINE = {"ORT_DISABLE_TELEMETRY": "1"}


def _environment(name: str, *packages: str) -> Environment:
    tests = ("pytest", "hypothesis", "-c", str(LOCK))
    files = (ROOT / "pyproject.toml", LOCK)
    return Environment(name, (("-e", f"{ROOT}[corpus]", *packages, *tests),), files=files)


ENVIRONMENTS = {
    "daft": _environment("daft", "ray[data]", "pandas", "moto[server]", "boto3"),
    "spark": _environment("spark", "pyspark", "pandas<3"),
    "indexes": _environment("indexes", "lancedb", "qdrant-client", "usearch", "faiss-cpu"),
}


def main(arguments: list[str]) -> int:
    """Test in the named environments, or in all."""
    split = arguments.index("--") if "--" in arguments else len(arguments)
    (folder, *names), options = arguments[:split], arguments[split + 1 :]
    return max([_test(name, Path(folder), options) for name in names or ENVIRONMENTS])


def _test(name: str, folder: Path, options: list[str]) -> int:
    print(f"--- {name}", flush=True)
    try:
        python = set_up(ENVIRONMENTS[name], folder)
    except SetupError as error:
        print(error, file=sys.stderr)
        return 1
    command = [*python, "-m", "pytest", str(HERE), "--environment", name, *options]
    done = subprocess.run(command, cwd=ROOT, env={**os.environ, **OFFLINE}, check=False)
    return min(done.returncode, 1)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
