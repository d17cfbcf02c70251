"""The card's code, run word for word in each tool's own environment.

tests/export/test_card.py runs the snippets of the tools that the export's environment has.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from edgembed import Embedder
from edgembed.manifest import Manifest
from edgembed_export.report.snippets import PATH, TEXTS, snippets

_KEEP = {
    "python": "\nimport sys\nimport numpy\nnumpy.save(sys.argv[1], numpy.asarray(vectors))\n",
    "js": "\nimport { writeFileSync } from 'node:fs';\n"
    "writeFileSync(process.argv[2], JSON.stringify(vectors));\n",
}
# INT8 in tools that pad, on two short texts of different lengths.
SAME = {"float32": 1 - 1e-6, "int8": 0.98}


@pytest.mark.parametrize("tool", ["fastembed", "transformers.js"])
@pytest.mark.parametrize(
    ("name", "dtype"),
    [("minilm", "int8"), ("tiny-frida", "float32"), ("tiny-cls", "int8"), ("tiny-xlmr", "float32")],
)
def test_the_cards_code_gives_edgembeds_vectors(
    tool: str,
    name: str,
    dtype: str,
    request: pytest.FixtureRequest,
    bundles: Path,
    run: Callable[..., None],
    tmp_path: Path,
) -> None:
    if tool not in request.config.getoption("clients").split(","):
        pytest.skip("not asked for with --clients")
    (tmp_path / PATH.parent).mkdir(parents=True)
    shutil.copytree(bundles / name, tmp_path / PATH)
    found = Manifest.parse((bundles / name / "manifest.json").read_bytes())
    found = Manifest(**{**vars(found), "default_dtype": dtype})
    (snippet,) = [own for own in snippets(found) if own.tool == tool]
    js = snippet.language == "js"
    script = tmp_path / ("snippet.mjs" if js else "snippet.py")
    script.write_text(snippet.code + _KEEP[snippet.language], encoding="utf-8")
    answer = tmp_path / ("answer.json" if js else "answer.npy")
    run(tool, script, answer, cwd=tmp_path)
    theirs = np.array(json.loads(answer.read_text()) if js else np.load(answer), np.float64)
    prompt = "" if found.prompts.needs_a_choice else None  # the default, as in the cards
    own = Embedder(bundles / name, dtype=dtype, threads=1).encode(list(TEXTS), prompt=prompt)
    assert theirs.shape == own.shape
    scales = np.linalg.norm(theirs, axis=1) * np.linalg.norm(own, axis=1)
    assert ((theirs * own).sum(1) / scales).min() >= SAME[dtype]
