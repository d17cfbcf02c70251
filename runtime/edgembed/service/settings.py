"""What an operator decides; names and defaults are TEI's where it has them."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields

from edgembed.errors import ArgumentError


@dataclass(frozen=True)
class Settings:
    """Limits, prompts and keys of a service.

    served_model_name: what the OpenAI routes call the model (default: the checkpoint's id).
    max_concurrent_requests: requests in work at once; more are refused with 429.
    max_client_batch_size: texts in one request of TEI's routes (OpenAI's take 2048).
    max_batch_tokens: at least one text of the bundle's max_seq_length must fit.
    payload_limit: bytes of a request's body.
    max_queue_time: seconds that a request may have to wait for others; else it is refused.
    auto_truncate: whether texts over max_seq_length are cut where a request does not say.
    default_prompt_name, default_prompt: in place of the checkpoint's default prompt.
    api_keys: any of these opens the routes that need one; none: all are open.
    """

    served_model_name: str | None = None
    max_concurrent_requests: int = 512
    max_client_batch_size: int = 32
    max_batch_tokens: int = 16_384
    payload_limit: int = 2_000_000
    max_queue_time: float = 5.0
    auto_truncate: bool = True
    default_prompt_name: str | None = None
    default_prompt: str | None = None
    api_keys: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """ArgumentError for what makes no sense."""
        for field in fields(self):
            value = getattr(self, field.name)
            is_limit = field.name.startswith("max_") or field.name == "payload_limit"
            if is_limit and not 0 < value < math.inf:
                raise ArgumentError(f"{field.name} must be positive, not {value!r}")
        if self.default_prompt is not None and self.default_prompt_name is not None:
            raise ArgumentError("give one of default_prompt_name and default_prompt, not both")
        if not all(key and key.isascii() and key == key.strip() for key in self.api_keys):
            raise ArgumentError("an API key is ASCII text without blanks around it, and not empty")
