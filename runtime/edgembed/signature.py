"""Whether a bundle comes from whom one trusts: an Ed25519 signature beside its manifest.

The manifest names the SHA-256 of every other file, so signing it signs the bundle. The signature is
the plain 64 bytes of RFC 8032 over manifest.json, so that openssl can make and check it as well.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from edgembed import files
from edgembed.errors import ArgumentError, BundleNotFoundError, IntegrityError, MissingExtraError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import (
        Ed25519PrivateKey,
        Ed25519PublicKey,
    )

FILE_NAME = "manifest.json.sig"
_BYTES = 64
_MAKE = "make one with  openssl genpkey -algorithm ed25519 -out key.pem"


def sign(manifest: Path, private_key: str | os.PathLike[str]) -> Path:
    """Sign a bundle's manifest; returns the signature's path, which stands there whole or not."""
    signed = signature_of(manifest.read_bytes(), private_key)
    path = manifest.with_name(FILE_NAME)
    unfinished = path.with_name(f".{FILE_NAME}.{os.getpid()}")
    try:
        unfinished.write_bytes(signed)
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)
    return path


def signature_of(manifest: bytes, private_key: str | os.PathLike[str]) -> bytes:
    """The 64 bytes that sign a manifest. ArgumentError unless the file is an Ed25519 key in PEM."""
    return _private(private_key).sign(manifest)


def check(manifest: bytes, folder: Path, public_key: str | os.PathLike[str]) -> None:
    """IntegrityError unless these very bytes are signed with the key's private half."""
    key = _public(public_key)
    from cryptography.exceptions import InvalidSignature

    try:
        signed = files.read(folder / FILE_NAME, FILE_NAME, _BYTES)
    except BundleNotFoundError as error:
        raise IntegrityError(
            f"the bundle is not signed (it has no {FILE_NAME}): sign it with  edgembed sign, or "
            "load it without a public key"
        ) from error
    try:
        key.verify(bytes(signed), manifest)
    except InvalidSignature:
        raise IntegrityError(
            f"manifest.json is not what {os.fspath(public_key)} signed: it was changed, or signed "
            "with another key"
        ) from None


def _private(path: str | os.PathLike[str]) -> Ed25519PrivateKey:
    _require()
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    content = _read(path)
    try:
        key = load_pem_private_key(content, None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise _not_a_key(path, "private", error) from error
    if not isinstance(key, Ed25519PrivateKey):
        raise _not_a_key(path, "private", type(key).__name__)
    return key


def _public(path: str | os.PathLike[str]) -> Ed25519PublicKey:
    _require()
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    content = _read(path)
    try:
        key = load_pem_public_key(content)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise _not_a_key(path, "public", error) from error
    if not isinstance(key, Ed25519PublicKey):
        raise _not_a_key(path, "public", type(key).__name__)
    return key


def _read(path: str | os.PathLike[str]) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as error:
        said = error.strerror or str(error)
        raise ArgumentError(f"the key {os.fspath(path)!r} cannot be read ({said})") from error


def _not_a_key(path: str | os.PathLike[str], kind: str, why: object) -> ArgumentError:
    return ArgumentError(
        f"{os.fspath(path)} is not an Ed25519 {kind} key in PEM without a password ({why}): {_MAKE}"
    )


def _require() -> None:
    try:
        import cryptography  # noqa: F401
    except ImportError as error:
        raise MissingExtraError(
            "signatures need the cryptography package: pip install 'edgembed[signature]'"
        ) from error
