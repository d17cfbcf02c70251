"""The gate that every dtype must pass, and what INT8 does before it gives up."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import onnx_ir as ir

from edgembed_export.assemble import LAYOUT
from edgembed_export.errors import ParityError
from edgembed_export.int8.recipe import ActivationBits
from edgembed_export.int8.residuals import keep_residuals
from edgembed_export.parity import Tolerance
from edgembed_export.steps import Steps
from edgembed_export.verify import Expected, Own, measure


@dataclass(frozen=True)
class Gate:
    """What every dtype of the bundle in `folder` is measured with.

    described: writes the manifest anew, to be called after a file was changed.
    """

    folder: Path
    expected: Expected
    tolerance: Tolerance
    steps: Steps
    described: Callable[[], object]

    def passed(self, dtype: str) -> Own:
        """The dtype's vectors; ParityError where it is out of bounds."""
        return measure(self.folder, dtype, self.expected, self.tolerance, self.steps.detail)

    def int8(self, bits: ActivationBits) -> tuple[Own, int]:
        """INT8's vectors, and the bits of its activations: "auto" is 8, and 16 if these fail."""
        if bits == "16":
            return self._with_residuals(), 16
        try:
            return self.passed("int8"), 8
        except ParityError as error:
            if bits == "8":
                raise ParityError(f"{error}; --activation-bits 16 is closer to torch") from error
            self.steps.note(f"{error.found}: again, with 16-bit activations")
        return self._with_residuals(), 16

    def _with_residuals(self) -> Own:
        """INT8 once more, with 16-bit activations; the file of weights stays as it is."""
        for key in ("graph", "masked_graph"):
            path = self.folder / LAYOUT["int8"][key]
            model = ir.load(path)
            keep_residuals(model)
            ir.save(model, path)
        self.described()
        return self.passed("int8")
