"""optimum's plain graph: its signature, torch's numbers, and what is refused untraced."""

from __future__ import annotations

import json
import logging
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import onnx_ir as ir
import pytest
from families import FAMILIES, REFUSED, Family, checkpoint
from graphs import padded, plain, torch_hidden

from edgembed_export.convert import OPSET, convert
from edgembed_export.errors import CheckpointError

NAMED = {family.name: family for family in FAMILIES}
BERT, FRIDA = NAMED["rubert-mini-frida"], NAMED["frida"]
ROWS = [[5, 6, 7, 8, 9, 10, 11], [12], [13, 14, 15]]


@pytest.mark.parametrize("family", [BERT, FRIDA], ids=lambda family: family.name)
def test_plain_graph_equals_torch(family: Family, tmp_path: Path) -> None:
    import onnxruntime

    content = ir.to_proto(plain(family)).SerializeToString()
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    names = [value.name for value in session.get_inputs()]
    ids, mask = padded(family, ROWS)
    feed = {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}
    hidden = session.run(["last_hidden_state"], {name: feed[name] for name in names})[0]
    wanted = torch_hidden(family, ids, mask)
    np.testing.assert_allclose(hidden[mask == 1], wanted[mask == 1], rtol=0, atol=2e-5)


def test_signature_and_opset() -> None:
    """T5 has a mask, which optimum's own export of its encoder forgets; poolers are gone."""
    for family, inputs in (
        (BERT, ["input_ids", "attention_mask", "token_type_ids"]),
        (FRIDA, ["input_ids", "attention_mask"]),
    ):
        model = plain(family)
        assert [value.name for value in model.graph.inputs] == inputs
        assert [value.name for value in model.graph.outputs] == ["last_hidden_state"]
        assert model.opset_imports[""] == OPSET


@pytest.mark.parametrize("refused", REFUSED, ids=lambda family: family.name)
def test_refused_by_name_before_the_weights_are_read(refused: Family, tmp_path: Path) -> None:
    """Refused with its weights gone: they are not needed to say so."""
    folder = Path(shutil.copytree(checkpoint(refused), tmp_path / "checkpoint"))
    (folder / "model.safetensors").unlink()
    with pytest.raises(CheckpointError, match=f"'{refused.name}' cannot be exported: .* Use a"):
        convert(folder, tmp_path / "out")


def test_a_pickle_is_not_opened(tmp_path: Path) -> None:
    folder = Path(shutil.copytree(checkpoint(BERT), tmp_path / "checkpoint"))
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(OSError, match=r"model\.safetensors"):
        convert(folder, tmp_path / "out")


def test_code_in_the_folder_is_not_run(tmp_path: Path) -> None:
    folder = Path(shutil.copytree(checkpoint(BERT), tmp_path / "checkpoint"))
    settings: dict[str, Any] = json.loads((folder / "config.json").read_text("utf-8"))
    settings |= {"auto_map": {"AutoModel": "own.Own", "AutoConfig": "own.OwnConfig"}}
    (folder / "config.json").write_text(json.dumps(settings), encoding="utf-8")
    (folder / "own.py").write_text("raise SystemExit('the code was run')", encoding="utf-8")
    assert convert(folder, tmp_path / "out").is_file()


def test_loggers_and_progress_bars_are_left_as_they_were(tmp_path: Path, capfd: Any) -> None:
    from transformers.utils import logging as bars

    names = ("optimum", "torch.onnx", "transformers")
    before = [logging.getLogger(name).level for name in names]
    shown = bars.is_progress_bar_enabled()
    capfd.readouterr()
    convert(checkpoint(BERT), tmp_path / "out")
    assert capfd.readouterr() == ("", "")
    assert [logging.getLogger(name).level for name in names] == before
    assert bars.is_progress_bar_enabled() == shown
