"""A cluster of two Ray workers on this machine writes the same files as one machine does."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from corpora import contents, embed, expected, lines
from snippets import snippets

pytestmark = pytest.mark.skipif(os.name != "posix", reason="Ray's clusters are POSIX's")
# Ray starts a Python for each worker; on a machine that others use this takes minutes.
PATIENCE = 1800
PARTS = ("--part-rows", "40")


# A head that works nothing and two nodes of one CPU each; "kill" takes one away.
CLUSTER = """
import sys
from ray.cluster_utils import Cluster

def patient(start, **options):
    # Ray gives a node some seconds to start.
    for attempt in range(10):
        try:
            return start(**options)
        except Exception as error:
            last = error
            print(error, file=sys.stderr)
    raise last

cluster = Cluster()
patient(cluster.add_node, num_cpus=0, include_dashboard=False)
nodes = [patient(cluster.add_node, num_cpus=1) for _ in range(2)]
print(cluster.address, flush=True)
for line in sys.stdin:
    if line.startswith("kill"):
        cluster.remove_node(nodes.pop(), allow_graceful=False)
        print("killed", flush=True)
sys.exit()  # Ray ends what it has started
"""


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """The process that holds the cluster, and the cluster's address on this machine."""
    said = tmp_path_factory.mktemp("cluster") / "stderr"
    environment = {
        **os.environ,
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "1",
        # Ray's workers are nicer than others by 15: where others work, they would never get on. And
        # who is slow is not dead.
        "RAY_worker_niceness": "0",
        "RAY_health_check_timeout_ms": "60000",
        "RAY_worker_register_timeout_seconds": str(PATIENCE),
    }
    with (
        said.open("wb") as errors,
        ended([sys.executable, "-W", "ignore", "-c", CLUSTER],
              stdin=subprocess.PIPE, stderr=errors, env=environment, start_new_session=True,
              ) as process,
    ):  # fmt: skip
        assert process.stdout is not None
        address = process.stdout.readline().strip()
        assert address, said.read_text()
        yield process, address
        process.communicate(timeout=PATIENCE)


@contextmanager
def ended(command: list[str], **options: Any) -> Iterator[subprocess.Popen[str]]:
    """A process that does not outlive the block, whatever happens in it."""
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, **options) as process:
        try:
            yield process
        finally:
            process.kill()


@contextmanager
def started(
    cluster: Any, bundle: Path, source: Path, out: Path, *options: str
) -> Iterator[subprocess.Popen[str]]:
    """The command on the cluster."""
    command = [sys.executable, "-W", "ignore", "-m", "edgembed", "corpus", bundle, source, out,
               "--ray", cluster[1], "--key", "id", *options]  # fmt: skip
    with ended(list(map(str, command)), stderr=subprocess.PIPE) as process:
        yield process


def finish(process: subprocess.Popen[str]) -> str:
    said, errors = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, errors
    return said


def test_the_same_files_bit_for_bit(
    cluster: Any, bundle: Path, source: Path, tmp_path: Path
) -> None:
    embed(bundle, source, tmp_path / "alone", part_rows=40, key="id")
    with started(cluster, bundle, source, tmp_path / "out", *PARTS) as process:
        said = finish(process)
    assert "402 rows = 400 embedded + 2 refused, in 11 parts" in said
    assert contents(tmp_path / "out") == contents(tmp_path / "alone")


def test_an_error_on_a_worker_is_said_here(
    cluster: Any, bundle: Path, source: Path, tmp_path: Path
) -> None:
    pq.write_table(pa.table({"id": [1], "text": pa.nulls(1, pa.string())}), source / "a.parquet")
    with started(cluster, bundle, source, tmp_path / "out", "--on-error", "fail") as process:
        _, errors = process.communicate(timeout=PATIENCE)
    assert process.returncode == 2, errors
    assert "row 0 (key 1) cannot be embedded, null" in errors
    assert "Traceback" not in errors


def test_ray_data_in_ten_lines(cluster: Any, bundle: Path, tmp_path: Path) -> None:
    pq.write_table(pa.table({"text": lines(100)}), tmp_path / "in.parquet")
    (script,) = [code for name, code in snippets("docs/scale.md") if name == "ray"]
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", script, str(bundle),
         str(tmp_path / "in.parquet"), str(tmp_path / "out")],
        capture_output=True, text=True, check=False,
        env={**os.environ, "RAY_USAGE_STATS_ENABLED": "0", "RAY_ADDRESS": cluster[1]},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    table = pq.read_table(tmp_path / "out")
    order = {text: i for i, text in enumerate(table.column("text").to_pylist())}
    got = np.array([table.column("embedding")[order[t]].as_py() for t in lines(100)], np.float32)
    np.testing.assert_array_equal(got, expected(bundle, lines(100)))


# The last, as a node is away for good.
@pytest.mark.parametrize("victim", ["process", "node"])
def test_a_worker_killed_in_mid_run_is_survived(
    cluster: Any, bundle: Path, tmp_path: Path, victim: str
) -> None:
    texts = [f"{text} {'many more words ' * 30}" for text in lines(3000)]
    pq.write_table(pa.table({"id": range(3000), "text": texts}), tmp_path / "in.parquet")
    embed(bundle, tmp_path / "in.parquet", tmp_path / "alone", part_rows=40, key="id")
    out = tmp_path / "out"
    with started(cluster, bundle, tmp_path / "in.parquet", out, *PARTS) as process:
        while len(list(out.glob("part-*"))) < 8 and process.poll() is None:
            time.sleep(0.02)
        assert process.poll() is None, process.communicate()
        if victim == "process":
            os.kill(_a_worker(cluster[0].pid), signal.SIGKILL)
        else:
            cluster[0].stdin.write("kill\n")
            cluster[0].stdin.flush()
            assert cluster[0].stdout.readline() == "killed\n"
        done = len(list(out.glob("part-*")))
        assert done < 75, "the run was over before the worker was killed"
        said = finish(process)
    assert "3,000 rows = 3,000 embedded + 0 refused, in 75 parts" in said
    assert contents(out) == contents(tmp_path / "alone")


def _a_worker(cluster: int) -> int:
    """The process of one of Daft's workers, in the session that this process began.

    A worker need not have the process for an ancestor: Ray lets go of some. And Ray writes their
    command lines anew with every task, so that a look may come at a moment when there is none.
    """
    end = time.monotonic() + 5
    while time.monotonic() < end:
        for path in Path("/proc").glob("[0-9]*/cmdline"):
            with contextlib.suppress(OSError):
                number = int(path.parent.name)
                if b"RaySwordfishActor" in path.read_bytes() and os.getsid(number) == cluster:
                    return number
    raise AssertionError("no worker of Daft's is running")
