"""A progress bar, where one is wanted and tqdm (extra "progress") is there."""

from __future__ import annotations

import importlib
from collections.abc import Iterable
from typing import TypeVar

from edgembed.errors import MissingExtraError
from edgembed.log import shows_info

_Item = TypeVar("_Item")


def progress(items: Iterable[_Item], total: int, show: bool | None) -> Iterable[_Item]:
    """The `total` items, behind a bar if `show`; None: if logging at INFO and tqdm is there.

    That None means so is sentence-transformers' convention. MissingExtraError where a bar was
    asked for and tqdm is not installed.
    """
    if show is False or (show is None and not shows_info()):
        return items
    try:
        tqdm = importlib.import_module("tqdm")
    except ImportError as error:
        if show is None:
            return items
        raise MissingExtraError(
            "a progress bar needs tqdm: pip install 'edgembed[progress]'"
        ) from error
    bar: Iterable[_Item] = tqdm.tqdm(items, total=total, unit="text")
    return bar
