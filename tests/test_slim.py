"""The slim installation: what it keeps, and that it runs where there is nothing else."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from importlib.metadata import distribution
from pathlib import Path

import pytest

from edgembed import ArgumentError, EdgembedError, Embedder
from edgembed.bundle import Bundle
from edgembed.slim import SlimReport, check, slim
from sites import installed
from support import DTYPES, python

SITE = Path(str(distribution("onnxruntime").locate_file("")))
TEXTS = ["Кошка сидит на окне.", "The cat sits at the window.", "", "a b c " * 5]
MAIN = "import sys; from edgembed.cli import main; sys.exit(main())"

ENCODE = """
import json, sys
folder, bundle, dtype, *texts = sys.argv[1:]
sys.path.insert(0, folder)
from edgembed import Embedder
vectors = Embedder(bundle, dtype=dtype, threads=1, canaries="refuse").encode(texts, prompt="")
files = [getattr(module, "__file__", None) for module in sys.modules.values()]
print(json.dumps({"vectors": vectors.tobytes().hex(), "files": [f for f in files if f]}))
"""


@pytest.fixture(scope="module")
def slimmed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, SlimReport]]:
    out = tmp_path_factory.mktemp("layer") / "new" / "python"
    yield out, slim(SITE, out)
    shutil.rmtree(out)  # 100 MB


def run_alone(folder: Path, code: str, *arguments: str) -> subprocess.CompletedProcess[bytes]:
    """An interpreter that sees the standard library only, without the environment."""
    command = [sys.executable, "-B", "-I", "-S", "-c", code, str(folder), *arguments]
    return subprocess.run(command, env={}, capture_output=True, check=False)


def files_of(folder: Path) -> dict[str, int]:
    paths = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.stat().st_size for path in paths}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", ["minilm", "tiny-xlmr"])
def test_it_gives_the_same_vectors_with_nothing_else_installed(
    slimmed: tuple[Path, SlimReport],
    bundles: Path,
    embedder: Callable[..., Embedder],
    name: str,
    dtype: str,
) -> None:
    done = run_alone(slimmed[0], ENCODE, str(bundles / name), dtype, *TEXTS)
    assert done.returncode == 0, done.stderr.decode()
    said = json.loads(done.stdout)
    own = embedder(name, dtype).encode(TEXTS, prompt="")
    assert bytes.fromhex(said["vectors"]) == own.tobytes()
    foreign = [file for file in said["files"] if "site-packages" in file or "/runtime/" in file]
    assert foreign == []


def test_it_fits_with_a_bundle(slimmed: tuple[Path, SlimReport], bundles: Path) -> None:
    bundle = Bundle.open(bundles / "minilm")
    own = bundle.manifest.dtypes["float32"]  # what an export of int8 alone does not write
    model = sum(files_of(bundle.folder).values()) - sum(
        bundle.manifest.artifacts[name].bytes for name in (own.graph, own.masked_graph, own.data)
    )
    assert sum(files_of(slimmed[0]).values()) + model <= 170e6


def test_the_report_is_what_stands_there(slimmed: tuple[Path, SlimReport]) -> None:
    out, report = slimmed
    found = files_of(out)
    assert (report.files, report.bytes) == (len(found), sum(found.values()))
    assert report.folder == str(out)
    assert report.python == f"cp{sys.version_info.major}{sys.version_info.minor}"
    assert all(one.files and one.why for one in report.left_out)
    said = " ".join(one.what for one in report.left_out)
    assert "huggingface-hub" in said
    assert "libonnxruntime" in said


def test_every_file_of_the_dependencies_is_kept_or_counted(
    slimmed: tuple[Path, SlimReport],
) -> None:
    out, report = slimmed
    names = {
        file.as_posix()
        for name in ("numpy", "onnxruntime", "tokenizers", "edgembed")
        for file in distribution(name).files or ()
        if name != "edgembed" or ".dist-info/" in file.as_posix()  # the package comes from the tree
        if ".." not in file.parts and Path(str(file.locate())).is_file()
    }
    bytecode = {name for name in names if name.endswith(".pyc")}
    by_rules = {o.what: o.files for o in report.left_out if not o.why.startswith("required by")}
    assert by_rules["*.pyc"] == len(bytecode) > 100
    assert sum(by_rules.values()) == len(bytecode | (names - set(files_of(out))))


def test_licences_and_versions_stay(slimmed: tuple[Path, SlimReport]) -> None:
    kept = files_of(slimmed[0])
    for name in ("numpy", "onnxruntime", "tokenizers", "edgembed"):
        assert any(file.startswith(f"{name}-") and file.endswith("METADATA") for file in kept)
    assert "onnxruntime/ThirdPartyNotices.txt" in kept
    assert any(file.startswith("numpy-") and "LICENSE" in file for file in kept)
    assert any(file.startswith("edgembed-") and "LICENSE" in file for file in kept)


def test_bytecode_holds_wherever_it_is_unpacked(slimmed: tuple[Path, SlimReport]) -> None:
    # A zip keeps times to two seconds only, so bytecode must not ask for its source's. The flags
    # of a pyc are its second word: 1 is by hash, unchecked (PEP 552).
    compiled = list(slimmed[0].rglob("*.pyc"))
    sources = list(slimmed[0].rglob("*.py"))
    assert len(compiled) == len(sources) > 200
    assert {int.from_bytes(path.read_bytes()[4:8], "little") for path in compiled} == {1}


def test_what_users_of_numpy_call_is_still_there(slimmed: tuple[Path, SlimReport]) -> None:
    modules = "fft linalg ma polynomial random testing ctypeslib strings rec char typing"
    script = (
        "import importlib, sys; sys.path.insert(0, sys.argv[1])\n"
        "for name in sys.argv[2:]: importlib.import_module(f'numpy.{name}')"
    )
    done = run_alone(slimmed[0], script, *modules.split())
    assert done.returncode == 0, done.stderr.decode()


def test_the_command_line_runs_there(slimmed: tuple[Path, SlimReport], bundles: Path) -> None:
    script = (
        "import runpy, sys; sys.path.insert(0, sys.argv.pop(1))\n"
        "runpy.run_module('edgembed', run_name='__main__')"
    )
    done = run_alone(
        slimmed[0], script, "similarity", str(bundles / "tiny-frida"), "cat", "cat", "--prompt", ""
    )
    assert (done.returncode, done.stdout) == (0, b"1.0000\n"), done.stderr.decode()


# --- check


@pytest.fixture
def spoilt(slimmed: tuple[Path, SlimReport], tmp_path: Path) -> Iterator[Path]:
    copy = tmp_path / "copy"
    shutil.copytree(slimmed[0], copy, copy_function=shutil.copy)
    for cache in list((copy / "edgembed").rglob("__pycache__")):
        shutil.rmtree(cache)
    yield copy
    shutil.rmtree(copy)


def test_check_passes_what_is_whole(spoilt: Path, bundles: Path) -> None:
    check(spoilt, bundles / "tiny-frida")


def test_check_finds_a_missing_file(spoilt: Path, bundles: Path) -> None:
    shutil.rmtree(spoilt / "numpy" / "linalg")
    with pytest.raises(EdgembedError, match=r"do not run.*numpy"):
        check(spoilt, bundles / "tiny-frida")


def test_check_finds_other_vectors(spoilt: Path, bundles: Path) -> None:
    pooling = spoilt / "edgembed" / "pooling.py"
    source = pooling.read_text()
    assert "def unit" in source
    pooling.write_text(
        source + "\n_own = unit\ndef unit(v, length): return _own(v, length) * 1.5\n"
    )
    with pytest.raises(EdgembedError, match="other vectors"):
        check(spoilt, bundles / "tiny-frida")


# --- rules, on a small installation


def test_the_rules(tmp_path: Path) -> None:
    report = slim(installed(tmp_path / "site", "cp27"), tmp_path / "out")
    kept = {name for name in files_of(tmp_path / "out") if not name.startswith("edgembed")}
    assert kept == {
        "numpy/__init__.py",
        "onnxruntime/__init__.py",
        "onnxruntime/capi/state.so",
        "tokenizers/__init__.py",
        *(
            f"{name}-1.0.dist-info/{file}"
            for name in ("numpy", "onnxruntime", "tokenizers")
            for file in ("METADATA", "WHEEL")
        ),
    }
    required = {one.what: one.files for one in report.left_out if "required by" in one.why}
    # package, METADATA, WHEEL, INSTALLER, RECORD: five files each
    assert required == {"some-hub and 1 that it requires": 10}


def test_for_another_python_there_is_no_bytecode(tmp_path: Path) -> None:
    report = slim(installed(tmp_path / "site", "cp27"), tmp_path / "out")
    assert report.python is None
    assert not list((tmp_path / "out").rglob("*.pyc"))


def test_edgembed_is_the_one_that_runs(tmp_path: Path) -> None:
    site = installed(tmp_path / "site", "cp27")
    (site / "edgembed").mkdir()
    (site / "edgembed" / "__init__.py").write_text("raise SystemError('another one')")
    slim(site, tmp_path / "out")
    copied, own = tmp_path / "out" / "edgembed", Path(sys.modules["edgembed"].__file__ or "").parent
    sources = sorted(path.relative_to(own) for path in own.rglob("*.py"))
    assert sorted(path.relative_to(copied) for path in copied.rglob("*.py")) == sources
    assert all((copied / name).read_bytes() == (own / name).read_bytes() for name in sources)


def test_an_empty_folder_is_taken_and_a_full_one_refused(tmp_path: Path) -> None:
    site, out = installed(tmp_path / "site", "cp27"), tmp_path / "out"
    out.mkdir()
    slim(site, out)
    before = files_of(out)
    with pytest.raises(ArgumentError, match="not an empty folder"):
        slim(site, out)
    (tmp_path / "file").write_text("mine")
    with pytest.raises(ArgumentError, match="not an empty folder"):
        slim(site, tmp_path / "file")
    assert files_of(out) == before
    assert {path.name for path in tmp_path.iterdir()} == {"site", "out", "file"}


@pytest.mark.parametrize("name", ["numpy", "onnxruntime", "tokenizers"])
def test_a_missing_dependency_is_named(tmp_path: Path, name: str) -> None:
    site = installed(tmp_path / "site", "cp27")
    shutil.rmtree(site / f"{name}-1.0.dist-info")
    with pytest.raises(ArgumentError, match=f"has no {name} .*pip install --target"):
        slim(site, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_disk_error_leaves_nothing(tmp_path: Path) -> None:
    site = installed(tmp_path / "site", "cp27")
    # A file where edgembed's folder is to be: found out when most has been copied.
    with (site / "numpy-1.0.dist-info" / "RECORD").open("a") as record:
        record.write("edgembed,,\n")
    (site / "edgembed").write_text("in the way")
    with pytest.raises(OSError, match="edgembed"):
        slim(site, tmp_path / "out")
    assert {path.name for path in tmp_path.iterdir()} == {"site"}


def test_what_a_kill_left_is_swept_away(tmp_path: Path) -> None:
    site, out = installed(tmp_path / "site", "cp27"), tmp_path / "out"
    script = (
        "import os, signal, sys; from pathlib import Path; from edgembed.slim import build\n"
        "build._compile = lambda *_: os.kill(os.getpid(), signal.SIGKILL)\n"
        "build.slim(Path(sys.argv[1]), Path(sys.argv[2]))"
    )
    done = subprocess.run([sys.executable, "-c", script, site, out], check=False)
    assert done.returncode == -signal.SIGKILL
    assert len(list(tmp_path.iterdir())) == 2  # the draft
    slim(site, out)
    assert {path.name for path in tmp_path.iterdir()} == {"site", "out"}


# --- the command


def test_the_command_for_programs(bundles: Path, tmp_path: Path) -> None:
    out = tmp_path / "python"
    done = python("-c", MAIN, "slim", out, "--check", bundles / "tiny-frida", "--json")
    assert done.returncode == 0, done.stderr.decode()
    said = json.loads(done.stdout)
    assert said["bytes"] == sum(files_of(out).values())
    assert sum(one["bytes"] for one in said["left_out"]) > 30e6
    shutil.rmtree(out)


def test_the_command_for_people(bundles: Path, tmp_path: Path) -> None:
    site = installed(tmp_path / "site", "cp27")
    done = python("-c", MAIN, "slim", tmp_path / "out", "--from", site)
    said = done.stdout.decode().splitlines()
    assert done.returncode == 0, done.stderr.decode()
    assert all(len(line) <= 80 for line in said if str(tmp_path) not in line)
    assert "no bytecode" in done.stdout.decode()


def test_what_fails_its_check_is_not_left(bundles: Path, tmp_path: Path) -> None:
    # It was made of another Python's packages, which hold nothing.
    site = installed(tmp_path / "site", "cp27")
    again = ("slim", tmp_path / "out", "--from", site, "--check", bundles / "tiny-frida")
    done = python("-c", MAIN, *again)
    assert (done.returncode, done.stdout) == (1, b"")
    assert b"do not run" in done.stderr
    assert {path.name for path in tmp_path.iterdir()} == {"site"}


def test_a_copy_in_the_bundle_it_is_checked_with_is_refused(bundle_copy: Path) -> None:
    before = files_of(bundle_copy)
    done = python("-c", MAIN, "slim", bundle_copy / "lib", "--check", bundle_copy)
    assert done.returncode == 2
    assert b"is in the bundle" in done.stderr
    assert files_of(bundle_copy) == before


def test_what_a_stopped_removal_left_is_passed_over(tmp_path: Path) -> None:
    site = installed(tmp_path / "site", "cp27")
    (site / "half_gone-1.0.dist-info").mkdir()
    assert slim(site, tmp_path / "out").files > 0


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        ([], 2, "OUT"),
        (["SITE"], 2, "not an empty folder"),
        (["out", "--from", "absent"], 2, "has no numpy"),
        (["out", "--check", "absent"], 1, "no bundle"),
    ],
    ids=str,
)
def test_bad_arguments(tmp_path: Path, arguments: list[str], code: int, said: str) -> None:
    site = installed(tmp_path / "site", "cp27")
    filled = [str(site) if one == "SITE" else one for one in arguments]
    filled = [str(tmp_path / "out") if one == "out" else one for one in filled]
    done = python("-c", MAIN, "slim", *filled)
    assert (done.returncode, done.stdout) == (code, b"")
    assert said in done.stderr.decode()
    assert b"Traceback" not in done.stderr
    assert {path.name for path in tmp_path.iterdir()} == {"site"}
