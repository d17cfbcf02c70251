"""Small seeded checkpoints of every family's true architecture, for test_families and its kin.

The shapes are tiny, the classes and their peculiarities are not: XLM-R counts positions from its
padding id, T5 and MPNet have a relative position bias, FRIDA is a T5 encoder with a gated
feed-forward, CLS pooling and seven prompts, ModernBERT rotates and looks at a window only.
"""

from __future__ import annotations

import atexit
import shutil
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import torch
import transformers as hf
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers

import checkpoints
from edgembed_export.corpus import read_texts

LAYERS, HEADS, HIDDEN, INNER = 2, 4, 48, 96
SHAPE = {"hidden_size": HIDDEN, "num_hidden_layers": LAYERS, "num_attention_heads": HEADS}
MAX_SEQ_LENGTH = 64
# multilingual-e5-large's two, and a task of -large-instruct's kind.
E5_PROMPTS = {
    "query": "query: ",
    "passage": "passage: ",
    "web": "Instruct: Given a web search query, retrieve relevant passages\nQuery: ",
}


@dataclass(frozen=True)
class Family:
    """One architecture: how to make its model and its tokenizer, and what its card would say.

    lean: whether the rewriter is to match all of it. whole: whether test_families exports it, or
    only the rewriter's tests look at it, because another family is nearly the same.
    """

    name: str
    model: Callable[[Any], Any]
    tokenizer: Callable[[], Any]
    pooling: str = "mean"
    prompts: Mapping[str, str] = field(default_factory=dict, hash=False)
    default_prompt_name: str | None = None
    lean: bool = True
    whole: bool = True

    def recipe(self) -> checkpoints.Recipe:
        """The part that is the same in every family: modules, pooling, prompts."""
        return checkpoints.Recipe(
            self.name,
            pooling=self.pooling,
            prompts=dict(self.prompts),
            default_prompt_name=self.default_prompt_name,
            max_seq_length=MAX_SEQ_LENGTH,
            hidden=HIDDEN,
        )


@cache
def checkpoint(family: Family) -> Path:
    """The family's checkpoint, made once a process and not to be changed."""
    return make(family, _root() / family.name)


@cache
def _root() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="families-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def make(family: Family, folder: Path, seed: int = 0) -> Path:
    """Write the family's checkpoint; the same seed gives the same weights."""
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer = family.tokenizer()
    tokenizer.model_max_length = 128
    tokenizer.save_pretrained(folder)
    torch.manual_seed(seed)
    model = family.model(tokenizer)
    with torch.no_grad():
        for name, weight in sorted(model.named_parameters()):
            if weight.ndim == 2:
                torch.nn.init.normal_(weight, std=0.15)
            elif name.endswith("bias"):
                torch.nn.init.normal_(weight, std=0.05)
            else:  # a norm's weight: near 1, but not 1, so that losing it shows
                torch.nn.init.normal_(weight, mean=1.0, std=0.1)
    model.save_pretrained(folder, safe_serialization=True)
    checkpoints._write_modules(family.recipe(), folder)
    return folder


def _special(tokenizer: Any) -> dict[str, Any]:
    names = {"pad_token_id": tokenizer.pad_token_id, "vocab_size": len(tokenizer)}
    return {**names, "bos_token_id": tokenizer.cls_token_id, "eos_token_id": tokenizer.sep_token_id}


def _bert(tokenizer: Any) -> Any:
    shape = {**SHAPE, "intermediate_size": INNER, "max_position_embeddings": 66}
    return hf.BertModel(hf.BertConfig(**shape, **_special(tokenizer)))


def _roberta_shape(tokenizer: Any) -> dict[str, Any]:
    positions = {"max_position_embeddings": 68, "type_vocab_size": 1}
    return {**SHAPE, "intermediate_size": INNER, **positions, **_special(tokenizer)}


def _xlmr(tokenizer: Any) -> Any:
    return hf.XLMRobertaModel(hf.XLMRobertaConfig(**_roberta_shape(tokenizer)))


def _roberta(tokenizer: Any) -> Any:
    return hf.RobertaModel(hf.RobertaConfig(**_roberta_shape(tokenizer)))


def _camembert(tokenizer: Any) -> Any:
    return hf.CamembertModel(hf.CamembertConfig(**_roberta_shape(tokenizer)))


def _mpnet(tokenizer: Any) -> Any:
    shape = {**SHAPE, "intermediate_size": INNER, "max_position_embeddings": 68}
    return hf.MPNetModel(hf.MPNetConfig(**shape, **_special(tokenizer)))


def _distilbert(tokenizer: Any) -> Any:
    shape = {"dim": HIDDEN, "n_layers": LAYERS, "n_heads": HEADS, "hidden_dim": INNER}
    positions = {"max_position_embeddings": 66, "pad_token_id": tokenizer.pad_token_id}
    config = hf.DistilBertConfig(**shape, **positions, vocab_size=len(tokenizer))
    return hf.DistilBertModel(config)


def _electra(tokenizer: Any) -> Any:
    shape = {**SHAPE, "intermediate_size": INNER, "max_position_embeddings": 66}
    config = hf.ElectraConfig(**shape, embedding_size=24, **_special(tokenizer))
    return hf.ElectraModel(config)


def _modernbert(tokenizer: Any) -> Any:
    window = {"local_attention": 16, "global_attn_every_n_layers": 2}
    special = {"cls_token_id": tokenizer.cls_token_id, "sep_token_id": tokenizer.sep_token_id}
    shape = {**SHAPE, "intermediate_size": INNER, "max_position_embeddings": 128, **window}
    return hf.ModernBertModel(hf.ModernBertConfig(**shape, **special, **_special(tokenizer)))


def _t5_shape(tokenizer: Any, projection: str) -> dict[str, Any]:
    shape = {"d_model": HIDDEN, "d_kv": 12, "d_ff": INNER, "num_layers": LAYERS}
    encoder = {"num_heads": HEADS, "is_encoder_decoder": False, "use_cache": False}
    special = {"vocab_size": len(tokenizer), "pad_token_id": tokenizer.pad_token_id}
    return {**shape, **encoder, **special, "feed_forward_proj": projection}


def _frida(tokenizer: Any) -> Any:
    return hf.T5EncoderModel(hf.T5Config(**_t5_shape(tokenizer, "gated-gelu")))


def _t5(tokenizer: Any) -> Any:
    return hf.T5EncoderModel(hf.T5Config(**_t5_shape(tokenizer, "relu")))


def _gpt2(tokenizer: Any) -> Any:
    return hf.GPT2Model(hf.GPT2Config(n_embd=HIDDEN, n_layer=1, n_head=2, **_special(tokenizer)))


def _llama(tokenizer: Any) -> Any:
    shape = {**SHAPE, "intermediate_size": INNER}
    return hf.LlamaModel(hf.LlamaConfig(**shape, **_special(tokenizer)))


def _bart(tokenizer: Any) -> Any:
    shape = {"d_model": HIDDEN, "encoder_layers": 1, "decoder_layers": 1}
    return hf.BartModel(hf.BartConfig(**shape, **_special(tokenizer)))


def _umt5(tokenizer: Any) -> Any:
    return hf.UMT5EncoderModel(hf.UMT5Config(**_t5_shape(tokenizer, "gated-gelu")))


def _bytes_tokenizer() -> Any:
    """Byte-level BPE, as RoBERTa, ModernBERT and FRIDA have."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    special = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=1200, special_tokens=special, initial_alphabet=alphabet, show_progress=False
    )
    tokenizer.train_from_iterator(read_texts(None, "calibration"), trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 2)]
    )
    names = {"bos_token": "<s>", "eos_token": "</s>", "cls_token": "<s>", "sep_token": "</s>"}
    others = {"pad_token": "<pad>", "unk_token": "<unk>", "mask_token": "<mask>"}
    inputs = ["input_ids", "attention_mask"]
    return hf.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, model_input_names=inputs, **names, **others
    )


def _wordpiece() -> Any:
    return checkpoints._bert_tokenizer()


def _wordpiece_without_types() -> Any:
    own = checkpoints._bert_tokenizer()
    return hf.DistilBertTokenizerFast(tokenizer_object=own.backend_tokenizer, do_lower_case=False)


def _unigram() -> Any:
    return checkpoints._xlmr_tokenizer()


FAMILIES = (
    Family("rubert-mini-frida", _bert, _wordpiece, "mean", checkpoints.FRIDA_PROMPTS,
           "Classification"),
    Family("multilingual-e5-large", _xlmr, _unigram, "mean", E5_PROMPTS),
    Family("frida", _frida, _bytes_tokenizer, "cls", checkpoints.FRIDA_PROMPTS, "Classification"),
    Family("t5", _t5, _unigram),
    Family("mpnet", _mpnet, _wordpiece),
    Family("distilbert", _distilbert, _wordpiece_without_types),
    Family("roberta", _roberta, _bytes_tokenizer, "cls"),
    Family("camembert", _camembert, _unigram, whole=False),
    Family("electra", _electra, _wordpiece, whole=False),
    Family("modernbert", _modernbert, _bytes_tokenizer, "cls", lean=False),
)  # fmt: skip
REFUSED = (
    Family("gpt2", _gpt2, _bytes_tokenizer),
    Family("llama", _llama, _bytes_tokenizer),
    Family("bart", _bart, _bytes_tokenizer),
    Family("umt5", _umt5, _bytes_tokenizer),
)
