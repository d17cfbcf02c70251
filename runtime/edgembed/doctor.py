"""What may be wrong with an installation, a machine or a bundle, looked at one by one.

Every check is one line for people and one object for programs; `ok` is False for what makes wrong
vectors, no vectors, or traffic that nobody asked for.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any, NamedTuple

from edgembed.bench.machine import describe, versions
from edgembed.bundle import Bundle
from edgembed.canary import TOLERANCE, tolerance
from edgembed.errors import BundleError, EdgembedError, MissingExtraError
from edgembed.threads import affinity, available_threads, cpu_quota

_TELEMETRY = "ORT_DISABLE_TELEMETRY"


class Check(NamedTuple):
    """One thing looked at. text: for people, with the remedy if not ok. facts: JSON-ready."""

    name: str
    ok: bool
    text: str
    facts: dict[str, Any]


def examine(
    bundle: str | os.PathLike[str] | None = None,
    public_key: str | os.PathLike[str] | None = None,
) -> Iterator[Check]:
    """Look at the installation and the machine, and at a bundle where one is named."""
    installed = _versions()
    yield installed
    machine = describe()
    yield Check("cpu", True, f"{machine['cpu']}: {' '.join(machine['flags'])}", {**machine})
    yield _threads()
    yield _telemetry()
    if bundle is None:
        return
    try:
        opened = Bundle.open(bundle, public_key)
    except (BundleError, MissingExtraError, OSError) as error:
        yield Check("bundle", False, str(error), {})
        return
    yield _files(opened)
    for dtype in opened.manifest.dtypes:
        yield _vectors(opened, dtype, installed.facts)


def _versions() -> Check:
    try:
        found = versions()
    except ImportError as error:
        remedy = "install edgembed again, in an environment of its own"
        return Check("versions", False, f"a dependency cannot be imported ({error}): {remedy}", {})
    return Check("versions", True, ", ".join(f"{k} {v}" for k, v in found.items()), {**found})


def _threads() -> Check:
    allowed, quota, used = affinity(), cpu_quota(), available_threads()
    limit = f"the cgroup's quota is {quota:g} CPUs" if quota else "no cgroup quota"
    text = f"{used}: the affinity mask allows {allowed} of {os.cpu_count()} CPUs, {limit}"
    return Check("threads", True, text, {"used": used, "allowed": allowed, "quota": quota})


def _telemetry() -> Check:
    """edgembed sets the variable before it imports onnxruntime, unless somebody has set it."""
    value = os.environ.get(_TELEMETRY)
    if value == "1":
        return Check("telemetry", True, f"onnxruntime's is off ({_TELEMETRY}=1)", {"off": True})
    text = f"{_TELEMETRY} is {value!r}, so onnxruntime may send telemetry: unset it, or set it to 1"
    return Check("telemetry", False, text, {"off": False})


def _files(bundle: Bundle) -> Check:
    faults = [str(fault) for fault in bundle.faults()]
    count = len(bundle.manifest.artifacts)
    text = "; ".join(faults) or f"{count} files match their SHA-256"
    return Check("files", not faults, text, {"files": count, "faults": faults})


def _vectors(bundle: Bundle, dtype: str, installed: dict[str, Any]) -> Check:
    """Load one dtype and compare the canaries, as Embedder does."""
    from edgembed.engine import Engine

    manifest = bundle.manifest
    allowed = tolerance(manifest.parity.get(dtype, {}))
    facts: dict[str, Any] = {
        "fingerprint": bundle.weights(dtype).fingerprint,
        "canaries": sum(dtype in canary.vectors for canary in manifest.canaries),
        "allowed": allowed,
        "made_with": manifest.tools.get("onnxruntime"),
    }
    try:
        facts["distance"] = distance = Engine(bundle.folder, dtype, None).canary_distance()
    except (EdgembedError, ImportError, OSError) as error:
        return Check(dtype, False, f"gives no vectors: {error}", facts)
    how = f"1 - cosine to the exporter's vectors: {max(distance, 0):.1e}, at most {allowed:.0e}"
    if not distance <= allowed:
        here, there = installed.get("onnxruntime"), facts["made_with"]
        how += (
            f": do not mix them with vectors from elsewhere; use another dtype, or onnxruntime "
            f"{there} (here: {here})"
        )
    elif not facts["canaries"]:
        how = "loads and embeds; the bundle has no canaries to compare with"
    elif distance > TOLERANCE:
        how += (
            "; that is rounding, but one index for machines that differ so is safer with float32 "
            "or 16-bit activations (canaries='strict' refuses it)"
        )
    return Check(dtype, distance <= allowed, how, facts)
