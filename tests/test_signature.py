"""A signed bundle loads with its key, and with no other; openssl makes and checks the same."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

import cli_page
from edgembed import Embedder
from edgembed.bundle import Bundle
from edgembed.errors import ArgumentError, IntegrityError
from serving import MAIN, serve
from support import public_pem, python, write_keys

NAME = "manifest.json.sig"


def edgembed(*arguments: str | Path) -> subprocess.CompletedProcess[bytes]:
    done = python("-c", MAIN, *arguments)
    assert b"Traceback" not in done.stderr
    return done


@pytest.fixture
def signed(bundle_copy: Path, signing_keys: tuple[Path, Path]) -> Path:
    done = edgembed("sign", bundle_copy, "--key", signing_keys[0])
    assert (done.returncode, done.stdout.decode()) == (0, f"{bundle_copy / NAME}\n")
    return bundle_copy


def test_it_loads_with_its_key_and_without(signed: Path, signing_keys: tuple[Path, Path]) -> None:
    with_key = Embedder(signed, public_key=signing_keys[1]).encode("Кошка")
    assert with_key.tobytes() == Embedder(signed).encode("Кошка").tobytes()
    Bundle.open(signed, str(signing_keys[1])).verify()
    assert (signed / NAME).stat().st_size == 64


def test_another_key(signed: Path, tmp_path: Path) -> None:
    with pytest.raises(IntegrityError, match="signed with another key"):
        Embedder(signed, public_key=write_keys(tmp_path, "other")[1])


def test_a_changed_manifest(signed: Path, signing_keys: tuple[Path, Path]) -> None:
    path = signed / "manifest.json"
    path.write_bytes(path.read_bytes().replace(b"search_query", b"search_quest"))
    Embedder(signed, canaries="off")  # a prompt is nothing that a SHA-256 would show
    with pytest.raises(IntegrityError, match=r"manifest\.json is not what"):
        Embedder(signed, public_key=signing_keys[1])


def test_a_changed_file(signed: Path, signing_keys: tuple[Path, Path]) -> None:
    path = signed / "config.json"
    path.write_bytes(path.read_bytes().swapcase())
    with pytest.raises(IntegrityError, match=r"config\.json"):
        Embedder(signed, public_key=signing_keys[1])


def test_a_bundle_that_is_not_signed(bundle_copy: Path, signing_keys: tuple[Path, Path]) -> None:
    with pytest.raises(IntegrityError, match="is not signed"):
        Embedder(bundle_copy, public_key=signing_keys[1])


@pytest.mark.parametrize("junk", [b"", b"x" * 63, b"x" * 64, b"x" * 65, b"x" * 10**6])
def test_a_signature_that_is_none(
    signed: Path, signing_keys: tuple[Path, Path], junk: bytes
) -> None:
    (signed / NAME).write_bytes(junk)
    with pytest.raises(IntegrityError, match=r"manifest\.json"):
        Embedder(signed, public_key=signing_keys[1])


@pytest.mark.parametrize("which", ["missing", "text", "private", "another kind"])
def test_what_is_no_public_key(
    signed: Path, signing_keys: tuple[Path, Path], tmp_path: Path, which: str
) -> None:
    path = tmp_path / "key.pub"
    if which == "text":
        path.write_text("-----BEGIN PUBLIC KEY-----\n")
    elif which == "private":
        path = signing_keys[0]
    elif which == "another kind":
        key = ec.generate_private_key(ec.SECP256R1()).public_key()
        path.write_bytes(public_pem(key))
    # A key that is not there is not to be made anew.
    said = r"^the key .* cannot be read" if which == "missing" else "is not an Ed25519 public key"
    with pytest.raises(ArgumentError, match=said):
        Embedder(signed, public_key=path)


def test_a_spoilt_bundle_is_not_signed(bundle_copy: Path, signing_keys: tuple[Path, Path]) -> None:
    (bundle_copy / "config.json").unlink()
    done = edgembed("sign", bundle_copy, "--key", signing_keys[0])
    assert done.returncode == 1
    assert b"config.json is missing" in done.stderr
    assert not (bundle_copy / NAME).exists()


def test_signing_with_a_public_key(bundle_copy: Path, signing_keys: tuple[Path, Path]) -> None:
    done = edgembed("sign", bundle_copy, "--key", signing_keys[1])
    assert done.returncode == 2
    assert b"openssl genpkey" in done.stderr
    assert not list(bundle_copy.glob(f"*{NAME}*"))


def test_every_command_that_takes_a_key(
    signed: Path, signing_keys: tuple[Path, Path], tmp_path: Path
) -> None:
    texts = tmp_path / "texts.jsonl"
    texts.write_text('{"text": "a"}\n')
    good, other = signing_keys[1], write_keys(tmp_path, "other")[1]
    done = edgembed("info", signed, "--verify", "--public-key", good)
    assert done.returncode == 0
    assert b"manifest.json is signed" in done.stdout
    commands = {
        "info": ["info", signed],
        "doctor": ["doctor", signed],
        "encode": ["encode", signed, texts],
        "similarity": ["similarity", signed, "a", "b"],
        "corpus": ["corpus", signed, texts, tmp_path / "out", "--dry-run"],
    }
    assert {*commands, "serve"} == {
        name for name, own in cli_page.commands().items() if "--public-key" in own.format_help()
    }
    for command in commands.values():
        assert edgembed(*command, "--public-key", good).returncode == 0
        done = edgembed(*command, "--public-key", other)
        assert done.returncode == 1
        assert b"signed with another key" in b" ".join((done.stderr + done.stdout).split())


def test_a_server_takes_a_key(
    signed: Path, signing_keys: tuple[Path, Path], tmp_path: Path
) -> None:
    good, other = signing_keys[1], write_keys(tmp_path, "other")[1]
    with serve(signed, "--public-key", str(good)) as server:
        assert server.get("/health").status == 200
    done = edgembed("serve", signed, "--port", "0", "--public-key", other)
    assert done.returncode == 1
    assert b"signed with another key" in done.stderr
    variables = {"MODEL_ID": str(signed), "EDGEMBED_PUBLIC_KEY": str(other)}
    done = python("-c", "import edgembed.serverless.aws", **variables)
    assert done.returncode == 1
    assert b"signed with another key" in done.stderr


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed")
def test_openssl_makes_keys_and_checks_signatures(bundle_copy: Path, tmp_path: Path) -> None:
    private, public = tmp_path / "key.pem", tmp_path / "key.pub"
    run("genpkey", "-algorithm", "ed25519", "-out", private)
    run("pkey", "-in", private, "-pubout", "-out", public)
    assert edgembed("sign", bundle_copy, "--key", private).returncode == 0
    manifest, signature = bundle_copy / "manifest.json", bundle_copy / NAME
    verify = ["-verify", "-pubin", "-inkey", public, "-rawin", "-in", manifest]
    run("pkeyutl", *verify, "-sigfile", signature)
    made = tmp_path / "made"
    run("pkeyutl", "-sign", "-inkey", private, "-rawin", "-in", manifest, "-out", made)
    assert made.read_bytes() == signature.read_bytes()
    Embedder(bundle_copy, public_key=public)


def run(*arguments: str | Path) -> None:
    subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True)


def test_without_the_extra(signed: Path, signing_keys: tuple[Path, Path]) -> None:
    script = """
import sys
sys.modules["cryptography"] = None
from edgembed import Embedder, MissingExtraError
Embedder(sys.argv[1])
try:
    Embedder(sys.argv[1], public_key=sys.argv[2])
except MissingExtraError as error:
    print(error)
"""
    done = python("-c", script, signed, signing_keys[1])
    assert b"edgembed[signature]" in done.stdout, done.stderr.decode()
