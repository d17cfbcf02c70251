"""edgembed's logger, without importing logging before there is anything to say.

The import costs as much as creating a session. A program that has not imported logging has set no
level and no handler: it would see warnings only.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from logging import Logger


def logger() -> Logger:
    """The logger named "edgembed"."""
    import logging

    return logging.getLogger("edgembed")


def shows_info() -> bool:
    """Whether somebody listens to messages of the level INFO."""
    return "logging" in sys.modules and logger().isEnabledFor(20)  # logging.INFO
