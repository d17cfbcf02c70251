"""A plain FastAPI + sentence-transformers app, as a tutorial has it: uvicorn plain_app:app."""

from __future__ import annotations

import os

from fastapi import FastAPI
from pydantic import BaseModel
from sentence_transformers import SentenceTransformer

app = FastAPI()
model = SentenceTransformer(os.environ["MODEL"], device="cpu")


class Request(BaseModel):
    input: list[str]


@app.post("/v1/embeddings")
def embeddings(request: Request) -> dict[str, object]:
    vectors = model.encode(request.input)
    items = [{"index": n, "embedding": vector.tolist()} for n, vector in enumerate(vectors)]
    return {"object": "list", "data": items, "model": "all-MiniLM-L6-v2"}
