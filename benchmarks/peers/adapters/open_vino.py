"""OpenVINO's CPU plugin with a bare tokenizer."""

from __future__ import annotations

from typing import Any

import openvino

from adapters.padding import embed, load_tokenizer, padded


class Adapter:
    def __init__(self, folder: str, threads: int, options: dict[str, Any]) -> None:
        self._tokenizer = load_tokenizer(folder)
        core = openvino.Core()
        settings = {"INFERENCE_NUM_THREADS": threads, "PERFORMANCE_HINT": "LATENCY"}
        if precision := options.get("precision"):
            settings["INFERENCE_PRECISION_HINT"] = precision
        self._model = core.compile_model(f"{folder}/model.xml", "CPU", settings)
        self._names = {name for port in self._model.inputs for name in port.get_names()}

    def encode(self, texts: list[str], batch_size: int) -> Any:
        return embed(self._tokenizer, texts, batch_size, self._run)

    def _run(self, rows: list[list[int]]) -> Any:
        ids, mask = padded(rows)
        feed = {"input_ids": ids, "attention_mask": mask, "token_type_ids": ids * 0}
        return self._model({name: feed[name] for name in self._names})["last_hidden_state"]
