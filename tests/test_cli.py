"""The command line, as a user runs it: real processes, real files."""

from __future__ import annotations

import contextlib
import json
import math
import os
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from edgembed import Embedder, __version__
from support import change_json, python, strict_json

TEXTS = ["Кошка сидит на окне.", "The cat, it rains", "", "   ", 'a "quoted" \\ one']
DEFAULT_PROMPT_SAID = "edgembed: default prompt 'categorize: ' (--prompt '' for none)"


def run(
    *arguments: str | Path, stdin: bytes = b"", check: bool = True
) -> subprocess.CompletedProcess[bytes]:
    done = python("-c", MAIN, *arguments, stdin=stdin)
    if check:
        assert done.returncode == 0, done.stderr.decode()
    return done


# What the installed script does.
MAIN = "import sys; from edgembed.cli import main; sys.exit(main())"


@pytest.fixture
def frida(bundles: Path) -> Path:
    return bundles / "tiny-frida"


@pytest.fixture
def text_file(tmp_path: Path) -> Path:
    path = tmp_path / "texts.txt"
    path.write_text("\n".join(TEXTS) + "\n", encoding="utf-8")
    return path


@pytest.fixture
def expected(embedder: Callable[..., Embedder]) -> np.ndarray:
    return embedder("tiny-frida", "int8").encode(TEXTS)  # type: ignore[no-any-return]


def test_the_installed_script_is_this_command(frida: Path) -> None:
    script = Path(sys.executable).parent / "edgembed"
    done = subprocess.run([script, "--version"], capture_output=True, text=True, check=True)
    assert done.stdout == f"edgembed {__version__}\n"


# --- encode


def test_stdin_to_jsonl_on_stdout(frida: Path, text_file: Path, expected: np.ndarray) -> None:
    done = run("encode", frida, stdin=text_file.read_bytes())
    rows = [json.loads(line) for line in done.stdout.decode().splitlines()]
    assert [row["text"] for row in rows] == TEXTS
    own = np.array([row["embedding"] for row in rows], np.float32)
    assert own.tobytes() == expected.tobytes()  # the digits read back bit for bit
    assert DEFAULT_PROMPT_SAID in done.stderr.decode()


def test_a_dash_is_stdin_and_stdout(frida: Path, text_file: Path) -> None:
    piped = run("encode", frida, "-", "-o", "-", stdin=text_file.read_bytes())
    assert piped.stdout == run("encode", frida, text_file).stdout


@pytest.mark.parametrize("ending", ["npy", "jsonl", "parquet"])
@pytest.mark.parametrize("named", [False, True], ids=["by ending", "by --format"])
def test_file_to_file(
    frida: Path, text_file: Path, expected: np.ndarray, tmp_path: Path, ending: str, named: bool
) -> None:
    out = tmp_path / ("out.data" if named else f"out.{ending}")
    run("encode", frida, text_file, "-o", out, *(["--format", ending] if named else []))
    if ending == "npy":
        own, texts = np.load(out), TEXTS
    elif ending == "jsonl":
        rows = [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()]
        own, texts = [row["embedding"] for row in rows], [row["text"] for row in rows]
    else:
        table = pq.read_table(out)
        own, texts = table["embedding"].to_pylist(), table["text"].to_pylist()
    assert np.asarray(own, np.float32).tobytes() == expected.tobytes()
    assert texts == TEXTS


def test_jsonl_by_field_keeps_the_other_fields(
    frida: Path, expected: np.ndarray, tmp_path: Path
) -> None:
    source, out = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    rows = [{"id": index, "body": text, "tags": ["x"]} for index, text in enumerate(TEXTS)]
    lines = [json.dumps(row, ensure_ascii=False) for row in rows]
    source.write_text("\n\n".join(lines), encoding="utf-8")  # blank lines are passed over
    run("encode", frida, source, "--field", "body", "-o", out)
    own = [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()]
    assert [{k: v for k, v in row.items() if k != "embedding"} for row in own] == rows
    assert np.array([row["embedding"] for row in own], np.float32).tobytes() == expected.tobytes()


def test_what_is_no_number_is_null_in_jsonl(frida: Path) -> None:
    raw = b'{"t": "a", "x": [1e999, -1e999, 0.5]}'
    done = run("encode", frida, "--field", "t", stdin=raw)
    assert strict_json(done.stdout)["x"] == [None, None, 0.5]


def test_line_n_is_vector_n(frida: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.npy"
    for raw, count in [(b"a\n\nb\n", 3), (b"a\n\nb", 3), (b"\n", 1), (b"", 0), (b"a\r\nb\r\n", 2)]:
        run("encode", frida, "-o", out, stdin=raw)
        assert np.load(out).shape == (count, 48)
    # Only a line feed ends a line, and a byte order mark is no part of a text.
    texts = ["a\u2028b", "c\x0bd", "e\x85f"]
    run("encode", frida, "-o", out, stdin=b"\xef\xbb\xbf" + "\r\n".join(texts).encode())
    np.testing.assert_array_equal(np.load(out), Embedder(frida).encode(texts))


@pytest.mark.parametrize(
    ("option", "prompt"),
    [
        ("query", "search_query: "),
        ("search_query", "search_query: "),
        ("Найди: ", "Найди: "),
        ("", ""),
    ],
)
def test_prompt_by_key_prefix_or_text(
    frida: Path, tmp_path: Path, option: str, prompt: str
) -> None:
    out = tmp_path / "out.npy"
    done = run("encode", frida, "--prompt", option, "-o", out, stdin="Кошка".encode())
    np.testing.assert_array_equal(np.load(out), Embedder(frida).encode(["Кошка"], prompt=prompt))
    assert not done.stderr


@pytest.mark.parametrize("command", [("encode",), ("similarity", "a", "b")], ids=lambda c: c[0])
def test_a_misspelt_prompt_is_not_embedded(frida: Path, command: tuple[str, ...]) -> None:
    words = [command[0], frida, *command[1:], "--prompt", "serch_query"]
    done = run(*words, stdin=b"x", check=False)
    assert done.returncode == 2
    assert b"no prompt is named 'serch_query'" in done.stderr
    assert b" search_query," in done.stderr
    assert not done.stdout


def test_dtype_and_threads(frida: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.npy"
    run("encode", frida, "--dtype", "float32", "--threads", "1", "-o", out, stdin=b"a cat")
    np.testing.assert_array_equal(np.load(out), Embedder(frida, "float32").encode(["a cat"]))


def test_truncation_is_said_without_a_python_traceback(frida: Path) -> None:
    done = run("encode", frida, stdin="слово ".encode() * 100)
    said = done.stderr.decode()
    assert "edgembed: warning: 1 of 1 text(s) had more than 48 tokens" in said
    assert ".py" not in said


BAD_INPUTS = {
    "not UTF-8": (b"fine\nbad \xff\n", [], "line 2"),
    "not JSON": (b'{"t": "a"}\n{"t": \n', ["--field", "t"], "line 2"),
    "no such field": (b'{"t": "a"}\n\n{"u": "b"}\n', ["--field", "t"], "line 3"),
    "no text in the field": (b'{"t": 5}\n', ["--field", "t"], "line 1"),
    "no object": (b'["a"]\n', ["--field", "t"], "line 1"),
    "a surrogate": (b'{"t": "a"}\n\n{"t": "\\ud800"}\n', ["--field", "t"], "line 3"),
}


@pytest.mark.parametrize("name", BAD_INPUTS)
@pytest.mark.parametrize("ending", ["npy", "jsonl"])
def test_a_bad_line_is_named_and_nothing_is_written(
    frida: Path, tmp_path: Path, name: str, ending: str
) -> None:
    raw, options, said = BAD_INPUTS[name]
    out = tmp_path / "folder" / f"out.{ending}"
    out.parent.mkdir()
    done = run("encode", frida, *options, "-o", out, stdin=raw, check=False)
    assert done.returncode in (1, 2)
    assert said in done.stderr.decode()
    assert b"Traceback" not in done.stderr
    assert list(out.parent.iterdir()) == []


def test_an_output_that_was_there_survives_an_error(frida: Path, tmp_path: Path) -> None:
    out = tmp_path / "folder" / "out.jsonl"
    out.parent.mkdir()
    out.write_text("mine")
    raw = b'{"t": "a", "embedding": 1}\n'
    done = run("encode", frida, "--field", "t", "-o", out, stdin=raw, check=False)
    assert done.returncode == 2
    assert b"'embedding'" in done.stderr
    assert out.read_text() == "mine"
    assert list(out.parent.iterdir()) == [out]


@pytest.mark.parametrize(
    "raw",
    [
        b'{"t": "a", "x": 1}\n{"t": "b", "x": {"y": []}}\n',
        b'{"t": "a", "x": {}}\n',
        b'{"t": "a", "x": 99999999999999999999}\n',
        b'{"t": "a", "x": "\\ud800"}\n',
    ],
)
def test_rows_that_are_no_table_are_refused_before_they_are_embedded(
    frida: Path, tmp_path: Path, raw: bytes
) -> None:
    out = tmp_path / "folder" / "out.parquet"
    out.parent.mkdir()
    done = run("encode", frida, "--field", "t", "-o", out, stdin=raw, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith(b"edgembed: the input's fields do not make a table (")
    assert done.stderr.count(b"\n") == 1  # the model, which tells its prompt, is not there yet
    assert list(out.parent.iterdir()) == []


def test_parquet_without_the_extra_is_refused_before_anything_is_embedded(
    frida: Path, tmp_path: Path
) -> None:
    hidden = "import sys; sys.modules['pyarrow'] = None; " + MAIN
    done = python("-c", hidden, "encode", frida, "-o", tmp_path / "out.parquet", stdin=b"a")
    assert done.returncode == 1
    assert done.stderr.decode() == "edgembed: Parquet needs: pip install 'edgembed[parquet]'\n"


def test_fields_that_only_some_rows_have(frida: Path, tmp_path: Path) -> None:
    rows = [{"t": "a"}, {"t": "b", "x": 5}, {"t": "c", "y": "\ud800"}]
    raw = "\n".join(map(json.dumps, rows)).encode()
    jsonl, parquet = tmp_path / "out.jsonl", tmp_path / "out.parquet"
    run("encode", frida, "--field", "t", "-o", jsonl, stdin=raw)
    own = [json.loads(line) for line in jsonl.read_text(encoding="utf-8").splitlines()]
    assert [{k: v for k, v in row.items() if k != "embedding"} for row in own] == rows
    run("encode", frida, "--field", "t", "-o", parquet, stdin=raw.replace(b"\\ud800", b"z"))
    table = pq.read_table(parquet)
    assert table["x"].to_pylist() == [None, 5, None]
    assert table["y"].to_pylist() == [None, None, "z"]


@pytest.mark.parametrize("out", ["absent/out.npy", "folder.npy"])
def test_an_output_that_cannot_be_is_refused_before_anything_is_embedded(
    frida: Path, tmp_path: Path, out: str
) -> None:
    (tmp_path / "folder.npy").mkdir()
    raw = b'{"t": "\\ud800"}\n'  # which would be found out then
    target = tmp_path / out
    done = run("encode", frida, "--field", "t", "-o", target, stdin=raw, check=False)
    assert done.returncode == 1
    said = done.stderr.decode().splitlines()[-1]
    assert said.endswith(f"directory: '{target}'")
    assert [path.name for path in tmp_path.iterdir()] == ["folder.npy"]


@pytest.mark.parametrize("place", ["out", "onnx/out", "onnx/../out"])
@pytest.mark.parametrize(
    "command", ["encode --format npy -o", "bench --json", "compare --html", "slim"]
)
def test_an_output_in_a_bundle_would_spoil_it(
    bundle_copy: Path, frida: Path, tmp_path: Path, command: str, place: str
) -> None:
    texts = tmp_path / "texts.txt"
    texts.write_text("\n".join("abcdefghijklmnop"))
    name, *option = command.split()
    inputs = {"encode": [frida], "bench": [frida], "slim": [],
              "compare": [frida, frida, "--pairs", texts]}[name]  # fmt: skip
    done = run(name, *inputs, *option, bundle_copy / place, stdin=b"x\n", check=False)
    assert done.returncode == 2
    assert b"is in the bundle" in done.stderr
    run("encode", bundle_copy, stdin=b"x\n")  # which finds nothing more in it


def test_another_programs_manifest_makes_no_bundle(frida: Path, tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_text('{"name": "a page that can be installed"}')
    run("encode", frida, "-o", tmp_path / "out.npy", stdin=b"x\n")
    assert (tmp_path / "out.npy").exists()


@pytest.mark.parametrize("ending", ["npy", "jsonl", "parquet"])
def test_no_texts_give_an_empty_output(frida: Path, tmp_path: Path, ending: str) -> None:
    out = tmp_path / f"out.{ending}"
    run("encode", frida, "-o", out)
    if ending == "npy":
        assert np.load(out).shape == (0, 48)
    elif ending == "jsonl":
        assert out.read_bytes() == b""
    else:
        assert pq.read_table(out).num_rows == 0


@pytest.mark.parametrize("resume", [[], ["--resume"]], ids=["at once", "resumable"])
def test_a_progress_bar_on_a_terminal_only(
    frida: Path, text_file: Path, tmp_path: Path, resume: list[str]
) -> None:
    arguments = ["encode", str(frida), str(text_file), "-o", str(tmp_path / "out.npy"), *resume]
    assert b"text/s" not in run(*arguments).stderr
    fcntl, termios = (pytest.importorskip(name) for name in ("fcntl", "termios"))
    ours, theirs = os.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    process = subprocess.Popen([sys.executable, "-c", MAIN, *arguments], stderr=theirs)
    os.close(theirs)
    said = b""
    with contextlib.suppress(OSError):  # how a terminal says that nobody writes to it any more
        while piece := os.read(ours, 1000):
            said += piece
    os.close(ours)
    assert process.wait() == 0
    assert f"{len(TEXTS)}/{len(TEXTS)}".encode() in said
    assert b"text/s" in said


@pytest.mark.skipif(os.name != "posix", reason="file modes are POSIX's")
def test_an_output_has_the_mode_that_open_would_give(frida: Path, tmp_path: Path) -> None:
    out, plain = tmp_path / "out.npy", tmp_path / "plain"
    run("encode", frida, "-o", out, stdin=b"a")
    plain.touch()
    assert out.stat().st_mode == plain.stat().st_mode


def test_a_reader_that_goes_away(frida: Path) -> None:
    command = [sys.executable, "-c", MAIN, "encode", str(frida)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdin
        assert process.stdout
        assert process.stderr
        process.stdout.close()
        process.stdin.write(b"a\n" * 500)
        process.stdin.close()
        said = process.stderr.read()
    assert process.returncode == 1
    assert b"Traceback" not in said
    assert b"Exception ignored" not in said


# --- exit codes


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        ([], 2, "usage"),
        (["nobody"], 2, "nobody"),
        (["encode"], 2, "BUNDLE"),
        (["encode", "BUNDLE", "--format", "csv"], 2, "csv"),
        (["encode", "BUNDLE", "-o", "out.csv"], 2, "--format"),
        (["encode", "BUNDLE", "--dtype", "int4"], 2, "int4"),
        (["encode", "BUNDLE", "--threads", "0"], 2, "threads"),
        (["encode", "BUNDLE", "--threads", "many"], 2, "threads"),
        (["encode", "absent"], 1, "no bundle"),
        (["encode", "BUNDLE", "absent.txt"], 1, "no file 'absent.txt'"),
        (["encode", "BUNDLE", "BUNDLE"], 1, "is a folder: name a file"),
        (["encode", "BUNDLE", "-o", "absent/out.npy"], 1, "absent"),
        (["similarity", "BUNDLE", "only one"], 2, "B"),
        (["similarity", "absent", "a", "b"], 1, "no bundle"),
        (["info", "absent"], 1, "no bundle"),
        (["info"], 2, "BUNDLE"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_exit_codes(
    frida: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    code: int,
    said: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    filled = [str(frida) if argument == "BUNDLE" else argument for argument in arguments]
    done = run(*filled, stdin=b"a", check=False)
    assert (done.returncode, done.stdout) == (code, b"")
    assert said in done.stderr.decode()
    assert b"Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []


# --- similarity and info


def test_similarity(frida: Path, embedder: Callable[..., Embedder]) -> None:
    model = embedder("tiny-frida", "float32")
    a, b = model.encode(["Кошка", "окно"], prompt_name="paraphrase")
    done = run("similarity", frida, "Кошка", "окно", "--prompt", "paraphrase", "--dtype", "float32")
    assert float(done.stdout) == pytest.approx(float(a @ b), abs=6e-5)
    assert run("similarity", frida, "same", "same").stdout == b"1.0000\n"


def test_info_for_programs(frida: Path, embedder: Callable[..., Embedder]) -> None:
    facts = json.loads(run("info", frida, "--json").stdout)
    model = embedder("tiny-frida")
    assert facts["model"] == "tiny-frida"
    assert facts["dimension"] == model.dimension
    assert facts["max_seq_length"] == model.max_seq_length
    assert facts["prompts"] == dict(model.prompts)
    assert facts["default_prompt_name"] == "Classification"
    assert facts["pooling"] == "mean"
    assert facts["normalize"] is True
    assert facts["similarity"] == "cosine"
    assert set(facts["dtypes"]) == {"int8", "float32"}
    assert facts["dtypes"]["float32"]["fingerprint"] == model.fingerprint
    assert facts["dtypes"]["float32"]["min"] >= 1 - 1e-6


def test_info_for_people(frida: Path, embedder: Callable[..., Embedder]) -> None:
    said = run("info", frida).stdout.decode()
    assert embedder("tiny-frida").fingerprint in said
    for fact in ("tiny-frida", "48", "'search_query: '", "(default)", "cosine to torch"):
        assert fact in said
    assert "verified" not in said


def test_what_a_manifest_says_cannot_pass_for_what_info_says(bundle_copy: Path) -> None:
    manifest = json.loads((bundle_copy / "manifest.json").read_text("utf-8"))
    model = {**manifest["model"], "id": "x\nverified  all\x1b[2J\u202e"}
    parity = {"int8": {"mean": 1, "bytes": "x", "fingerprint": "of another", "p1": math.nan}}
    change_json(bundle_copy / "manifest.json", model=model, parity=parity)
    lines = run("info", bundle_copy).stdout.decode().splitlines()
    assert lines[0].endswith("x\\nverified  all\\x1b[2J\\u202e")
    fingerprint = manifest["dtypes"]["int8"]["fingerprint"]
    assert any(fingerprint in line for line in lines)
    own = strict_json(run("info", bundle_copy, "--json").stdout)["dtypes"]["int8"]
    assert (own["fingerprint"], own["p1"]) == (fingerprint, None)
    assert own["bytes"] > 0


def test_a_stdout_that_lacks_the_characters(bundle_copy: Path) -> None:
    prompts = {"кот": "é \U0001f600: "}
    change_json(bundle_copy / "manifest.json", prompts=prompts, default_prompt_name="кот")
    for options in ([], ["--json"]):
        done = python("-c", MAIN, "info", bundle_copy, *options, PYTHONIOENCODING="ascii")
        assert (done.returncode, done.stderr) == (0, b"")
        assert b"\\u043a\\u043e\\u0442" in done.stdout
    assert json.loads(done.stdout)["prompts"] == prompts


def test_info_verify(bundle_copy: Path) -> None:
    files = sum(path.is_file() for path in bundle_copy.rglob("*"))
    said = run("info", bundle_copy, "--verify").stdout.decode()
    assert f"verified        {files - 1} files" in said  # all but the manifest itself
    spoilt = bundle_copy / "config.json"
    spoilt.write_bytes(spoilt.read_bytes().swapcase())
    done = run("info", bundle_copy, "--verify", check=False)
    assert (done.returncode, done.stdout) == (1, b"")
    assert b"config.json" in done.stderr
    assert run("info", bundle_copy).stdout  # without --verify nothing is hashed


# --- quick


@pytest.mark.parametrize(
    "arguments", [["--help"], ["--version"], ["encode", "--help"], ["info", "--help"]], ids=str
)
def test_help_imports_neither_numpy_nor_onnxruntime(arguments: list[str]) -> None:
    script = """
import sys
from edgembed.cli import main
try:
    main(sys.argv[1:])
finally:
    heavy = {"numpy", "onnxruntime", "tokenizers", "pyarrow", "tqdm"} & set(sys.modules)
    print("heavy:", sorted(heavy))
"""
    done = python("-c", script, *arguments)
    assert done.returncode == 0
    assert done.stdout.decode().splitlines()[-1] == "heavy: []"
    assert len(done.stdout) > 20
