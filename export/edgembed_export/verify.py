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
Progress = Callable[[str], None]
Case = tuple[str, list[str]]  # a prompt, and the texts to compare under it


@dataclass(frozen=True)
class Expected:
    """torch's vectors, which every dtype is measured against.

    vectors: of each case, (n, dim). tokens: of each case's texts. reference: without its weights.
    """

    reference: TorchReference
    cases: list[Case]
    vectors: list[Float32]
    tokens: list[list[int]]


@dataclass(frozen=True)
class Own:
    """One dtype's vectors by case, (n, dim), and what its graph for other tools measured."""

    vectors: list[Float32]
    masked: dict[str, float]


@dataclass(frozen=True)
class Verified:
    """What was measured: `torch` and `vectors` (n, dim) under the first prompt.

    ranges: by dtype, (2, dim), from the vectors under all prompts.
    """

    rows: list[Compared]
    torch: Float32
    vectors: dict[str, Float32]
    masked: dict[str, Any]
    ranges: dict[str, Float32]

    @classmethod
    def of(cls, expected: Expected, own: Mapping[str, Own]) -> Verified:
        """All dtypes together."""
        return cls(
            rows=_compared(expected, own),
            torch=expected.vectors[0],
            vectors={dtype: one.vectors[0] for dtype, one in own.items()},
            masked={dtype: one.masked for dtype, one in own.items()},
            ranges={d: fixed_ranges(np.concatenate(one.vectors)) for d, one in own.items()},
        )

    def report(self) -> dict[str, Any]:
        """parity.json's content."""
        dtypes = summary(self.rows, self.torch, self.vectors)
        return {"dtypes": dtypes, "masked_graphs": self.masked, "texts": len(self.rows)}


def expect(
    checkpoint: Checkpoint, reference: TorchReference, texts: Sequence[str], progress: Progress
) -> Expected:
    """torch's vectors; ParityError where sentence-transformers itself gives others."""
    # One model in memory at a time, torch's first: a large one fits no machine four times over.
    give_back()  # what the graphs were made with
    cases, vectors = list(_cases(checkpoint, texts)), []
    for prompt, chosen in cases:
        progress(f"torch, {len(chosen)} texts, prompt {prompt!r}")
        vectors.append(reference.encode(chosen, prompt))
    reference.release()
    # Under a prompt if there is one: that shows what is made of prompts as well.
    place = next((place for place, (prompt, _) in enumerate(cases) if prompt), 0)
    _check_reference(checkpoint, *cases[place], vectors[place])
    tokens = [[len(reference.token_ids(p + text)) for text in chosen] for p, chosen in cases]
    return Expected(reference, cases, vectors, tokens)


def measure(
    folder: Path, dtype: str, expected: Expected, tolerance: Tolerance, progress: Progress
) -> Own:
    """One dtype of the bundle in `folder`; ParityError where it is out of bounds."""
    vectors = _vectors(folder, dtype, expected.cases, progress)
    pairs = zip(expected.vectors, vectors, strict=True)
    found = np.concatenate([cosines(torch, own) for torch, own in pairs])
    if said := tolerance.violations(dtype, found):
        texts = [text for _, chosen in expected.cases for text in chosen]
        raise _too_far(said, texts[int(found.argmin())])
    return Own(vectors, _masked_graph(folder, dtype, expected, tolerance))


def _vectors(folder: Path, dtype: str, cases: Sequence[Case], progress: Progress) -> list[Float32]:
    """(n, dim) by one dtype of the bundle for each case."""
    model, vectors = load(folder, dtype), []
    for prompt, chosen in cases:
        progress(f"{dtype}, {len(chosen)} texts, prompt {prompt!r}")
        vectors.append(encode(model, chosen, prompt))
    del model
    give_back()
    return vectors


def _compared(expected: Expected, own: Mapping[str, Own]) -> list[Compared]:
    """Every text of every case, with its cosine to torch by dtype."""
    rows = []
    for place, (prompt, chosen) in enumerate(expected.cases):
        torch = expected.vectors[place]
        columns = {dtype: cosines(torch, one.vectors[place]) for dtype, one in own.items()}
        for index, text in enumerate(chosen):
            values = {dtype: float(column[index]) for dtype, column in columns.items()}
            rows.append(Compared(text, prompt, expected.tokens[place][index], values))
    return rows


def load(folder: Path, dtype: str) -> Embedder:
    """The bundle that is being made."""
    return Embedder(folder, dtype=dtype, canaries="off")


def _manifest(folder: Path) -> Manifest:
    return Manifest.parse((folder / "manifest.json").read_bytes())


def _cases(checkpoint: Checkpoint, texts: Sequence[str]) -> Iterator[Case]:
    """Each distinct prompt with the texts to compare under it; the default comes first."""
    default = checkpoint.prompts.resolve(None, None)
    for prompt in dict.fromkeys([default, "", *checkpoint.prompts.texts.values()]):
        whole = prompt in ("", default)
        yield prompt, list(texts if whole else texts[::_PROMPT_STRIDE])


def encode(model: Embedder, texts: Sequence[str], prompt: str) -> Float32:
    """(n, dim) float32; ParityError where no vector comes out."""
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


def _masked_graph(
    folder: Path, dtype: str, expected: Expected, tolerance: Tolerance
) -> dict[str, float]:
    """The graph for other people's tools, in padded batches, by bare onnxruntime."""
    manifest, reference = _manifest(folder), expected.reference
    name, (prompt, texts) = manifest.dtypes[dtype].masked_graph, expected.cases[0]
    ids = [reference.token_ids(prompt + text) for text in texts]
    vectors = masked_vectors(folder / name, ids, manifest, reference.skipped_tokens(prompt))
    give_back()
    values = cosines(expected.vectors[0], vectors)
    if found := tolerance.in_batches().violations(dtype, values):
        raise _too_far(found, texts[int(values.argmin())], f" in {name} (padded batches)")
    return {"mean": float(values.mean()), "min": float(values.min())}


def _too_far(found: Sequence[str], worst: str, where: str = "") -> ParityError:
    said = f"{'; '.join(found)}{where}"
    return ParityError(
        f"the bundle is too far from its torch model: {said}. The worst text is "
        f"{worst[:80]!r}. Nothing was written; calibration texts closer to your own may help "
        "(--calibration), or a lower --min-cosine where you accept it",
        said,
    )
