"""A bundle on disk: found, read, and checked against its manifest before anything is loaded.

The file that is hashed is the file that is handed on: each artifact is opened once and never by
name again, so a file put in its place after the check is not seen. Large ones are mapped into
memory, which costs no copy, and pages that are not used (most of a vocabulary) take no memory. As
with every mapping, writing INTO a file in use changes it for its users: replace bundles, as
edgembed-export does, and do not edit them in place.
"""

from __future__ import annotations

import hashlib
import mmap
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from edgembed.errors import ArgumentError, BundleError, BundleNotFoundError, IntegrityError
from edgembed.manifest import FILE_NAME, Artifact, Manifest, Weights

_MAX_MANIFEST_BYTES = 16 * 2**20
_SMALL = 2**20
_REMEDY = "export or download the bundle again"

Content = bytes | mmap.mmap


class Bundle(NamedTuple):
    """A folder with a manifest. Opening it reads the manifest only."""

    folder: Path
    manifest: Manifest

    @classmethod
    def open(cls, folder: str | os.PathLike[str]) -> Bundle:
        """Read and check manifest.json; BundleNotFoundError where there is none."""
        path = Path(folder)
        if not path.is_dir():
            raise BundleNotFoundError(
                f"no bundle at {str(path)!r}: give the folder that edgembed-export wrote "
                "(edgembed loads local folders only, it never downloads)"
            )
        manifest = path / FILE_NAME
        if not manifest.is_file():
            raise BundleNotFoundError(
                f"{str(path)!r} has no {FILE_NAME}, so it is not a bundle: "
                f"make one with  edgembed-export {path} OUT"
            )
        if manifest.stat().st_size > _MAX_MANIFEST_BYTES:
            raise IntegrityError(f"{manifest} is over {_MAX_MANIFEST_BYTES} bytes; {_REMEDY}")
        return cls(path, Manifest.parse(manifest.read_bytes()))

    def weights(self, dtype: str) -> Weights:
        """The files of one dtype; ArgumentError names those that the bundle has."""
        try:
            return self.manifest.dtypes[dtype]
        except (KeyError, TypeError):
            raise ArgumentError(
                f"dtype {dtype!r} is not in this bundle, which has "
                f"{', '.join(self.manifest.dtypes)}: choose one of these, or export again with "
                f"--dtype {dtype}"
            ) from None

    def read(self, dtype: str) -> dict[str, Content]:
        """Every artifact that this dtype needs, checked, by path inside the bundle.

        That is what `read_weights` and `read_beside` give, together.
        """
        return self.read_weights(dtype) | self.read_beside(dtype)

    def read_weights(self, dtype: str) -> dict[str, Content]:
        """Graph and data of one dtype, checked; hashing them takes long and needs no GIL."""
        own = self.weights(dtype)
        return {name: self._read_one(name) for name in (own.data, own.graph)}

    def read_beside(self, dtype: str) -> dict[str, Content]:
        """Tokenizer and vocabulary, checked.

        All other artifacts are checked too, except the weights of other dtypes, of which presence
        and size are: hashing what is not loaded would only make loading slower.
        `verify` checks those as well.
        """
        own = self.weights(dtype)
        data = {weights.data for weights in self.manifest.dtypes.values()}
        for name in data - {own.data}:
            _check_size(self.folder / name, name, self.manifest.artifacts[name])
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
        for name in self.manifest.artifacts:
            try:
                self._read_one(name)
            except BundleError as error:
                yield error

    def contents(self) -> Iterator[tuple[str, Content]]:
        """Every artifact's path inside the bundle and content, each checked as it is read."""
        for name in self.manifest.artifacts:
            yield name, self._read_one(name)

    def _read_one(self, name: str) -> Content:
        artifact = self.manifest.artifacts[name]
        path = self.folder / name
        _check_size(path, name, artifact)
        content = _map(path)
        if len(content) != artifact.bytes or hashlib.sha256(content).hexdigest() != artifact.sha256:
            raise IntegrityError(
                f"{name} is not the file that was exported (its SHA-256 differs from "
                f"{FILE_NAME}): {_REMEDY}"
            )
        release(content)
        return content


def release(content: Content) -> None:
    """Give a mapped file's pages back; those that are used again are read again."""
    if isinstance(content, mmap.mmap) and hasattr(mmap, "MADV_DONTNEED"):
        content.madvise(mmap.MADV_DONTNEED)


def _map(path: Path) -> Content:
    """A file's content, mapped where it is worth it; small files are simply read."""
    with path.open("rb") as file:
        if os.fstat(file.fileno()).st_size < _SMALL:
            return file.read()
        return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)


def _check_size(path: Path, name: str, artifact: Artifact) -> None:
    try:
        info = path.lstat()
    except OSError as error:
        raise BundleNotFoundError(f"{name} is missing from the bundle: {_REMEDY}") from error
    if not stat.S_ISREG(info.st_mode):
        raise IntegrityError(
            f"{name} is not a plain file (links are not followed): copy the bundle with its "
            "files, not with links to them"
        )
    if info.st_size != artifact.bytes:
        raise IntegrityError(
            f"{name} has {info.st_size} bytes instead of {artifact.bytes}: {_REMEDY}"
        )
