"""The gate: the files as they will ship, loaded through edgembed itself, against torch.

optimum's own validation feeds random ids to the float32 graph and logs a failed check as success.
This one runs every graph of the bundle on real sentences, and raises.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from edgembed import Embedder, InferenceError
from edgembed.canary import Canary
from edgembed.manifest import Manifest
from edgembed.pooling import Float32
from edgembed_export.checkpoint import Checkpoint
from edgembed_export.errors import ParityError
from edgembed_export.masked import masked_vectors
from edgembed_export.parity import Compared, Tolerance, cosines, summary
from edgembed_export.reference import TorchReference, sentence_transformers_vectors

# Prompts are compared on every fourth text, the checkpoint's default and no prompt on all.
_PROMPT_STRIDE = 4
_CANARIES = 3
Progress = Callable[[str], None]


@dataclass
class Verified:
    """What verify measured, growing as it goes."""

    rows: list[Compared] = field(default_factory=list)
    torch: Float32 = field(default_factory=lambda: np.zeros((0, 0), np.float32))
    vectors: dict[str, Float32] = field(default_factory=dict)
    masked: dict[str, Any] = field(default_factory=dict)

    def report(self) -> dict[str, Any]:
        """parity.json's content."""
        dtypes = summary(self.rows, self.torch, self.vectors)
        return {"dtypes": dtypes, "masked_graphs": self.masked, "texts": len(self.rows)}


def verify(
    folder: Path,
    checkpoint: Checkpoint,
    reference: TorchReference,
    texts: Sequence[str],
    tolerance: Tolerance,
    progress: Progress,
) -> Verified:
    """Measure every dtype of the bundle in `folder`; ParityError where one is out of bounds."""
    models = {dtype: _load(folder, dtype) for dtype in _dtypes(folder)}
    result = Verified()
    for prompt, chosen in _cases(checkpoint, texts):
        progress(f"{len(chosen)} texts, prompt {prompt!r}")
        torch = reference.encode(chosen, prompt)
        own = {d: _encode(m, chosen, prompt) for d, m in models.items()}
        columns = {d: cosines(torch, vectors) for d, vectors in own.items()}
        for index, text in enumerate(chosen):
            tokens = len(reference.token_ids(prompt + text))
            values = {d: float(column[index]) for d, column in columns.items()}
            result.rows.append(Compared(text, prompt, tokens, values))
        if not result.vectors:
            result.torch, result.vectors = torch, own
            _check_reference(checkpoint, chosen, prompt, torch)
            result.masked = _masked_graphs(folder, reference, chosen, prompt, torch, tolerance)
    _check(result, tolerance)
    return result


def canaries(folder: Path, checkpoint: Checkpoint, texts: Sequence[str]) -> tuple[Canary, ...]:
    """The shortest few texts with their vectors, for the manifest."""
    chosen = sorted(dict.fromkeys(texts), key=lambda text: (len(text), text))
    chosen = [text for text in chosen if len(text) >= 12][:_CANARIES]
    models = {dtype: _load(folder, dtype) for dtype in _dtypes(folder)}
    default = checkpoint.prompts.resolve(None, None)
    return tuple(
        Canary(default + text, {d: _encode(m, [default + text], "")[0] for d, m in models.items()})
        for text in chosen
    )


def _load(folder: Path, dtype: str) -> Embedder:
    return Embedder(folder, dtype=dtype, canaries="off")


def _dtypes(folder: Path) -> list[str]:
    return list(_manifest(folder).dtypes)


def _manifest(folder: Path) -> Manifest:
    return Manifest.parse((folder / "manifest.json").read_bytes())


def _cases(checkpoint: Checkpoint, texts: Sequence[str]) -> Iterator[tuple[str, list[str]]]:
    """Each distinct prompt with the texts to compare under it; the default comes first."""
    default = checkpoint.prompts.resolve(None, None)
    for prompt in dict.fromkeys([default, "", *checkpoint.prompts.texts.values()]):
        whole = prompt in ("", default)
        yield prompt, list(texts if whole else texts[::_PROMPT_STRIDE])


def _encode(model: Embedder, texts: Sequence[str], prompt: str) -> Float32:
    with warnings.catch_warnings():  # texts over max_seq_length are among them on purpose
        warnings.simplefilter("ignore", category=UserWarning)
        try:
            return model.encode(list(texts), prompt=prompt)
        except InferenceError as error:
            raise ParityError(f"the {model.dtype} bundle gives no vectors: {error}") from error


def _check_reference(
    checkpoint: Checkpoint, texts: Sequence[str], prompt: str, torch: Float32
) -> None:
    """Our reading of the checkpoint against sentence-transformers' own."""
    chosen = slice(None, None, _PROMPT_STRIDE)
    whole = sentence_transformers_vectors(checkpoint, texts[chosen], prompt)
    lowest = float(cosines(torch[chosen], whole).min())
    if not lowest >= Tolerance().float32_min:
        raise ParityError(
            f"sentence-transformers and the pooling that edgembed read from this checkpoint "
            f"disagree (cosine {lowest:.6f}): the checkpoint does something that is not supported"
        )


def _masked_graphs(
    folder: Path,
    reference: TorchReference,
    texts: Sequence[str],
    prompt: str,
    torch: Float32,
    tolerance: Tolerance,
) -> dict[str, Any]:
    """The graphs for other people's tools, in padded batches, by bare onnxruntime."""
    manifest = _manifest(folder)
    ids = [reference.token_ids(prompt + text) for text in texts]
    skip = reference.skipped_tokens(prompt)
    result = {}
    for dtype, weights in manifest.dtypes.items():
        vectors = masked_vectors(folder / weights.masked_graph, ids, manifest, skip)
        values = cosines(torch, vectors)
        if found := tolerance.in_batches().violations(dtype, values):
            where = f" in {weights.masked_graph} (padded batches)"
            raise _too_far(found, texts[int(values.argmin())], where)
        result[dtype] = {"mean": float(values.mean()), "min": float(values.min())}
    return result


def _check(result: Verified, tolerance: Tolerance) -> None:
    found: list[str] = []
    for dtype in result.vectors:
        column = np.array([row.cosines[dtype] for row in result.rows])
        found += tolerance.violations(dtype, column)
    if found:
        raise _too_far(found, min(result.rows, key=lambda row: min(row.cosines.values())).text)


def _too_far(found: Sequence[str], worst: str, where: str = "") -> ParityError:
    return ParityError(
        f"the bundle is too far from its torch model{where}: {'; '.join(found)}. The worst text is "
        f"{worst[:80]!r}. Nothing was written; calibration texts closer to your own may help "
        "(--calibration), or a lower --min-cosine where you accept it"
    )
