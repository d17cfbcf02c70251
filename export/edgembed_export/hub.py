"""MODEL, a hub id or a folder, to a local folder with safetensors in it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from edgembed_export.errors import ArgumentsError, CheckpointError, HubError
from edgembed_export.settings import TRANSFORMER_SETTINGS

# What a sentence-transformers checkpoint is made of; never *.bin, *.py or other people's ONNX.
_OF_TRANSFORMER = (
    *TRANSFORMER_SETTINGS,
    "model.safetensors.index.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.txt",
    "vocab.json",
    "merges.txt",
)
_PATTERNS = (
    *_OF_TRANSFORMER,
    *(f"0_*/{name}" for name in _OF_TRANSFORMER),  # an older layout has a folder for it
    "*.safetensors",
    "*.model",
    "config.json",
    "*/config.json",
    "config_sentence_transformers.json",
    "modules.json",
    "README.md",
)
_HUB_ID = re.compile(r"[\w.-]+/[\w.-]+")
_SECONDS = 10.0


@dataclass(frozen=True)
class Located:
    """A local folder, and the name and commit that the manifest gives for it."""

    folder: Path
    model_id: str
    revision: str | None


def locate(model: str, revision: str | None = None) -> Located:
    """The folder itself, or a download of the hub's, pinned to a commit."""
    folder = Path(model)
    if model and folder.is_dir():
        if revision is not None:
            raise ArgumentsError(f"--revision is for hub ids, and {model!r} is a folder")
        return Located(folder, folder.absolute().name, None)
    if not _HUB_ID.fullmatch(model):
        raise ArgumentsError(f"{model!r} is neither a folder nor a hub id such as owner/name")
    commit = _commit(model, revision)
    return Located(_download(model, commit), model, commit)


def hub_answers(model: str, seconds: float = 3.0) -> bool:
    """Whether the hub says within a few seconds that it has this model."""
    from huggingface_hub import HfApi

    try:
        HfApi().model_info(model, timeout=seconds)
    except Exception:  # no network, a proxy's answer, a missing model: all mean "not from there"
        return False
    return True


def _commit(model: str, revision: str | None) -> str:
    """The commit that a revision stands for today; refuses a model without safetensors."""
    from huggingface_hub import HfApi

    try:
        info = HfApi().model_info(model, revision=revision, timeout=_SECONDS)
    except Exception as error:  # huggingface_hub and its HTTP client share no narrower base
        raise HubError(
            f"the hub does not give {model!r} ({type(error).__name__}: {error}): check the name, "
            "--revision and the network, or export a local folder"
        ) from error
    names = [sibling.rfilename for sibling in info.siblings or []]
    if not any(name.endswith(".safetensors") for name in names):
        raise CheckpointError(
            f"{model} has no safetensors (pickles are not read): convert it once, where you trust "
            "it, with SentenceTransformer(MODEL).save(FOLDER, safe_serialization=True)"
        )
    return str(info.sha)


def _download(model: str, commit: str) -> Path:
    from huggingface_hub import snapshot_download

    try:
        return Path(snapshot_download(model, revision=commit, allow_patterns=list(_PATTERNS)))
    except Exception as error:  # as above
        raise HubError(f"the download of {model} at {commit} failed: {error}") from error
