"""The JSON files of a checkpoint, and what in them edgembed cannot do: it is refused by name."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from edgembed_export.errors import CheckpointError

# Where sentence-transformers looks for the Transformer's settings: the first that there is counts.
TRANSFORMER_SETTINGS = tuple(
    f"sentence_{family}_config.json"
    for family in ("bert", "roberta", "distilbert", "camembert", "albert", "xlm-roberta", "xlnet")
)
# What in a file would change a text's ids without a trace in the bundle.
_UNSUPPORTED_SETTINGS = (
    "do_lower_case", "tokenizer_args", "processor_kwargs", "processing_kwargs",
    "tokenizer_name_or_path",
)  # fmt: skip


def read_json(path: Path, *, optional: bool = False) -> dict[str, Any]:
    """A JSON object; CheckpointError names the file. optional: {} where it is missing."""
    if not path.is_file():
        if optional:
            return {}
        raise CheckpointError(f"{path} is missing: is this a sentence-transformers checkpoint?")
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise CheckpointError(f"{path} is not valid JSON ({error})") from error
    if not isinstance(value, dict):
        raise CheckpointError(f"{path} must hold a JSON object")
    return value


def transformer_settings(folder: Path) -> dict[str, Any]:
    """Of the Transformer in a folder, by the first of TRANSFORMER_SETTINGS; {} without one."""
    name = next((n for n in TRANSFORMER_SETTINGS if (folder / n).is_file()), None)
    if name is None:
        return {}
    settings = read_json(folder / name)
    for key in _UNSUPPORTED_SETTINGS:
        if settings.get(key):
            raise CheckpointError(
                f"{name} sets {key}, which is not supported: set what it asks for in the tokenizer "
                "(tokenizer_config.json) instead"
            )
    return settings


def tokenizer_settings(folder: Path) -> dict[str, Any]:
    """Of the tokenizer in a folder; {} without a tokenizer_config.json."""
    settings = read_json(folder / "tokenizer_config.json", optional=True)
    if settings.get("truncation_side", "right") != "right":
        raise CheckpointError(
            "tokenizer_config.json sets truncation_side to left: edgembed keeps the beginning of "
            "a long text, so its vectors would be others"
        )
    if settings.get("split_special_tokens"):
        raise CheckpointError(
            "tokenizer_config.json sets split_special_tokens, which tokenizer.json cannot say: "
            "texts that hold a special token would get other vectors"
        )
    return settings
