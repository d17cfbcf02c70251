"""python THIS URL KEY TEXTS ANSWERS: LangChain's OpenAIEmbeddings against `edgembed serve`."""

import sys

from langchain_openai import OpenAIEmbeddings
from serve_answer import serve_answer

url, key = sys.argv[1:3]
# Otherwise it sends the token ids of OpenAI's models.
client = OpenAIEmbeddings(
    base_url=f"{url}/v1", api_key=key, model="any", check_embedding_ctx_length=False
)
serve_answer(client.embed_documents, client.embed_query)
