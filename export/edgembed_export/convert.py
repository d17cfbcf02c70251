"""Checkpoint -> ONNX: the plain graph, as optimum traces it, before anything is made lean.

Only the tracing is optimum's. Its validation is not run: it feeds random ids, looks at this graph
and not at the one that ships, and logs a failure as a success. Parity is checked at the end of the
export, on the written files, by `verify`.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgembed_export.errors import CheckpointError
from edgembed_export.memory import give_back
from edgembed_export.quiet import quiet

if TYPE_CHECKING:
    from optimum.exporters.onnx.base import OnnxConfig
    from transformers import PretrainedConfig, PreTrainedModel

OPSET = 18
"""The newest opset torch 2.x's tracing exporter writes without falling back to a converter."""

_INPUTS = {"input_ids", "attention_mask", "token_type_ids"}


def convert(folder: Path, out: Path) -> Path:
    """Trace the transformers model in `folder` to `out`/model.onnx and return that path.

    The graph takes `input_ids` and `attention_mask` (int64, batch x tokens), for some families
    `token_type_ids` too, and gives `last_hidden_state` (float32, batch x tokens x hidden). Weights
    above 2 GiB land beside it in model.onnx_data. The same folder gives the same bytes. Nothing is
    fetched: every file must be in `folder`, and code in it is never run.

    Raises CheckpointError when optimum has no export for the architecture, and OSError when
    files are missing.
    """
    out.mkdir(parents=True, exist_ok=True)
    path = out / "model.onnx"
    with quiet():
        from optimum.exporters.onnx.convert import export
        from transformers import AutoConfig

        config = AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
        described = _onnx_config(config)
        opset = max(OPSET, described.DEFAULT_ONNX_OPSET)
        export(_load(folder, config), described, path, opset=opset)
    give_back()
    return path


def _load(folder: Path, config: PretrainedConfig) -> PreTrainedModel:
    """The encoder in float32, without its pooler, with attention as plain matrix products.

    Eager attention computes what sdpa does, but traces to the two products and the softmax that
    the rewriter looks for, instead of sdpa's decomposition that changes with every torch release.
    """
    import torch
    from transformers import AutoModel, MT5EncoderModel, T5EncoderModel

    arguments: dict[str, Any] = {
        "config": config,
        "local_files_only": True,
        "trust_remote_code": False,
        "use_safetensors": True,
        "dtype": torch.float32,
        "attn_implementation": "eager",
    }
    if config.model_type in ("bert", "roberta", "xlm-roberta", "camembert", "mpnet"):
        arguments["add_pooling_layer"] = False
    encoders = {"t5": T5EncoderModel, "mt5": MT5EncoderModel}
    loader: Any = encoders.get(config.model_type, AutoModel)
    model: PreTrainedModel = loader.from_pretrained(folder, **arguments)
    model.train(False)
    return model


def _onnx_config(config: PretrainedConfig) -> OnnxConfig:
    """Optimum's description of the export; CheckpointError for what is no text encoder."""
    from optimum.exporters.onnx.config import TextEncoderOnnxConfig
    from optimum.exporters.tasks import TasksManager

    if config.model_type in ("t5", "mt5"):
        return _t5_config(config)
    try:
        constructor = TasksManager.get_exporter_config_constructor(
            exporter="onnx",
            model_type=config.model_type,
            task="feature-extraction",
            library_name="transformers",
        )
    except (KeyError, ValueError) as error:
        raise _refusal(config, "optimum has no ONNX export of it") from error
    described: OnnxConfig = constructor(config)
    # optimum exports decoders too, whose vectors look ahead at nothing and whose graphs want a
    # cache, positions or a second text: none of that is what a sentence encoder is.
    if not isinstance(described, TextEncoderOnnxConfig) or not _INPUTS.issuperset(described.inputs):
        raise _refusal(config, "it is not a plain text encoder")
    return described


def _refusal(config: PretrainedConfig, reason: str) -> CheckpointError:
    return CheckpointError(
        f"the architecture {config.model_type!r} cannot be exported: {reason}. Use a checkpoint "
        "whose architecture is BERT, XLM-R, RoBERTa, CamemBERT, MPNet, DistilBERT, ELECTRA, "
        "ModernBERT or a T5 encoder"
    )


def _t5_config(config: PretrainedConfig) -> OnnxConfig:
    """Optimum's T5 encoder export is the one of diffusion models: it forgets the attention mask."""
    from optimum.exporters.onnx.model_configs import T5EncoderOnnxConfig

    class MaskedT5EncoderOnnxConfig(T5EncoderOnnxConfig):  # type: ignore[misc]
        @property
        def inputs(self) -> dict[str, dict[int, str]]:
            axes = {0: "batch_size", 1: "sequence_length"}
            return {"input_ids": dict(axes), "attention_mask": dict(axes)}

    return MaskedT5EncoderOnnxConfig(config, task="feature-extraction")
