"""Families as plain and lean graphs, and running them, for the tests of convert and rewrite."""

from __future__ import annotations

import json
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx_ir as ir
import torch
from families import Family, checkpoint
from transformers import AutoConfig, AutoModel, T5EncoderModel

import edgembed  # noqa: F401  (turns onnxruntime's telemetry off before it is imported)
from edgembed_export.convert import convert
from edgembed_export.graph import RewriteReport, rewrite

Ids = npt.NDArray[np.int64]
Hidden = npt.NDArray[np.float32]


@cache
def plain(family: Family) -> ir.Model:
    """What optimum makes of the family's checkpoint; not to be changed."""
    with tempfile.TemporaryDirectory() as folder:
        model = ir.load(convert(checkpoint(family), Path(folder)))
        ir.external_data.load_to_model(model)
        return model


def config(family: Family) -> dict[str, Any]:
    """The checkpoint's config.json."""
    content: dict[str, Any] = json.loads((checkpoint(family) / "config.json").read_text("utf-8"))
    return content


@cache
def lean(family: Family, mask: bool) -> tuple[ir.Model, RewriteReport]:
    """The rewritten graph; not to be changed."""
    return rewrite(plain(family), config(family), mask=mask)


def run(model: ir.Model, ids: Ids, mask: Ids | None = None) -> Hidden:
    """last_hidden_state (batch, tokens, hidden) of ids (batch, tokens)."""
    feed = {"input_ids": ids} if mask is None else {"input_ids": ids, "attention_mask": mask}
    (hidden,) = _session(_Key(model)).run(None, feed)
    result: Hidden = hidden
    return result


class _Key:
    """A model by its identity, and kept alive, so that a cache can hold its session."""

    def __init__(self, model: ir.Model) -> None:
        self.model = model

    def __hash__(self) -> int:
        return id(self.model)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Key) and other.model is self.model


@cache
def _session(key: _Key) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    content = ir.to_proto(key.model).SerializeToString()
    return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])


@cache
def _torch(family: Family) -> Any:
    kind = AutoConfig.from_pretrained(checkpoint(family)).model_type
    loader = T5EncoderModel if kind == "t5" else AutoModel
    return loader.from_pretrained(checkpoint(family), dtype=torch.float32).eval()


def torch_hidden(family: Family, ids: Ids, mask: Ids | None = None) -> Hidden:
    """torch's last_hidden_state (batch, tokens, hidden) of ids (batch, tokens)."""
    whole = np.ones_like(ids) if mask is None else mask
    with torch.inference_mode():
        out = _torch(family)(input_ids=torch.tensor(ids), attention_mask=torch.tensor(whole))
    result: Hidden = out.last_hidden_state.numpy()
    return result


def pad_id(family: Family) -> int:
    """What fills a padded row."""
    return int(config(family)["pad_token_id"])


def padded(family: Family, rows: list[list[int]]) -> tuple[Ids, Ids]:
    """Ids and mask (batch, longest) of rows of ids."""
    ids = np.full((len(rows), max(map(len, rows))), pad_id(family), np.int64)
    mask = np.zeros_like(ids)
    for index, row in enumerate(rows):
        ids[index, : len(row)] = row
        mask[index, : len(row)] = 1
    return ids, mask
