"""mteb: `EdgembedEncoder` is a bundle that `mteb.evaluate` takes. Extra: mteb.

mteb asks for vectors by task, and a model that was trained with prompts gives its best only under
the right one. Which prompt belongs to which task is a matter of the model: `FRIDA_PROMPTS` is how
FRIDA's authors set it, and the default for a bundle that knows all of these prompts.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from edgembed.bundle import Bundle
from edgembed.embedder import Embedder
from edgembed.integrations import missing
from edgembed.integrations.encoder import Encoder
from edgembed.pooling import Float32
from edgembed.prompts import Prompts

try:
    from mteb.models import ModelMeta
    from mteb.models.abs_encoder import AbsEncoder
    from mteb.models.model_meta import ScoringFunction
    from mteb.types import PromptType
except ImportError as error:
    raise missing("mteb", "mteb (on Python 3.11 or newer)") from error

# Prompt names by mteb's keys: a task, a task type, or what the text is; "" is none. The most
# particular key wins. Source: mteb's entry of ai-forever/FRIDA, which its authors wrote.
FRIDA_PROMPTS: Mapping[str, str] = {
    "Classification": "categorize",
    "MultilabelClassification": "categorize",
    "Clustering": "categorize_topic",
    "PairClassification": "paraphrase",
    "Reranking": "paraphrase",
    "Reranking-query": "search_query",
    "Reranking-document": "search_document",
    "STS": "paraphrase",
    "Summarization": "categorize",
    "query": "search_query",
    "document": "search_document",
    "CEDRClassification": "categorize_sentiment",
    "GeoreviewClassification": "categorize_sentiment",
    "HeadlineClassification": "categorize_topic",
    "InappropriatenessClassification": "categorize_topic",
    "KinopoiskClassification": "categorize_sentiment",
    "MassiveIntentClassification": "paraphrase",
    "MassiveScenarioClassification": "paraphrase",
    "RuReviewsClassification": "categorize_sentiment",
    "RuSciBenchGRNTIClassification": "categorize_topic",
    "RuSciBenchOECDClassification": "categorize_topic",
    "SensitiveTopicsClassification": "categorize_topic",
    "TERRa": "categorize_entailment",
    "RiaNewsRetrieval": "categorize",
    "RiaNewsRetrievalHardNegatives.v2": "",
}
_SIMILARITY = {"cosine": ScoringFunction.COSINE, "dot": ScoringFunction.DOT_PRODUCT}


class EdgembedEncoder(AbsEncoder):
    """A bundle as one of mteb's encoders.

    >>> mteb.evaluate(EdgembedEncoder("bundle/"), mteb.get_tasks(tasks=["RuSTSBenchmarkSTS"]))

    prompts: prompt names ("search_query") by mteb's keys: a task, a task type ("STS"), "query",
    "document", or two of them ("Reranking-query"); "" asks for none. Default: FRIDA_PROMPTS where
    the bundle knows these names. Where no key fits a task, queries and documents take the prompts
    that encode_query and encode_document take, and other texts the bundle's default.
    mteb keeps results by model_name (default: the exported model's) and by the fingerprint, so
    that those of float32, of INT8, and of another bundle are not mixed up.
    """

    def __init__(
        self,
        bundle: str | os.PathLike[str],
        *,
        dtype: str | None = None,
        threads: int | None = None,
        prompts: Mapping[str, str] | None = None,
        model_name: str | None = None,
    ) -> None:
        """Load a bundle; PromptError names a prompt that it does not know."""
        self.model: Embedder = Encoder(os.fspath(bundle), dtype, threads).model
        if prompts is None:
            known = set(FRIDA_PROMPTS.values()) - {""} <= set(self.model.prompt_names)
            prompts = FRIDA_PROMPTS if known else {}
        resolve = Prompts(self.model.prompts).resolve
        self.model_prompts = {k: resolve(None, name) if name else "" for k, name in prompts.items()}
        source = Bundle.open(bundle).manifest.model.id
        self.mteb_model_meta = _meta(self.model, source, model_name or source)

    def encode(
        self,
        inputs: Any,
        *,
        task_metadata: Any,
        hf_split: str,
        hf_subset: str,
        prompt_type: PromptType | None = None,
        **kwargs: Any,
    ) -> Float32:
        """(n, dim) float32 of batches with a "text" each, under the prompt for the task.

        kwargs: mteb's encode_kwargs, which are Embedder.encode's.
        """
        del hf_split, hf_subset
        texts = [text for batch in inputs for text in batch["text"]]
        key = self.get_prompt_name(task_metadata, prompt_type)
        encode: Any = self.model.encode
        if prompt_type is not None:
            by_type = {"query": self.model.encode_query, "document": self.model.encode_document}
            encode = by_type[prompt_type.value]
        vectors: Float32 = encode(
            texts, prompt=None if key is None else self.model_prompts[key], **kwargs
        )
        return vectors


def _meta(model: Embedder, source: str, name: str) -> ModelMeta:
    return ModelMeta.create_empty(
        {
            # mteb wants an owner before each name.
            "name": name if "/" in name else f"edgembed/{name}",
            "revision": f"{model.dtype}-{model.fingerprint[:12]}",
            "max_tokens": model.max_seq_length,
            "embed_dim": model.dimension,
            "similarity_fn_name": _SIMILARITY.get(model.similarity_fn_name),
            "framework": ["ONNX"],
            "adapted_from": source,
        }
    )
