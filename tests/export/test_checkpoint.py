"""A checkpoint is read as sentence-transformers reads it, or refused by name."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file, save_file
from sentence_transformers import SentenceTransformer

import checkpoints
from edgembed_export.checkpoint import read_checkpoint
from edgembed_export.errors import ArgumentsError, CheckpointError
from edgembed_export.reference import TorchReference
from support import change_json, cosines

Folder = Callable[[str], Path]


def test_frida(checkpoint_folder: Folder) -> None:
    read = read_checkpoint(checkpoint_folder("tiny-frida"), "owner/name", "c0ffee")
    assert (read.model_id, read.revision) == ("owner/name", "c0ffee")
    assert read.architecture == "bert"
    assert read.dimension == 48
    assert (read.pooling, read.normalize, read.include_prompt) == ("mean", True, True)
    assert dict(read.prompts.texts) == checkpoints.FRIDA_PROMPTS
    assert read.prompts.default_name == "Classification"
    assert read.similarity_fn_name == "cosine"
    assert read.max_seq_length == 48


def test_relatives(checkpoint_folder: Folder) -> None:
    cls = read_checkpoint(checkpoint_folder("tiny-cls"), "x")
    assert (cls.pooling, cls.normalize, dict(cls.prompts.texts)) == ("cls", True, {})
    xlmr = read_checkpoint(checkpoint_folder("tiny-xlmr"), "x")
    assert (xlmr.normalize, xlmr.include_prompt, xlmr.similarity_fn_name) == (False, False, "dot")
    assert xlmr.architecture == "xlm-roberta"
    minilm = read_checkpoint(checkpoint_folder("minilm"), "x")
    assert (minilm.dimension, minilm.max_seq_length, minilm.pooling) == (384, 256, "mean")
    assert minilm.license == "apache-2.0"


# --- refusals


def refused(folder: Path, said: str) -> None:
    with pytest.raises(CheckpointError, match=said):
        read_checkpoint(folder, "x")


def set_modules(folder: Path, *kinds: str) -> None:
    modules = [
        {
            "idx": i,
            "name": str(i),
            "path": f"{i}_{kind}" if i else "",
            "type": f"sentence_transformers.models.{kind}",
        }
        for i, kind in enumerate(kinds)
    ]
    (folder / "modules.json").write_text(json.dumps(modules))


@pytest.mark.parametrize("kind", ["Dense", "LSTM", "CNN", "WeightedLayerPooling", "Router"])
def test_another_module_is_refused_by_name(own_checkpoint: Path, kind: str) -> None:
    set_modules(own_checkpoint, "Transformer", "Pooling", kind)
    refused(own_checkpoint, f"module {kind} is not supported")


@pytest.mark.parametrize(
    "kinds",
    [
        ("Transformer",),
        ("Pooling", "Transformer"),
        ("Transformer", "Normalize", "Pooling"),
        ("Transformer", "Pooling", "Normalize", "Normalize"),
        (),
    ],
    ids=str,
)
def test_modules_in_another_order(own_checkpoint: Path, kinds: tuple[str, ...]) -> None:
    set_modules(own_checkpoint, *kinds)
    refused(own_checkpoint, "modules.json lists")


@pytest.mark.parametrize("raw", ["{", "[1]", "5", '[{"type": "x.Transformer"}]', "null"])
def test_modules_that_cannot_be_read(own_checkpoint: Path, raw: str) -> None:
    (own_checkpoint / "modules.json").write_text(raw)
    refused(own_checkpoint, "modules.json")


def test_modules_outside_of_the_folder(own_checkpoint: Path) -> None:
    shutil.copytree(own_checkpoint / "1_Pooling", own_checkpoint.parent / "elsewhere")
    modules = json.loads((own_checkpoint / "modules.json").read_text())
    modules[1]["path"] = "../elsewhere"
    (own_checkpoint / "modules.json").write_text(json.dumps(modules))
    refused(own_checkpoint, "elsewhere")


def test_a_module_of_another_package(own_checkpoint: Path) -> None:
    # sentence-transformers imports whatever is named, from wherever Python finds it.
    modules = json.loads((own_checkpoint / "modules.json").read_text())
    modules[0]["type"] = "custom_st.Transformer"
    (own_checkpoint / "modules.json").write_text(json.dumps(modules))
    refused(own_checkpoint, r"module custom_st\.Transformer is not supported")


def test_no_modules(own_checkpoint: Path) -> None:
    (own_checkpoint / "modules.json").unlink()
    refused(own_checkpoint, r"modules\.json.*SentenceTransformer")


POOLING = ["max_tokens", "mean_sqrt_len_tokens", "weightedmean_tokens", "lasttoken"]


@pytest.mark.parametrize("mode", POOLING)
def test_another_pooling_is_refused_by_name(own_checkpoint: Path, mode: str) -> None:
    path = own_checkpoint / "1_Pooling" / "config.json"
    change_json(path, pooling_mode_mean_tokens=False, **{f"pooling_mode_{mode}": True})
    refused(own_checkpoint, f"pooling {mode}")


def test_two_poolings_at_once(own_checkpoint: Path) -> None:
    path = own_checkpoint / "1_Pooling" / "config.json"
    change_json(path, pooling_mode_cls_token=True)
    refused(own_checkpoint, r"cls_token \+ mean_tokens")


def test_no_pooling(own_checkpoint: Path) -> None:
    change_json(own_checkpoint / "1_Pooling" / "config.json", pooling_mode_mean_tokens=False)
    refused(own_checkpoint, "pooling none")


@pytest.mark.parametrize(
    ("new", "mode"), [("mean", "mean"), ("cls", "cls"), (["mean"], "mean"), ("max", None)]
)
def test_the_newer_spelling_of_pooling(own_checkpoint: Path, new: Any, mode: str | None) -> None:
    config = {"embedding_dimension": 48, "pooling_mode": new, "include_prompt": True}
    (own_checkpoint / "1_Pooling" / "config.json").write_text(json.dumps(config))
    if mode is None:
        refused(own_checkpoint, "pooling max")
    else:
        assert read_checkpoint(own_checkpoint, "x").pooling == mode


def test_pickles_are_never_read(own_checkpoint: Path) -> None:
    (own_checkpoint / "model.safetensors").rename(own_checkpoint / "pytorch_model.bin")
    refused(own_checkpoint, r"only pytorch_model\.bin, a pickle")


def test_no_weights(own_checkpoint: Path) -> None:
    (own_checkpoint / "model.safetensors").unlink()
    refused(own_checkpoint, "no weights")


def test_a_bundle_is_no_checkpoint(own_checkpoint: Path) -> None:
    # It has a checkpoint's settings and no safetensors: converting a pickle would be no remedy.
    (own_checkpoint / "model.safetensors").unlink()
    (own_checkpoint / "manifest.json").write_text("{}")
    refused(own_checkpoint, "is a bundle already")


def test_code_is_never_run(own_checkpoint: Path) -> None:
    witness = own_checkpoint.parent / "witness"
    (own_checkpoint / "evil.py").write_text(f"open({str(witness)!r}, 'w')")
    change_json(own_checkpoint / "config.json", auto_map={"AutoModel": "evil.Model"})
    refused(own_checkpoint, "auto_map")
    assert not witness.exists()


@pytest.mark.parametrize(
    "asked",
    [
        {"do_lower_case": True},
        {"tokenizer_args": {"model_max_length": 10}},
        {"processor_kwargs": {"model_max_length": 10}},
        {"processing_kwargs": {"text": {"max_length": 10}}},
        {"tokenizer_name_or_path": "owner/name"},
    ],
    ids=str,
)
def test_settings_that_change_a_texts_ids(own_checkpoint: Path, asked: dict[str, Any]) -> None:
    change_json(own_checkpoint / "sentence_bert_config.json", **asked)
    refused(own_checkpoint, f"sentence_bert_config.json sets {next(iter(asked))}")


@pytest.mark.parametrize("family", ["roberta", "distilbert", "xlm-roberta"])
def test_settings_by_their_older_names(own_checkpoint: Path, family: str) -> None:
    own = own_checkpoint / f"sentence_{family}_config.json"
    (own_checkpoint / "sentence_bert_config.json").rename(own)
    change_json(own, max_seq_length=20)
    real = SentenceTransformer(str(own_checkpoint), device="cpu", local_files_only=True)
    assert read_checkpoint(own_checkpoint, "x").max_seq_length == real.max_seq_length == 20
    change_json(own, do_lower_case=True)
    refused(own_checkpoint, f"{own.name} sets do_lower_case")


@pytest.mark.parametrize(
    "asked", [{"truncation_side": "left"}, {"split_special_tokens": True}], ids=str
)
def test_a_tokenizer_that_tokenizer_json_cannot_describe(
    own_checkpoint: Path, asked: dict[str, Any]
) -> None:
    real = SentenceTransformer(str(own_checkpoint), device="cpu", local_files_only=True)
    change_json(own_checkpoint / "tokenizer_config.json", **asked)
    changed = SentenceTransformer(str(own_checkpoint), device="cpu", local_files_only=True)
    texts = ["one two three " * 50, "typed [SEP] by a user"]
    assert cosines(changed.encode(texts), real.encode(texts)).min() < 0.999  # it does matter
    refused(own_checkpoint, next(iter(asked)))


@pytest.mark.parametrize(
    "name",
    [
        "config.json",
        "1_Pooling/config.json",
        "config_sentence_transformers.json",
        "sentence_bert_config.json",
    ],
)
@pytest.mark.parametrize("raw", ["{", "[]", "null", '"text"'])
def test_json_that_cannot_be_read_is_named(own_checkpoint: Path, name: str, raw: str) -> None:
    (own_checkpoint / name).write_text(raw)
    refused(own_checkpoint, name)


@pytest.mark.parametrize("name", ["config.json", "1_Pooling/config.json"])
def test_a_missing_file_is_named(own_checkpoint: Path, name: str) -> None:
    (own_checkpoint / name).unlink()
    refused(own_checkpoint, name)


@pytest.mark.parametrize("name", ["config_sentence_transformers.json", "sentence_bert_config.json"])
def test_what_may_be_missing(own_checkpoint: Path, name: str) -> None:
    (own_checkpoint / name).unlink()
    read = read_checkpoint(own_checkpoint, "x")
    if name == "config_sentence_transformers.json":
        assert (dict(read.prompts.texts), read.prompts.default_name) == ({}, None)
    else:
        assert read.max_seq_length == 128  # the tokenizer's


SETTINGS = "config_sentence_transformers.json"


def test_a_default_prompt_that_is_none(own_checkpoint: Path) -> None:
    change_json(own_checkpoint / SETTINGS, default_prompt_name="nobody")
    refused(own_checkpoint, "'nobody'")


@pytest.mark.parametrize("prompts", [["query: "], {"query": 5}, "query: "], ids=str)
def test_prompts_of_another_type(own_checkpoint: Path, prompts: Any) -> None:
    change_json(own_checkpoint / SETTINGS, prompts=prompts, default_prompt_name=None)
    refused(own_checkpoint, "prompts")


def test_an_empty_prompt_is_one(own_checkpoint: Path) -> None:
    prompts = {"query": "query: ", "document": ""}
    change_json(own_checkpoint / SETTINGS, prompts=prompts, default_prompt_name="document")
    read = read_checkpoint(own_checkpoint, "x").prompts
    assert (dict(read.texts), read.default_name) == (prompts, "document")


@pytest.mark.parametrize("name", ["cosine", "dot", "euclidean", "manhattan"])
def test_similarity(own_checkpoint: Path, name: str) -> None:
    change_json(own_checkpoint / SETTINGS, similarity_fn_name=name)
    assert read_checkpoint(own_checkpoint, "x").similarity_fn_name == name


def test_similarity_that_is_unknown_or_not_said(own_checkpoint: Path) -> None:
    change_json(own_checkpoint / SETTINGS, similarity_fn_name=None)
    assert read_checkpoint(own_checkpoint, "x").similarity_fn_name == "cosine"
    change_json(own_checkpoint / SETTINGS, similarity_fn_name="jaccard")
    refused(own_checkpoint, "'jaccard'")


# --- other layouts


def test_sharded_weights(own_checkpoint: Path) -> None:
    whole = own_checkpoint / "model.safetensors"
    before = TorchReference(read_checkpoint(own_checkpoint, "x")).encode(["Кошка"])
    weights = load_file(whole)
    names = sorted(weights)
    shards = {"model-00001-of-00002.safetensors": names[::2]}
    shards["model-00002-of-00002.safetensors"] = names[1::2]
    for file, own in shards.items():
        save_file({name: weights[name] for name in own}, own_checkpoint / file, {"format": "pt"})
    places = {name: file for file, own in shards.items() for name in own}
    index = {"metadata": {"total_size": whole.stat().st_size}, "weight_map": places}
    (own_checkpoint / "model.safetensors.index.json").write_text(json.dumps(index))
    whole.unlink()
    after = TorchReference(read_checkpoint(own_checkpoint, "x")).encode(["Кошка"])
    assert after.tobytes() == before.tobytes()


def test_an_older_layout_with_a_folder_for_the_transformer(own_checkpoint: Path) -> None:
    before = TorchReference(read_checkpoint(own_checkpoint, "x")).encode(["Кошка"])
    own = checkpoints.move_transformer(own_checkpoint)
    read = read_checkpoint(own_checkpoint, "x")
    assert read.transformer == own
    assert read.max_seq_length == 48
    assert TorchReference(read).encode(["Кошка"]).tobytes() == before.tobytes()


@pytest.mark.parametrize(
    ("readme", "expected"),
    [
        ("---\nlicense: mit\n---\n# x", "mit"),
        ("---\nlanguage: ru\nlicense: 'apache-2.0'\n---", "apache-2.0"),
        ('---\nlicense: "cc-by-4.0"\n---', "cc-by-4.0"),
        ("---\nlanguage: ru\n---\nlicense: mit", None),
        ("license: mit", None),
        ("---\nlicense: mit  # as the code\n---", "mit"),
        ("---\nlicense:\n---", None),
        ("---\nlicense: [mit, gpl]\n---", None),
        ("", None),
    ],
)
def test_licence_of_the_model_card(own_checkpoint: Path, readme: str, expected: str | None) -> None:
    (own_checkpoint / "README.md").write_text(readme)
    assert read_checkpoint(own_checkpoint, "x").license == expected


# --- max_seq_length


@pytest.mark.parametrize(
    ("own", "tokenizer", "positions", "asked", "expected"),
    [
        (48, 128, 130, None, 48),
        (None, 128, 130, None, 128),
        (None, None, 130, None, 130),
        (48, 128, 130, 100, 100),
        (48, 128, 130, 130, 130),
        (200, 128, 130, None, 130),  # no more than there are positions
        (None, 10**30, 4096, None, 512),  # no more than 512 unless asked
        (4096, 128, 4096, 2048, 2048),
    ],
)
def test_max_seq_length(
    own_checkpoint: Path,
    own: int | None,
    tokenizer: int | None,
    positions: int,
    asked: int | None,
    expected: int,
) -> None:
    change_json(own_checkpoint / "sentence_bert_config.json", max_seq_length=own)
    change_json(own_checkpoint / "tokenizer_config.json", model_max_length=tokenizer)
    change_json(own_checkpoint / "config.json", max_position_embeddings=positions)
    assert read_checkpoint(own_checkpoint, "x", None, asked).max_seq_length == expected


def test_more_than_there_are_positions(own_checkpoint: Path) -> None:
    with pytest.raises(ArgumentsError, match="131 is more than the model's 130"):
        read_checkpoint(own_checkpoint, "x", None, 131)


def test_xlm_roberta_has_two_positions_less(checkpoint_folder: Folder) -> None:
    folder = checkpoint_folder("tiny-xlmr")
    pad = json.loads((folder / "config.json").read_text())["pad_token_id"]
    limit = 130 - pad - 1
    read = read_checkpoint(folder, "x", None, limit)
    # torch itself runs that many tokens and not one more.
    reference = TorchReference(read)
    assert reference.encode(["слово " * 500]).shape == (1, 48)
    with pytest.raises(ArgumentsError, match=str(limit)):
        read_checkpoint(folder, "x", None, limit + 1)
    object.__setattr__(read, "max_seq_length", limit + 1)
    with pytest.raises(IndexError):
        reference.encode(["слово " * 500])
