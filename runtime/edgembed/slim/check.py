"""Proving that a slim folder runs, and gives what the whole installation gives."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from edgembed.bundle import Bundle
from edgembed.errors import EdgembedError

TEXTS = ("Кошка сидит на окне.", "The cat sits at the window.", "a", "")

# Runs where nothing but the standard library and the folder can be imported.
_SCRIPT = """
import sys
sys.path.insert(0, sys.argv[1])
from edgembed import Embedder
for dtype in sys.argv[3].split(","):
    model = Embedder(sys.argv[2], dtype=dtype, threads=1)
    vectors = model.encode(sys.argv[4:], prompt="")
    sys.stdout.buffer.write(vectors.tobytes())
"""


def check(folder: Path, bundle: Path, dtypes: Sequence[str] | None = None) -> None:
    """Encode with `bundle`, by each dtype, from `folder` alone, and compare bit by bit.

    dtypes: by default all that the bundle has. The vectors held against are those of the
    installation that runs this. EdgembedError where the folder does not run, or gives others.
    """
    from edgembed import Embedder

    dtypes = list(Bundle.open(bundle).manifest.dtypes) if dtypes is None else dtypes
    models = (Embedder(bundle, dtype=dtype, threads=1) for dtype in dtypes)
    wanted = b"".join(model.encode(list(TEXTS), prompt="").tobytes() for model in models)
    # -I and -S: no site-packages, no PYTHONPATH, no current folder. -B: nothing is added to it.
    command = [sys.executable, "-I", "-S", "-B", "-W", "ignore", "-c", _SCRIPT]
    done = subprocess.run(
        [*command, os.fspath(folder.absolute()), os.fspath(bundle), ",".join(dtypes), *TEXTS],
        capture_output=True,
        check=False,
    )
    if done.returncode:
        last = done.stderr.decode(errors="replace").strip().rpartition("\n")[2]
        raise EdgembedError(
            f"the packages copied do not run on this machine ({last}): are they for another Python "
            "or system?"
        )
    if done.stdout != wanted:
        raise EdgembedError(
            "the packages copied give other vectors than the installation they are checked "
            "against: are the versions of onnxruntime and tokenizers the same?"
        )
