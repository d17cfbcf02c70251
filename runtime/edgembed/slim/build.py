"""Copying what is needed of an installation."""

from __future__ import annotations

import compileall
import os
import re
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from fnmatch import fnmatchcase
from importlib.metadata import Distribution, distributions
from pathlib import Path
from py_compile import PycInvalidationMode
from typing import Any

from edgembed.errors import ArgumentError
from edgembed.slim.rules import KEPT, RULES, Rule
from edgembed.staging import staging

_PACKAGE = Path(__file__).parents[1]
_NAME = re.compile(r"[A-Za-z0-9][\w.-]*")


@dataclass(frozen=True)
class LeftOut:
    """Files that one rule left out, or one distribution with those that only it requires."""

    what: str
    why: str
    files: int
    bytes: int


@dataclass(frozen=True)
class SlimReport:
    """What stands in `folder`, and what was left out on the way.

    python: whose bytecode is there, "cp311" say; None where the installation is for another Python
    than the one that ran `slim`, so that none could be compiled.
    """

    folder: str
    files: int
    bytes: int
    python: str | None
    left_out: tuple[LeftOut, ...]

    def to_json(self) -> dict[str, Any]:
        """As JSON-ready values."""
        return asdict(self)


def slim(
    site_packages: Path,
    out: Path,
    also: Sequence[str] = (),
    prove: Callable[[Path], None] | None = None,
) -> SlimReport:
    """Copy the least of an installation that embeds to the folder `out`, which is to be new.

    site_packages: where numpy, onnxruntime and tokenizers are installed, also by `pip install
    --target`, for this machine or another: files are copied, never run. edgembed is copied from
    where it runs. `out` is put on the path as it is; it appears whole or not at all. Bytecode is
    compiled without regard to the time of its source, since a zip does not keep that.
    also: more distributions to keep, with all that they require. prove: told of the folder before
    it becomes `out`, which it does not where this raises.
    ArgumentError where a dependency is missing, or `out` is not empty; OSError from the disk.
    """
    found = _installed(site_packages, (*KEPT, *also))
    counted = set(KEPT)
    kept = (*KEPT, *(one for name in also for one in _brought(name, found, counted)))
    if out.is_symlink() or (out.exists() and not (out.is_dir() and not any(out.iterdir()))):
        raise ArgumentError(f"{out} exists and is not an empty folder: name a new one")
    with staging(out) as draft:
        left_out = _copy(found, kept, draft)
        python = _compile(draft, found)
        if prove is not None:
            prove(draft)
    sizes = [path.stat().st_size for path in out.rglob("*") if path.is_file()]
    return SlimReport(
        str(out), len(sizes), sum(sizes), python, (*left_out, *_not_kept(found, kept))
    )


def _installed(site_packages: Path, needed: Sequence[str]) -> dict[str, Distribution]:
    """Every distribution of a folder by its normalised name."""
    every = distributions(path=[str(site_packages)])
    # A removal that was stopped leaves a .dist-info without METADATA, which has no name.
    named = (d for d in every if "Name" in (d.metadata or ()))
    found = {_normal(d.metadata["Name"]): d for d in named}
    if missing := [name for name in needed if name not in found or found[name].files is None]:
        raise ArgumentError(
            f"{str(site_packages)!r} has no {', '.join(missing)} that pip installed: install what "
            "is missing, or make a folder that has all, with  pip install --target FOLDER "
            + " ".join(needed)
        )
    return found


def _normal(name: str) -> str:
    """Source: packaging.python.org, "Names and normalization"."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _copy(found: Mapping[str, Distribution], kept: Sequence[str], draft: Path) -> list[LeftOut]:
    """Copy every kept file to `draft`; returns what the rules left out."""
    left: dict[Rule, list[int]] = {rule: [] for rule in RULES}
    for name, source in _sources(found, kept):
        rule = next((r for r in RULES if any(fnmatchcase(name, p) for p in r.patterns)), None)
        if rule:
            left[rule].append(source.stat().st_size)
            continue
        target = draft / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, target)
    return [
        LeftOut(", ".join(rule.patterns), rule.why, len(sizes), sum(sizes))
        for rule, sizes in left.items()
        if sizes
    ]


def _sources(found: Mapping[str, Distribution], kept: Sequence[str]) -> Iterator[tuple[str, Path]]:
    """(path in site-packages, file) of the distributions that are kept, and of edgembed."""
    for name in (*kept, "edgembed"):
        distribution = found.get(name)
        for file in (distribution and distribution.files) or ():
            path, own = file.as_posix(), name == "edgembed" and ".dist-info/" not in str(file)
            # ../../bin/f2py is no part of site-packages; edgembed's own files come below.
            if not own and ".." not in file.parts and (source := Path(file.locate())).is_file():
                yield path, source
    # Where it runs, and not where it is installed: the two differ in an editable installation.
    for source in sorted(_PACKAGE.rglob("*")):
        if source.is_file() and source.suffix != ".pyc":
            yield f"edgembed/{source.relative_to(_PACKAGE).as_posix()}", source


def _compile(draft: Path, found: Mapping[str, Distribution]) -> str | None:
    """Compile every module, where the wheels are for the Python that runs this."""
    own = f"cp{sys.version_info.major}{sys.version_info.minor}"
    if f"Tag: {own}-" not in (found["numpy"].read_text("WHEEL") or ""):
        return None
    mode = PycInvalidationMode.UNCHECKED_HASH
    compileall.compile_dir(draft, quiet=2, stripdir=os.fspath(draft), invalidation_mode=mode)
    return own


def _not_kept(found: Mapping[str, Distribution], kept: Sequence[str]) -> Iterator[LeftOut]:
    """The distributions that those kept require: a row each, with all that only it brings along."""
    counted = set(kept)
    for name in kept:
        for required in _required(name, found):
            if brought := _brought(required, found, counted):
                sizes = [size for one in brought for size in _sizes(found[one])]
                more = f" and {len(brought) - 1} that it requires" if brought[1:] else ""
                why = f"required by {name}, imported by nothing here"
                yield LeftOut(required + more, why, len(sizes), sum(sizes))


def _brought(name: str, found: Mapping[str, Distribution], counted: set[str]) -> list[str]:
    """A distribution and all it requires, without those counted already."""
    if name in counted:
        return []
    counted.add(name)
    return [name, *(o for r in _required(name, found) for o in _brought(r, found, counted))]


def _required(name: str, found: Mapping[str, Distribution]) -> list[str]:
    """The installed ones among the distributions that one requires, extras left out."""
    lines = (line for line in found[name].requires or () if "extra ==" not in line)
    names = (_normal(match.group()) for line in lines if (match := _NAME.match(line)))
    return [name for name in names if name in found]


def _sizes(distribution: Distribution) -> list[int]:
    paths = [Path(file.locate()) for file in distribution.files or () if ".." not in file.parts]
    return [path.stat().st_size for path in paths if path.is_file()]
