"""Embedder: the public face. sentence-transformers' names, order and meaning, without torch."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from contextlib import closing
from functools import partial
from typing import Any, Literal, TypeVar, overload

import numpy.typing as npt

from edgembed.canary import CanaryCheck
from edgembed.engine import Embedding, Engine
from edgembed.errors import InferenceError
from edgembed.facts import BundleFacts
from edgembed.forms import EncodeForms
from edgembed.log import logger, shows_info
from edgembed.outputs import KEEP, Container, EncodeOptions, OutputValue, check_free
from edgembed.precision import Precision
from edgembed.progress import progress
from edgembed.promptcheck import PromptCheck
from edgembed.prompts import DOCUMENT_NAMES, QUERY_NAMES
from edgembed.texts import OnError, as_items, check_texts, good_indices, report_failed, warn_of_cut

Vectors = npt.NDArray[Any]
_Kept = TypeVar("_Kept")


class Embedder(BundleFacts, EncodeForms):
    """A bundle, loaded.

    >>> model = Embedder("bundle/")
    >>> model.encode(["Привет, мир", "Hello, world"]).shape
    (2, 384)

    One text gives one vector, whatever else is in the call. May be shared between threads.
    """

    def __init__(
        self,
        bundle: str | os.PathLike[str],
        dtype: str | None = None,
        threads: int | None = None,
        *,
        canaries: CanaryCheck = "warn",
        public_key: str | os.PathLike[str] | None = None,
        copy_weights: bool = False,
    ) -> None:
        """Load a bundle that edgembed-export wrote.

        dtype: "int8" or "float32" (default: the manifest's). threads: how many the model may use
        (default: what affinity mask and quota allow); a short text gets one, and so does each while
        other calls run. canaries: "warn" or "refuse" where vectors are others than the exporter's
        by more than sums round otherwise, "strict" to refuse 1 - cosine over 1e-4, "off".
        public_key: a file; the bundle must be signed with its private key (`edgembed sign`).
        copy_weights: into memory that no other process can write to. Raises BundleError, of the
        kind that says what is wrong, and ArgumentError.
        """
        self._engine = Engine(bundle, dtype, threads, public_key, copy_weights)
        self._manifest = self._engine.manifest
        self._prompts = self._manifest.prompts
        self._check_prompts = PromptCheck(self._prompts)
        if (name := self._prompts.default_name) and shows_info():
            logger().info("default prompt: %r; prompt='' asks for none", self._prompts.texts[name])
        self._engine.check_canaries(canaries)

    @classmethod
    def from_package(
        cls,
        package: str,
        dtype: str | None = None,
        threads: int | None = None,
        *,
        canaries: CanaryCheck = "warn",
    ) -> Embedder:
        """Load the bundle that an installed package holds: a wheel that `edgembed pack` made.

        package: as for import, "my_bundle"; or "app.models" for a bundle in your own package's
        folder app/models. BundleNotFoundError where there is no such package, or no bundle in it.
        """
        from edgembed.packages import folder_of  # a cold start from a folder has no need of it

        return cls(folder_of(package), dtype, threads, canaries=canaries)

    @overload
    def encode(
        self,
        inputs: str | Iterable[str] | None = ...,
        prompt_name: str | None = ...,
        prompt: str | None = ...,
        batch_size: int = ...,
        show_progress_bar: bool | None = ...,
        output_value: Literal["sentence_embedding"] = ...,
        precision: Precision = ...,
        convert_to_numpy: Literal[True] = ...,
        **kwargs: Any,
    ) -> Vectors: ...

    @overload
    def encode(
        self,
        inputs: str | Iterable[str] | None = ...,
        prompt_name: str | None = ...,
        prompt: str | None = ...,
        batch_size: int = ...,
        show_progress_bar: bool | None = ...,
        output_value: OutputValue | None = ...,
        precision: Precision = ...,
        convert_to_numpy: bool = ...,
        **kwargs: Any,
    ) -> Any: ...

    def encode(  # noqa: PLR0913, PLR0917  (sentence-transformers' parameters, in its order)
        self,
        inputs: str | Iterable[str] | None = None,
        prompt_name: str | None = None,
        prompt: str | None = None,
        batch_size: int = 32,
        show_progress_bar: bool | None = None,
        output_value: OutputValue | None = "sentence_embedding",
        precision: Precision = "float32",
        convert_to_numpy: bool = True,
        convert_to_tensor: bool = False,
        device: Any = None,
        normalize_embeddings: bool = False,
        truncate_dim: int | None = None,
        pool: Any = None,
        chunk_size: int | None = None,
        *,
        on_error: OnError | None = None,
        **kwargs: Any,
    ) -> Any:
        """Embed one text, (dim,) float32, or many, (n, dim) float32; an empty list gives (0, dim).

        prompt_name names a prompt by key ("query") or prefix ("search_query"); prompt gives its
        text and wins; with neither, the checkpoint's default is used; prompt="" asks for none.
        output_value "token_embeddings" gives a (tokens, dim) float32 array a text, None a dict of
        all there is. precision int8, uint8, binary, ubinary give smaller types. truncate_dim keeps
        the first dimensions, before normalize_embeddings scales to norm 1. convert_to_numpy=False
        gives a list of vectors, convert_to_tensor=True a tensor where torch is installed.
        batch_size changes no vector and is checked only. `sentences=` works for inputs=.

        An empty text gives the vector of a text without words, as in sentence-transformers. Texts
        over max_seq_length are cut, with a TruncationWarning. TextError names by index the texts
        that are no text or hold lone surrogates, before any work is done; InferenceError names the
        text for which the model gave no numbers; other wrong arguments raise ArgumentError.
        A PromptWarning says, once, where a model that was trained with prompts gets a text without
        one, or puts one before a text that begins with one.

        on_error(index, error), if given, is called for each of many texts that would raise one of
        the first two; the others are embedded, and the result has a row for each of them.
        """
        check_free(batch_size, chunk_size, device, pool)
        kind: Container = "array" if convert_to_numpy else "list"
        if convert_to_tensor:
            kind = "tensor"
        options = EncodeOptions(output_value, precision, truncate_dim, normalize_embeddings, kind)
        texts, single = as_items(inputs, kwargs)
        prefix = self._prompts.resolve(prompt, prompt_name)
        if single or on_error is None:
            check_texts(texts)
            on_error, good = None, list(range(len(texts)))
        else:
            good = good_indices(texts, on_error)
        failed = partial(report_failed, on_error, good)
        texts = [texts[index] for index in good]
        self._check_prompts(prompt is not None or prompt_name is not None, prefix, texts)
        kept = self._embed(texts, prefix, show_progress_bar, KEEP[options.output_value], failed)
        ranges = self.ranges(truncate_dim, normalize_embeddings)
        results = options.finish(kept, self.dimension, ranges)
        return results[0] if single else results

    def encode_query(
        self,
        inputs: str | Iterable[str] | None = None,
        prompt_name: str | None = None,
        prompt: str | None = None,
        *args: Any,
        **kwargs: Any,
    ) -> Any:
        """Encode, with the prompt for queries ("query", then "search_query") if none is named."""
        if prompt is None and prompt_name is None:
            prompt_name = self._prompts.first(QUERY_NAMES)
        return self.encode(inputs, prompt_name, prompt, *args, **kwargs)

    def encode_document(
        self,
        inputs: str | Iterable[str] | None = None,
        prompt_name: str | None = None,
        prompt: str | None = None,
        *args: Any,
        **kwargs: Any,
    ) -> Any:
        """As encode_query, by "document", then "passage", "corpus", "search_document"."""
        if prompt is None and prompt_name is None:
            prompt_name = self._prompts.first(DOCUMENT_NAMES)
        return self.encode(inputs, prompt_name, prompt, *args, **kwargs)

    def _embed(
        self,
        texts: list[str],
        prefix: str,
        show: bool | None,
        keep: Callable[[Embedding], _Kept],
        failed: Callable[[int, InferenceError], None],
    ) -> list[_Kept]:
        """Embed each text and keep what `keep` takes of it, so that no more stays behind.

        failed: called for a text that has no embedding; where it returns, the others go on.
        """
        skip = self._engine.skipped_tokens(prefix)
        prompted = [prefix + text for text in texts] if prefix else texts
        if len(texts) == 1:  # around a short text's run, every line of Python can be measured
            return self._embed_one(prompted, skip, show, keep, failed)
        kept: dict[int, _Kept] = {}
        cut = 0
        embeddings = self._engine.embed_many(prompted, skip, lambda e: (keep(e), e.truncated))
        with closing(embeddings):
            for index, done in progress(embeddings, len(texts), show):
                if isinstance(done, InferenceError):
                    failed(index, done)
                    continue
                kept[index], truncated = done
                cut += truncated
        warn_of_cut(cut, len(texts), self.max_seq_length)
        return [kept[index] for index in sorted(kept)]

    def _embed_one(
        self,
        texts: list[str],
        skip: int,
        show: bool | None,
        keep: Callable[[Embedding], _Kept],
        failed: Callable[[int, InferenceError], None],
    ) -> list[_Kept]:
        """As _embed, of the one text that is in `texts`, prompt included."""
        kept = []
        for text in progress(texts, 1, show):
            try:
                embedding = self._engine.embed(text, skip)
            except InferenceError as error:
                failed(0, error)
                continue
            kept.append(keep(embedding))
            warn_of_cut(int(embedding.truncated), 1, self.max_seq_length)
        return kept
