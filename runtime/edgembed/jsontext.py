"""JSON that every reader takes."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from typing import Any


def to_json(
    value: Any, default: Callable[[Any], Any] | None = None, indent: int | None = None
) -> str:
    """JSON, with null for NaN and the infinities, as JavaScript and pandas write them.

    Python's own words for these are no JSON. default, indent: as json.dumps has them.
    """
    try:
        return json.dumps(
            value, ensure_ascii=False, default=default, indent=indent, allow_nan=False
        )
    except ValueError:  # seldom, so that most values are walked through but once
        plain = json.loads(json.dumps(value, default=default))
        return json.dumps(_finite(plain), ensure_ascii=False, indent=indent, allow_nan=False)


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(own) for key, own in value.items()}
    if isinstance(value, list):
        return [_finite(own) for own in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
