"""How long some imports and calls take inside a process, without changing their order.

A finder in front of Python's own times the modules it is asked for and wraps the calls when their
module has been imported. What runs at once in two threads is counted in both.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from functools import wraps
from time import monotonic
from typing import Any

# What is timed, by the name it has in the report.
MODULES = {"numpy": "numpy", "tokenizers": "tokenizers", "onnxruntime": "onnxruntime"}
CALLS = {
    "edgembed.bundle": (
        ("Bundle", "open", "bundle_check"),
        ("Bundle", "read_weights", "bundle_check"),
        ("Bundle", "read_beside", "bundle_check"),
    ),
    "edgembed.tokenize": (("Tokenizer", "__init__", "tokenizer"),),
    "edgembed.session": (("Session", "__init__", "session"),),
    "edgembed.engine": (("Engine", "check_canaries", "canaries"),),
}


class Spans:
    """Install it before the imports; `seconds` has the sums afterwards."""

    def __init__(
        self,
        modules: Mapping[str, str] = MODULES,
        calls: Mapping[str, Sequence[tuple[str, str, str]]] = CALLS,
    ) -> None:
        """modules: {module: name}. calls: {module: (class, method, name)}."""
        self._modules, self._calls = modules, calls
        self._spans: list[tuple[str, float]] = []  # appending is safe from several threads

    def install(self) -> None:
        """From now on imports are seen."""
        sys.meta_path.insert(0, self)

    def seconds(self) -> dict[str, float]:
        """The sum by name; what was never imported or called is 0."""
        names = [*self._modules.values(), *(n for calls in self._calls.values() for *_, n in calls)]
        sums = dict.fromkeys(names, 0.0)
        for name, taken in self._spans:
            sums[name] += taken
        return sums

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> Any:
        """The spec that Python's own finders give, its loader timed where the module is watched."""
        if name not in self._modules and name not in self._calls:
            return None
        others = (finder for finder in sys.meta_path if finder is not self)
        found = (finder.find_spec(name, path, target) for finder in others)
        spec = next((one for one in found if one is not None), None)
        if spec is not None and spec.loader is not None:
            loader: Any = spec.loader
            loader.exec_module = self._loading(name, loader.exec_module)
        return spec

    def _loading(self, name: str, load: Callable[[Any], None]) -> Callable[[Any], None]:
        timed = self._timed(self._modules[name], load) if name in self._modules else load

        def load_and_wrap(module: Any) -> None:
            timed(module)
            for owner, method, part in self._calls.get(name, ()):
                self._wrap(getattr(module, owner), method, part)

        return load_and_wrap

    def _wrap(self, owner: Any, method: str, part: str) -> None:
        function = vars(owner)[method]
        if isinstance(function, classmethod):
            setattr(owner, method, classmethod(self._timed(part, function.__func__)))
        else:
            setattr(owner, method, self._timed(part, function))

    def _timed(self, part: str, call: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(call)
        def timed(*arguments: Any, **options: Any) -> Any:
            start = monotonic()
            try:
                return call(*arguments, **options)
            finally:
                self._spans.append((part, monotonic() - start))

        return timed
