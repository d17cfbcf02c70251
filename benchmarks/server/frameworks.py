"""What a framework and a server take, before any model: why edgembed serve stands on its own.

    python benchmarks/server/frameworks.py --work DIR

Needs wrk, as run.py does. Writes frameworks.json and frameworks.md.
"""

from __future__ import annotations

import argparse
import json
import sys
from contextlib import ExitStack
from pathlib import Path
from statistics import median
from typing import Any

# benchmarks/ is no installed package.
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
import measure
from catalogue import Peer
from servers import Places, Server, body

from common.tables import number, table
from edgembed.bench.machine import describe
from peers.venvs import ensure, site_packages_bytes, versions

_REPO = Path(__file__).resolve().parents[2]
_CLIENTS = 8
_UVICORN = "uvicorn==0.54.0"
_TYPED = ("numpy", "msgspec==0.22.0", "orjson==3.13.0")
_TEXT = "The evening ferry was full, so we waited on the pier and watched the gulls. " * 2


def _peer(name: str, framework: str, server: tuple[str, ...], *requirements: str) -> Peer:
    venv = name.replace(" ", "-").replace(",", "")
    variables = {"FRAMEWORK": framework}
    return Peer(name, venv, requirements, server, "/v1/embeddings", 1.0, variables)


_BY_UVICORN = ("-m", "uvicorn", "framework_apps:app", "--port", "{port}", "--no-access-log")
_BY_GRANIAN = (
    "-m", "granian", "--interface", "asgi", "framework_apps:app", "--port", "{port}",
)  # fmt: skip
PEERS = (
    _peer(
        "starlette, uvicorn httptools", "starlette", (*_BY_UVICORN, "--loop", "asyncio"),
        "starlette==1.10.0", _UVICORN, "httptools==0.9.0", *_TYPED,
    ),
    _peer(
        "starlette, uvicorn httptools uvloop", "starlette", _BY_UVICORN,
        "starlette==1.10.0", _UVICORN, "httptools==0.9.0", "uvloop", *_TYPED,
    ),
    _peer(
        "starlette, uvicorn h11", "starlette", _BY_UVICORN,
        "starlette==1.10.0", _UVICORN, *_TYPED,
    ),
    _peer("starlette, granian", "starlette", _BY_GRANIAN, "starlette==1.10.0", "granian", *_TYPED),
    _peer(
        "fastapi, uvicorn httptools", "fastapi", (*_BY_UVICORN, "--loop", "asyncio"),
        "fastapi==0.165.0", _UVICORN, "httptools==0.9.0", "numpy",
    ),
    _peer(
        "litestar, uvicorn httptools", "litestar", (*_BY_UVICORN, "--loop", "asyncio"),
        "litestar", _UVICORN, "httptools==0.9.0", *_TYPED,
    ),
)  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--work", type=Path, required=True, help="venvs and logs; kept")
    parser.add_argument("--out", type=Path, default=Path(__file__).with_name("results"))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=3, help="of one turn")
    options = parser.parse_args()
    work = options.work.resolve()
    sizes, found = {}, {}
    for peer in PEERS:
        ensure(work / "venvs" / peer.venv, peer.requirements, _REPO)
        sizes[peer.name] = site_packages_bytes(work / "venvs" / peer.venv)
        found[peer.name] = versions(work / "venvs" / peer.venv)
    figures = _measure(work, options.rounds, options.seconds)
    data = {"machine": describe(), "bytes": sizes, "packages": found, "turns": figures}
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "frameworks.json").write_text(json.dumps(data, indent=1) + "\n", "utf-8")
    (options.out / "frameworks.md").write_text(_markdown(data, options), "utf-8")


def _measure(work: Path, rounds: int, seconds: float) -> dict[str, dict[str, list[float]]]:
    bodies = work / "framework-bodies.jsonl"
    bodies.write_bytes(body([_TEXT]) + b"\n")
    figures: dict[str, dict[str, list[float]]] = {}
    with ExitStack() as stack:
        servers = [Server(peer, Places(work, work, work)) for peer in PEERS]
        for server in servers:
            stack.callback(server.close)
        for server in servers:
            server.wait()
            server.stop()
        for number_ in range(-1, rounds):  # the first is warm-up
            for server in servers:
                with server.awake():
                    told = measure.turn(server, bodies, _CLIENTS, seconds)
                own = figures.setdefault(server.peer.name, {name: [] for name in told})
                for name, value in told.items() if number_ >= 0 else ():
                    own[name].append(round(value, 4))
    return figures


def _markdown(data: dict[str, Any], options: argparse.Namespace) -> str:
    machine = data["machine"]
    rows = [
        [
            name,
            number(median(own["requests_per_second"]), 0),
            number(median(own["p50_ms"])),
            number(1000 * median(own["cpu_ms_per_request"]), 0),
            number(data["bytes"][name] / 1e6, 1),
            len(data["packages"][name]),
        ]
        for name, own in data["turns"].items()
    ]
    head = ["", "requests/s", "p50 ms", "CPU us a request", "MB installed", "packages"]
    others = median(o for own in data["turns"].values() for o in own["others_cpus"])
    return "\n\n".join(
        (
            "# What a framework and a server take, before any model",
            f"{machine['cpu']}, {machine['cpus_allowed']} CPUs, Python {machine['python']}, "
            f"{machine['date']}; one text a request, checked against types, one vector of 384 "
            f"float32 as JSON back; one process, {_CLIENTS} clients (wrk on the same machine), "
            f"medians of {options.rounds} turns of {options.seconds:g} s, interleaved. Others kept "
            f"{others:.2f} CPUs busy meanwhile. MB and packages are the whole environment's, numpy "
            "included where named.",
            table(head, rows),
            "",
        )
    )


if __name__ == "__main__":
    main()
