"""python THIS URL KEY TEXTS ANSWERS: LlamaIndex' client of TEI against `edgembed serve`."""

import sys

from llama_index.embeddings.text_embeddings_inference import TextEmbeddingsInference
from serve_answer import serve_answer

url, key = sys.argv[1:3]
client = TextEmbeddingsInference(model_name="any", base_url=url, auth_token=key)
serve_answer(client.get_text_embedding_batch, client.get_query_embedding)
