"""What of an installation is left out, and why.

By name only, and only what is known not to be needed: a file that no rule names is kept, so that a
new version of a dependency may become larger but does not break. What users of numpy call (random,
fft, ma, testing ...) stays.
"""

from __future__ import annotations

from typing import NamedTuple

# The distributions that are kept, besides edgembed itself; all others are left out.
KEPT = ("numpy", "onnxruntime", "tokenizers")


class Rule(NamedTuple):
    """Files to leave out: patterns of paths in site-packages, where * stands for / as well."""

    patterns: tuple[str, ...]
    why: str


RULES = (
    Rule(("*.pyc",), "bytecode: compiled again, to be valid wherever it is unpacked"),
    Rule(("*/tests/*", "*/conftest.py"), "the dependencies' own tests"),
    Rule(
        ("numpy/*core/_*_tests.*", "numpy/*core/_simd.*", "numpy/testing/print_coercion_tables.py"),
        "modules that only numpy's tests import",
    ),
    Rule(
        ("numpy/f2py/*", "numpy/distutils/*", "numpy/_pyinstaller/*", "numpy/random/_examples/*"),
        "numpy's tools for building and packing programs",
    ),
    Rule(
        ("numpy/*core/include/*", "numpy/*core/lib/*", "numpy/*/lib/*.a", "*.pxd", "*.h"),
        "headers and libraries for C and Cython",
    ),
    Rule(("*.pyi",), "types, for checkers and editors"),
    Rule(
        ("onnxruntime/capi/libonnxruntime.so*",),
        "onnxruntime for C programs: Python's extension has it built in",
    ),
    Rule(
        ("onnxruntime/transformers/*", "onnxruntime/quantization/*", "onnxruntime/tools/*"),
        "onnxruntime's tools for making models",
    ),
    Rule(("onnxruntime/backend/*", "onnxruntime/datasets/*"), "onnxruntime's examples, onnx's API"),
    Rule(
        (
            "*.dist-info/RECORD",
            "*.dist-info/INSTALLER",
            "*.dist-info/REQUESTED",
            "*.dist-info/direct_url.json",
            "*.dist-info/entry_points.txt",
        ),
        "pip's notes on the whole installation",
    ),
)
