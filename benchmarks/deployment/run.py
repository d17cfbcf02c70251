"""What a deployment weighs: packages, the slim installation, the least set of files, bundles.

    python benchmarks/deployment/run.py BUNDLE... [--out FOLDER]

Runs where edgembed is installed (Linux), and measures what is installed there. Only the wheel is
built anew; that takes a package index, or hatchling in this environment, and without either its
row says so. Writes deployment.json and deployment.md.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from importlib.metadata import distribution
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "benchmarks"))
from common.tables import number, table  # noqa: E402
from edgembed.bench.machine import describe, versions  # noqa: E402
from edgembed.bundle import Bundle  # noqa: E402
from edgembed.slim import LeftOut, check, slim  # noqa: E402
from edgembed.slim.rules import KEPT  # noqa: E402

_LAMBDA = 250e6  # bytes, unpacked, layers included; AWS counts 262,144,000
Files = Mapping[str, Path]  # by name in the archive

# Prints every file of the folder that a process needs to embed by both dtypes.
_TRACE = """
import os, sys
folder, bundle, *dtypes = sys.argv[1:]
seen = set()
sys.addaudithook(lambda event, args: seen.add(args[0]) if event == "open" else None)
sys.path.insert(0, folder)
from edgembed import Embedder
for dtype in dtypes:
    Embedder(bundle, dtype=dtype).encode(["one", "two"] * 4)
seen |= {getattr(module, "__file__", None) for module in list(sys.modules.values())}
with open("/proc/self/maps") as maps:
    seen |= {line.split(None, 5)[-1].strip() for line in maps}
needed = {os.path.realpath(name) for name in seen if isinstance(name, str) and os.path.isfile(name)}
print("\\n".join(name for name in needed if name.startswith(folder)))
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("bundles", metavar="BUNDLE", type=Path, nargs="+")
    parser.add_argument("--out", type=Path, default=Path(__file__).with_name("results"))
    options = parser.parse_args()
    with TemporaryDirectory() as name:
        found = _measure(options.bundles, Path(name).resolve())
    # The folders' own names label the rows.
    command = " ".join(["python benchmarks/deployment/run.py", *(b.name for b in options.bundles)])
    data = {"machine": describe(), "versions": versions(), "command": command, **found}
    options.out.mkdir(parents=True, exist_ok=True)
    text = json.dumps(data, indent=1, ensure_ascii=False)
    (options.out / "deployment.json").write_text(text + "\n", "utf-8")
    (options.out / "deployment.md").write_text(_report(data), "utf-8")


def _measure(bundles: list[Path], work: Path) -> dict[str, Any]:
    site = Path(distribution("onnxruntime").locate_file(""))
    report = slim(site, work / "slim")
    required = [one for one in report.left_out if one.why.startswith("required by")]
    check(work / "slim", bundles[0])
    rows = {name: _weight(_installed(name)) for name in KEPT}
    rows |= {one.what: {"unpacked": one.bytes, "zipped": None} for one in required}
    least = _least(work, bundles[0])
    return {
        "wheel": _wheel(work),
        "installed": rows,
        "slim": _weight(_folder(work / "slim")),
        "least": {**_weight(least), "files": sorted(least)},
        "left_out": [_row(one) for one in report.left_out],
        "bundles": {b.name: _weight(_int8(Bundle.open(b))) for b in bundles},
    }


def _row(one: LeftOut) -> dict[str, Any]:
    return {"what": one.what, "why": one.why, "files": one.files, "bytes": one.bytes}


def _least(work: Path, bundle: Path) -> Files:
    """What of the slim folder a process opens; proved by running from these files alone."""
    source = work / "slim"
    dtypes = Bundle.open(bundle).manifest.dtypes
    command = [sys.executable, "-B", "-I", "-S", "-c", _TRACE, str(source), str(bundle), *dtypes]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    names = {Path(line).relative_to(source) for line in done.stdout.splitlines()}
    least = {n.as_posix(): source / n for n in names if n.suffix != ".pyc"}
    for name, path in least.items():
        (work / "least" / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, work / "least" / name)
    check(work / "least", bundle)
    return least


def _int8(bundle: Bundle) -> Files:
    """What `edgembed-export --dtype int8` would have written: all but the other dtypes' files."""
    own = bundle.manifest.dtypes["int8"]
    kept = {own.graph, own.masked_graph, own.data}
    others = {f for w in bundle.manifest.dtypes.values() for f in (w.graph, w.masked_graph, w.data)}
    names = {"manifest.json", *bundle.manifest.artifacts} - (others - kept)
    return {name: bundle.folder / name for name in names}


def _installed(name: str) -> Files:
    """The files of a distribution as pip left them, bytecode included."""
    files = {file.as_posix(): Path(file.locate()) for file in distribution(name).files or ()}
    return {name: path for name, path in files.items() if path.is_file()}


def _folder(folder: Path) -> Files:
    return {p.relative_to(folder).as_posix(): p for p in folder.rglob("*") if p.is_file()}


def _weight(files: Files) -> dict[str, int]:
    """Bytes unpacked, and as a zip."""
    with TemporaryDirectory() as folder:
        archive = Path(folder) / "all.zip"
        with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as packed:
            for name, path in sorted(files.items()):
                packed.write(path, name)
        zipped = archive.stat().st_size
    return {"unpacked": sum(path.stat().st_size for path in files.values()), "zipped": zipped}


def _wheel(work: Path) -> dict[str, Any]:
    """The wheel's bytes, and those of what is in it."""
    isolation = ["--no-build-isolation"] if find_spec("hatchling") else []
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", *isolation]
    done = subprocess.run(
        [*command, "--wheel-dir", str(work), str(ROOT)], capture_output=True, text=True, check=False
    )
    if done.returncode:
        why = "not built: it takes hatchling here, or a package index to fetch it from"
        print(f"the wheel was {why}\n{done.stderr.strip()[-300:]}", file=sys.stderr)
        return {"unpacked": None, "zipped": None, "note": why}
    (wheel,) = work.glob("edgembed-*.whl")
    with zipfile.ZipFile(wheel) as packed:
        unpacked = sum(entry.file_size for entry in packed.infolist())
    return {"unpacked": unpacked, "zipped": wheel.stat().st_size}


def _report(data: dict[str, Any]) -> str:
    machine = ", ".join(f"{name} {version}" for name, version in data["versions"].items())
    facts = data["machine"]
    return "\n\n".join(
        (
            "# What a deployment weighs",
            f"{facts['system']}, Python {facts['python']}, {machine}; {facts['date']}; "
            f"`{data['command']}`. MB are 10^6 bytes; installed as pip leaves it, bytecode "
            "included; zipped by deflate.",
            table(["", "unpacked MB", "zipped MB"], _rows(data)),
            "Least set: the files a process opened that embedded by both dtypes; run from these "
            "alone, it gives the same vectors. Slim keeps more: bytecode (without it every start "
            "compiles anew), the rest of numpy, licences, the command line.",
            "## Against AWS Lambda's 250 MB (function and layers, unpacked)",
            table(["slim with", "MB", "MB to spare"], _lambda(data)),
            "## What slim leaves out",
            table(["MB", "files", "what", "why"], _left_out(data)),
            "",
        )
    )


def _rows(data: dict[str, Any]) -> Iterator[list[str]]:
    yield _line("edgembed's wheel (with the export stage)", data["wheel"])
    for name, weight in data["installed"].items():
        yield _line(name, weight)
    unpacked = [weight["unpacked"] for weight in (data["wheel"], *data["installed"].values())]
    yield _line("**all that `pip install edgembed` brings**", {"unpacked": _sum(unpacked)})
    yield _line("**`edgembed slim`**", data["slim"])
    yield _line(f"least set that runs, {len(data['least']['files'])} files", data["least"])
    for name, weight in data["bundles"].items():
        yield _line(f"bundle {name}, int8", weight)


def _sum(values: Iterable[int | None]) -> int:
    return sum(value for value in values if value is not None)


def _line(label: str, weight: Mapping[str, Any]) -> list[str]:
    return [label, *(_megabytes(weight.get(key)) for key in ("unpacked", "zipped"))]


def _megabytes(value: int | None) -> str:
    return number(None if value is None else value / 1e6, 1)


def _lambda(data: dict[str, Any]) -> Iterator[list[str]]:
    for name, weight in data["bundles"].items():
        whole = data["slim"]["unpacked"] + weight["unpacked"]
        yield [f"{name}, int8", _megabytes(whole), _megabytes(int(_LAMBDA) - whole)]


def _left_out(data: dict[str, Any]) -> Iterator[list[str]]:
    for one in sorted(data["left_out"], key=lambda one: -one["bytes"]):
        what = one["what"].replace("*", "\\*")
        yield [_megabytes(one["bytes"]), str(one["files"]), what, one["why"]]


if __name__ == "__main__":
    main()
