"""`edgembed compare`, as a user runs it, on bundles and on a real server."""

from __future__ import annotations

import csv
import json
import re
import socket
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgembed import ArgumentError, BundleNotFoundError, Embedder, InferenceError
from edgembed.cli import main
from edgembed.compare.measure import Corpus, compare, read_corpus
from edgembed.compare.page import page
from edgembed.compare.server import Server
from edgembed.compare.sides import Options, open_side
from edgembed.pairs import Pair, read_pairs
from serving import serve
from support import cosines

PAIRS = Path(__file__).with_name("quality_pairs.tsv")
HOSTILE = "<script>alert('x')</script> \u202eнаоборот\u202c"


@pytest.fixture
def labelled(tmp_path: Path) -> Path:
    """A few of the pairs, under another name and with a header line."""
    lines = PAIRS.read_text(encoding="utf-8").splitlines()[:15]
    path = tmp_path / "own.tsv"
    path.write_text("text1\ttext2\tscore\n" + "\n".join(lines) + "\n", encoding="utf-8")
    return path


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    code = main(["compare", *map(str, arguments)])
    said = capsys.readouterr()
    return code, said.out, said.err


def test_two_dtypes_of_a_bundle(
    bundles: Path, embedder: Callable[..., Embedder], capsys: pytest.CaptureFixture[str]
) -> None:
    bundle = bundles / "minilm"
    code, out, _ = run(capsys, f"{bundle}:float32", f"{bundle}:int8", "--pairs", PAIRS, "--json")
    assert code == 0
    said = json.loads(out)
    texts = read_corpus(PAIRS).texts
    a, b = (embedder("minilm", dtype).encode(texts) for dtype in ("float32", "int8"))
    close = cosines(a, b)
    assert (said["a"], said["b"]) == ("minilm (float32)", "minilm (int8)")
    assert said["texts"] == len(texts) == 56
    assert said["cosine"]["mean"] == pytest.approx(close.mean(), abs=1e-9)
    assert said["cosine"]["min"] == pytest.approx(close.min(), abs=1e-9)
    moved = abs(np.float64(a) @ np.float64(a).T - np.float64(b) @ np.float64(b).T)
    assert said["similarity_error_max"] == pytest.approx(moved.max(), abs=1e-6)
    found = said["pairs"]["labelled"]
    assert found["difference"] == pytest.approx(found["b"] - found["a"])
    assert found["interval"][0] <= found["difference"] <= found["interval"][1]


def test_a_bundle_with_itself(
    bundles: Path, labelled: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bundle = bundles / "tiny-cls"
    code, out, _ = run(capsys, bundle, bundle, "--pairs", labelled)
    assert code == 0
    assert "mean 1.000000" in out
    assert "same nearest neighbour      100.0 %" in out
    assert "+0.00 (+0.00 to +0.00)" in out


def test_a_server_gives_what_its_bundle_gives(
    bundles: Path, labelled: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bundle = bundles / "tiny-frida"
    with serve(bundle) as server:
        for prompt in ([], ["--prompt", "paraphrase"], ["--prompt", ""], ["--prompt", "own: "]):
            code, out, _ = run(capsys, server.url, bundle, "--pairs", labelled, "--json", *prompt)
            said = json.loads(out)
            assert code == 0
            assert said["cosine"]["min"] == pytest.approx(1, abs=1e-12)
            assert said["pairs"]["rank_change_max"] == 0


def test_a_misspelt_prompt_is_compared_with_nothing(
    bundles: Path, labelled: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bundle = bundles / "tiny-frida"
    code, out, said = run(capsys, bundle, bundle, "--pairs", labelled, "--prompt", "serch_query")
    assert (code, out) == (2, "")
    assert "no prompt is named 'serch_query'" in said


def test_a_server_with_a_key(
    bundles: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with serve(bundles / "tiny-cls", API_KEY="secret") as server:
        with pytest.raises(ArgumentError, match="EDGEMBED_API_KEY"):
            open_side(server.url, Options())
        monkeypatch.setenv("EDGEMBED_API_KEY", "secret")
        side = open_side(f"{server.url}/v1", Options())
        assert side.encode(["Кошка"] * 40, None).shape == (40, 48)


def test_other_models_are_other_spaces(
    bundles: Path, labelled: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    target = tmp_path / "page.html"
    code, out, _ = run(
        capsys, bundles / "minilm", bundles / "tiny-cls", "--pairs", labelled, "--html", target
    )
    assert code == 0
    assert "not one vector space" in out
    assert "not one vector space" in target.read_text(encoding="utf-8")


def test_a_page_that_cannot_be_written_is_refused_first(
    bundles: Path, labelled: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    target, bundle = tmp_path / "absent" / "page.html", bundles / "tiny-cls"
    wrong = ["--prompt", "\ud800"]  # found out when the texts are embedded
    code, _, said = run(capsys, bundle, bundle, "--pairs", labelled, "--html", target, *wrong)
    assert (code, str(target) in said) == (1, True)


def test_a_page_without_matplotlib_is_refused_first(
    labelled: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    absent = tmp_path / "absent"  # found out when the bundles are opened
    html = tmp_path / "page.html"
    code, _, said = run(capsys, absent, absent, "--pairs", labelled, "--html", html)
    assert (code, "pip install 'edgembed[compare]'" in said) == (1, True)


def made(texts: list[str], **pairs: Any) -> str:
    random = np.random.default_rng(0)
    a = random.normal(size=(len(texts), 8)).astype(np.float32)
    b = a + random.normal(size=a.shape).astype(np.float32) / 100
    return page(compare(("a", "b"), Corpus(texts, **pairs), a, b))


def test_the_page_is_whole_and_harmless() -> None:
    texts = [HOSTILE, *(f"text {number}" for number in range(11))]
    pairs = tuple(Pair(HOSTILE, text, place / 2) for place, text in enumerate(texts[1:]))
    html = made(texts, pairs=pairs)
    assert "default-src 'none'" in html
    assert "<script" not in html
    assert "\u202e" not in html
    assert html.count("<svg") == 3
    assert not re.search(r'(?:src|href)="(?!#)', html)
    assert made(texts, pairs=pairs) == html  # the same input, the same page
    assert "stroke-width: 7" in html  # a few ranks are seen beside the line that they lie on


def test_texts_without_pairs(tmp_path: Path, bundles: Path) -> None:
    path = tmp_path / "texts.txt"
    path.write_text("\n".join(f"text {i}" for i in range(12)) + "\n\ntext 1\n", encoding="utf-8")
    corpus = read_corpus(path)
    assert corpus == Corpus([f"text {i}" for i in range(12)])
    assert made(corpus.texts).count("<svg") == 2


@pytest.mark.parametrize(
    ("name", "content"),
    [("a.tsv", "x\ty\n"), ("a.csv", "sentence1,sentence2,n\nx,y,9\n"), ("a.jsonl", '["x", "y"]\n'),
     ("a.jsonl", '{"text2": "y", "text1": "x", "n": 9}\n')],
)  # fmt: skip
def test_pairs_without_scores(tmp_path: Path, name: str, content: str) -> None:
    path = tmp_path / name
    path.write_text(content, encoding="utf-8")
    assert read_pairs(path, "--pairs", scored=False) == (Pair("x", "y"),)


LONG = "long " * 40_000  # more than Python's csv takes in one field


@pytest.mark.parametrize(
    ("name", "content", "pairs"),
    [
        ("a.tsv", f"{LONG}\tb\n", [(LONG, "b")]),
        ("a.csv", f'"{LONG}",b\n', [(LONG, "b")]),
        ("a.tsv", 'a\rc\t"b\r\nd\te', [("a\rc", '"b'), ("d", "e")]),
        ("a.csv", '"a\r\nc",b\r\nd,"e"', [("a\r\nc", "b"), ("d", "e")]),
        ("a.tsv", "\n \ntext2\tid\ttext1\nb\t7\ta\n", [("a", "b")]),
    ],
    ids=["long, tsv", "long, csv", "returns, tsv", "returns, csv", "a header below blank lines"],
)
def test_files_of_pairs(
    tmp_path: Path, name: str, content: str, pairs: list[tuple[str, str]]
) -> None:
    (tmp_path / name).write_bytes(content.encode())
    found = read_pairs(tmp_path / name, "--pairs", scored=False)
    assert [(pair.first, pair.second) for pair in found] == pairs
    assert csv.field_size_limit() == 131_072


@pytest.mark.parametrize(
    ("name", "content", "line"),
    [
        ("a.tsv", "a\tb\n\nc\td\t1\n", 3),
        ("a.csv", 'a,b,1\n"c\nd",e\n', 3),
        ("a.jsonl", '{"text1": "a", "text2": "b"}\n["c", "d", 0]\n', 2),
        ("a.jsonl", '{"text1": "a", "text2": "b", "score": 0}\n{"text1": "c", "text2": "d"}', 2),
    ],
)
def test_all_pairs_have_a_score_or_none_has(
    tmp_path: Path, name: str, content: str, line: int
) -> None:
    """Or a correlation over some of them would pass for one over all."""
    (tmp_path / name).write_bytes(content.encode())
    with pytest.raises(ArgumentError, match=rf"line {line} holds [23] field"):
        read_pairs(tmp_path / name, "--pairs", scored=False)


def test_columns_in_another_order(tmp_path: Path) -> None:
    (tmp_path / "a.tsv").write_text("score\tTEXT2\tid\ttext1\n1\tb\t9\ta\r\n2\td\t9\tc")
    wanted = (Pair("a", "b", 1.0), Pair("c", "d", 2.0))
    assert read_pairs(tmp_path / "a.tsv", "--pairs", scored=True) == wanted


@pytest.mark.parametrize("line", ["[" * 100_000, f'["a", "b", {"9" * 400}]'], ids=["deep", "huge"])
def test_json_that_python_cannot_hold_is_named(tmp_path: Path, line: str) -> None:
    (tmp_path / "a.jsonl").write_text(line, encoding="utf-8")
    with pytest.raises(ArgumentError, match=r"a\.jsonl, line 1 (is not valid JSON|has 9+ for a)"):
        read_pairs(tmp_path / "a.jsonl", "--pairs", scored=False)


def test_what_cannot_be_read_or_loaded_is_named(tmp_path: Path, bundles: Path) -> None:
    mixed = tmp_path / "mixed.tsv"
    mixed.write_text("a\tb\t1\nc\td\n", encoding="utf-8")
    with pytest.raises(ArgumentError, match=r"mixed\.tsv, line 2 holds 2 field"):
        read_corpus(mixed)
    few = tmp_path / "few.txt"
    few.write_text("one\ntwo\n", encoding="utf-8")
    with pytest.raises(ArgumentError, match=r"2 different text.*more than 10"):
        read_corpus(few)
    same = tmp_path / "same.tsv"
    same.write_text("".join(f"a{i}\tb{i}\t3\n" for i in range(12)), encoding="utf-8")
    with pytest.raises(ArgumentError, match="every pair the same score"):
        read_corpus(same)
    with pytest.raises(ArgumentError, match=r"absent\.txt"):
        read_corpus(tmp_path / "absent.txt")
    with pytest.raises(BundleNotFoundError, match=r"absent.*http"):
        open_side("absent", Options())
    with pytest.raises(ArgumentError, match="no bundle that has a dtype"):
        open_side(f"{tmp_path}:int8", Options())
    with pytest.raises(ArgumentError, match="does not answer"):
        open_side("http://127.0.0.1:9", Options())


def test_a_checkpoint_needs_the_export_extra(tmp_path: Path) -> None:
    # This environment has no torch; tests/export compares a real checkpoint.
    with pytest.raises(ImportError, match=r"edgembed\[export\]"):
        open_side(str(tmp_path), Options())


class Strange(Server):
    """A server that says what it is told to: no real one can be made to say it."""

    def __init__(self, answer: Any) -> None:
        self._said = answer
        super().__init__("http://strange", None)

    def _ask(self, path: str, _body: dict[str, Any] | None) -> Any:
        listed = {"data": [{"id": "strange"}]}
        return listed if path == "/v1/models" else self._said


@pytest.mark.parametrize("answer", [{}, [], {"data": [{}]}, {"data": []}, {"data": None}])
def test_a_server_that_gives_no_vectors(answer: Any) -> None:
    with pytest.raises(InferenceError):
        Strange(answer).encode(["a"], None)


@pytest.mark.parametrize("rows", [[[1, 2], [3]], [None, None], [5, 6], [[[1, 2]], [[3, 4]]]])
def test_a_server_whose_vectors_are_no_rows_of_one_matrix(rows: Any) -> None:
    data = [{"index": place, "embedding": row} for place, row in enumerate(rows)]
    with pytest.raises(InferenceError, match="shapes"):
        Strange({"data": data}).encode(["a", "b"], None)


OK = b"HTTP/1.1 200 OK\r\n"


@pytest.mark.parametrize(
    "answer",
    [b"SSH-2.0\r\n", OK + b"Content-Length: 9\r\n\r\n{", OK + b"\r\n" + b"[" * 100_000],
    ids=["no HTTP", "cut short", "too deep"],
)
def test_what_is_no_server_of_embeddings(answer: bytes) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        with ThreadPoolExecutor() as pool:
            pool.submit(_answer, listening, answer)
            with pytest.raises(ArgumentError, match=f"{url}/v1/models does not answer"):
                open_side(url, Options())


def _answer(listening: socket.socket, answer: bytes) -> None:
    connection, _ = listening.accept()
    with connection:
        connection.recv(65_536)
        connection.sendall(answer)


@pytest.mark.parametrize("url", ["http://127.0.0.1:port", "http://a b", "http://"])
def test_what_is_no_url(url: str) -> None:
    with pytest.raises(ArgumentError, match="does not answer"):
        open_side(url, Options())


@pytest.mark.parametrize("bad", [0, np.nan, np.inf])
def test_vectors_without_a_direction_are_named(bad: float) -> None:
    texts = [f"text {number}" for number in range(12)]
    a = np.random.default_rng(0).normal(size=(12, 4)).astype(np.float32)
    b = a.copy()
    b[7] = bad
    with pytest.raises(InferenceError, match=r"^b gives 1 of 12 .*'text 7'"):
        compare(("a", "b"), Corpus(texts), a, b)


def test_a_file_that_is_not_utf_8_is_named_with_the_remedy(tmp_path: Path) -> None:
    path = tmp_path / "own.txt"
    path.write_text("кошка", encoding="cp1251")
    with pytest.raises(ArgumentError, match=r"own\.txt is not UTF-8 .*convert"):
        read_corpus(path)


def test_a_server_that_knows_no_base64() -> None:
    rows = [{"index": 1, "embedding": [3, 4]}, {"index": 0, "embedding": [1, 2]}]
    vectors = Strange({"data": rows}).encode(["a", "b"], None)
    assert vectors.tolist() == [[1, 2], [3, 4]]
    assert vectors.dtype == np.float32
