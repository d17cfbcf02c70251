"""Checkpoint -> ONNX: the plain graph, as optimum traces it, before anything is made lean.

Only the tracing is optimum's. Its validation is not run: it feeds random ids, looks at this graph
and not at the one that ships, and logs a failure as a success. Parity is checked at the end of the
export, on the written files, by `verify`.
"""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .errors import CheckpointError

if TYPE_CHECKING:
    from optimum.exporters.onnx.base import OnnxConfig
    from transformers import PreTrainedModel

OPSET = 18
"""The newest opset torch 2.x's tracing exporter writes without falling back to a converter."""

OUTPUT = "last_hidden_state"


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
    with _quiet():
        from optimum.exporters.onnx.convert import export

        model = _load(folder)
        config = _onnx_config(model)
        export(model, config, path, opset=max(OPSET, config.DEFAULT_ONNX_OPSET))
    return path


def _load(folder: Path) -> PreTrainedModel:
    """The encoder in float32, without its pooler, with attention as plain matrix products.

    Eager attention computes what sdpa does, but traces to the two products and the softmax that
    the rewriter looks for, instead of sdpa's decomposition that changes with every torch release.
    """
    import torch
    from transformers import AutoConfig, AutoModel, T5EncoderModel

    config = AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    arguments: dict[str, Any] = {
        "config": config,
        "local_files_only": True,
        "trust_remote_code": False,
        "use_safetensors": True,
        "dtype": torch.float32,
        "attn_implementation": "eager",
    }
    if config.model_type in ("bert", "roberta", "xlm-roberta", "camembert"):
        arguments["add_pooling_layer"] = False
    loader = T5EncoderModel if config.model_type in ("t5", "mt5") else AutoModel
    model: PreTrainedModel = loader.from_pretrained(folder, **arguments)
    model.train(False)
    return model


def _onnx_config(model: PreTrainedModel) -> OnnxConfig:
    from optimum.exporters.tasks import TasksManager

    kind = model.config.model_type
    if kind in ("t5", "mt5"):
        return _t5_config(model)
    try:
        constructor = TasksManager.get_exporter_config_constructor(
            exporter="onnx", model=model, task="feature-extraction", library_name="transformers"
        )
    except (KeyError, ValueError) as error:
        raise CheckpointError(
            f"optimum cannot export the architecture {kind!r} ({type(model).__name__}) for "
            "feature extraction; use a BERT, XLM-R, RoBERTa, MPNet, DistilBERT, ModernBERT or T5 "
            "encoder"
        ) from error
    return constructor(model.config)


def _t5_config(model: PreTrainedModel) -> OnnxConfig:
    """Optimum's T5 encoder export is the one of diffusion models: it forgets the attention mask."""
    from optimum.exporters.onnx.model_configs import T5EncoderOnnxConfig

    class MaskedT5EncoderOnnxConfig(T5EncoderOnnxConfig):  # type: ignore[misc]
        @property
        def inputs(self) -> dict[str, dict[int, str]]:
            axes = {0: "batch_size", 1: "sequence_length"}
            return {"input_ids": dict(axes), "attention_mask": dict(axes)}

    return MaskedT5EncoderOnnxConfig(model.config, task="feature-extraction")


@contextmanager
def _quiet() -> Iterator[None]:
    """No progress bars, no tracer warnings, no telemetry while torch and optimum work."""
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from transformers.utils import logging as transformers_logging

        loggers = [logging.getLogger(name) for name in ("optimum", "torch.onnx", "transformers")]
        before = [logger.level for logger in loggers]
        bars = transformers_logging.is_progress_bar_enabled()
        for logger in loggers:
            logger.setLevel(logging.ERROR)
        disable: Callable[[], None] = transformers_logging.disable_progress_bar
        enable: Callable[[], None] = transformers_logging.enable_progress_bar
        disable()
        try:
            yield
        finally:
            for logger, level in zip(loggers, before, strict=True):
                logger.setLevel(level)
            if bars:
                enable()
