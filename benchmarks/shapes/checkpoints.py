"""Full shapes with seeded weights: as large as the real checkpoints, without their download.

Weights are scaled as those of a trained model are, by fan-in, with residual branches smaller than
the residual stream: purely random layers would make more of every rounding than a trained model
does. Norms' weights and feed-forward units differ from one another by what trained ones do.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import AutoTokenizer, PreTrainedTokenizerFast, T5Config, T5EncoderModel
from transformers import XLMRobertaConfig as XLMRConfig
from transformers import XLMRobertaModel as XLMRModel

from edgembed_export.corpus import read_texts

_BRANCH = 0.5
"""Of the gain of a residual branch's last matrix. In multilingual-e5-small attention's branches are
0.3 of what they are added to, feed-forward ones 0.2 to 0.6 but where the first token spikes."""
_VOCABULARY = 8000


@dataclass(frozen=True)
class Shape:
    """One architecture at full size. `make(layers)` gives the model with its weights drawn."""

    make: Callable[[int], Any]
    layers: int
    hidden: int
    pooling: str
    prompts: Mapping[str, str] = field(default_factory=dict)
    default_prompt_name: str | None = None


def write(shape: Shape, layers: int, tokenizer: Path | None, folder: Path, seed: int = 0) -> Path:
    """The sentence-transformers checkpoint of a shape with so many layers, in `folder`.

    `tokenizer` is a folder with a fast tokenizer whose ids are within the vocabulary; None trains
    one on the built-in texts.
    """
    folder.mkdir(parents=True, exist_ok=True)
    load: Any = AutoTokenizer.from_pretrained
    own = load(tokenizer, local_files_only=True) if tokenizer else _trained()
    own.save_pretrained(folder)
    torch.manual_seed(seed)
    with torch.no_grad():
        model = shape.make(layers)
    if len(own) > model.config.vocab_size:
        raise SystemExit(f"--tokenizer has {len(own)} ids, the shape {model.config.vocab_size}")
    model.save_pretrained(folder, safe_serialization=True, max_shard_size="64GB")
    _write_modules(shape, folder)
    return folder


def _e5_large(layers: int) -> Any:
    config = XLMRConfig(
        vocab_size=250002, hidden_size=1024, num_hidden_layers=layers, num_attention_heads=16,
        intermediate_size=4096, max_position_embeddings=514, type_vocab_size=1, layer_norm_eps=1e-5,
    )  # fmt: skip
    model = XLMRModel(config, add_pooling_layer=False)
    for name, weight in model.named_parameters():
        if "embeddings" in name and weight.ndim == 2:
            weight.normal_(std=0.08 if "word" in name else 0.026)  # multilingual-e5-small's
        elif weight.ndim == 2:
            gain = _BRANCH if "output.dense" in name else 1.0
            weight.normal_(std=gain / math.sqrt(weight.shape[1]))
        else:
            _vector(name, weight)
    return model


def _frida(layers: int) -> Any:
    config = T5Config(
        vocab_size=50364, d_model=1536, d_ff=4096, d_kv=64, num_layers=layers, num_heads=24,
        feed_forward_proj="gated-gelu", relative_attention_num_buckets=32, layer_norm_epsilon=1e-6,
        is_encoder_decoder=False, use_cache=False, pad_token_id=1,
    )  # fmt: skip
    model = T5EncoderModel(config)  # T5's own draw, by fan-in
    for name, weight in model.named_parameters():
        if weight.ndim == 1:
            _vector(name, weight)
        elif "wi_1" in name:  # (units, in): units of unlike ranges
            weight.mul_(torch.exp(0.5 * torch.randn(len(weight), 1)))
    return model


def _vector(name: str, weight: Any) -> None:
    if name.endswith("bias"):
        weight.normal_(std=0.05)
    else:  # a norm's weight
        weight.normal_(mean=1.0, std=0.1)


def _trained() -> Any:
    """Byte-level BPE with XLM-R's special tokens."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    special = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=_VOCABULARY, special_tokens=special, initial_alphabet=alphabet,
        show_progress=False,
    )  # fmt: skip
    tokenizer.train_from_iterator(read_texts(None, "calibration"), trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 2)]
    )
    names = {"bos_token": "<s>", "eos_token": "</s>", "cls_token": "<s>", "sep_token": "</s>"}
    others = {"pad_token": "<pad>", "unk_token": "<unk>", "mask_token": "<mask>"}
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, model_input_names=["input_ids", "attention_mask"],
        model_max_length=512, **names, **others,
    )  # fmt: skip


def _write_modules(shape: Shape, folder: Path) -> None:
    kinds = {"": "Transformer", "1_Pooling": "Pooling", "2_Normalize": "Normalize"}
    modules = [
        {"idx": i, "name": str(i), "path": path, "type": f"sentence_transformers.models.{kind}"}
        for i, (path, kind) in enumerate(kinds.items())
    ]
    pooling = {
        "word_embedding_dimension": shape.hidden,
        "pooling_mode_cls_token": shape.pooling == "cls",
        "pooling_mode_mean_tokens": shape.pooling == "mean",
    }
    settings = {
        "prompts": dict(shape.prompts),
        "default_prompt_name": shape.default_prompt_name,
        "similarity_fn_name": "cosine",
    }
    for name, content in {
        "modules.json": modules,
        "1_Pooling/config.json": pooling,
        "2_Normalize/config.json": {},
        "sentence_bert_config.json": {"max_seq_length": 512, "do_lower_case": False},
        "config_sentence_transformers.json": settings,
    }.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(json.dumps(content), encoding="utf-8")


SHAPES = {
    "multilingual-e5-large": Shape(
        _e5_large, 24, 1024, "mean", {"query": "query: ", "passage": "passage: "}
    ),
    "FRIDA": Shape(
        _frida, 24, 1536, "cls",
        {
            "Classification": "categorize: ",
            "Clustering": "categorize_topic: ",
            "STS": "paraphrase: ",
            "query": "search_query: ",
            "passage": "search_document: ",
            "CEDRClassification": "categorize_sentiment: ",
            "TERRa": "categorize_entailment: ",
        },
        "Classification",
    ),
}  # fmt: skip
