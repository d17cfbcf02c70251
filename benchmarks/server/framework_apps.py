"""The same empty embeddings route in several frameworks; the variable FRAMEWORK chooses.

A request is checked against types, and answered with vectors that cost nothing to compute: what is
left is what a framework takes.
"""

from __future__ import annotations

import os
from typing import Any

import numpy as np

VECTOR = np.random.default_rng(0).standard_normal(384, np.float32)


def _msgspec_types() -> tuple[Any, Any]:
    import msgspec

    class Request(msgspec.Struct):
        input: list[str]
        model: str

    return msgspec, Request


def starlette() -> Any:
    """Types and decoding by msgspec, numbers by orjson: what edgembed serve does."""
    import orjson
    from starlette.applications import Starlette
    from starlette.responses import Response
    from starlette.routing import Route

    msgspec, request_type = _msgspec_types()
    decoder = msgspec.json.Decoder(request_type)

    async def embed(request: Any) -> Response:
        asked = decoder.decode(await request.body())
        numbers = msgspec.Raw(orjson.dumps(VECTOR, option=orjson.OPT_SERIALIZE_NUMPY))
        items = [{"index": n, "embedding": numbers} for n, _ in enumerate(asked.input)]
        told = msgspec.json.encode({"data": items})
        return Response(told, media_type="application/json")

    return Starlette(routes=[Route("/v1/embeddings", embed, methods=["POST"])])


def fastapi() -> Any:
    """Types by pydantic, as its tutorial has it."""
    from fastapi import FastAPI
    from pydantic import BaseModel

    class Request(BaseModel):
        input: list[str]
        model: str

    class Item(BaseModel):
        index: int
        embedding: list[float]

    class Answer(BaseModel):
        data: list[Item]

    async def embed(request: Any) -> Any:
        items = [Item(index=n, embedding=VECTOR.tolist()) for n, _ in enumerate(request.input)]
        return Answer(data=items)

    embed.__annotations__ = {"request": Request, "return": Answer}
    app = FastAPI()
    app.post("/v1/embeddings")(embed)
    return app


def litestar() -> Any:
    """Types by msgspec, as its documentation advises."""
    from litestar import Litestar, post

    msgspec, request_type = _msgspec_types()

    class Item(msgspec.Struct):  # type: ignore[name-defined,misc]
        index: int
        embedding: list[float]

    async def embed(data: Any) -> Any:
        return {"data": [Item(n, VECTOR.tolist()) for n, _ in enumerate(data.input)]}

    embed.__annotations__ = {"data": request_type, "return": dict[str, list[Item]]}
    return Litestar([post("/v1/embeddings", status_code=200)(embed)])


app = {"starlette": starlette, "fastapi": fastapi, "litestar": litestar}[os.environ["FRAMEWORK"]]()
