"""What can go wrong in an export, and with which exit code it ends.

ExportError (EdgembedError)          exit 1
├── ArgumentsError (ValueError)      exit 2   an argument cannot be
├── CheckpointError (ValueError)     exit 1   the checkpoint is of a kind that is not supported
├── HubError (OSError)               exit 1   the hub did not give the checkpoint
└── ParityError (RuntimeError)       exit 3   the bundle is too far from its torch model
"""

from __future__ import annotations

from edgembed import EdgembedError


class ExportError(EdgembedError):
    """The root of the export stage's errors; nothing has been written where one is raised."""

    exit_code = 1


class ArgumentsError(ExportError, ValueError):
    """An argument of the export cannot be."""

    exit_code = 2


class CheckpointError(ExportError, ValueError):
    """The checkpoint is damaged or of a kind that edgembed does not export."""


class HubError(ExportError, OSError):
    """The hub did not answer, or has no such model or revision."""


class ParityError(ExportError, RuntimeError):
    """The bundle's vectors are further from torch's than the tolerance allows.

    found: what is out of bounds, without the remedies that the message names.
    """

    exit_code = 3

    def __init__(self, message: str, found: str = "") -> None:
        """`found` is the message where it is not given."""
        super().__init__(message)
        self.found = found or message
