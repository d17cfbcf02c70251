"""A NaN is an error, never a vector and never JSON: from a real graph, all the way out.

One token's embedding is NaN in these bundles, so a text that has it makes the whole model give NaN.
"""

from __future__ import annotations

import json
import threading
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgembed import EdgembedError, Embedder, InferenceError, TextError
from edgembed.pooling import normalize, pool
from serving import MAIN, Server, serve
from support import DTYPES, change_json, python, quietly, spoil_token

BAD, GOOD = "the window", ["the cat", "кошка", "", "where it rains"]


@pytest.fixture
def spoilt(bundle_copy: Path) -> Path:
    """tiny-frida, which gives NaN for every text with the word "window"."""
    tokens = Embedder(bundle_copy).tokenize
    own = set(tokens("window")["input_ids"][0]) - set(tokens("cat it rains")["input_ids"][0])
    spoil_token(bundle_copy, min(own))
    change_json(bundle_copy / "manifest.json", canaries=[])  # some of them have the token
    return bundle_copy


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_nan_is_an_error_that_names_the_text(spoilt: Path, dtype: str) -> None:
    model = Embedder(spoilt, dtype)
    for arguments in ({}, {"output_value": "token_embeddings"}, {"precision": "binary"}):
        with pytest.raises(InferenceError, match="text 1: the model gave NaN") as caught:
            model.encode([GOOD[0], BAD, *GOOD], prompt="", **arguments)  # type: ignore[call-overload]
        assert caught.value.indices == (1,)
    with pytest.raises(InferenceError):
        model.encode(BAD, prompt="")
    assert np.isfinite(model.encode(GOOD, prompt="")).all()


def test_a_nan_that_pooling_leaves_out_is_an_error_too(bundles: Path, tmp_path: Path) -> None:
    """CLS takes the first token's vector, and a prompt's tokens may be left out of the mean."""
    model = Embedder(bundles / "tiny-cls")
    tokens = model._engine.tokenizer.encode("a cat")
    hidden = np.ones((len(tokens.ids), model.dimension), np.float32)
    hidden[-1, 3] = np.nan
    with pytest.raises(InferenceError):
        model._engine._embedding(tokens, hidden, 0)
    hidden[:] = 3e38  # finite, and its mean is not
    with pytest.raises(InferenceError), np.errstate(over="ignore"):
        Embedder(bundles / "tiny-frida")._engine._embedding(tokens, hidden, 0)


def test_the_command_names_the_line(spoilt: Path) -> None:
    done = python("-c", MAIN, "encode", spoilt, "--prompt", "", stdin=f"a\n{BAD}\nb\n".encode())
    assert done.returncode == 1, done.stderr
    assert b"line 2" in done.stderr
    assert b"NaN" in done.stderr
    assert done.stdout == b""


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("dtype", DTYPES)
def test_the_others_are_not_lost(spoilt: Path, dtype: str, threads: int) -> None:
    model = Embedder(spoilt, dtype, threads)
    inputs = [GOOD[0], BAD, GOOD[1], "\ud800", GOOD[2], BAD, GOOD[3]]
    told: dict[int, EdgembedError] = {}
    vectors = model.encode(inputs, prompt="", on_error=told.__setitem__)
    np.testing.assert_array_equal(vectors, model.encode(GOOD, prompt=""), strict=True)
    assert sorted(told) == [1, 3, 5]
    assert [type(told[index]) for index in (1, 3, 5)] == [InferenceError, TextError, InferenceError]
    for index, error in told.items():
        assert f"text {index}: " in str(error)
        assert getattr(error, "indices", None) == (index,)
    streamed: list[int] = []
    own = model.encode_iter(
        iter(inputs), batch_size=2, prompt="", on_error=lambda index, _: streamed.append(index)
    )
    np.testing.assert_array_equal(np.stack(list(own)), vectors)
    assert sorted(streamed) == [1, 3, 5]


def test_no_worker_is_left_by_an_error(spoilt: Path) -> None:
    """Left to the garbage collector, their end could wait for a lock that its own thread holds."""
    model = Embedder(spoilt, threads=2)
    caught = []
    for _ in range(3):
        with pytest.raises(InferenceError) as error:
            model.encode([*GOOD, BAD] * 20, prompt="")
        caught.append(error)  # and with it the frames of the call
        assert not [t for t in threading.enumerate() if t.name.startswith("edgembed")]


def test_a_stream_without_on_error_names_the_text_of_all(spoilt: Path) -> None:
    model = Embedder(spoilt)
    stream = model.encode_iter([*GOOD, BAD], batch_size=2, prompt="")
    got: list[Any] = []
    with pytest.raises(InferenceError) as caught:
        got.extend(iter(stream))
    assert caught.value.indices == (4,)


def test_on_error_of_bad_texts_only(bundles: Path) -> None:
    model = Embedder(bundles / "tiny-frida")
    told: list[int] = []
    mixed: list[Any] = ["a", None, "b", "\udfff"]
    assert model.encode(mixed, on_error=lambda i, _: told.append(i)).shape == (2, 48)
    assert told == [1, 3]
    assert model.encode(["\ud800"], on_error=lambda *_: None).shape == (0, 48)
    # One single text has no others: it raises.
    with pytest.raises(TextError):
        model.encode("\ud800", on_error=lambda *_: None)


def test_the_command_leaves_out_bad_lines_and_names_them(spoilt: Path, tmp_path: Path) -> None:
    lines = [b'{"t": "the cat"}', b"{", b'{"t": "\\ud800"}', b'{"t": "the window"}', b"\xff",
             b'{"t": 3}', b'{"t": "where it rains"}']  # fmt: skip
    source = tmp_path / "in.jsonl"
    source.write_bytes(b"\n".join(lines))
    command = ["encode", spoilt, source, "--field", "t", "--prompt", ""]
    done = python("-c", MAIN, *command, "--skip-bad")
    assert done.returncode == 0, done.stderr
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert [row["t"] for row in rows] == ["the cat", "where it rains"]
    expected = Embedder(spoilt).encode(["the cat", "where it rains"], prompt="")
    np.testing.assert_array_equal(np.array([row["embedding"] for row in rows], "f4"), expected)
    said = done.stderr.decode()
    for line in (2, 3, 4, 5, 6):
        assert f"line {line} is left out" in said
    assert "line 1 is" not in said
    assert python("-c", MAIN, *command).returncode != 0
    refused = python("-c", MAIN, *command, "--skip-bad", "--resume", "-o", tmp_path / "o.npy")
    assert refused.returncode == 2
    assert not (tmp_path / "o.npy.partial").exists()


def test_resume_names_the_line_of_a_nan(spoilt: Path, tmp_path: Path) -> None:
    source = tmp_path / "in.txt"
    source.write_text("a\n" * 70 + BAD + "\n", encoding="utf-8")
    command = ["encode", spoilt, source, "--prompt", "", "--resume", "-o", tmp_path / "out.npy"]
    for _ in range(2):  # the second goes on from what the first has kept
        done = python("-c", MAIN, *command)
        assert done.returncode == 1
        assert b"line 71" in done.stderr
        assert not (tmp_path / "out.npy").exists()


@pytest.fixture
def server(spoilt: Path) -> Iterator[Server]:
    with serve(spoilt) as running:
        yield running


def test_a_server_sends_no_nan(server: Server) -> None:
    for path, body in (
        ("/embed", {"inputs": [GOOD[0], BAD]}),
        ("/embed", {"inputs": BAD, "normalize": False}),
        ("/embed_all", {"inputs": [BAD]}),
        ("/similarity", {"inputs": {"source_sentence": GOOD[0], "sentences": [BAD]}}),
        ("/v1/embeddings", {"input": [GOOD[0], BAD], "model": "m"}),
        ("/v1/embeddings", {"input": BAD, "model": "m", "encoding_format": "base64"}),
    ):
        answer = server.post(path, body)
        assert answer.status in (424, 500, 502, 503), (path, answer)
        assert json.loads(answer.body).keys() & {"error"}
        assert b"embedding" not in answer.body
    assert server.post("/embed", {"inputs": GOOD[0]}).status == 200


# --- rows that nothing is left of


@pytest.mark.parametrize("mode", ["mean", "cls"])
@pytest.mark.parametrize("tokens", [1, 5])
@pytest.mark.parametrize("skip", [0, 1, 5, 9])
def test_no_rows_left_to_pool_give_no_nan(mode: Any, tokens: int, skip: int) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        vector = normalize(pool(np.ones((tokens, 4), np.float32), mode, skip))
    assert np.isfinite(vector).all()
    assert vector.dtype == np.float32


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", ["tiny-frida", "tiny-cls", "tiny-xlmr", "minilm"])
def test_texts_without_words_give_no_nan(bundles: Path, name: str, dtype: str) -> None:
    model = Embedder(bundles / name, dtype)
    # A prompt longer than the model takes leaves no token of the text itself.
    for prompt in ("", "query: ", "word " * 400):
        vectors = quietly(model, ["", " ", "\0", "\n\t", "\u200b", "\ue000"], prompt=prompt)
        assert np.isfinite(vectors).all()
