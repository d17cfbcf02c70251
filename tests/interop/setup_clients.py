"""Install other people's tools, each in an environment of its own.

    python tests/interop/setup_clients.py FOLDER [CLIENT ...]

FOLDER/ENVIRONMENT keeps what was installed; it is made again when the pins below change. The tests
do the same by themselves for the clients that they need.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
LOCK = HERE.parent.parent / "requirements" / "export.txt"


class SetupError(RuntimeError):
    """A client cannot be installed here; the message has what its installer said."""


@dataclass(frozen=True)
class Environment:
    """Packages that are installed together. stages: one pip run each, before the next."""

    name: str
    stages: tuple[tuple[str, ...], ...]
    locked: bool = False  # to the versions that the export stage is locked to


@dataclass(frozen=True)
class Client:
    """A tool: its script in clients/, and the environment that it runs in."""

    name: str
    script: str
    environment: Environment


# sentence-transformers' "onnx" backend is optimum, so the two share an environment. torch comes
# first and pinned: left to the resolver, pip would take the newest build with CUDA.
_TORCH = Environment(
    "torch", (("torch",), ("sentence-transformers", "optimum-onnx[onnxruntime]")), locked=True
)
_FASTEMBED = Environment("fastembed", (("fastembed==0.9.1",),))
_BARE = Environment("onnxruntime", (("onnxruntime==1.32.0", "tokenizers==0.23.3", "numpy"),))
_NODE = Environment("node", (("@huggingface/transformers@4.3.1",),))

CLIENTS = {
    client.name: client
    for client in (
        Client("sentence-transformers", "sentence_transformers_onnx.py", _TORCH),
        Client("optimum", "optimum_model.py", _TORCH),
        Client("fastembed", "fastembed_custom.py", _FASTEMBED),
        Client("transformers.js", "transformers_js.mjs", _NODE),
        Client("onnxruntime", "bare_onnxruntime.py", _BARE),
    )
}


def set_up(client: Client, work: Path) -> list[str]:
    """Install a client unless it is there already; returns the command that runs its scripts."""
    environment = client.environment
    folder = work.absolute() / environment.name
    stamp = folder / ".ready"
    wanted = _fingerprint(environment)
    if not stamp.is_file() or stamp.read_text() != wanted:
        shutil.rmtree(folder, ignore_errors=True)
        install = _install_node if environment is _NODE else _install_python
        install(environment, folder)
        stamp.write_text(wanted)
    if environment is _NODE:
        return ["node"]
    return [str(folder / ("Scripts" if os.name == "nt" else "bin") / "python")]


def _fingerprint(environment: Environment) -> str:
    lock = LOCK.read_bytes() if environment.locked else b""
    return hashlib.sha256(repr((environment, sys.version_info[:2])).encode() + lock).hexdigest()


def _install_python(environment: Environment, folder: Path) -> None:
    _run([sys.executable, "-m", "venv", str(folder)], environment)
    python = folder / ("Scripts" if os.name == "nt" else "bin") / "python"
    lock = ["-c", str(LOCK)] if environment.locked else []
    for packages in environment.stages:
        _run([str(python), "-m", "pip", "install", "--quiet", *lock, *packages], environment)


def _install_node(environment: Environment, folder: Path) -> None:
    if shutil.which("npm") is None:
        raise SetupError("transformers.js needs Node.js 20 or newer: node and npm are not there")
    folder.mkdir(parents=True)
    (folder / "package.json").write_text(json.dumps({"private": True, "type": "module"}))
    # The packages' scripts only fetch CUDA libraries, and need not be trusted.
    options = ["--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
    for packages in environment.stages:
        _run(["npm", "install", *options, *packages], environment, folder)


def _run(command: list[str], environment: Environment, folder: Path | None = None) -> None:
    done = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, errors="replace", check=False
    )
    if done.returncode:
        said = "\n".join((done.stdout + done.stderr).splitlines()[-20:])
        raise SetupError(f"{environment.name}: {' '.join(command)} failed:\n{said}")


def main(arguments: list[str]) -> int:
    """Set up the named clients, or all; 1 where one cannot be."""
    work, names = Path(arguments[0]), arguments[1:] or list(CLIENTS)
    failed = 0
    for name in names:
        try:
            set_up(CLIENTS[name], work)
            print(f"{name}: ready")
        except SetupError as error:
            failed = 1
            print(error, file=sys.stderr)
    return failed


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
