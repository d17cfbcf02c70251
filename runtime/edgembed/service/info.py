"""What a service says of itself: TEI's /info, with the fields that are ours beside them."""

from __future__ import annotations

import msgspec

from edgembed.service.codec import encode
from edgembed.service.model import Model
from edgembed.version import __version__


class Pooling(msgspec.Struct):
    """mean or cls."""

    pooling: str


class ModelType(msgspec.Struct):
    """An embedding model."""

    embedding: Pooling


class Info(msgspec.Struct, kw_only=True):
    """TEI's fields; and dimension, fingerprint, prompts and default_prompt.

    fingerprint: one id of the vector space. default_prompt: the text put before an input where a
    request names no prompt.
    """

    model_id: str
    model_sha: str | None
    model_dtype: str
    served_model_name: str
    model_type: ModelType
    max_concurrent_requests: int
    max_input_length: int
    max_batch_tokens: int
    max_batch_requests: int | None
    max_client_batch_size: int
    auto_truncate: bool
    tokenization_workers: int
    version: str
    sha: str | None
    docker_label: str | None
    dimension: int
    fingerprint: str
    prompts: dict[str, str]
    default_prompt: str


def info(model: Model, workers: int) -> bytes:
    """The model and the limits, as JSON."""
    manifest, settings = model.manifest, model.settings
    return encode(
        Info(
            model_id=manifest.model.id,
            model_sha=manifest.model.revision,
            model_dtype=model.engine.dtype,
            served_model_name=model.name,
            model_type=ModelType(Pooling(manifest.pooling)),
            max_concurrent_requests=settings.max_concurrent_requests,
            max_input_length=manifest.max_seq_length,
            max_batch_tokens=settings.max_batch_tokens,
            max_batch_requests=None,
            max_client_batch_size=settings.max_client_batch_size,
            auto_truncate=settings.auto_truncate,
            tokenization_workers=workers,
            version=__version__,
            sha=None,
            docker_label=None,
            dimension=manifest.dimension,
            fingerprint=model.engine.fingerprint,
            prompts=dict(manifest.prompts.texts),
            default_prompt=model.default_prompt,
        )
    )
