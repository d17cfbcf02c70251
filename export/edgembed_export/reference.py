"""torch's own vectors: what every bundle is measured against.

Two readings of the same checkpoint: transformers with the pooling of the model card, written out
here, and sentence-transformers as a whole. If they disagree we have misread the checkpoint.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np
import torch

from edgembed.pooling import Float32
from edgembed_export.checkpoint import Checkpoint
from edgembed_export.memory import give_back
from edgembed_export.quiet import quiet


class TorchReference:
    """transformers' model in float32, one unpadded text at a time.

    Its weights are in memory from the first `encode` to `release`: the rest of an export needs the
    memory, and the tokenizer only.
    """

    def __init__(self, checkpoint: Checkpoint) -> None:
        """Load the tokenizer; remote code is never run."""
        from transformers import AutoTokenizer

        self._checkpoint = checkpoint
        with quiet():
            load: Any = AutoTokenizer.from_pretrained
            self.tokenizer: Any = load(
                checkpoint.transformer,
                use_fast=True,
                trust_remote_code=False,
                local_files_only=True,
            )

    @cached_property
    def model(self) -> Any:
        """The torch module, loaded when it is first asked for."""
        with quiet():
            return load_model(self._checkpoint)

    def release(self) -> None:
        """Forget the weights; the next `encode` would load them again."""
        self.__dict__.pop("model", None)
        give_back()

    def token_ids(self, text: str) -> list[int]:
        """A text's ids, cut to max_seq_length."""
        encoded = self.tokenizer(text, truncation=True, max_length=self._checkpoint.max_seq_length)
        ids: list[int] = encoded["input_ids"]
        return ids

    def encode(self, texts: Sequence[str], prompt: str = "") -> Float32:
        """(n, dim) float32, pooled and normalised as the checkpoint says."""
        skip = self.skipped_tokens(prompt)
        rows = [self._vector(self.token_ids(prompt + text), skip) for text in texts]
        return np.stack(rows) if rows else np.zeros((0, self._checkpoint.dimension), np.float32)

    def skipped_tokens(self, prompt: str) -> int:
        """Leading tokens that pooling leaves out (include_prompt=false only)."""
        if self._checkpoint.include_prompt or not prompt:
            return 0
        ids = self.token_ids(prompt)
        return len(ids) - (ids[-1] in self.tokenizer.all_special_ids)

    def _vector(self, ids: list[int], skip: int) -> Float32:
        with torch.inference_mode():
            batch = torch.tensor([ids])
            hidden = self.model(
                input_ids=batch, attention_mask=torch.ones_like(batch)
            ).last_hidden_state[0]
        vector = hidden[skip] if self._checkpoint.pooling == "cls" else hidden[skip:].mean(dim=0)
        if self._checkpoint.normalize:
            vector = torch.nn.functional.normalize(vector, dim=0)
        result: Float32 = vector.numpy()
        return result


def load_model(checkpoint: Checkpoint) -> Any:
    """The encoder in float32 on the CPU, in evaluation mode."""
    import transformers

    # AutoModel would load an encoder-decoder whole.
    encoders = {"t5": "T5EncoderModel", "mt5": "MT5EncoderModel"}
    kind: Any = getattr(transformers, encoders.get(checkpoint.architecture, "AutoModel"))
    model = kind.from_pretrained(
        checkpoint.transformer,
        dtype=torch.float32,
        trust_remote_code=False,
        local_files_only=True,
        use_safetensors=True,
    )
    return model.eval()


def sentence_transformers_vectors(
    checkpoint: Checkpoint, texts: Sequence[str], prompt: str = ""
) -> Float32:
    """(n, dim) float32 by SentenceTransformer(...).encode, the whole pipeline as users know it."""
    from sentence_transformers import SentenceTransformer

    with quiet():
        model = SentenceTransformer(
            str(checkpoint.folder),
            device="cpu",
            local_files_only=True,
            trust_remote_code=False,
            model_kwargs={"dtype": torch.float32},
        )
    model.max_seq_length = checkpoint.max_seq_length
    vectors: Float32 = model.encode(list(texts), prompt=prompt, show_progress_bar=False)
    del model
    give_back()
    return vectors
