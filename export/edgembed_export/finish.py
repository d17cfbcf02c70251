"""The last step: what was measured goes into the bundle, for programs and for people.

The files that decide a vector are not touched any more.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from edgembed.manifest import Manifest
from edgembed_export.assemble import write_manifest
from edgembed_export.canaries import canaries
from edgembed_export.checkpoint import Checkpoint
from edgembed_export.labelled import Evaluation, spearman_report
from edgembed_export.report.card import languages, model_card
from edgembed_export.report.measured import Measured
from edgembed_export.report.page import parity_page
from edgembed_export.verify import Verified

# parity.json has all figures; the manifest repeats these.
_SUMMARY = ("mean", "p1", "min", "neighbour_agreement", "count")


def finish(
    folder: Path,
    checkpoint: Checkpoint,
    dtypes: Sequence[str],
    verified: Verified,
    evaluation: Evaluation,
    made: Mapping[str, Any],
) -> Manifest:
    """Write parity.json, parity.html, README.md and the final manifest, which names them all.

    made: parity.json's "graph" (what the rewriter did) and, with INT8, "int8" (what the quantiser
    did, and its recipe).
    """
    # First, because a bundle with files that its manifest does not name is not loaded.
    kept = canaries(folder, checkpoint, dtypes, evaluation.texts)
    report = {**verified.report(), **made}
    if evaluation.pairs:
        report["labelled"] = spearman_report(
            evaluation, verified.torch, verified.vectors, checkpoint.similarity_fn_name
        )
    _write(folder / "parity.json", json.dumps(report, ensure_ascii=False, indent=1) + "\n")
    own: dict[str, Any] = {
        "canaries": kept,
        "parity": _summary(report),
        "ranges": verified.ranges,
    }
    manifest = write_manifest(folder, checkpoint, dtypes, **own)
    measured = Measured.of(report, verified.rows, verified.torch, verified.vectors)
    _write(folder / "parity.html", parity_page(measured, manifest))
    sizes = {name: artifact.bytes for name, artifact in manifest.artifacts.items()}
    sizes["parity.html"] = (folder / "parity.html").stat().st_size
    spoken = languages(checkpoint.folder)
    _write(folder / "README.md", model_card(manifest, report, sizes, spoken))
    return write_manifest(folder, checkpoint, dtypes, **own)


def _summary(report: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    summary = {d: {k: own[k] for k in _SUMMARY} for d, own in report["dtypes"].items()}
    if "int8" in summary:  # decides how much of a machine's rounding is to be expected
        summary["int8"]["activation_bits"] = report["int8"]["activation_bits"]
    return summary


def _write(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8", newline="\n")
