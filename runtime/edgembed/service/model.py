"""The model as the routes see it: prompts by a request's fields, and runs of one text."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from time import perf_counter
from typing import Any

from edgembed.canary import CanaryCheck
from edgembed.engine import Embedding, Engine
from edgembed.errors import ArgumentError, PromptError
from edgembed.pooling import Float32, normalize, pool
from edgembed.prompts import DOCUMENT_NAMES, QUERY_NAMES, Prompts
from edgembed.service.errors import BATCH_SIZE, EMPTY, VALIDATION, ServiceError
from edgembed.service.settings import Settings
from edgembed.service.tasks import Piece

# JSON knows numbers only: 8.0 is as whole as 8 (so in JSON Schema, and some clients write it so).
Dimensions = int | float | None
# What clients of other services call the two sides of a search.
_INPUT_TYPES = {
    **dict.fromkeys(("query", "search_query"), QUERY_NAMES),
    **dict.fromkeys(("document", "passage", "search_document"), DOCUMENT_NAMES),
}

# A text of more characters is refused before it is tokenised, which would take seconds and
# gigabytes where a text has no blanks. The bound is TEI's.
_CHARACTERS_PER_TOKEN = 250


@dataclass(frozen=True)
class PromptFields:
    """How a request names its prompt; None where it does not."""

    prompt: str | None = None
    prompt_name: str | None = None
    input_type: str | None = None


class Model:
    """One loaded bundle and the operator's settings. Safe to share between threads."""

    def __init__(self, engine: Engine, settings: Settings) -> None:
        """ArgumentError where the settings do not fit the bundle."""
        self.engine, self.settings = engine, settings
        self.manifest = engine.manifest
        if settings.max_batch_tokens < self.manifest.max_seq_length:
            raise ArgumentError(
                f"max_batch_tokens {settings.max_batch_tokens} is less than the "
                f"{self.manifest.max_seq_length} tokens of one text of this bundle: raise it, or "
                "export with a smaller --max-seq-length"
            )
        self.prompts: Prompts = self.manifest.prompts
        self.default_prompt = self.prompts.resolve(
            settings.default_prompt, settings.default_prompt_name
        )

    @classmethod
    def load(
        cls,
        bundle: str | os.PathLike[str],
        dtype: str | None,
        settings: Settings,
        canaries: CanaryCheck = "warn",
        public_key: str | None = None,
    ) -> Model:
        """Load a bundle for runs of one thread each; see Embedder for arguments and errors."""
        engine = Engine(bundle, dtype, 1, public_key)
        engine.check_canaries(canaries)
        return cls(engine, settings)

    @property
    def name(self) -> str:
        """What the OpenAI routes call it."""
        return self.settings.served_model_name or self.manifest.model.id

    @property
    def most_characters(self) -> int:
        """What a text, and what a prompt, may have; more is refused before it is tokenised."""
        return self.manifest.max_seq_length * _CHARACTERS_PER_TOKEN

    def input_types(self) -> list[str]:
        """What an input_type may be."""
        return sorted({*_INPUT_TYPES, *self.prompts.by_name})

    def prompt(self, fields: PromptFields) -> str:
        """The text to put before each input: prompt wins, then prompt_name, then input_type.

        Each of them has to be right, also where another one wins.
        """
        named = self._named(fields.prompt_name, "prompt_name")
        kind = fields.input_type
        typed = self._named(
            self.prompts.first(_INPUT_TYPES[kind]) if kind in _INPUT_TYPES else kind, "input_type"
        )
        if fields.prompt is not None:
            self._check_length(fields.prompt, "prompt", "prompt")
        given = (fields.prompt, named, typed, self.default_prompt)
        return next(prompt for prompt in given if prompt is not None)

    def _named(self, name: str | None, field: str) -> str | None:
        if name is None:
            return None
        try:
            return self.prompts.resolve(None, name)
        except PromptError as error:
            raise ServiceError(VALIDATION, str(error), field) from error

    def check_count(self, texts: list[str], field: str) -> None:
        """ServiceError for no text at all, and for more than max_client_batch_size."""
        allowed = self.settings.max_client_batch_size
        if not texts:
            raise ServiceError(EMPTY, f"`{field}` cannot be empty", field)
        if len(texts) > allowed:
            message = f"batch size {len(texts)} > maximum allowed batch size {allowed}"
            raise ServiceError(BATCH_SIZE, message, field)

    def check_texts(self, texts: list[str], field: str) -> None:
        """ServiceError for a text that is empty (so in both APIs), or too long."""
        for index, text in enumerate(texts):
            where = field if len(texts) == 1 else f"{field}[{index}]"
            if not text:
                raise ServiceError(EMPTY, f"`{where}` cannot be empty", field)
            self._check_length(text, where, field)

    def _check_length(self, text: str, where: str, field: str) -> None:
        if len(text) > self.most_characters:
            message = f"`{where}` must have at most {self.most_characters} characters: split it"
            raise ServiceError(VALIDATION, message, field)

    def runner(
        self, prompt: str, keep: Callable[[Embedding], Any], refuse_cut: str | None = None
    ) -> Callable[[str], Piece]:
        """A run for the workers: prompt + text embedded, and what `keep` takes of it.

        refuse_cut: why a text that does not fit is refused; None where it is cut.
        """
        skip = self.engine.skipped_tokens(prompt)

        def run(text: str) -> Piece:
            began = perf_counter()
            tokens = self.engine.tokenizer.encode(prompt + text)
            seconds = perf_counter() - began
            if refuse_cut is not None and tokens.truncated:
                raise ServiceError(VALIDATION, refuse_cut)
            embedding = self.engine.embed_tokens(tokens, skip, 1)
            return Piece(keep(embedding), len(tokens.ids), tokens.truncated, seconds)

        return run

    def vector(
        self, embedding: Embedding, prompt: str, normalized: bool, dimensions: int | None
    ) -> Float32:
        """The (dimensions or dim,) float32 vector to send.

        normalized: of norm 1, as encode(normalize_embeddings=True, truncate_dim=dimensions) gives
        it; otherwise as the pooling left it, without the checkpoint's Normalize module.
        """
        vector = embedding.vector
        if not normalized and self.manifest.normalize:
            skip = self.engine.skipped_tokens(prompt)
            vector = pool(embedding.token_embeddings, self.manifest.pooling, skip)
        cut = dimensions is not None and dimensions < self.manifest.dimension
        if cut:
            vector = vector[:dimensions]
        if normalized and (cut or not self.manifest.normalize):
            vector = normalize(vector)
        return vector

    def dimensions(self, given: Dimensions) -> int | None:
        """How many to send, as asked. ServiceError unless there are so many."""
        if given is None:
            return None
        if int(given) != given or not 1 <= given <= self.manifest.dimension:
            raise ServiceError(
                VALIDATION,
                f"`dimensions` must be a whole number from 1 to {self.manifest.dimension}",
                "dimensions",
            )
        return int(given)
