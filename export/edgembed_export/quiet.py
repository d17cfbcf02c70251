"""Other people's progress bars, warnings and log lines, kept off the export's own output."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_LOGGERS = ("optimum", "torch.onnx", "transformers", "sentence_transformers")


@contextmanager
def quiet() -> Iterator[None]:
    """Silence while torch, transformers and optimum work; their errors are still raised.

    Some of what they say is false here: transformers 4.57 warns of a "wrong regex" for every large
    vocabulary, torch that its exporter is old, sentence-transformers of a default prompt that the
    manifest names anyway.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from transformers.utils import logging as transformers_logging

        loggers = [logging.getLogger(name) for name in _LOGGERS]
        before = [logger.level for logger in loggers]
        bars = transformers_logging.is_progress_bar_enabled()
        for logger in loggers:
            logger.setLevel(logging.ERROR)
        disable: Callable[[], None] = transformers_logging.disable_progress_bar
        enable: Callable[[], None] = transformers_logging.enable_progress_bar
        disable()
        try:
            yield
        finally:
            for logger, level in zip(loggers, before, strict=True):
                logger.setLevel(level)
            if bars:
                enable()
