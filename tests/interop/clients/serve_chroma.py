"""python THIS URL KEY TEXTS ANSWERS: Chroma's HuggingFaceEmbeddingServer against `edgembed serve`.

In a collection, as it is used.
"""

import os
import sys

import chromadb
from chromadb.config import Settings
from chromadb.utils.embedding_functions import HuggingFaceEmbeddingServer
from serve_answer import serve_answer

url, os.environ["KEY"] = sys.argv[1:3]
client = HuggingFaceEmbeddingServer(f"{url}/embed", api_key_env_var="KEY")
# In a space of cosines, which is the default, Chroma scales what it keeps to norm 1 once more, and
# some last bits change.
collection = chromadb.EphemeralClient(Settings(anonymized_telemetry=False)).create_collection(
    "texts", embedding_function=client, configuration={"hnsw": {"space": "l2"}}
)


def documents(texts: list[str]) -> object:
    """The vectors that the collection keeps."""
    ids = [f"{number:06}" for number in range(len(texts))]
    collection.add(ids=ids, documents=texts)
    return collection.get(ids=ids, include=["embeddings"])["embeddings"]


serve_answer(documents, lambda text: client.embed_query([text])[0])
