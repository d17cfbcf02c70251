"""One ONNX graph, run by onnxruntime on the CPU.

onnxruntime's Linux wheels send telemetry from the import on: it is turned off before the import,
which is why this module is the only one that imports it.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
import numpy.typing as npt

from edgembed.errors import InferenceError, ModelLoadError
from edgembed.pooling import Float32

os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
import onnxruntime as ort

_ERRORS_ONLY = 3
_DATA_FOLDER = "session.model_external_initializers_file_folder_path"
# onnx.TensorProto.DataType, for the types that weights come in.
_ONNX_TYPES = {"float32": 1, "uint8": 2, "int8": 3, "int32": 6, "int64": 7}


class Session:
    """Runs a maskless graph: input_ids (1, tokens) int64 -> last_hidden_state (1, tokens, dim).

    Calls from several threads at once are allowed and give the same numbers.
    """

    def __init__(
        self, graph: bytes, weights: Mapping[str, npt.NDArray[Any]], folder: Path, threads: int
    ) -> None:
        """Load a graph, given as bytes, with its weights by name.

        The weights are used where they are, without a copy, and live as long as the session: what
        was hashed is what is loaded. `folder` is where the graph says they are; onnxruntime checks
        that they exist there and reads nothing. The graph is written optimised by the export
        stage, so nothing is left to do at load.
        """
        options = _options(threads)
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

    def run(self, ids: npt.NDArray[np.int64]) -> Float32:
        """Token vectors of one text: (tokens,) int64 -> (tokens, dim) float32."""
        try:
            (hidden,) = self._session.run([self._output], {"input_ids": ids[None, :]})
        except Exception as error:  # as above
            raise InferenceError(
                f"onnxruntime failed on a text of {len(ids)} tokens: {error}"
            ) from error
        token_embeddings: Float32 = hidden[0]
        return token_embeddings


class Sessions:
    """Sessions of one model by their number of threads, each made when it is first asked for.

    They share the weights' memory, but onnxruntime packs the matrices of each anew.
    """

    def __init__(self, graph: bytes, weights: Mapping[str, npt.NDArray[Any]], folder: Path) -> None:
        """As Session; nothing is loaded yet."""
        self._make = partial(Session, graph, weights, folder)
        self._sessions: dict[int, Session] = {}
        self._lock = Lock()

    def get(self, threads: int) -> Session:
        """The session that runs on `threads` threads."""
        if threads not in self._sessions:
            with self._lock:
                if threads not in self._sessions:
                    self._sessions[threads] = self._make(threads)
        return self._sessions[threads]


def _as_value(array: npt.NDArray[Any]) -> Any:
    """An OrtValue on top of the array's own memory."""
    return ort.OrtValue.ortvalue_from_numpy_with_onnx_type(array, _ONNX_TYPES[array.dtype.name])


def _options(threads: int) -> Any:
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.execution_mode = ort.ExecutionMode.ORT_SEQUENTIAL
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    # A thread that spins while it waits burns the quota of a small container.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = _ERRORS_ONLY
    return options
