"""The routes of Hugging Face's text-embeddings-inference, field by field (TEI 1.9)."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from time import perf_counter
from typing import Any, Literal

import msgspec

from edgembed.engine import Embedding
from edgembed.service.codec import encode, numbers
from edgembed.service.errors import EMPTY, ServiceError
from edgembed.service.model import Dimensions, Model, PromptFields
from edgembed.service.tasks import Piece, Task
from edgembed.similarity import similarity as similarities

Inputs = str | list[str]
Direction = Literal["Left", "Right", "left", "right"]


class EmbedAllRequest(msgspec.Struct, kw_only=True):
    """Texts to embed.

    truncate: cut texts over max_input_length (default: the server's auto_truncate); false refuses
    them. prompt_name: a prompt by its key or its prefix. prompt: its text instead, "" for none.
    """

    inputs: str | list[str]
    truncate: bool | None = None
    truncation_direction: Direction = "Right"
    prompt_name: str | None = None
    prompt: str | None = None


class EmbedRequest(EmbedAllRequest, kw_only=True):
    """Texts to embed, normalize: to norm 1; dimensions: the first so many, before that."""

    normalize: bool = True
    dimensions: Dimensions = None


class SimilarityInputs(msgspec.Struct):
    """One sentence, and those it is compared with."""

    source_sentence: str
    sentences: list[str]


class SimilarityParameters(msgspec.Struct):
    """As in an embed request."""

    truncate: bool | None = None
    truncation_direction: Direction = "Right"
    prompt_name: str | None = None
    prompt: str | None = None


class SimilarityRequest(msgspec.Struct):
    """Sentences to compare with one."""

    inputs: SimilarityInputs
    parameters: SimilarityParameters | None = None


class TokenizeRequest(msgspec.Struct):
    """Texts to tokenise, whole: nothing is cut."""

    inputs: str | list[str]
    add_special_tokens: bool = True
    prompt_name: str | None = None
    prompt: str | None = None


class TokenItem(msgspec.Struct):
    """One token; start, stop: its characters, counted from the prompt's first, null where it is of
    none of them (special)."""

    id: int
    text: str
    special: bool
    start: int | None
    stop: int | None


def embed(model: Model, request: EmbedRequest) -> Task:
    """One vector a text."""
    dimensions = model.dimensions(request.dimensions)
    prompt = _prompt(model, request)

    def keep(embedding: Embedding) -> bytes:
        return numbers(model.vector(embedding, prompt, request.normalize, dimensions))

    return _task(model, request, model.runner(prompt, keep, _refusal(model, request)))


def embed_all(model: Model, request: EmbedAllRequest) -> Task:
    """One vector a token."""
    prompt = _prompt(model, request)
    run = model.runner(prompt, _token_vectors, _refusal(model, request))
    return _task(model, request, run)


def similarity(model: Model, request: SimilarityRequest) -> Task:
    """The cosine of each sentence with the source sentence."""
    parameters = request.parameters or SimilarityParameters()
    sentences = request.inputs.sentences
    if not sentences:
        raise ServiceError(EMPTY, "`inputs.sentences` cannot be empty", "inputs.sentences")
    texts = [request.inputs.source_sentence, *sentences]
    prompt = _prompt(model, parameters)
    model.check_count(texts, "inputs")
    model.check_texts(texts[:1], "inputs.source_sentence")
    model.check_texts(sentences, "inputs.sentences")
    run = model.runner(prompt, lambda e: e.vector, _refusal(model, parameters))
    return Task(texts, run, _cosines)


def tokenize(model: Model, request: TokenizeRequest) -> Task:
    """The tokens of each text, and where in the prompt and text they stand."""
    prompt = _prompt(model, request)
    run = partial(_tokens, model, prompt, request.add_special_tokens)
    return _task(model, request, run, learn=False)


def _task(model: Model, request: Any, run: Callable[[str], Piece], learn: bool = True) -> Task:
    single = isinstance(request.inputs, str)
    texts = [request.inputs] if single else request.inputs
    model.check_count(texts, "inputs")
    model.check_texts(texts, "inputs")
    return Task(texts, run, _array, single, learn)


def _prompt(model: Model, request: Any) -> str:
    return model.prompt(PromptFields(request.prompt, request.prompt_name))


def _refusal(model: Model, request: Any) -> str | None:
    longest = model.manifest.max_seq_length
    truncate = model.settings.auto_truncate if request.truncate is None else request.truncate
    if not truncate:
        return f"`inputs` must have at most {longest} tokens: shorten them, or send truncate=true"
    if request.truncation_direction.lower() == "left":
        return (
            f"an input has more than {longest} tokens, and texts are cut at their end only: "
            "send truncation_direction=Right, or cut them yourself"
        )
    return None


def _array(pieces: list[Piece]) -> bytes:
    return b"[%b]" % b",".join(piece.value for piece in pieces)


def _token_vectors(embedding: Embedding) -> bytes:
    return numbers(embedding.token_embeddings)


def _cosines(pieces: list[Piece]) -> bytes:
    source, *others = (piece.value for piece in pieces)
    return numbers(similarities("cosine", [source], others)[0])


def _tokens(model: Model, prompt: str, add_special_tokens: bool, text: str) -> Piece:
    began = perf_counter()
    tokens = model.engine.tokenizer.describe(prompt + text, add_special_tokens)
    seconds = perf_counter() - began
    return Piece(encode([TokenItem(*token) for token in tokens]), len(tokens), False, seconds)
