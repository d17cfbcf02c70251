"""A bundle with some of its dtypes only."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TypeVar

from edgembed import signature
from edgembed.bundle import Bundle
from edgembed.canary import Canary
from edgembed.errors import ArgumentError
from edgembed.files import Content
from edgembed.manifest import FILE_NAME, Manifest, Weights

_Value = TypeVar("_Value")


def trim(bundle: Bundle, dtypes: Sequence[str] | None) -> Bundle:
    """The bundle as if it had been exported with these dtypes alone (None: with its default's).

    Nothing is copied: the folder is the same, and the manifest says which of its files belong to
    it. Vectors and fingerprints stay what they are. ArgumentError where a dtype is not there.
    """
    manifest = bundle.manifest
    chosen = [manifest.default_dtype] if dtypes is None else list(dict.fromkeys(dtypes))
    kept = {dtype: bundle.weights(dtype) for dtype in chosen}
    if not kept:
        raise ArgumentError("name at least one dtype to keep")
    return Bundle(bundle.folder, _trim(manifest, kept))


def _trim(manifest: Manifest, kept: Mapping[str, Weights]) -> Manifest:
    dropped = _files(manifest.dtypes) - _files(kept)
    default = manifest.default_dtype
    return replace(
        manifest,
        default_dtype=default if default in kept else next(iter(kept)),
        dtypes=_only(manifest.dtypes, kept),
        artifacts={name: a for name, a in manifest.artifacts.items() if name not in dropped},
        canaries=tuple(Canary(c.text, dict(_only(c.vectors, kept))) for c in manifest.canaries),
        ranges=_only(manifest.ranges, kept),
        parity=_only(manifest.parity, kept),
    )


def _files(dtypes: Mapping[str, Weights]) -> set[str]:
    return {name for w in dtypes.values() for name in (w.graph, w.masked_graph, w.data)}


def _only(values: Mapping[str, _Value], kept: Mapping[str, Weights]) -> dict[str, _Value]:
    return {dtype: value for dtype, value in values.items() if dtype in kept}


def members(
    bundle: Bundle, folder: str, signed: bytes | None = None
) -> Iterator[tuple[str, Content]]:
    """Every file of the bundle, its manifest too, by its path below `folder`; each is checked.

    signed: the signature of this manifest, to be put beside it; the folder's own is of another one.
    """
    yield f"{folder}/{FILE_NAME}", bundle.manifest.dump()
    if signed is not None:
        yield f"{folder}/{signature.FILE_NAME}", signed
    for name, content in bundle.contents():
        yield f"{folder}/{name}", content
