"""OpenAI's embeddings and models routes."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec

from edgembed.engine import Embedding
from edgembed.service.codec import base64_floats, encode, numbers
from edgembed.service.errors import NO_MODEL, VALIDATION, ServiceError
from edgembed.service.model import Dimensions, Model, PromptFields
from edgembed.service.tasks import Piece, Task

MOST_INPUTS = 2048  # OpenAI's own limit
Text = Annotated[str, msgspec.Meta(min_length=1)]
_OWNER = "edgembed"


class EmbeddingsRequest(msgspec.Struct, kw_only=True):
    """Texts to embed.

    Beyond OpenAI's fields: prompt_name, a prompt by its key or prefix; input_type, "query",
    "document", or a prompt's name; prompt, the text itself, "" for none.
    """

    input: Text | Annotated[list[Text], msgspec.Meta(min_length=1, max_length=MOST_INPUTS)]
    model: str | None = None
    encoding_format: Literal["float", "base64"] | None = None
    dimensions: Dimensions = None
    user: str | None = None
    prompt_name: str | None = None
    input_type: str | None = None
    prompt: str | None = None


class EmbeddingItem(msgspec.Struct):
    """One vector: numbers, or base64 of little-endian float32."""

    object: str
    index: int
    embedding: list[float] | str


class Usage(msgspec.Struct):
    """Tokens, special ones and the prompt's included."""

    prompt_tokens: int
    total_tokens: int


class EmbeddingsResponse(msgspec.Struct):
    """The vectors in the order of the texts."""

    object: str
    data: list[EmbeddingItem]
    model: str
    usage: Usage


class ModelItem(msgspec.Struct):
    """A model; created: seconds since 1970, 0 where nobody knows."""

    id: str
    object: str
    created: int
    owned_by: str


class ModelsResponse(msgspec.Struct):
    """The one model that is served."""

    object: str
    data: list[ModelItem]


class _TokenIds(msgspec.Struct):
    input: Annotated[list[int | list[int]], msgspec.Meta(min_length=1)]


_TOKEN_IDS = msgspec.json.Decoder(_TokenIds)


def explain(body: bytes, error: ServiceError) -> ServiceError:
    """The error of a body that did not decode, or a better one where it holds token ids."""
    try:
        _TOKEN_IDS.decode(body)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return error
    return ServiceError(
        VALIDATION,
        "`input` holds token ids, which belong to another model's tokenizer: send texts. "
        "LangChain's OpenAIEmbeddings does so with check_embedding_ctx_length=False",
        "input",
    )


def embeddings(model: Model, request: EmbeddingsRequest) -> Task:
    """One vector of norm 1 a text."""
    dimensions = model.dimensions(request.dimensions)
    single = isinstance(request.input, str)
    texts: list[str] = [request.input] if isinstance(request.input, str) else request.input
    prompt = model.prompt(PromptFields(request.prompt, request.prompt_name, request.input_type))
    model.check_texts(texts, "input")
    as_base64 = request.encoding_format == "base64"

    def keep(embedding: Embedding) -> Any:
        vector = model.vector(embedding, prompt, True, dimensions)
        return base64_floats(vector) if as_base64 else msgspec.Raw(numbers(vector))

    refusal = None
    if not model.settings.auto_truncate:
        longest = model.manifest.max_seq_length
        refusal = f"`input` must have at most {longest} tokens: shorten it"
    run = model.runner(prompt, keep, refusal)
    return Task(texts, run, lambda pieces: _response(model.name, pieces), single)


def models(model: Model) -> bytes:
    """The one model that is served."""
    return encode(ModelsResponse("list", [_item(model)]))


def one_model(model: Model, name: str) -> bytes:
    """The model that is served, asked for by its name."""
    if name != model.name:
        raise ServiceError(NO_MODEL, f"no such model; there is {model.name}", "model")
    return encode(_item(model))


def _item(model: Model) -> ModelItem:
    return ModelItem(model.name, "model", 0, _OWNER)


def _response(name: str, pieces: list[Piece]) -> bytes:
    items = [EmbeddingItem("embedding", i, piece.value) for i, piece in enumerate(pieces)]
    tokens = sum(piece.tokens for piece in pieces)
    return encode(EmbeddingsResponse("list", items, name, Usage(tokens, tokens)))
