"""`edgembed serve` beside infinity-emb and a plain FastAPI app, under load; one command for all.

    python benchmarks/server/run.py --work DIR --bundle BUNDLE

BUNDLE is all-MiniLM-L6-v2's (`make bundles` writes .cache/test-bundles/minilm). Runs where edgembed
is installed, on Linux, with wrk (Debian: apt-get install wrk); makes every other environment in
DIR. Writes server.json and server.md.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path
from statistics import median
from typing import Any

# benchmarks/ is no installed package.
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
import measure
import prepare
import report
from catalogue import PEERS, Peer
from servers import Places, Server, ServerError, body

from edgembed import Embedder
from edgembed.bench.machine import describe
from edgembed.bench.sentences import SENTENCES
from edgembed.bench.texts import TextCutter, token_counter

_REPO = Path(__file__).resolve().parents[2]
TOKENS = 32
_TEXTS = 16
_REFERENCE = "FastAPI + sentence-transformers"
_SHOWN = ("edgembed", "onnxruntime", "infinity_emb", "optimum", "sentence-transformers", "torch")
_ENGLISH = [sentence for sentence in SENTENCES if sentence.isascii()]


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--work", type=Path, required=True, help="venvs, models, logs; kept")
    parser.add_argument("--bundle", type=Path, required=True, help="of all-MiniLM-L6-v2")
    parser.add_argument("--out", type=Path, default=Path(__file__).with_name("results"))
    parser.add_argument("--peers", help="comma-separated parts of names (default: all)")
    parser.add_argument("--clients", default="1,8,64")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=6, help="of one turn")
    parser.add_argument("--pairs", type=int, default=600, help="for what the server adds")
    return parser.parse_args()


def main() -> None:
    options = parse()
    parts = [part.strip() for part in options.peers.split(",")] if options.peers else [""]
    peers = [peer for peer in PEERS if any(part in peer.name for part in parts)]
    work = options.work.resolve()
    packages = prepare.environments(work, peers, _REPO)
    places = Places(work, options.bundle.resolve(), prepare.checkpoint(work, _REPO))
    if any(peer.in_onnx_folder for peer in peers):
        prepare.onnx(places.checkpoint, places.onnx, work, _REPO)
    texts = _texts(places.checkpoint)
    data: dict[str, Any] = {
        "machine": describe(),
        "command": " ".join(["python benchmarks/server/run.py", *_flags(options)]),
        "packages": _versions(packages.values()),
        "tokens": TOKENS,
        "rounds": options.rounds,
        "seconds": options.seconds,
        **_measure(options, peers, places, texts),
    }
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "server.json").write_text(json.dumps(data, indent=1) + "\n", "utf-8")
    (options.out / "server.md").write_text(report.markdown(data), "utf-8")


def _flags(options: argparse.Namespace) -> list[str]:
    """The command line, without the user's own folders: they decide no figure."""
    told = f"--work DIR --bundle BUNDLE --clients {options.clients} --rounds {options.rounds}"
    return [told, f"--seconds {options.seconds:g} --pairs {options.pairs}"]


def _texts(checkpoint: Path) -> list[str]:
    """Texts of exactly TOKENS tokens."""
    count = token_counter((checkpoint / "tokenizer.json").read_bytes())
    cutter = TextCutter(count, _ENGLISH)
    texts = [cutter.cut(TOKENS) for _ in range(_TEXTS)]
    assert [count(text) for text in texts] == [TOKENS] * _TEXTS
    return texts


def _versions(found: Iterable[dict[str, str]]) -> dict[str, str]:
    """Of what decides a figure; where two environments have their own versions, both."""
    told: dict[str, set[str]] = {}
    for versions in found:
        for name in _SHOWN:
            if name in versions:
                told.setdefault(name, set()).add(versions[name])
    return {name: " and ".join(sorted(own)) for name, own in told.items()}


def _measure(
    options: argparse.Namespace, peers: list[Peer], places: Places, texts: list[str]
) -> dict[str, Any]:
    reference = Embedder(places.bundle, dtype="float32").encode(texts)
    with ExitStack() as stack:
        servers = []
        for peer in peers:
            _log(f"starting {peer.name}")
            server = Server(peer, places)
            stack.callback(server.close)
            server.wait()
            servers.append(server)
        # torch's own vectors, where there are any: edgembed's float32 must be as near as others'.
        for server in servers:
            if server.peer.name == _REFERENCE:
                reference = server.vectors(texts)
        lowest = {s.peer.name: measure.lowest_cosine(s, texts, reference) for s in servers}
        for server in servers:
            server.stop()
        return {
            "lowest_cosine": lowest,
            "load": _load(options, servers, places.work, texts),
            "added_ms": _added(options, servers, places, texts),
        }


def _load(
    options: argparse.Namespace, servers: list[Server], work: Path, texts: list[str]
) -> dict[str, Any]:
    bodies = work / "bodies.jsonl"
    bodies.write_bytes(b"\n".join(body([text]) for text in texts) + b"\n")
    figures: dict[str, Any] = {server.peer.name: {} for server in servers}
    for clients in options.clients.split(","):
        for number in range(-1, options.rounds):  # the first is warm-up
            _log(f"{clients} clients, round {number + 1} of {options.rounds}")
            for server in servers:
                with server.awake():
                    seconds = options.seconds if number >= 0 else min(2, options.seconds)
                    found = measure.turn(server, bodies, int(clients), seconds)
                own = figures[server.peer.name].setdefault(clients, {name: [] for name in found})
                for name, value in found.items() if number >= 0 else ():
                    own[name].append(round(value, 4))
    return figures


def _added(
    options: argparse.Namespace, servers: list[Server], places: Places, texts: list[str]
) -> dict[str, Any]:
    told = {}
    for server in servers:
        if server.peer.venv != "edgembed":
            continue
        _log(f"what {server.peer.name} adds")
        dtype = server.peer.name.split()[-1]
        model = Embedder(places.bundle, dtype=dtype, threads=1)
        with server.awake():
            found = measure.added(server, model, texts, options.pairs)
        differences = [b - a for a, b in zip(found.encode, found.request, strict=True)]
        told[server.peer.name] = {
            "encode": round(median(found.encode), 4),
            "request": round(median(found.request), 4),
            "added": round(median(differences), 4),
            "encode_cpu": round(found.encode_cpu, 4),
            "request_cpu": round(found.request_cpu, 4),
            "pairs": len(differences),
        }
    return told


def _log(message: str) -> None:
    print(message, file=sys.stderr, flush=True)


if __name__ == "__main__":
    try:
        main()
    except ServerError as error:
        raise SystemExit(str(error)) from None
    except (FileNotFoundError, subprocess.CalledProcessError) as error:
        raise SystemExit(f"{error}: is wrk installed? (apt-get install wrk)") from error
