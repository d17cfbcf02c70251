"""A bundle on disk: found, read, and checked against its manifest before anything is loaded.

The file that is hashed is the file that is handed on: each artifact is opened once and never by
name again, so a file put in its place after the check is not seen. Large ones are mapped into
memory, which costs no copy, and pages that are not used (most of a vocabulary) take no memory. As
with every mapping, writing INTO a file in use changes it for its users: replace bundles, as
edgembed-export does, and do not edit them in place; or have the weights copied (copy_weights).
"""

from __future__ import annotations

import hashlib
import mmap
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from edgembed import files, signature
from edgembed.errors import ArgumentError, BundleError, BundleNotFoundError, IntegrityError
from edgembed.files import REMEDY, Content
from edgembed.graphcheck import check_graph
from edgembed.manifest import DTYPES, FILE_NAME, FORMAT, Manifest, Weights

_HUB_ID = re.compile(r"\w[\w.-]*/\w[\w.-]*")
_FIRST_LINES = 256  # bytes, in which a manifest says what it is
_MAX_MANIFEST_BYTES = 2**20  # what is parsed takes thirty times as much memory, at worst


class Bundle(NamedTuple):
    """A folder with a manifest. Opening it reads the manifest only."""

    folder: Path
    manifest: Manifest

    @classmethod
    def open(
        cls, folder: str | os.PathLike[str], public_key: str | os.PathLike[str] | None = None
    ) -> Bundle:
        """Read and check manifest.json; BundleNotFoundError where there is none.

        public_key: a file; IntegrityError unless the manifest is signed with its private key.
        """
        path = _folder(folder)
        manifest = path / FILE_NAME
        if not manifest.is_file():
            raise BundleNotFoundError(
                f"{str(path)!r} has no {FILE_NAME}, so it is not a bundle: {_remedy(path)}"
            )
        raw = files.read_small(manifest, FILE_NAME, _MAX_MANIFEST_BYTES)
        if public_key is not None:
            signature.check(raw, path, public_key)
        return cls(path, Manifest.parse(raw))

    def weights(self, dtype: str) -> Weights:
        """The files of one dtype; ArgumentError names those that the bundle has."""
        try:
            return self.manifest.dtypes[dtype]
        except (KeyError, TypeError):
            again = f", or export again with --dtype {dtype}" if dtype in DTYPES else ""
            raise ArgumentError(
                f"dtype {dtype!r} is not in this bundle, which has "
                f"{', '.join(self.manifest.dtypes)}: choose one of these{again}"
            ) from None

    def read(self, dtype: str) -> dict[str, Content]:
        """Every artifact that this dtype needs, checked, by path inside the bundle.

        That is what `read_weights` and `read_beside` give, together.
        """
        return self.read_weights(dtype) | self.read_beside(dtype)

    def read_weights(self, dtype: str, copy: bool = False) -> dict[str, Content]:
        """Graph and data of one dtype, checked; hashing them takes long and needs no GIL.

        copy: the data in memory of our own, which nobody else can write to.
        """
        own = self.weights(dtype)
        graph = self._read_graph(own.graph, own)  # refused before much is hashed
        return {own.graph: graph, own.data: self._read_one(own.data, copy)}

    def read_beside(self, dtype: str) -> dict[str, Content]:
        """Tokenizer and vocabulary, checked.

        All other artifacts are checked too, except the weights of other dtypes, of which presence
        and size are: hashing what is not loaded would only make loading slower.
        `verify` checks those as well. A file that the manifest does not name is refused.
        """
        own = self.weights(dtype)
        for fault in self._unexpected():
            raise fault
        data = {weights.data for weights in self.manifest.dtypes.values()}
        for name in data - {own.data}:
            files.check_size(self.folder / name, name, self.manifest.artifacts[name].bytes)
        beside = [name for name in self.manifest.artifacts if name not in {own.graph, *data}]
        contents = {name: self._read_one(name) for name in beside}
        needed = {self.manifest.tokenizer, self.manifest.vocabulary}
        return {name: content for name, content in contents.items() if name in needed}

    def verify(self) -> None:
        """Check every artifact of the bundle; the first one's error is raised."""
        for fault in self.faults():
            raise fault

    def faults(self) -> Iterator[BundleError]:
        """Check every artifact; what is wrong with each that is not as it was exported."""
        yield from self._unexpected()
        graphs = {
            name: weights
            for weights in self.manifest.dtypes.values()
            for name in (weights.graph, weights.masked_graph)
        }
        for name in self.manifest.artifacts:
            try:
                if name in graphs:
                    self._read_graph(name, graphs[name])
                else:
                    self._read_one(name)
            except BundleError as error:
                yield error

    def contents(self) -> Iterator[tuple[str, Content]]:
        """Every artifact's path inside the bundle and content, each checked as it is read."""
        for name in self.manifest.artifacts:
            yield name, self._read_one(name)

    def _unexpected(self) -> Iterator[BundleError]:
        known = {FILE_NAME, signature.FILE_NAME, *self.manifest.artifacts}
        return files.unexpected(self.folder, known)

    def _read_graph(self, name: str, weights: Weights) -> bytes:
        """A graph's content, which is what the manifest says of it and nothing that harms."""
        graph = bytes(self._read_one(name))
        check_graph(graph, name, weights, self.manifest)
        return graph

    def _read_one(self, name: str, copy: bool = False) -> Content:
        artifact = self.manifest.artifacts[name]
        content = files.read(self.folder / name, name, artifact.bytes, copy)
        if len(content) != artifact.bytes or hashlib.sha256(content).hexdigest() != artifact.sha256:
            raise IntegrityError(
                f"{name} is not the file that was exported (its SHA-256 differs from "
                f"{FILE_NAME}): {REMEDY}"
            )
        release(content)
        return content


def _folder(given: str | os.PathLike[str]) -> Path:
    """The folder that was given; an error says what a caller of other libraries may have meant."""
    if not isinstance(given, (str, os.PathLike)) or not os.fspath(given):
        raise ArgumentError(
            f"bundle must be the path of the folder that edgembed-export wrote, not {given!r}"
        )
    path = Path(given)
    if path.is_dir():
        return path
    if path.exists():
        raise BundleNotFoundError(
            f"{str(path)!r} is a file: give the folder that edgembed-export wrote, as a whole"
        )
    remedy = "give the folder that edgembed-export wrote"
    if _HUB_ID.fullmatch(path.as_posix()):
        remedy += f"; if this is a model of the hub, make one with  edgembed-export {path} OUT"
    raise BundleNotFoundError(
        f"no bundle at {str(path)!r}: {remedy} (edgembed loads local folders only, it never "
        "downloads)"
    )


def _remedy(path: Path) -> str:
    """What to do about a folder that is no bundle."""
    if (path / "modules.json").is_file() or (path / "config.json").is_file():
        return f"it looks like a checkpoint, make one of it with  edgembed-export {path} OUT"
    if (path.parent / FILE_NAME).is_file():
        return f"give the folder above it, {str(path.parent)!r}"
    return "give the folder that edgembed-export wrote"


def release(content: Content) -> None:
    """Give a mapped file's pages back; those that are used again are read again."""
    if isinstance(content, mmap.mmap) and hasattr(mmap, "MADV_DONTNEED"):
        content.madvise(mmap.MADV_DONTNEED)


def check_outside(out: Path) -> None:
    """ArgumentError where `out` is in a bundle: one with more in it is refused ever after."""
    place = out.resolve()
    for folder in (place, *place.parents):
        if _is_bundle(folder):
            raise ArgumentError(
                f"{out} is in the bundle {folder}, which is refused with anything more in it: "
                "name a place outside of it"
            )


def _is_bundle(folder: Path) -> bool:
    try:
        with (folder / FILE_NAME).open("rb") as stream:  # other programs have a manifest.json, too
            return FORMAT.encode() in stream.read(_FIRST_LINES)
    except OSError:
        return False
