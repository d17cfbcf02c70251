"""A bundle whose files are not the exported ones is refused, and the file is named."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgembed import Embedder
from edgembed.bundle import Bundle
from edgembed.errors import (
    ArgumentError,
    BundleNotFoundError,
    IntegrityError,
    ManifestError,
)

GRAPH = "onnx/model_nomask.onnx"
INT8_DATA = "onnx/model_quantized.onnx_data"
LOADED = (GRAPH, "onnx/model.onnx_data", "tokenizer.json", "vocab.txt")
# Not loaded by this runtime, but by other people's tools: checked all the same.
BESIDE = ("onnx/model.onnx", "config.json", "1_Pooling/config.json", "onnx/model_quantized.onnx")


def flip_bit(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def test_a_whole_bundle_is_read(bundle_copy: Path) -> None:
    bundle = Bundle.open(bundle_copy)
    contents = bundle.read("float32")
    assert sorted(contents) == sorted(LOADED)
    for name, content in contents.items():
        assert bytes(content) == (bundle_copy / name).read_bytes()
    bundle.verify()


def test_a_folder_given_as_text_or_path(bundle_copy: Path) -> None:
    assert Bundle.open(str(bundle_copy)).manifest.dump() == Bundle.open(bundle_copy).manifest.dump()


@pytest.mark.parametrize("name", LOADED + BESIDE)
def test_a_flipped_bit(bundle_copy: Path, name: str) -> None:
    flip_bit(bundle_copy / name)
    with pytest.raises(IntegrityError, match=name):
        Embedder(bundle_copy, dtype="float32")
    with pytest.raises(IntegrityError, match=name):
        Bundle.open(bundle_copy).verify()


@pytest.mark.parametrize("name", LOADED + BESIDE)
def test_a_truncated_file(bundle_copy: Path, name: str) -> None:
    path = bundle_copy / name
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(IntegrityError, match=rf"{name} has \d+ bytes instead of"):
        Bundle.open(bundle_copy).read("float32")


@pytest.mark.parametrize("name", [*LOADED, *BESIDE, INT8_DATA])
def test_a_missing_file(bundle_copy: Path, name: str) -> None:
    (bundle_copy / name).unlink()
    with pytest.raises(BundleNotFoundError, match=f"{name} is missing"):
        Bundle.open(bundle_copy).read("float32")


def test_two_files_swapped(bundle_copy: Path) -> None:
    a, b = bundle_copy / GRAPH, bundle_copy / "onnx/model.onnx"
    spare = bundle_copy / "spare"
    a.rename(spare)
    b.rename(a)
    spare.rename(b)
    with pytest.raises(IntegrityError, match=r"onnx/model"):
        Bundle.open(bundle_copy).read("float32")


def test_a_link_is_not_followed(bundle_copy: Path, tmp_path: Path) -> None:
    path = bundle_copy / "tokenizer.json"
    elsewhere = tmp_path / "elsewhere.json"
    path.rename(elsewhere)
    path.symlink_to(elsewhere)
    with pytest.raises(IntegrityError, match=r"tokenizer\.json is not a plain file"):
        Bundle.open(bundle_copy).read("float32")


def test_a_folder_in_a_files_place(bundle_copy: Path) -> None:
    (bundle_copy / "tokenizer.json").unlink()
    (bundle_copy / "tokenizer.json").mkdir()
    with pytest.raises(IntegrityError, match=r"tokenizer\.json is not a plain file"):
        Bundle.open(bundle_copy).read("float32")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes on this system")
def test_a_pipe_in_a_files_place_does_not_hang(bundle_copy: Path) -> None:
    (bundle_copy / "tokenizer.json").unlink()
    os.mkfifo(bundle_copy / "tokenizer.json")
    with pytest.raises(IntegrityError, match=r"tokenizer\.json is not a plain file"):
        Bundle.open(bundle_copy).read("float32")


def test_other_dtypes_weights_are_looked_at_but_not_hashed(bundle_copy: Path) -> None:
    flip_bit(bundle_copy / INT8_DATA)
    bundle = Bundle.open(bundle_copy)
    assert sorted(bundle.read("float32")) == sorted(LOADED)
    with pytest.raises(IntegrityError, match=INT8_DATA):
        bundle.verify()
    with pytest.raises(IntegrityError, match=INT8_DATA):
        bundle.read("int8")
    (bundle_copy / INT8_DATA).write_bytes(b"short")
    with pytest.raises(IntegrityError, match=INT8_DATA):
        bundle.read("float32")


@pytest.mark.parametrize("name", ["model.safetensors", "onnx/other.onnx", "1_Pooling/a", "new/"])
def test_a_file_that_the_manifest_does_not_name(bundle_copy: Path, name: str) -> None:
    path = bundle_copy / name
    path.mkdir() if name.endswith("/") else path.write_text("mine")
    with pytest.raises(IntegrityError, match=f"'{name.rstrip('/')}' is in the bundle, but not"):
        Embedder(bundle_copy)
    with pytest.raises(IntegrityError, match="not in its manifest"):
        Bundle.open(bundle_copy).verify()


def test_what_version_control_and_downloaders_keep_is_left_alone(bundle_copy: Path) -> None:
    (bundle_copy / ".git").mkdir()
    (bundle_copy / ".cache" / "huggingface").mkdir(parents=True)
    (bundle_copy / "onnx" / ".DS_Store").write_bytes(b"")
    Bundle.open(bundle_copy).verify()
    Embedder(bundle_copy)


def test_a_link_to_a_folder_is_not_followed(bundle_copy: Path, tmp_path: Path) -> None:
    (bundle_copy / "onnx").rename(tmp_path / "elsewhere")
    (bundle_copy / "onnx").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(IntegrityError, match="onnx is a link"):
        Embedder(bundle_copy)


def test_a_file_of_two_names_may_be_read_only(bundle_copy: Path, tmp_path: Path) -> None:
    """Stores that keep equal files once (Nix, ostree) link them, and let nobody write to them."""
    path = bundle_copy / "config.json"
    os.link(path, tmp_path / "other")
    with pytest.raises(IntegrityError, match=r"config\.json has 2 names"):
        Embedder(bundle_copy)
    path.chmod(0o444)
    Embedder(bundle_copy)


def test_a_manifest_that_is_a_link(bundle_copy: Path, tmp_path: Path) -> None:
    (bundle_copy / "manifest.json").rename(tmp_path / "m.json")
    (bundle_copy / "manifest.json").symlink_to(tmp_path / "m.json")
    with pytest.raises(IntegrityError, match=r"manifest\.json is not a plain file"):
        Bundle.open(bundle_copy)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read all")
def test_a_file_that_may_not_be_read(bundle_copy: Path) -> None:
    (bundle_copy / "config.json").chmod(0)
    with pytest.raises(IntegrityError, match=r"config\.json .* \(Permission denied\)"):
        Embedder(bundle_copy)


def test_a_file_written_to_while_it_is_loaded(
    bundle_copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After it was hashed, before the session has taken its weights."""
    data = bundle_copy / "onnx" / "model.onnx_data"
    whole = Bundle.read_weights

    def spoiling(self: Bundle, dtype: str, copy: bool = False) -> object:
        contents = whole(self, dtype, copy)
        with data.open("r+b") as file:
            file.write(b"\1")
        return contents

    monkeypatch.setattr(Bundle, "read_weights", spoiling)
    with pytest.raises(IntegrityError, match="was written to while it was loaded"):
        Embedder(bundle_copy, "float32")


def test_copied_weights_are_nobody_elses(bundles: Path, tmp_path: Path) -> None:
    bundle = Path(shutil.copytree(bundles / "minilm", tmp_path / "bundle"))
    mapped = Embedder(bundle, "float32", 1)
    copied = Embedder(bundle, "float32", 1, copy_weights=True)
    before = mapped.encode("Кошка").tobytes()
    assert copied.encode("Кошка").tobytes() == before
    data = bundle / "onnx" / "model.onnx_data"
    with data.open("r+b") as file:  # into the file in use, which nobody should do
        file.write(b"\0" * data.stat().st_size)
    assert copied.encode("Кошка").tobytes() == before
    assert mapped.encode("Кошка", normalize_embeddings=True).tobytes() != before


def test_no_folder(tmp_path: Path) -> None:
    with pytest.raises(BundleNotFoundError, match="never downloads"):
        Bundle.open(tmp_path / "absent")
    with pytest.raises(FileNotFoundError):  # what a caller would expect
        Bundle.open("sergeyzh/rubert-mini-frida")


def test_a_checkpoint_is_no_bundle(tmp_path: Path) -> None:
    (tmp_path / "modules.json").write_text("[]")
    with pytest.raises(BundleNotFoundError, match="edgembed-export"):
        Bundle.open(tmp_path)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("owner/model", r"edgembed-export owner/model OUT.*never downloads"),
        ("manifest.json", "is a file: give the folder"),
        ("onnx", "give the folder above it"),
        ("other", r"so it is not a bundle: give the folder that edgembed-export wrote$"),
    ],
)
def test_what_is_given_in_a_bundles_place_by_mistake(
    bundle_copy: Path, monkeypatch: pytest.MonkeyPatch, given: str, said: str
) -> None:
    (bundle_copy.parent / "other").mkdir()
    monkeypatch.chdir(bundle_copy.parent if given in {"owner/model", "other"} else bundle_copy)
    with pytest.raises(BundleNotFoundError, match=said):
        Bundle.open(given)


@pytest.mark.parametrize("given", [None, "", 3, b"bundle"])
def test_what_is_no_path(given: Any) -> None:
    # None and "": a variable of the environment that is not set.
    with pytest.raises(ArgumentError, match="path of the folder"):
        Bundle.open(given)


def test_a_damaged_manifest(bundle_copy: Path) -> None:
    (bundle_copy / "manifest.json").write_bytes(b'{"format": "edgembed-bundle"')
    with pytest.raises(ManifestError, match=r"manifest\.json"):
        Bundle.open(bundle_copy)


def test_a_huge_manifest_is_not_read(bundle_copy: Path) -> None:
    with (bundle_copy / "manifest.json").open("r+b") as file:
        file.truncate(2**20 + 1)  # sparse: it takes no room on the disk
    with pytest.raises(IntegrityError, match=r"manifest\.json"):
        Bundle.open(bundle_copy)


def test_an_artifact_out_of_the_folder_is_refused(bundle_copy: Path, tmp_path: Path) -> None:
    shutil.copy(bundle_copy / "tokenizer.json", tmp_path / "outside.json")
    manifest = json.loads((bundle_copy / "manifest.json").read_text())
    manifest["artifacts"]["../outside.json"] = manifest["artifacts"]["tokenizer.json"]
    manifest["tokenizer"] = "../outside.json"
    (bundle_copy / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(ManifestError, match="outside"):
        Bundle.open(bundle_copy)


def test_a_dtype_that_is_not_there(bundle_copy: Path) -> None:
    with pytest.raises(ArgumentError, match=r"'int4'.*float32"):
        Bundle.open(bundle_copy).weights("int4")


@pytest.mark.parametrize("dtype", ["float16", np.float32, None])
def test_a_dtype_that_no_export_writes_is_not_advised(bundle_copy: Path, dtype: Any) -> None:
    with pytest.raises(ArgumentError) as caught:
        Bundle.open(bundle_copy).weights(dtype)
    assert "export again" not in str(caught.value)


@pytest.mark.parametrize("change", ["replaced", "removed"])
def test_a_file_put_in_its_place_after_loading(bundles: Path, tmp_path: Path, change: str) -> None:
    # The file that was hashed is the file that is used, also where it is mapped and its name goes
    # to another one, which is how edgembed-export and every package manager replace files.
    bundle = Path(shutil.copytree(bundles / "minilm", tmp_path / "bundle"))
    model = Embedder(bundle, dtype="float32", threads=1)
    before = model.encode("Кошка").tobytes()
    for path in bundle.glob("onnx/model.onnx*"):
        if change == "replaced":
            other = path.with_suffix(".other")
            other.write_bytes(bytes(path.stat().st_size))
            other.replace(path)
        else:
            path.unlink()
    assert model.encode("Кошка").tobytes() == before
