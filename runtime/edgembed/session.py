"""One ONNX graph, run by onnxruntime on the CPU.

onnxruntime's Linux wheels send telemetry from the import on: it is turned off before the import,
which is why this module is the only one that imports it.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgembed.errors import InferenceError, ModelLoadError
from edgembed.forks import GATE
from edgembed.malloc import trim
from edgembed.pooling import Float32
from edgembed.spikes import Spikes
from edgembed.tensors import ONNX_TYPES
from edgembed.threads import cpu_quota

os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
import onnxruntime as ort

_ERRORS_ONLY = 3
_MB = 2**20
# What the model computes with stands in these: a first region, which is kept, and those that are
# added to it, which can be given back to the system. They are so large because malloc keeps what
# is smaller than 32 MB for itself; pages that are not used take no memory.
_FIRST_REGION, _NEXT_REGION = 4 * _MB, 64 * _MB
_DATA_FOLDER = "session.model_external_initializers_file_folder_path"


class Session:
    """Runs a maskless graph: input_ids (texts, tokens) int64 -> (texts, tokens, dim) float32.

    All texts of a run have the same number of tokens, because there is no mask.

    Calls from several threads at once are allowed and give the same numbers.
    """

    def __init__(
        self,
        graph: bytes,
        weights: Mapping[str, npt.NDArray[Any]],
        folder: Path,
        threads: int,
        spikes: Spikes | None = None,
        few_shapes: bool = False,
    ) -> None:
        """Load a graph, given as bytes, with its weights by name.

        The weights are used where they are, without a copy, and live as long as the session: what
        was hashed is what is loaded. `folder` is where the graph says they are; onnxruntime checks
        that they exist there and reads nothing. The graph is written optimised by the export
        stage, so nothing is left to do at load. `spikes`: shared by all that share an arena.
        `few_shapes`: of no more than one text at a time, so that a layout is kept for each length.
        """
        options = _options(threads)
        # Where all of a run's tensors stand, planned at the first run of a shape and kept for ever:
        # a short text is up to 5 % faster, but many counts of texts of many lengths are megabytes.
        options.enable_mem_pattern = few_shapes
        options.add_session_config_entry(_DATA_FOLDER, str(folder))
        self._weights = {name: _as_value(array) for name, array in weights.items()}
        for name, value in self._weights.items():
            options.add_initializer(name, value)
        try:
            self._session = ort.InferenceSession(graph, options, ["CPUExecutionProvider"])
        except Exception as error:  # onnxruntime's errors share no narrower base
            raise ModelLoadError(
                f"onnxruntime {ort.__version__} cannot load the model ({error}): upgrade "
                "onnxruntime, or export the bundle again with the version in use here"
            ) from error
        self._output = self._session.get_outputs()[0].name
        self._spikes = spikes or Spikes()
        self._giving_back = ort.RunOptions()
        self._giving_back.add_run_config_entry("memory.enable_memory_arena_shrinkage", "cpu:0")

    def run(self, ids: npt.NDArray[np.int64]) -> Float32:
        """Token vectors of texts of equal length: (texts, tokens) int64 -> (texts, tokens, dim)."""
        self._spikes.begin(ids.size)
        try:
            with GATE.run():
                token_embeddings = self._run(ids)
        except Exception as error:  # as above
            count, tokens = ids.shape
            what = "a text" if count == 1 else f"{count} texts"
            raise InferenceError(
                f"onnxruntime failed on {what} of {tokens} tokens: {error}"
            ) from error
        finally:
            over = self._spikes.end()
        if over:  # memory can only be given back at the end of a run: a short one
            with GATE.run():
                self._run(ids[:1, :2], self._giving_back)
            self._spikes.given_back()
            trim()  # results and tokens of many texts were in malloc's heaps
        return token_embeddings

    def _run(self, ids: npt.NDArray[np.int64], options: Any = None) -> Float32:
        """As run; a copy, because onnxruntime's own array stands in its arena and would keep it."""
        (hidden,) = self._session.run([self._output], {"input_ids": ids}, options)
        token_embeddings: Float32 = hidden.copy()
        return token_embeddings


def _as_value(array: npt.NDArray[Any]) -> Any:
    """An OrtValue on top of the array's own memory."""
    return ort.OrtValue.ortvalue_from_numpy_with_onnx_type(array, ONNX_TYPES[array.dtype.name])


@cache
def _has_arena() -> bool:
    """Register the arena that all sessions share; False where the program has one of its own."""
    arena = {
        "max_mem": 0,
        "arena_extend_strategy": 0,  # by powers of two
        "initial_chunk_size_bytes": _FIRST_REGION,
        "initial_growth_chunk_size_bytes": _NEXT_REGION,
        "max_dead_bytes_per_chunk": -1,  # onnxruntime's default
    }
    place = ort.OrtMemoryInfo(
        "Cpu", ort.OrtAllocatorType.ORT_ARENA_ALLOCATOR, 0, ort.OrtMemType.DEFAULT
    )
    try:
        ort.create_and_register_allocator(place, ort.OrtArenaCfg(arena))
    except Exception:  # as above: it says no more than that there is one
        return False
    return True


def _options(threads: int) -> Any:
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.execution_mode = ort.ExecutionMode.ORT_SEQUENTIAL
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    if _has_arena():
        options.add_session_config_entry("session.use_env_allocators", "1")
    # Left to itself, onnxruntime would take a file that begins in a certain way for another format,
    # which nobody has looked through.
    options.add_session_config_entry("session.load_model_format", "ONNX")
    # Between the products of a run its threads spin rather than sleep: to wake them takes longer
    # than many a product. Not after it, and not where it would burn a small container's quota.
    spins = threads > 1 and cpu_quota() is None
    options.add_session_config_entry("session.intra_op.allow_spinning", str(int(spins)))
    options.add_session_config_entry("session.force_spinning_stop", "1")
    options.log_severity_level = _ERRORS_ONLY
    return options
