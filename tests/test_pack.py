"""Packed bundles: what is in them, that they run where they are put, and whole or nothing."""

from __future__ import annotations

import base64
import csv
import hashlib
import json
import os
import re
import resource
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator, Sequence
from importlib.metadata import distributions
from pathlib import Path

import pytest
from packaging.utils import parse_wheel_filename

from edgembed import (
    ArgumentError,
    BundleNotFoundError,
    Embedder,
    IntegrityError,
)
from edgembed.bundle import Bundle
from edgembed.manifest import Manifest
from edgembed.pack.app import PACKAGES as APP_PACKAGES
from edgembed.pack.aws import PACKAGES as LAMBDA_PACKAGES
from edgembed.pack.trim import members, trim
from edgembed.pack.wheel import check_version, package_name
from serving import serve
from sites import installed
from support import DTYPES, change_json, python

MAIN = "import sys; from edgembed.cli import main; sys.exit(main())"
TEXTS = ["Кошка сидит на окне.", "The cat sits at the window.", ""]
TARGETS = ("lambda", "wheel", "zip")


def pack(bundle: Path, out: Path, target: str, *more: str | Path) -> list[str]:
    """Run the command, which is to end well; the files that it says it made."""
    done = python("-c", MAIN, "pack", bundle, out, "--target", target, "--json", *more)
    assert done.returncode == 0, done.stderr.decode()
    return list(json.loads(done.stdout)["files"])


def tree(folder: Path) -> dict[str, bytes]:
    """Every file below a folder, hidden ones too."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def write(bundle: Bundle, folder: Path) -> Path:
    """The bundle's files, as a packed one holds them."""
    for name, content in members(bundle, "bundle"):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(bytes(content))
    return folder / "bundle"


# --- trim


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", ["minilm", "tiny-xlmr"])
def test_a_trimmed_bundle_is_a_whole_one(
    bundles: Path, tmp_path: Path, embedder: Callable[..., Embedder], name: str, dtype: str
) -> None:
    original = Bundle.open(bundles / name)
    folder = write(trim(original, [dtype]), tmp_path)
    bundle = Bundle.open(folder)
    bundle.verify()
    manifest = bundle.manifest
    assert list(manifest.dtypes) == [manifest.default_dtype] == [dtype]
    assert set(manifest.ranges) == set(manifest.parity) == {dtype}
    assert len(manifest.canaries) == len(original.manifest.canaries) > 0
    assert all(set(canary.vectors) == {dtype} for canary in manifest.canaries)
    assert set(tree(folder)) == {"manifest.json", *manifest.artifacts}
    left = set(original.manifest.artifacts) - set(manifest.artifacts)
    (other,) = set(DTYPES) - {dtype}
    gone = original.manifest.dtypes[other]
    assert left == {gone.graph, gone.masked_graph, gone.data}
    model = Embedder(folder, threads=1, canaries="refuse")
    assert model.fingerprint == original.manifest.dtypes[dtype].fingerprint
    whole = embedder(name, dtype)
    for precision in ("float32", "int8"):
        wanted = whole.encode_document(TEXTS, precision=precision)
        assert model.encode_document(TEXTS, precision=precision).tobytes() == wanted.tobytes()
    with pytest.raises(ArgumentError, match=f"has {dtype}"):
        Embedder(folder, dtype=other)


def test_with_every_dtype_nothing_is_left_out(bundles: Path, tmp_path: Path) -> None:
    folder = write(trim(Bundle.open(bundles / "tiny-cls"), ["int8", "float32"]), tmp_path)
    assert tree(folder) == tree(bundles / "tiny-cls")


def test_the_default_is_kept_where_none_is_named(bundles: Path, bundle_copy: Path) -> None:
    assert list(trim(Bundle.open(bundles / "tiny-cls"), None).manifest.dtypes) == ["int8"]
    change_json(bundle_copy / "manifest.json", default_dtype="float32")
    assert list(trim(Bundle.open(bundle_copy), None).manifest.dtypes) == ["float32"]


@pytest.mark.parametrize("dtypes", [["float16"], [""], []])
def test_a_dtype_that_is_not_there(bundles: Path, dtypes: list[str]) -> None:
    with pytest.raises(ArgumentError):
        trim(Bundle.open(bundles / "tiny-cls"), dtypes)


def test_a_spoilt_file_is_not_packed(bundle_copy: Path) -> None:
    tokenizer = bundle_copy / "tokenizer.json"
    tokenizer.write_bytes(tokenizer.read_bytes().replace(b"a", b"b", 1))
    with pytest.raises(IntegrityError, match=re.escape("tokenizer.json")):
        dict(members(trim(Bundle.open(bundle_copy), None), "bundle"))


# --- the wheel


@pytest.fixture(scope="module")
def site(bundles: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Where pip has installed a bundle's wheel."""
    folder = tmp_path_factory.mktemp("wheel")
    (wheel,) = pack(bundles / "minilm", folder / "dist", "wheel", "--name", "my_bundle")
    install = ["-m", "pip", "install", "--no-deps", "--no-index", "--target", folder / "site"]
    done = python(*install, wheel)
    assert done.returncode == 0, done.stderr.decode()
    yield folder / "site"
    shutil.rmtree(folder)


FROM_PACKAGE = """
import sys
from edgembed import Embedder
model = Embedder.from_package("my_bundle", threads=1, canaries="refuse")
with open("/proc/self/maps") as maps:
    print([line.split()[-1] for line in maps if "onnx_data" in line], file=sys.stderr)
sys.stdout.buffer.write(model.encode(sys.argv[1:]).tobytes())
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="/proc is Linux's")
def test_from_package(site: Path, embedder: Callable[..., Embedder]) -> None:
    done = python("-c", FROM_PACKAGE, *TEXTS, PYTHONPATH=str(site))
    assert done.returncode == 0, done.stderr.decode()
    assert done.stdout == embedder("minilm", "int8").encode(TEXTS).tobytes()
    assert str(site / "my_bundle" / "onnx") in done.stderr.decode()  # mapped, where pip put it


def test_what_pip_knows_of_it(site: Path, bundles: Path) -> None:
    (own,) = [d for d in distributions(path=[str(site)]) if d.metadata["Name"] == "my-bundle"]
    assert own.version == "1.0.0"
    assert own.requires is not None
    assert [line.partition(">=")[0] for line in own.requires] == ["edgembed"]
    manifest = Bundle.open(bundles / "minilm").manifest
    assert own.metadata["License"] == manifest.model.license
    assert manifest.model.id in own.metadata["Summary"]


def test_the_wheels_own_record(bundles: Path, tmp_path: Path) -> None:
    (name,) = pack(bundles / "tiny-cls", tmp_path, "wheel", "--name", "a.b-c", "--version", "2.1")
    distribution, version, build, tags = parse_wheel_filename(Path(name).name)
    assert (distribution, str(version), build) == ("a-b-c", "2.1", ())
    assert [str(tag) for tag in tags] == ["py3-none-any"]
    with zipfile.ZipFile(name) as wheel:
        rows = list(csv.reader(wheel.read("a_b_c-2.1.dist-info/RECORD").decode().splitlines()))
        assert [row[0] for row in rows] == wheel.namelist()
        for file, digest, size in rows[:-1]:
            content = wheel.read(file)
            own = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
            assert (digest, int(size)) == (f"sha256={own}", len(content))
        assert rows[-1] == ["a_b_c-2.1.dist-info/RECORD", "", ""]


def test_the_same_bundle_gives_the_same_wheel(bundles: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(bundles / "tiny-cls", tmp_path / "elsewhere" / "copy")
    for path in copy.rglob("*"):
        path.chmod(0o700)
        os.utime(path, (10**9, 10**9))
    (copy / "beside.txt").write_text("no file of the bundle")
    (one,) = pack(bundles / "tiny-cls", tmp_path / "one", "wheel")
    (other,) = pack(copy, tmp_path / "other", "wheel")
    assert Path(one).read_bytes() == Path(other).read_bytes()


def test_a_manifest_cannot_write_metadata(bundle_copy: Path, tmp_path: Path) -> None:
    manifest = json.loads((bundle_copy / "manifest.json").read_text("utf-8"))
    model = {**manifest["model"], "license": "x\nRequires-Dist: evil", "id": "a\r\nName: evil"}
    change_json(bundle_copy / "manifest.json", model=model)
    (name,) = pack(bundle_copy, tmp_path / "dist", "wheel", "--name", "own")
    with zipfile.ZipFile(name) as wheel:
        lines = wheel.read("own-1.0.0.dist-info/METADATA").decode().splitlines()
    heads = [line.partition(":")[0] for line in lines[: lines.index("")]]
    assert len(heads) == len(set(heads))


@pytest.mark.parametrize(
    ("given", "package"),
    [(None, "all_minilm_l6_v2"), ("My-Bundle", "my_bundle"), ("a.b__c", "a_b_c"), ("x1", "x1")],
)
def test_names(bundles: Path, given: str | None, package: str) -> None:
    assert package_name(given, Bundle.open(bundles / "minilm").manifest) == package


BAD_NAMES = ["1a", "", "a b", "кошка", "class", "-a", "a/b", "../a", "edgembed", "edgembed_x"]
BAD_NAMES += ["code", "NumPy"]  # the standard library's, and a dependency


@pytest.mark.parametrize("name", BAD_NAMES)
def test_bad_names(bundles: Path, name: str) -> None:
    manifest = Bundle.open(bundles / "tiny-cls").manifest
    with pytest.raises(ArgumentError, match="--name"):
        package_name(name, manifest)


@pytest.mark.parametrize("version", ["1", "0.1.2", "1.0rc1", "1.0.post2", "1.0.dev3", "1.0+own.1"])
def test_versions(version: str) -> None:
    from packaging.version import Version

    assert str(Version(check_version(version))) == version  # as pip itself writes it


@pytest.mark.parametrize("version", ["", "a", "1.", "v1", "1.0-1", "1.0\n", "1/2", "١"])
def test_bad_versions(version: str) -> None:
    with pytest.raises(ArgumentError, match="version"):
        check_version(version)


# --- from_package


def test_a_bundle_in_a_folder_of_your_own_package(
    bundles: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "own_app").mkdir()
    (tmp_path / "own_app" / "__init__.py").touch()
    shutil.copytree(bundles / "tiny-cls", tmp_path / "own_app" / "model")
    monkeypatch.syspath_prepend(tmp_path)
    assert Embedder.from_package("own_app.model", "float32", 1).dtype == "float32"
    with pytest.raises(BundleNotFoundError, match=re.escape("manifest.json")):
        Embedder.from_package("own_app")


def test_packages_that_are_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "needs_more.py").write_text("import absent_dependency")
    with zipfile.ZipFile(tmp_path / "zipped.zip", "w") as archive:
        archive.writestr("zipped_bundle/__init__.py", "")
    monkeypatch.syspath_prepend(tmp_path / "zipped.zip")
    for name in ("absent_bundle", "absent.bundle", "json.absent"):
        with pytest.raises(BundleNotFoundError, match="pip"):
            Embedder.from_package(name)
    with pytest.raises(BundleNotFoundError):
        Embedder.from_package("csv")  # a module; from Python 3.12 on its folder counts
    with pytest.raises(BundleNotFoundError, match="zip"):
        Embedder.from_package("zipped_bundle")
    with pytest.raises(ModuleNotFoundError, match="absent_dependency"):
        Embedder.from_package("needs_more")
    for wrong in ("", "a-b", "a..b", "./bundle", None):
        with pytest.raises(ArgumentError, match="package"):
            Embedder.from_package(wrong)  # type: ignore[arg-type]


# --- the program


@pytest.fixture(scope="module")
def program(bundles: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The unpacked zip; the zip itself stands beside it."""
    folder = tmp_path_factory.mktemp("program")
    pack(bundles / "minilm", folder / "own.zip", "zip")
    with zipfile.ZipFile(folder / "own.zip") as archive:
        archive.extractall(folder / "own")
    yield folder / "own"
    shutil.rmtree(folder)


def alone(*arguments: str | Path) -> subprocess.CompletedProcess[bytes]:
    """An interpreter that sees the standard library only."""
    command = [sys.executable, "-B", "-I", "-S", *map(str, arguments)]
    return subprocess.run(command, env={}, capture_output=True, check=False)


def test_the_program_runs_alone(program: Path, embedder: Callable[..., Embedder]) -> None:
    (program.parent / "texts.txt").write_text("\n".join(TEXTS[:2]) + "\n", encoding="utf-8")
    texts, out = program.parent / "texts.txt", program.parent / "vectors.jsonl"
    done = alone(program, "encode", program / "bundle", texts, "-o", out)
    assert done.returncode == 0, done.stderr.decode()
    import numpy as np

    rows = [json.loads(line)["embedding"] for line in out.read_text("utf-8").splitlines()]
    wanted = embedder("minilm", "int8").encode(TEXTS[:2])
    assert np.array(rows, np.float32).tobytes() == wanted.tobytes()


def test_the_program_serves(program: Path) -> None:
    command = [sys.executable, "-B", "-I", "-S", str(program)]
    with serve(program / "bundle", command=command) as server:
        assert server.get("/health").status == 200
        assert len(server.post("/embed", {"inputs": "a"}).json[0]) == 384


def test_the_zip_itself_says_what_to_do(program: Path) -> None:
    done = alone(program.with_suffix(".zip"), "--help")
    assert done.returncode == 1
    assert b"unzip" in done.stderr


def test_another_python_is_told(program: Path, tmp_path: Path) -> None:
    main = (program / "__main__.py").read_text()
    own = f"({sys.version_info[0]}, {sys.version_info[1]})"
    assert main.count(own) == 2
    (tmp_path / "__main__.py").write_text(main.replace(own, "(3, 2)"))
    done = alone(tmp_path, "--help")
    assert (done.returncode, done.stdout) == (1, b"")
    assert b"packed for Python 3.2" in done.stderr


# --- signed


@pytest.mark.parametrize("target", TARGETS)
def test_a_packed_bundle_is_signed_with_a_key(
    bundle_copy: Path,
    tmp_path: Path,
    packages: Path,
    signing_keys: tuple[Path, Path],
    target: str,
) -> None:
    private, public = signing_keys
    assert python("-c", MAIN, "sign", bundle_copy, "--key", private).returncode == 0
    out = tmp_path / "out"
    arguments = command(bundle_copy, out, target, packages)
    done = python(*arguments)
    assert (done.returncode, b"packed one is not: sign it" in done.stderr) == (0, True)
    done = python(*arguments, "--overwrite", "--key", private)
    assert (done.returncode, done.stderr) == (0, b"")
    packed = {"zip": out, "lambda": out / "function.zip"}
    with zipfile.ZipFile(packed.get(target) or next(out.iterdir())) as archive:
        archive.extractall(tmp_path / "unpacked")
    (manifest,) = (tmp_path / "unpacked").rglob("manifest.json")
    Bundle.open(manifest.parent, public).verify()


def test_a_key_that_is_none_is_said_first(bundles: Path, tmp_path: Path, packages: Path) -> None:
    arguments = command(bundles / "tiny-cls", tmp_path / "out", "lambda", packages)
    done = python(*arguments, "--key", tmp_path / "absent.pem")
    assert done.returncode == 2
    assert b"absent.pem" in done.stderr
    assert list(tmp_path.iterdir()) == []


# --- whole or nothing, on packages that are quickly copied


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    needed = {*LAMBDA_PACKAGES, *APP_PACKAGES}
    return installed(tmp_path_factory.mktemp("site"), "cp27", *sorted(needed))


def command(bundle: Path, out: Path, target: str, packages: Path) -> list[str | Path]:
    source: list[str | Path] = [] if target == "wheel" else ["--from", packages]
    return ["-c", MAIN, "pack", bundle, out, "--target", target, *source]


@pytest.mark.parametrize("target", TARGETS)
def test_what_is_there_is_kept_unless_it_is_to_be_replaced(
    bundles: Path, tmp_path: Path, packages: Path, target: str
) -> None:
    out = tmp_path / "new" / "out.zip" if target == "zip" else tmp_path / "new"
    (tmp_path / "new").mkdir()
    first = command(bundles / "tiny-cls", out, target, packages)
    assert python(*first).returncode == 0
    before = tree(tmp_path)
    assert len(before) == (2 if target == "lambda" else 1)
    done = python(*first)
    assert done.returncode == 2
    assert b"--overwrite" in done.stderr
    assert tree(tmp_path) == before
    other = command(bundles / "tiny-xlmr", out, target, packages)
    name = ["--name", "tiny_cls"] if target == "wheel" else []
    assert python(*other, "--overwrite", *name).returncode == 0
    after = tree(tmp_path)
    assert set(after) == set(before)
    assert after != before


def nothing_is_overwritten(folder: Path, arguments: Sequence[str | Path], said: bytes) -> None:
    before = tree(folder)
    done = python(*arguments, "--overwrite")
    assert done.returncode == 2
    assert said in done.stderr
    assert tree(folder) == before


@pytest.mark.parametrize("target", TARGETS)
def test_what_pack_did_not_make_is_never_replaced(
    bundles: Path, tmp_path: Path, packages: Path, target: str
) -> None:
    out = tmp_path / "out"
    taken = out / "tiny_cls-1.0.0-py3-none-any.whl" if target == "wheel" else out
    (taken / "mine").mkdir(parents=True)
    (taken / "mine" / "thesis.txt").write_text("mine")
    arguments = command(bundles / "tiny-cls", out, target, packages)
    name = ["--name", "tiny_cls"] if target == "wheel" else []
    nothing_is_overwritten(tmp_path, [*arguments, *name], b"not overwritten")


@pytest.mark.parametrize("target", TARGETS)
def test_a_file_of_the_same_name_is_never_replaced(
    bundles: Path, tmp_path: Path, packages: Path, target: str
) -> None:
    out = tmp_path / "out"
    wheel = out / "own-1.0.0-py3-none-any.whl"
    taken = {"zip": [out], "wheel": [wheel], "lambda": [out / "layer.zip", out / "function.zip"]}
    for path in taken[target]:
        path.parent.mkdir(exist_ok=True)
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("thesis.txt", "mine")
    arguments = command(bundles / "tiny-cls", out, target, packages)
    name = ["--name", "own"] if target == "wheel" else []
    nothing_is_overwritten(tmp_path, [*arguments, *name], b"not overwritten")


def test_what_was_put_beside_a_layer_is_not_lost(
    bundles: Path, tmp_path: Path, packages: Path
) -> None:
    arguments = command(bundles / "tiny-cls", tmp_path / "out", "lambda", packages)
    assert python(*arguments).returncode == 0
    (tmp_path / "out" / "template.yaml").write_text("mine")
    nothing_is_overwritten(tmp_path, arguments, b"holds more")


@pytest.mark.parametrize("target", TARGETS)
def test_nothing_is_put_into_the_bundle(
    bundle_copy: Path, tmp_path: Path, packages: Path, target: str
) -> None:
    (tmp_path / "link").symlink_to(bundle_copy / "onnx", target_is_directory=True)
    before = tree(bundle_copy)
    for out in (bundle_copy / "out", tmp_path / "link" / "out", bundle_copy):
        done = python(*command(bundle_copy, out, target, packages), "--overwrite")
        assert done.returncode == 2
        assert b"is in the bundle" in done.stderr
    assert tree(bundle_copy) == before


@pytest.mark.parametrize("overwrite", [False, True])
def test_a_link_to_an_empty_folder_is_no_empty_folder(
    bundles: Path, tmp_path: Path, packages: Path, overwrite: bool
) -> None:
    out = tmp_path / "out"
    (tmp_path / "far").mkdir()
    out.symlink_to(tmp_path / "far", target_is_directory=True)
    arguments = command(bundles / "tiny-cls", out, "lambda", packages)
    done = python(*arguments, *(["--overwrite"] if overwrite else []))
    assert done.returncode == 2
    assert (b"not overwritten" if overwrite else b"name another") in done.stderr
    assert out.is_symlink()


def spoilt(bundle: Path) -> None:
    data = bundle / "onnx" / "model_quantized.onnx_data"
    data.write_bytes(data.read_bytes()[:-1] + b"\x55")


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("stands", [False, True])
def test_a_spoilt_bundle_leaves_all_as_it_was(
    bundle_copy: Path, tmp_path: Path, packages: Path, target: str, stands: bool
) -> None:
    out = tmp_path / "here" / ("out.zip" if target == "zip" else "out")
    if target == "zip" or stands:
        out.parent.mkdir()
    arguments = [*command(bundle_copy, out, target, packages), "--overwrite"]
    if stands:
        assert python(*arguments).returncode == 0
    spoilt(bundle_copy)
    before = sorted(tmp_path.rglob("*"))
    content = tree(tmp_path)
    done = python(*arguments)
    assert done.returncode == 1
    assert b"onnx_data" in done.stderr
    assert sorted(tmp_path.rglob("*")) == before
    assert tree(tmp_path) == content


@pytest.mark.parametrize("target", TARGETS)
def test_a_full_disk_leaves_nothing(
    bundles: Path, tmp_path: Path, packages: Path, target: str
) -> None:
    out = tmp_path / ("out.zip" if target == "zip" else "out")
    done = subprocess.run(
        [sys.executable, *map(str, command(bundles / "minilm", out, target, packages))],
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (10**6, 10**6)),
        capture_output=True,
        check=False,
    )
    assert done.returncode == 1
    assert b"Traceback" not in done.stderr
    assert list(tmp_path.rglob("*")) == []


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["--target", "docker"], 2, "invalid choice"),
        ([], 2, "--target"),
        (["--target", "zip", "--name", "a"], 2, "--target wheel"),
        (["--target", "lambda", "--version", "1"], 2, "--target wheel"),
        (["--target", "wheel", "--from", "x"], 2, "--from"),
        (["--target", "wheel", "--dtype", "float16"], 2, "float16"),
        (["--target", "wheel", "--name", "a b"], 2, "--name"),
        (["--target", "wheel", "--version", "next"], 2, "version"),
        (["--target", "lambda", "--from", "absent"], 2, "has no numpy"),
    ],
    ids=str,
)
def test_bad_arguments(
    bundles: Path, tmp_path: Path, arguments: list[str], code: int, said: str
) -> None:
    done = python("-c", MAIN, "pack", bundles / "tiny-cls", tmp_path / "out", *arguments)
    assert (done.returncode, done.stdout) == (code, b"")
    assert said in done.stderr.decode()
    assert b"Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_without_what_serves_it_names_the_remedy(bundles: Path, tmp_path: Path) -> None:
    site = installed(tmp_path / "site", "cp27")
    for target, absent in (("lambda", "msgspec"), ("zip", "starlette")):
        done = python(*command(bundles / "tiny-cls", tmp_path / "out", target, site))
        assert done.returncode == 2
        assert absent in done.stderr.decode()
        assert "pip install --target" in done.stderr.decode()


def test_what_is_too_large_for_lambda(
    bundles: Path, tmp_path: Path, packages: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from edgembed.pack import aws

    monkeypatch.setattr(aws, "MOST_UNZIPPED", 10**5)
    with pytest.raises(ArgumentError, match="container image"):
        aws.write_lambda(tmp_path, trim(Bundle.open(bundles / "tiny-cls"), None), packages, False)


def test_for_people(bundles: Path, tmp_path: Path) -> None:
    done = python(
        "-c", MAIN, "pack", bundles / "tiny-cls", tmp_path, "--target", "wheel", "--name", "x"
    )
    said = done.stdout.decode()
    assert 'from_package("x")' in said
    assert "int8" in said


def test_both_dtypes_in_one_wheel(bundles: Path, tmp_path: Path) -> None:
    (name,) = pack(bundles / "tiny-cls", tmp_path, "wheel", "--dtype", "int8,float32")
    with zipfile.ZipFile(name) as wheel:
        (own,) = [n for n in wheel.namelist() if n.endswith("/manifest.json")]
        assert set(Manifest.parse(wheel.read(own)).dtypes) == set(DTYPES)
