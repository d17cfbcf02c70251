"""Workers of one call: in order, errors raised, and ended with it, by Ctrl-C as well."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from random import Random

import pytest

from edgembed.crew import Crew

INTERRUPTS = 6


def test_results_are_in_order_and_the_threads_end() -> None:
    crew = Crew(4)
    slow_first = lambda n: time.sleep(0.01 / (n + 1)) or n * n  # noqa: E731
    assert list(crew.map(slow_first, range(20))) == [n * n for n in range(20)]
    assert list(crew.map(str, [])) == []
    crew.close()
    assert not [t for t in threading.enumerate() if t.name.startswith("edgembed_")]


def test_an_error_is_raised_and_what_has_not_begun_never_does() -> None:
    crew, done = Crew(1), []

    def work(n: int) -> None:
        if n == 2:
            raise KeyError(n)
        done.append(n)

    with pytest.raises(KeyError):
        list(crew.map(work, range(3)))
    list_of_many = crew.map(lambda n: time.sleep(0.05) or done.append(n), range(10, 1000))
    next(list_of_many)
    crew.close()
    assert done[:3] == [0, 1, 10]
    assert len(done) < 10


def test_a_limit_of_threads_leaves_none_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    start, started = threading.Thread.start, []

    def start_two(thread: threading.Thread) -> None:
        if len(started) == 2:
            raise RuntimeError("can't start new thread")
        started.append(thread)
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", start_two)
    with pytest.raises(RuntimeError):
        Crew(3)
    for thread in started:
        thread.join(10)
        assert not thread.is_alive()


def test_an_interrupt_ends_the_command(bundles: Path, tmp_path: Path) -> None:
    """Many short items: an executor of concurrent.futures hangs in one of a few dozen."""
    texts = tmp_path / "texts.txt"
    texts.write_text("a\n" * 30_000, encoding="utf-8")
    main = "import sys; from edgembed.cli import main; sys.exit(main())"
    command = [sys.executable, "-c", main, "encode", bundles / "tiny-frida", texts]
    moments = Random(0)
    for _ in range(INTERRUPTS):
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as one:
            time.sleep(moments.uniform(0.4, 2))
            one.send_signal(signal.SIGINT)
            one.communicate(timeout=60)
        assert one.returncode in (0, 130, -signal.SIGINT)
