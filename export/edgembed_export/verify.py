"""The gate: the files as they will ship, loaded through edgembed itself, against torch.

optimum's own validation feeds random ids to the float32 graph and logs a failed check as success.
This one runs every graph of the bundle on real sentences, and raises.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from edgembed import Embedder, InferenceError
from edgembed.agreement import cosines
from edgembed.canary import Canary
from edgembed.manifest import Manifest
from edgembed.pooling import Float32
from edgembed.precision import fixed_ranges
from edgembed_export.checkpoint import Checkpoint
from edgembed_export.errors import ParityError
from edgembed_export.masked import masked_vectors
from edgembed_export.memory import give_back
from edgembed_export.parity import Compared, Tolerance, summary
from edgembed_export.reference import TorchReference, sentence_transformers_vectors

# Prompts are compared on every fourth text, the checkpoint's default and no prompt on all.
_PROMPT_STRIDE = 4
_CANARIES = 3
Progress = Callable[[str], None]
Case = tuple[str, list[str]]  # a prompt, and the texts to compare under it


@dataclass(frozen=True)
class Verified:
    """What verify measured: `torch` and `vectors` (n, dim) under the first prompt.

    ranges: by dtype, (2, dim), from the vectors under all prompts.
    """

    rows: list[Compared]
    torch: Float32
    vectors: dict[str, Float32]
    masked: dict[str, Any]
    ranges: dict[str, Float32]

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
    # One model in memory at a time, torch's first: a large one fits no machine four times over.
    give_back()  # what the graphs were made with
    cases = list(_cases(checkpoint, texts))
    expected = []
    for prompt, chosen in cases:
        progress(f"torch, {len(chosen)} texts, prompt {prompt!r}")
        expected.append(reference.encode(chosen, prompt))
    reference.release()
    # Under a prompt if there is one: that shows what is made of prompts as well.
    place = next((place for place, (prompt, _) in enumerate(cases) if prompt), 0)
    _check_reference(checkpoint, *cases[place], expected[place])
    own = {d: _vectors(folder, d, cases, progress) for d in _dtypes(folder)}
    result = Verified(
        rows=_compared(reference, cases, expected, own),
        torch=expected[0],
        vectors={dtype: vectors[0] for dtype, vectors in own.items()},
        masked=_masked_graphs(folder, reference, *cases[0], expected[0], tolerance),
        ranges={dtype: fixed_ranges(np.concatenate(vectors)) for dtype, vectors in own.items()},
    )
    _check(result, tolerance)
    return result


def _vectors(folder: Path, dtype: str, cases: Sequence[Case], progress: Progress) -> list[Float32]:
    """(n, dim) by one dtype of the bundle for each case."""
    model, vectors = _load(folder, dtype), []
    for prompt, chosen in cases:
        progress(f"{dtype}, {len(chosen)} texts, prompt {prompt!r}")
        vectors.append(_encode(model, chosen, prompt))
    del model
    give_back()
    return vectors


def _compared(
    reference: TorchReference,
    cases: Sequence[Case],
    expected: Sequence[Float32],
    own: Mapping[str, Sequence[Float32]],
) -> list[Compared]:
    """Every text of every case, with its cosine to torch by dtype."""
    rows = []
    for place, (prompt, chosen) in enumerate(cases):
        columns = {d: cosines(expected[place], vectors[place]) for d, vectors in own.items()}
        for index, text in enumerate(chosen):
            tokens = len(reference.token_ids(prompt + text))
            values = {d: float(column[index]) for d, column in columns.items()}
            rows.append(Compared(text, prompt, tokens, values))
    return rows


def canaries(folder: Path, checkpoint: Checkpoint, texts: Sequence[str]) -> tuple[Canary, ...]:
    """The shortest few texts that say something with their vectors, for the manifest."""
    by_length = sorted(dict.fromkeys(texts), key=lambda text: (len(text), text))
    chosen = [text for text in by_length if len(text) >= 12][:_CANARIES] or by_length[-_CANARIES:]
    default = checkpoint.prompts.resolve(None, None)
    full = [default + text for text in chosen]
    vectors = {d: _encode(_load(folder, d), full, "") for d in _dtypes(folder)}
    return tuple(
        Canary(text, {d: rows[place] for d, rows in vectors.items()})
        for place, text in enumerate(full)
    )


def _load(folder: Path, dtype: str) -> Embedder:
    return Embedder(folder, dtype=dtype, canaries="off")


def _dtypes(folder: Path) -> list[str]:
    return list(_manifest(folder).dtypes)


def _manifest(folder: Path) -> Manifest:
    return Manifest.parse((folder / "manifest.json").read_bytes())


def _cases(checkpoint: Checkpoint, texts: Sequence[str]) -> Iterator[Case]:
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
    checkpoint: Checkpoint, prompt: str, texts: Sequence[str], torch: Float32
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
    prompt: str,
    texts: Sequence[str],
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
        give_back()
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
