"""What the playground page asks for: all pairs of a few texts, and what became of each text."""

from __future__ import annotations

from time import perf_counter

import msgspec

from edgembed.service.codec import encode, numbers
from edgembed.service.model import Model, PromptFields
from edgembed.service.tasks import Piece, Task
from edgembed.similarity import similarity


class CompareRequest(msgspec.Struct):
    """Texts to compare, each with each; prompt_name and prompt as in an embed request."""

    texts: list[str]
    prompt_name: str | None = None
    prompt: str | None = None


class ComparedText(msgspec.Struct):
    """One text: its tokens, whether it was cut, and the milliseconds that it took."""

    tokens: int
    truncated: bool
    milliseconds: float


class CompareResponse(msgspec.Struct):
    """similarity: n rows of n numbers, by the function of that name."""

    similarity: list[list[float]]
    similarity_fn_name: str
    texts: list[ComparedText]


def compare(model: Model, request: CompareRequest) -> Task:
    """All pairs, by the checkpoint's own similarity."""
    model.check_count(request.texts, "texts")
    prompt = model.prompt(PromptFields(request.prompt, request.prompt_name))
    model.check_texts(request.texts, "texts")
    embed = model.runner(prompt, lambda embedding: embedding.vector)

    def run(text: str) -> Piece:
        began = perf_counter()
        piece = embed(text)
        return piece._replace(value=(piece.value, 1000 * (perf_counter() - began)))

    return Task(request.texts, run, lambda pieces: _response(model, pieces))


def _response(model: Model, pieces: list[Piece]) -> bytes:
    vectors = [piece.value[0] for piece in pieces]
    name = model.manifest.similarity_fn_name
    matrix = msgspec.Raw(numbers(similarity(name, vectors, vectors)))
    texts = [ComparedText(p.tokens, p.truncated, round(p.value[1], 3)) for p in pieces]
    return encode({"similarity": matrix, "similarity_fn_name": name, "texts": texts})
