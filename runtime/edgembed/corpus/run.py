"""A run from beginning to end: plan it or take it up again, spread what is left, sum up."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Iterable
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path

from edgembed.bundle import check_outside
from edgembed.canary import CanaryCheck
from edgembed.corpus.bar import bar
from edgembed.corpus.model import CorpusModel, Loading, Output, shared_model
from edgembed.corpus.places import Place
from edgembed.corpus.plan import Part, Plan, find, make
from edgembed.corpus.settings import Settings
from edgembed.corpus.state import MANIFEST, REFUSED, Record, State
from edgembed.corpus.worker import Counts, Job
from edgembed.errors import ArgumentError, EdgembedError
from edgembed.outputs import check_positive
from edgembed.threads import checked_threads

Spread = Callable[[Job, "list[Part]", int, "str | None"], Generator[Counts, None, None]]


@dataclass(frozen=True)
class Report:
    """What a run has done. before: rows that were finished already when it began."""

    totals: Counts
    before: int
    parts: int
    out: str
    refused: str
    manifest: str

    def to_json(self) -> Record:
        """For programs."""
        return {**asdict(self), "totals": self.totals._asdict()}


def embed_corpus(  # noqa: PLR0913  (all of them the command's own)
    bundle: str | os.PathLike[str],
    source: str | os.PathLike[str],
    out: str | os.PathLike[str],
    settings: Settings = Settings(),  # noqa: B008  (frozen)
    *,
    dtype: str | None = None,
    public_key: str | os.PathLike[str] | None = None,
    threads: int | None = None,
    ray: str | None = None,
    cache: int = 0,
    show: bool = False,
    spread: Spread | None = None,
) -> Report:
    """Embed every row of `source` into `out`, or go on with what an earlier process left there.

    source: a file or a folder of Parquet, JSONL or CSV; out: a folder; both paths or URIs of
    object stores. dtype, public_key: as in Embedder. threads: workers on this machine (default: its
    CPUs). ray: a cluster's address instead; bundle, key, source and out must then be reachable by
    these names on all machines. cache: distinct texts whose vectors are remembered across parts.
    show: a progress bar on stderr. spread: how parts come to be embedded (default: by Daft).

    Raises ArgumentError where `out` belongs to another run, TextError with on_error="fail", and
    what loading a bundle raises.
    """
    workers = checked(threads, cache)
    loading = local(bundle, dtype, public_key, cache)
    job = prepare(loading, source, out, settings, "warn" if ray is None else "refuse")
    spread = spread or _with_daft()
    with State(job.out) as state:
        plan = state.plan(job.run, lambda: make(job.source, settings, workers))
        done = state.finished()
        before = _sum(Counts(*(r[name] for name in Counts._fields)) for r in done.values())
        left = [part for part in plan.parts if part.number not in done]
        totals = before
        if left:
            with closing(spread(job.with_schema(plan.schema), left, workers, ray)) as outcomes:
                totals = before.plus(_sum(bar(outcomes, plan.rows, before, show)))
        _check(totals, plan)
        state.finish(job.run)
    names = (job.out.path(name) for name in (REFUSED, MANIFEST))
    return Report(totals, before.rows, len(plan.parts), os.fspath(out), *names)


def local(
    bundle: str | os.PathLike[str],
    dtype: str | None,
    public_key: str | os.PathLike[str] | None,
    cache: int,
) -> Loading:
    """How the bundle is loaded in this process; its whole paths hold in others as well."""
    key = None if public_key is None else os.fspath(Path(public_key).absolute())
    return Loading(os.fspath(Path(bundle).absolute()), dtype, key, cache=cache)


def prepare(
    loading: Loading,
    source: str | os.PathLike[str],
    out: str | os.PathLike[str],
    settings: Settings,
    canaries: CanaryCheck,
) -> Job:
    """Load the bundle, look at the input, and put down what decides the output.

    canaries: of the workers, who may be on other machines than this.
    """
    model = shared_model(loading)
    prompt = model.resolve(settings.prompt, settings.prompt_name)
    named = (settings.prompt, settings.prompt_name) != (None, None)
    output = Output(prompt, settings.precision, settings.truncate_dim, named)
    model.check(output)
    found = find(os.fspath(source))
    place = _place(out, source)
    about = _about(model, output)
    asked = ("text", "key", "on_error", "format", "part_rows")
    run = {
        "format_version": 1,
        **about,
        **{name: getattr(settings, name) for name in asked},
        "files": [list(file) for file in found.files],
    }
    return Job(
        loading._replace(canaries=canaries),
        model.fingerprint,
        found,
        place,
        settings,
        output,
        about,
        run,
    )


def _place(out: str | os.PathLike[str], source: str | os.PathLike[str]) -> Place:
    """Where the output is to stand; ArgumentError where it would be among what is read."""
    place = Place.at(os.fspath(out))
    if Place.at(os.fspath(source)).holds(place):
        raise ArgumentError(f"{place.root} is inside the input: name a folder elsewhere")
    if place.local:
        check_outside(Path(place.root))
    return place


def _about(model: CorpusModel, output: Output) -> dict[str, str]:
    """What the output's files say of their vectors."""
    width = min(output.truncate_dim or model.dimension, model.dimension)
    return {
        "model": model.source,
        "fingerprint": model.fingerprint,
        "dtype": model.dtype,
        "prompt": output.prompt,
        "precision": output.precision,
        "dimension": str(width),
    }


def checked(threads: int | None, cache: int) -> int:
    """How many threads; ArgumentError where either is none that can be meant."""
    check_positive("cache", cache or 1)
    return checked_threads(threads)


def _with_daft() -> Spread:
    from edgembed.corpus.spread import spread  # takes long to import, and may not be installed

    return spread


def _sum(counts: Iterable[Counts]) -> Counts:
    total = Counts()
    for one in counts:
        total = total.plus(one)
    return total


def _check(totals: Counts, plan: Plan) -> None:
    """A last look: every row of the plan is accounted for, once."""
    if totals.rows != plan.rows or totals.embedded + totals.refused != totals.rows:
        raise EdgembedError(
            f"the counts do not add up ({totals}, {plan.rows} rows planned): the input has changed "
            "while it was read; remove the output and start again"
        )
