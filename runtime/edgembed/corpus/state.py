"""What a run has finished, kept beside its output in `_edgembed/`.

    run.json            what decides the output, the input's files, and the plan; written first
    refused/NUMBER      rows of a part that were refused
    done/NUMBER         a part is finished: its counts, its file and the bytes of it; written last
    manifest.json       the whole run is finished: all of done/ in one file
    refused.jsonl       all of refused/ in one file

A part counts as finished when done/NUMBER is there and its file has so many bytes. What is not is
done again, under the same names.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from edgembed.corpus.places import Place
from edgembed.corpus.plan import Plan
from edgembed.errors import ArgumentError

_FOLDER = "_edgembed"
RUN, MANIFEST, REFUSED = (f"{_FOLDER}/{n}" for n in ("run.json", "manifest.json", "refused.jsonl"))
_LOCK = f"{_FOLDER}/lock"
_AT_ONCE = 16  # small files read at the same time: object stores answer slowly, and many at once

Record = dict[str, Any]


def done_name(number: int) -> str:
    """The file that says a part is finished."""
    return f"{_FOLDER}/done/{number:06d}.json"


def refused_name(number: int) -> str:
    """The file of a part's refused rows."""
    return f"{_FOLDER}/refused/{number:06d}.jsonl"


class State:
    """The folder of an output: begun, gone on with, finished."""

    def __init__(self, out: Place) -> None:
        """Take the folder; ArgumentError where another process has it."""
        self._out = out
        self._files: dict[str, int] = {}
        self._look()
        other = next((name for name in self._files if not name.startswith(f"{_FOLDER}/")), None)
        if RUN not in self._files and other:
            raise ArgumentError(
                f"{out.root} holds {other} and is no output of edgembed corpus: name a new or an "
                "empty folder"
            )
        self._lock = out.lock(_LOCK)
        out.sweep([f"{_FOLDER}/**/.*.*", "**/.part-*"])  # now that nobody else writes
        self._look()

    def __enter__(self) -> State:
        """Hold the folder until the block ends."""
        return self

    def __exit__(self, *_: object) -> None:
        """Give it up."""
        if self._lock is not None:
            self._lock.close()

    def _look(self) -> None:
        self._files = {file.name: file.size for file in self._out.files()}

    def plan(self, run: Record, make: Callable[[], Plan]) -> Plan:
        """The plan of this run: made and written down now, or by the process that began it.

        run: what decides the output. ArgumentError says in what another run differs.
        """
        if RUN not in self._files:
            plan = make()
            kept = {"run": run, "plan": plan.to_json()}
            self._out.write(RUN, (json.dumps(kept, ensure_ascii=False) + "\n").encode())
            return plan
        kept = json.loads(self._out.read(RUN))
        if differences := list(_differences(kept["run"], run)):
            raise ArgumentError(
                f"{self._out.root} was begun by another run ({'; '.join(differences)}): start it "
                "with what it was begun with, or name another folder"
            )
        return Plan.from_json(kept["plan"])

    def finished(self) -> dict[int, Record]:
        """By number, the record of each part whose file is there, whole."""
        names = [name for name in self._files if name.startswith(f"{_FOLDER}/done/")]
        records = {_number(name): json.loads(data) for name, data in self._contents(names)}
        return {n: r for n, r in records.items() if self._files.get(r["file"]) == r["bytes"]}

    def finish(self, run: Record) -> None:
        """Gather what the parts wrote into manifest.json and refused.jsonl."""
        self._look()
        records = self.finished()
        parts = [{"number": number, **records[number]} for number in sorted(records)]
        manifest = {"run": run, "parts": parts}
        refused = sorted(name for name in self._files if name.startswith(f"{_FOLDER}/refused/"))
        self._out.write(REFUSED, b"".join(data for _, data in self._contents(refused)))
        self._out.write(MANIFEST, (json.dumps(manifest, ensure_ascii=False) + "\n").encode())

    def _contents(self, names: Iterable[str]) -> list[tuple[str, bytes]]:
        names = list(names)
        with ThreadPoolExecutor(_AT_ONCE) as readers:
            return list(zip(names, readers.map(self._out.read, names), strict=True))


def _number(name: str) -> int:
    return int(name.rpartition("/")[2].partition(".")[0])


def _differences(was: Record, now: Record) -> Iterable[str]:
    """In words, each setting and each file of the input that is not as it was."""
    before, after = ({f[0]: f[1:] for f in map(list, run["files"])} for run in (was, now))
    for name in sorted(before.keys() | after.keys()):
        if before.get(name) != after.get(name):
            state = "is new" if name not in before else "is gone" if name not in after else None
            yield f"input file {name} {state or 'has changed since'}"
    for name in sorted(was.keys() | now.keys()):
        if name != "files" and was.get(name) != now.get(name):
            yield f"{name} was {was.get(name)!r}, not {now.get(name)!r}"
