"""The table of routes: the one place that knows which path takes and gives what."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import msgspec

from edgembed.service import openai, playground, tei
from edgembed.service.errors import Dialect
from edgembed.service.info import Info
from edgembed.service.model import Model
from edgembed.service.tasks import Task


@dataclass(frozen=True)
class Route:
    """A path that answers; of its variables there is at most one, at the end.

    Either `work` makes a task of a request of the type `takes`, or `tells` names a method of the
    service that answers at once. gives: the type of the response's JSON, None: no body.
    """

    method: str
    path: str
    dialect: Dialect
    summary: str
    gives: Any
    takes: Any = None
    work: Callable[[Model, Any], Task] | None = None
    tells: str = ""
    public: bool = False
    hidden: bool = False  # another name of a documented route

    @property
    def embeds(self) -> bool:
        """Whether TEI's te_embed_* metrics count it."""
        return self.work is not None and self.work is not tei.tokenize


def _post(path: str, dialect: Dialect, work: Any, takes: Any, gives: Any, **more: Any) -> Route:
    return Route("POST", path, dialect, work.__doc__, gives, takes, work, **more)


_EMBED: tuple[Any, ...] = (tei.embed, tei.EmbedRequest, list[list[float]])
_EMBEDDINGS: tuple[Any, ...] = (
    openai.embeddings,
    openai.EmbeddingsRequest,
    openai.EmbeddingsResponse,
)

ROUTES = (
    _post("/v1/embeddings", "openai", *_EMBEDDINGS),
    _post("/embeddings", "openai", *_EMBEDDINGS, hidden=True),
    Route(
        "GET", "/v1/models", "openai", "The one model that is served.", openai.ModelsResponse,
        tells="models",
    ),
    Route(
        "GET", "/v1/models/{model}", "openai", "The model that is served, by its name.",
        openai.ModelItem, tells="one_model",
    ),
    _post("/embed", "tei", *_EMBED),
    _post("/", "tei", *_EMBED, hidden=True),
    _post("/embed_all", "tei", tei.embed_all, tei.EmbedAllRequest, list[list[list[float]]]),
    _post("/similarity", "tei", tei.similarity, tei.SimilarityRequest, list[float]),
    _post("/tokenize", "tei", tei.tokenize, tei.TokenizeRequest, list[list[tei.TokenItem]]),
    Route("GET", "/info", "tei", "The model and the limits.", Info, tells="info"),
    Route("GET", "/health", "tei", "Whether it answers.", None, tells="health", public=True),
    Route("GET", "/", "tei", "Whether it answers.", None, tells="health", public=True, hidden=True),
    _post(
        "/playground/compare", "tei", playground.compare, playground.CompareRequest,
        playground.CompareResponse,
    ),
)  # fmt: skip

BY_PATH: dict[str, dict[str, Route]] = {}
for _route in ROUTES:
    BY_PATH.setdefault(_route.path, {})[_route.method] = _route
DECODERS = {
    route.takes: msgspec.json.Decoder(route.takes) for route in ROUTES if route.takes is not None
}


_VARIABLE = {path.partition("{")[0]: path for path in BY_PATH if "{" in path}


def find(path: str) -> tuple[str, list[str]]:
    """A path as the table has it, if it does, and the value of its variable."""
    for start, known in _VARIABLE.items():
        if path.startswith(start) and path != start:
            return known, [path.removeprefix(start)]
    return path, []


def dialect(path: str) -> Dialect:
    """Whose errors a path speaks, there or not."""
    known = BY_PATH.get(path)
    if known is not None:
        return next(iter(known.values())).dialect
    return "openai" if path.startswith("/v1/") else "tei"
