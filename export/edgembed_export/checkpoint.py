"""A sentence-transformers checkpoint in a folder: read, and refused by name if not understood.

Only files are read here; no code of the checkpoint is ever run, and no pickle is opened.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgembed.checks import is_inside
from edgembed.manifest import FILE_NAME
from edgembed.pooling import PoolingMode
from edgembed.prompts import Prompts
from edgembed.similarity import SIMILARITY_FUNCTIONS
from edgembed_export.errors import ArgumentsError, CheckpointError
from edgembed_export.frontmatter import front_matter
from edgembed_export.settings import read_json, tokenizer_settings, transformer_settings

# Most relatives take 512; a longer default would make every deployment's worst case slower.
DEFAULT_MAX_SEQ_LENGTH = 512
_XLMR_TYPES = ("roberta", "xlm-roberta", "camembert", "mpnet")
_PACKAGE = "sentence_transformers."


@dataclass(frozen=True)
class Checkpoint:
    """What a checkpoint's files say, in the runtime's terms.

    transformer: the folder that transformers loads. model_id and revision: where it came from.
    """

    folder: Path
    transformer: Path
    model_id: str
    revision: str | None
    license: str | None
    config: Mapping[str, Any]
    pooling: PoolingMode
    include_prompt: bool
    normalize: bool
    prompts: Prompts
    similarity_fn_name: str
    max_seq_length: int

    @property
    def architecture(self) -> str:
        """transformers' model_type: "bert", "xlm-roberta", "t5" ..."""
        return str(self.config.get("model_type", "unknown"))

    @property
    def dimension(self) -> int:
        """Numbers in one vector."""
        names = ("hidden_size", "d_model", "dim")  # BERT and most others, T5, DistilBERT
        return int(next(self.config[name] for name in names if name in self.config))


def read_checkpoint(
    folder: Path, model_id: str, revision: str | None = None, max_seq_length: int | None = None
) -> Checkpoint:
    """Read and check a folder. CheckpointError says what is not supported, and what to do."""
    modules = _modules(folder)
    transformer = folder / modules["Transformer"]
    config = read_json(transformer / "config.json")
    _refuse_code(config)
    _refuse_pickles(transformer)
    pooling = read_json(folder / modules["Pooling"] / "config.json")
    settings = read_json(folder / "config_sentence_transformers.json", optional=True)
    own = transformer_settings(transformer)
    tokenizer = tokenizer_settings(transformer)
    return Checkpoint(
        folder=folder,
        transformer=transformer,
        model_id=model_id,
        revision=revision,
        license=_license(folder),
        config=config,
        pooling=_pooling_mode(pooling),
        include_prompt=bool(pooling.get("include_prompt", True)),
        normalize="Normalize" in modules,
        prompts=_prompts(settings),
        similarity_fn_name=_similarity(settings),
        max_seq_length=_max_seq_length(max_seq_length, own, config, tokenizer),
    )


def _modules(folder: Path) -> dict[str, str]:
    """Paths of Transformer, Pooling and, where there is one, Normalize, by class name."""
    entries = _module_entries(folder)
    names = [kind.rpartition(".")[2] for kind, _ in entries]
    for name in names:
        if name not in ("Transformer", "Pooling", "Normalize"):
            raise CheckpointError(
                f"module {name} is not supported: edgembed exports Transformer, Pooling (mean or "
                f"cls) and Normalize, and modules.json lists {', '.join(names)}"
            )
    if names not in (["Transformer", "Pooling"], ["Transformer", "Pooling", "Normalize"]):
        raise CheckpointError(
            f"modules.json lists {', '.join(names) or 'nothing'}: only Transformer, Pooling and an "
            "optional Normalize, in this order, are supported"
        )
    return {name: place for name, (_, place) in zip(names, entries, strict=True)}


def check_modules(folder: Path) -> None:
    """CheckpointError where sentence-transformers would import what is not its own."""
    if (folder / "modules.json").is_file():
        _module_entries(folder)


def _module_entries(folder: Path) -> list[tuple[str, str]]:
    """modules.json's types and paths."""
    path = folder / "modules.json"
    if not path.is_file():
        raise CheckpointError(
            f"{folder} has no modules.json, so it is not a sentence-transformers checkpoint: load "
            "it with sentence_transformers.SentenceTransformer and save it once with .save()"
        )
    try:
        listed = json.loads(path.read_text(encoding="utf-8"))
        entries = [(str(m["type"]), str(m["path"])) for m in listed]
    except (ValueError, TypeError, KeyError) as error:
        raise CheckpointError(f"{path} cannot be read ({error!r})") from error
    for kind, place in entries:
        if not kind.startswith(_PACKAGE):
            raise CheckpointError(
                f"module {kind} is not supported: code of a checkpoint's own is never run, and "
                f"this one is not of sentence-transformers: {path}"
            )
        if place and not is_inside(place):
            raise CheckpointError(f"{path.name} names {place!r}, which is outside of {folder}")
    return entries


def _refuse_code(config: Mapping[str, Any]) -> None:
    if "auto_map" in config:
        raise CheckpointError(
            "config.json names Python code of its own (auto_map), which edgembed never runs: use "
            "a checkpoint whose architecture is part of transformers"
        )


def _refuse_pickles(transformer: Path) -> None:
    if any((transformer / n).is_file() for n in ("model.safetensors", _INDEX)):
        return
    pickles = sorted(p.name for p in transformer.glob("*.bin"))
    found = f"only {', '.join(pickles)}, a pickle, which can run code" if pickles else "no weights"
    if (transformer / FILE_NAME).is_file():
        raise CheckpointError(
            f"{transformer} is a bundle already (it has a {FILE_NAME}): load it with Embedder, or "
            "export the checkpoint that it was made of anew"
        )
    raise CheckpointError(
        f"{transformer} has no model.safetensors ({found}): convert it once, where you trust it, "
        "with SentenceTransformer(MODEL).save(FOLDER, safe_serialization=True)"
    )


_INDEX = "model.safetensors.index.json"


def _pooling_mode(pooling: Mapping[str, Any]) -> PoolingMode:
    """The one mode that 1_Pooling/config.json switches on, in its older or newer spelling."""
    on = {k.removeprefix("pooling_mode_") for k, v in pooling.items() if v is True} - {
        "include_prompt"
    }
    named = pooling.get("pooling_mode")
    on |= {named} if isinstance(named, str) else set(named or ())
    if on in ({"mean_tokens"}, {"mean"}):
        return "mean"
    if on in ({"cls_token"}, {"cls"}):
        return "cls"
    raise CheckpointError(
        f"pooling {' + '.join(sorted(on)) or 'none'} is not supported: only mean or cls is"
    )


def _prompts(settings: Mapping[str, Any]) -> Prompts:
    prompts = settings.get("prompts") or {}
    if not isinstance(prompts, dict) or not all(isinstance(v, str) for v in prompts.values()):
        raise CheckpointError("config_sentence_transformers.json: prompts must be named texts")
    default = settings.get("default_prompt_name")
    if default is not None and default not in prompts:
        raise CheckpointError(
            f"default_prompt_name {default!r} is none of the prompts {list(prompts)}"
        )
    return Prompts(prompts, default)


def _similarity(settings: Mapping[str, Any]) -> str:
    name = settings.get("similarity_fn_name") or "cosine"
    if name not in SIMILARITY_FUNCTIONS:
        raise CheckpointError(f"similarity_fn_name {name!r} is not supported")
    return str(name)


def _max_seq_length(
    asked: int | None,
    own: Mapping[str, Any],
    config: Mapping[str, Any],
    tokenizer: Mapping[str, Any],
) -> int:
    """The length asked for, else the model's own, at most DEFAULT_MAX_SEQ_LENGTH."""
    limit = _position_limit(config)
    if asked is not None:
        if limit is not None and asked > limit:
            raise ArgumentsError(
                f"--max-seq-length {asked} is more than the model's {limit} positions"
            )
        return asked
    candidates = [own.get("max_seq_length") or tokenizer.get("model_max_length"), limit]
    known = [int(c) for c in candidates if c is not None]
    return min([*known, DEFAULT_MAX_SEQ_LENGTH])


def _position_limit(config: Mapping[str, Any]) -> int | None:
    """Positions that the model has an embedding for; None where positions are relative (T5)."""
    positions = config.get("max_position_embeddings")
    if positions is None:
        return None
    # RoBERTa and its kin count positions from pad_token_id + 1.
    offset = int(config.get("pad_token_id", 1)) + 1
    return int(positions) - (offset if config.get("model_type") in _XLMR_TYPES else 0)


def _license(folder: Path) -> str | None:
    """The licence that the model card names."""
    named = front_matter(folder).get("license")
    return named if isinstance(named, str) else None
