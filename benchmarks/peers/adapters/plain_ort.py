"""onnxruntime and tokenizers on the optimum export: the least that runs, without a framework."""

from __future__ import annotations

from typing import Any

import onnxruntime

from adapters.padding import embed, load_tokenizer, padded


class Adapter:
    def __init__(self, folder: str, threads: int, options: dict[str, Any]) -> None:
        settings = onnxruntime.SessionOptions()
        settings.intra_op_num_threads = threads
        self._tokenizer = load_tokenizer(folder)
        self._session = onnxruntime.InferenceSession(
            f"{folder}/{options['file']}", settings, ["CPUExecutionProvider"]
        )
        self._has_types = "token_type_ids" in [i.name for i in self._session.get_inputs()]

    def encode(self, texts: list[str], batch_size: int) -> Any:
        return embed(self._tokenizer, texts, batch_size, self._run)

    def _run(self, rows: list[list[int]]) -> Any:
        ids, mask = padded(rows)
        feed = {"input_ids": ids, "attention_mask": mask}
        if self._has_types:
            feed["token_type_ids"] = ids * 0
        return self._session.run(["last_hidden_state"], feed)[0]
