"""The whole export: a verified bundle stands at OUT, or OUT is as it was before."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
import random
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sentence_transformers import SentenceTransformer

import checkpoints
from edgembed import Embedder
from edgembed.bundle import Bundle
from edgembed.engine import Engine
from edgembed_export import cli, pipeline
from edgembed_export.errors import ParityError
from edgembed_export.parity import Tolerance
from edgembed_export.pipeline import Request, export
from edgembed_export.reference import TorchReference
from make_bundles import TINY_TOLERANCE
from support import change_json, cosines, python

Folder = Callable[[str], Path]


def snapshot(folder: Path) -> dict[str, str]:
    """Every file below a folder, by its content."""
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


# --- a bundle


CONVENTIONS = {
    "manifest.json",
    "onnx/model.onnx",
    "onnx/model.onnx_data",
    "onnx/model_quantized.onnx",
    "onnx/model_quantized.onnx_data",
    "tokenizer.json",
    "config.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "modules.json",
    "1_Pooling/config.json",
    "sentence_bert_config.json",
    "config_sentence_transformers.json",
    "parity.json",
    "parity.html",
    "README.md",
}


def test_files_are_the_hubs_conventions(exported: Folder) -> None:
    assert set(snapshot(exported("tiny-frida"))) >= CONVENTIONS | {"vocab.txt"}
    assert "vocab.txt" not in snapshot(exported("tiny-xlmr"))  # no WordPiece
    assert (exported("tiny-frida") / "2_Normalize").is_dir()
    assert not (exported("tiny-xlmr") / "2_Normalize").exists()  # it does not normalise


def test_every_file_is_in_the_manifest(exported: Folder) -> None:
    for name in ("tiny-frida", "tiny-cls", "tiny-xlmr", "minilm"):
        bundle = Bundle.open(exported(name))
        assert set(bundle.manifest.artifacts) == set(snapshot(bundle.folder)) - {"manifest.json"}
        bundle.verify()


def test_facts_of_the_manifest(exported: Folder) -> None:
    manifest = Bundle.open(exported("tiny-frida")).manifest
    assert manifest.model.id == "tiny-frida"
    assert (manifest.model.revision, manifest.model.architecture) == (None, "bert")
    assert (manifest.dimension, manifest.pooling, manifest.normalize) == (48, "mean", True)
    assert manifest.max_seq_length == 48
    assert dict(manifest.prompts.texts) == checkpoints.FRIDA_PROMPTS
    assert manifest.prompts.default_name == "Classification"
    assert (manifest.default_dtype, set(manifest.dtypes)) == ("int8", {"int8", "float32"})
    assert manifest.canaries
    for canary in manifest.canaries:
        assert set(canary.vectors) == {"int8", "float32"}
        assert canary.text.startswith("categorize: ")
    assert {"torch", "optimum-onnx", "onnxruntime", "edgembed"} <= set(manifest.tools)
    assert manifest.parity["float32"]["min"] >= 1 - 1e-6
    assert 0.9 <= manifest.parity["int8"]["min"] <= manifest.parity["int8"]["mean"] < 1
    xlmr = Bundle.open(exported("tiny-xlmr")).manifest
    assert (xlmr.normalize, xlmr.include_prompt) == (False, False)
    assert (xlmr.similarity_fn_name, xlmr.model.architecture) == ("dot", "xlm-roberta")
    assert Bundle.open(exported("tiny-cls")).manifest.pooling == "cls"


def test_parity_speaks_of_these_very_files(
    exported: Folder, texts_file: Path, sentence_transformer: Callable[[str], SentenceTransformer]
) -> None:
    # parity.json's figures, measured again by nothing of the export's own.
    report = json.loads((exported("tiny-cls") / "parity.json").read_text(encoding="utf-8"))
    texts = texts_file.read_text(encoding="utf-8").split("\n")
    expected = sentence_transformer("tiny-cls").encode(texts)
    for dtype, figures in report["dtypes"].items():
        values = cosines(Embedder(exported("tiny-cls"), dtype=dtype).encode(texts), expected)
        assert figures["count"] == len(texts)
        assert figures["min"] == pytest.approx(values.min(), abs=1e-6)
        assert figures["mean"] == pytest.approx(values.mean(), abs=1e-6)


def test_every_prompt_is_compared_and_two_on_all_texts(exported: Folder, texts_file: Path) -> None:
    """The one that is used where none is named, and none at all; others on each fourth text."""
    folder = exported("tiny-frida")
    report = json.loads((folder / "parity.json").read_text(encoding="utf-8"))
    prompts = Bundle.open(folder).manifest.prompts
    count = len(texts_file.read_text(encoding="utf-8").split("\n"))
    wanted = dict.fromkeys(prompts.texts.values(), math.ceil(count / 4))
    wanted |= {prompts.resolve(None, None): count, "": count}
    assert len(wanted) > 2
    for figures in report["dtypes"].values():
        assert {p: one["count"] for p, one in figures["by_prompt"].items()} == wanted
    assert report["texts"] == sum(wanted.values())


def test_int8_is_smaller(exported: Folder) -> None:
    folder = exported("minilm") / "onnx"
    before = (folder / "model.onnx_data").stat().st_size
    assert (folder / "model_quantized.onnx_data").stat().st_size < 0.3 * before


def test_the_same_input_gives_the_same_bytes(
    checkpoint_folder: Folder, exported: Folder, texts_file: Path, tmp_path: Path
) -> None:
    request = Request(
        str(checkpoint_folder("tiny-cls")),
        tmp_path / "elsewhere" / "again",
        calibration=texts_file,
        evaluation=texts_file,
        tolerance=TINY_TOLERANCE,
    )
    export(request)
    assert snapshot(request.out) == snapshot(exported("tiny-cls"))


def test_the_checkpoint_is_left_as_it_was(
    own_checkpoint: Path, texts_file: Path, tmp_path: Path
) -> None:
    before = snapshot(own_checkpoint)
    export(
        Request(
            str(own_checkpoint),
            tmp_path / "out",
            dtypes=("float32",),
            max_seq_length=20,
            evaluation=texts_file,
        )
    )
    assert snapshot(own_checkpoint) == before
    bundle = Bundle.open(tmp_path / "out")
    assert set(bundle.manifest.dtypes) == {"float32"}
    assert bundle.manifest.default_dtype == "float32"
    assert bundle.manifest.max_seq_length == 20
    assert not list((tmp_path / "out" / "onnx").glob("*quantized*"))
    report = json.loads((tmp_path / "out" / "parity.json").read_text(encoding="utf-8"))
    assert ("graph" in report, "int8" in report) == (True, False)
    settings = json.loads((tmp_path / "out" / "sentence_bert_config.json").read_text())
    assert settings["max_seq_length"] == 20


# --- exit codes


@pytest.fixture
def arguments(checkpoint_folder: Folder, texts_file: Path, tmp_path: Path) -> list[str]:
    """A good command line, for cli.main."""
    return [
        str(checkpoint_folder("tiny-cls")),
        str(tmp_path / "out"),
        f"--calibration={texts_file}",
        f"--evaluation={texts_file}",
    ]


def test_a_command_of_its_own_process(arguments: list[str], tmp_path: Path) -> None:
    script = "import sys; from edgembed_export.cli import main; sys.exit(main())"
    done = python("-c", script, *arguments, "--json")
    assert done.returncode == 0, done.stderr.decode()
    result = json.loads(done.stdout)  # nothing else is on stdout
    assert result["out"] == str(tmp_path / "out")
    assert set(result["bytes_after"]) == {"int8", "float32"}
    assert result["parity"]["float32"]["min"] >= 1 - 1e-6
    written = json.loads((tmp_path / "out" / "parity.json").read_text(encoding="utf-8"))
    assert result["graph"] == written["graph"]
    assert "[1/6] load" in done.stderr.decode()
    assert Embedder(tmp_path / "out").encode("Кошка").shape == (48,)
    before = snapshot(tmp_path)
    again = python("-c", script, *arguments)
    assert again.returncode == 2
    assert b"--overwrite" in again.stderr
    assert b"Traceback" not in again.stderr
    assert snapshot(tmp_path) == before


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        (["--dtype=int4"], "int4"),
        (["--dtype="], "--dtype"),
        (["--min-cosine=0"], "min-cosine"),
        (["--min-cosine=1.5"], "min-cosine"),
        (["--min-cosine=nan"], "min-cosine"),
        (["--max-seq-length=2"], "max-seq-length"),
        (["--max-seq-length=131"], "130 positions"),
        (["--revision=main"], "--revision"),
        (["--evaluation=absent.txt"], "absent.txt"),
        (["--calibration=absent.txt"], "absent.txt"),
        (["--nobody"], "--nobody"),
    ],
    ids=str,
)
def test_wrong_arguments(
    arguments: list[str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    changed: list[str],
    said: str,
) -> None:
    try:
        code: Any = cli.main([*arguments, *changed])
    except SystemExit as error:  # argparse's own
        code = error.code
    assert code == 2
    assert said in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("content", [b"", b"\n \n\t\n", b"\xff\xfe\x00"], ids=str)
@pytest.mark.parametrize("option", ["calibration", "evaluation"])
def test_text_files_that_cannot_be_used(
    arguments: list[str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    content: bytes,
    option: str,
) -> None:
    bad = tmp_path / "bad.txt"
    bad.write_bytes(content)
    assert cli.main([*arguments, f"--{option}={bad}"]) == 2
    assert "bad.txt" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == [bad]


def test_one_text_is_too_few_to_compare(
    arguments: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    few = tmp_path / "few.txt"
    few.write_text("The cat sits at the window.\n")
    assert cli.main([*arguments, f"--evaluation={few}"]) == 2
    assert "two or more" in capsys.readouterr().err


def test_short_texts_give_canaries_too(checkpoint_folder: Folder, tmp_path: Path) -> None:
    few = tmp_path / "few.txt"
    few.write_text("кот\nпёс\ncat\nокно\nдождь\n", encoding="utf-8")
    checkpoint = str(checkpoint_folder("tiny-cls"))
    export(Request(checkpoint, tmp_path / "out", dtypes=("float32",), evaluation=few))
    canaries = Bundle.open(tmp_path / "out").manifest.canaries
    assert [canary.text for canary in canaries] == ["пёс", "окно", "дождь"]


def test_a_checkpoint_that_is_not_supported(
    own_checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    change_json(own_checkpoint / "config.json", auto_map={"AutoModel": "evil.Model"})
    assert cli.main([str(own_checkpoint), str(tmp_path / "out")]) == 1
    assert "auto_map" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == [own_checkpoint]


def test_help_does_not_import_torch() -> None:
    script = """
import sys
from edgembed_export.cli import main
try:
    main(sys.argv[1:])
finally:
    print(sorted({"torch", "transformers", "optimum"} & set(sys.modules)))
"""
    for argument in ("--help", "--version"):
        assert python("-c", script, argument).stdout.splitlines()[-1] == b"[]"


def test_onnxruntimes_telemetry_is_off(tmp_path: Path) -> None:
    # It writes under HOME from the import on; CI keeps it quiet where it is set.
    unset: dict[str, str | None] = dict.fromkeys(("CI", "GITHUB_ACTIONS", "ORT_DISABLE_TELEMETRY"))
    script = "import time, edgembed_export.pipeline, onnxruntime; time.sleep(1)"
    done = python("-B", "-W", "ignore", "-c", script, HOME=str(tmp_path), **unset)
    assert done.returncode == 0, done.stderr.decode()
    assert list(tmp_path.rglob("*onnxruntime*")) == []


# --- parity that fails


def spoil(path: Path, offset: int, size: int) -> None:
    """Overwrite a block of weights with noise."""
    with path.open("r+b") as file:
        file.seek(offset)
        file.write(random.Random(0).randbytes(size))


def largest(weights: Path) -> tuple[int, int]:
    """Where the largest int8 matrix of a written graph stands in its data file: offset, bytes."""
    import onnx

    model = onnx.load(weights, load_external_data=False)
    places = [
        {entry.key: entry.value for entry in tensor.external_data}
        for tensor in model.graph.initializer
        if tensor.external_data and tensor.data_type in (onnx.TensorProto.INT8, 2)
    ]
    place = max(places, key=lambda place: int(place["length"]))
    return int(place["offset"]), int(place["length"])


@pytest.fixture(scope="module")
def wide(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint whose INT8 matrices are large enough to stand in the data file."""
    recipe = dataclasses.replace(checkpoints.CLS, name="tiny-wide", hidden=96)
    return checkpoints.make(recipe, tmp_path_factory.mktemp("wide") / recipe.name)


@pytest.mark.parametrize("dtype", ["int8", "float32"])
@pytest.mark.parametrize("existing", [False, True], ids=["no target", "an older bundle"])
def test_one_spoilt_weight_is_exit_code_3_and_an_untouched_target(
    arguments: list[str],
    wide: Path,
    exported: Folder,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    dtype: str,
    existing: bool,
) -> None:
    # The real export, with one weight of the written file overwritten before it is verified.
    arguments[0] = str(wide)
    real = pipeline.write_weights
    written = []

    def write_and_spoil(folder: Path, own: str, graphs: Mapping[str, Any]) -> None:
        real(folder, own, graphs)
        if own == dtype:
            name = "model_quantized" if dtype == "int8" else "model"
            if dtype == "int8":
                offset, size = largest(folder / "onnx" / f"{name}.onnx")
            else:
                offset, size = 0, 2000
            spoil(folder / "onnx" / f"{name}.onnx_data", offset, size)
            written.append(folder)

    if existing:
        shutil.copytree(exported("tiny-frida"), tmp_path / "out")
    before = snapshot(tmp_path)
    monkeypatch.setattr(pipeline, "write_weights", write_and_spoil)
    assert cli.main([*arguments, "--overwrite"]) == 3
    (folder,) = written
    assert not folder.exists()
    said = capsys.readouterr().err
    # Noise among float32 weights may be so far off that no vector comes out.
    assert f"{dtype}: lowest cosine" in said or f"the {dtype} bundle gives no vectors" in said
    assert snapshot(tmp_path) == before
    assert [path.name for path in tmp_path.iterdir()] == (["out"] if existing else [])
    monkeypatch.undo()
    assert cli.main([*arguments, "--overwrite"]) == 0  # and without it all is well
    assert Bundle.open(tmp_path / "out").manifest.model.id == "tiny-wide"


def test_a_bound_that_cannot_be_met(
    arguments: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main([*arguments, "--min-cosine=1"]) == 3
    assert "--min-cosine" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_a_lower_bound_lowers_the_means_too(
    arguments: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # What the error message gives as a remedy must be one, also where the mean was too low.
    asked: list[Request] = []

    def stop(request: Request) -> None:
        asked.append(request)
        raise OSError("far enough")

    monkeypatch.setattr(pipeline, "export", stop)
    assert cli.main([*arguments, "--min-cosine=0.9"]) == 1
    assert asked[0].tolerance.int8_min == 0.9
    assert asked[0].tolerance.int8_mean < Tolerance().int8_mean


def test_a_prompt_that_is_misread_is_found_by_sentence_transformers(
    checkpoint_folder: Folder, texts_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Both of our readings forget include_prompt=false, so that they agree with each other.
    for reading in (TorchReference, Engine):
        monkeypatch.setattr(reading, "skipped_tokens", lambda *_: 0)
    checkpoint = str(checkpoint_folder("tiny-xlmr"))
    request = Request(checkpoint, tmp_path / "out", dtypes=("float32",), evaluation=texts_file)
    with pytest.raises(ParityError, match="sentence-transformers and the pooling"):
        export(request)


# --- with the real configuration of rubert-mini-frida


def test_a_model_shaped_like_rubert_mini_frida(
    shared: Path, tmp_path: Path, texts_file: Path
) -> None:
    from transformers import AutoModel, BertConfig

    folder = Path(shutil.copytree(shared / "models" / "rubert-mini-frida", tmp_path / "frida"))
    torch.manual_seed(0)
    model = AutoModel.from_config(BertConfig.from_pretrained(folder))
    model.save_pretrained(folder, safe_serialization=True)
    out = tmp_path / "out"
    request = Request(str(folder), out, calibration=texts_file, evaluation=texts_file)
    export(request)
    own, real = Embedder(out, "float32"), SentenceTransformer(str(folder), device="cpu")
    prefixes = [prompt for prompt in real.prompts.values() if prompt]
    assert len(set(prefixes)) == 7
    text = "Кошка сидит на окне, and the dog is out."
    for key, prompt in own.prompts.items():
        expected = real.encode(text, prompt=prompt)
        for name in (key, prompt.strip().rstrip(":")):
            own_vector = own.encode(text, prompt_name=name)
            assert 1 - cosines(own_vector, expected)[0] < 1e-6
    assert own.prompts[own.default_prompt_name] == "categorize: "
    np.testing.assert_allclose(
        own.encode(text), real.encode(text, prompt="categorize: "), atol=1e-5
    )
    assert math.isclose(float(np.linalg.norm(own.encode(text))), 1, abs_tol=1e-5)
