"""Parts spread over workers by Daft: over threads of this process, or over a Ray cluster.

Daft's frame has one row a part, and a batch method of a class turns it into what became of it.
Data never goes through the frame: a worker reads and writes the files of its part itself. That is
what makes a run exact: Daft knows no row number of a file, its own checkpoints need Ray and a key
that is unique, and a task that Ray repeats after a machine was lost writes the same file again.

Measured (docs/corpus.md): on one machine threads that share one model, each with runs of one
thread, are as fast as a process each and take the memory of one.
"""

from __future__ import annotations

import json
import os
from collections.abc import Generator, Sequence
from typing import Any

from edgembed import errors
from edgembed.corpus.halt import Halt, Halted, working
from edgembed.corpus.plan import Part
from edgembed.corpus.readers.spans import Span
from edgembed.corpus.worker import Counts, Job, embed_part
from edgembed.errors import EdgembedError, MissingExtraError

# Daft and Ray report their use to their makers unless told not to, before they are imported.
_QUIET = {
    "DAFT_ANALYTICS_ENABLED": "0",
    "DO_NOT_TRACK": "1",
    "RAY_USAGE_STATS_ENABLED": "0",
    "DAFT_PROGRESS_BAR": "0",
    "ORT_DISABLE_TELEMETRY": "1",
}
for _name, _value in _QUIET.items():
    os.environ.setdefault(_name, _value)

try:
    import daft
except ImportError as error:
    raise MissingExtraError("edgembed corpus needs: pip install 'edgembed[corpus]'") from error


@daft.cls
class _Worker:
    """What Daft makes once for each worker; the model is loaded with the first part."""

    def __init__(self, job: Job, run: int) -> None:
        self._job, self._run = job, run

    @daft.method.batch(return_dtype=daft.DataType.string(), batch_size=1)
    def embed(self, parts: Any) -> list[str]:
        return [json.dumps(self._outcome(json.loads(part))) for part in parts.to_pylist()]

    def _outcome(self, part: list[Any]) -> dict[str, Any]:
        number, *span = part
        try:
            with working(self._run) as check:
                return {"counts": embed_part(self._job, Part(number, Span(*span)), check)}
        except (EdgembedError, OSError, Halted) as error:
            return {"error": str(error), "kind": type(error).__name__}


def spread(
    job: Job, parts: Sequence[Part], threads: int, ray: str | None
) -> Generator[Counts, None, None]:
    """What became of each part, in their order, as they are finished.

    threads: workers on this machine. ray: a cluster's address ("auto": the one of this machine)
    in place of it. Raises what a worker met, of the kind that it was; the others are stopped then.
    """
    if ray is None:
        _use_threads(threads)
    else:
        _use_ray(ray)
    frame = daft.from_pydict({"part": [json.dumps([part.number, *part.span]) for part in parts]})
    if ray is not None:
        frame = frame.into_partitions(len(parts))  # a task each, to be repeated by itself
    halt = Halt()
    outcomes = _Worker(job, halt.number).embed(frame["part"])
    try:
        for batch in frame.select(outcomes).to_arrow_iter():
            for text in batch.column(0).to_pylist():
                yield _counts(json.loads(text))
    finally:
        halt.stop()


def _counts(outcome: dict[str, Any]) -> Counts:
    if "error" not in outcome:
        return Counts(*outcome["counts"])
    kind = getattr(errors, outcome["kind"], OSError)
    raise kind(outcome["error"])


def _use_threads(threads: int) -> None:
    # A process can choose once; whoever uses Daft beside this has chosen already.
    if daft.runners._get_runner() is None:
        daft.set_runner_native(num_threads=threads)


def _use_ray(address: str) -> None:
    try:
        import ray
    except ImportError as error:
        raise MissingExtraError("--ray needs: pip install 'edgembed[corpus]' ray") from error
    if not ray.is_initialized():
        environment = {"env_vars": dict(_QUIET)}
        ray.init(address, log_to_driver=False, logging_level="warning", runtime_env=environment)
    if daft.runners._get_runner() is None:
        daft.set_runner_ray(noop_if_initialized=True)
