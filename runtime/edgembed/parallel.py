"""From how many tokens on a text is worth several threads.

onnxruntime cuts each product of a run into parts for its threads and waits for the last of them,
which costs the same however short the text is: below some number of multiplications several
threads take longer than one.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from edgembed.cpu import multiplies_bytes
from edgembed.tensors import Tensor

# Multiplications with weights from which on two threads were faster than one (AMD Zen 4,
# all-MiniLM-L6-v2 and rubert-mini-frida's shape, onnxruntime 1.32). An INT8 product takes a third
# of the time of a float32 one, and its kernels have more parts to wait for.
_WORTH = {"float32": 45e6, "int8": 700e6}
# INT8 where a CPU cannot multiply bytes, and a product takes longer. Two threads were faster from
# 130e6 on, on AMD Zen 1, the slowest of them; three times that, for those in between.
_WORTH_WITHOUT_BYTES = 400e6
# Longer than any layer is wide: the rows of an embedding, of which a token is given one.
_MOST_UNITS = 16_384


def tokens_worth(dtype: str, tensors: Mapping[str, Tensor], by_bytes: bool | None = None) -> int:
    """The least tokens of a text that is worth several threads; at least 1.

    tensors: the weights of that dtype, by name. Attention's own products, which count in long
    texts alone, are left out. by_bytes: whether the CPU multiplies bytes (default: this one's).
    """
    matrices = (t.shape for t in tensors.values() if len(t.shape) == 2)
    products = sum(math.prod(shape) for shape in matrices if max(shape) <= _MOST_UNITS)
    worth = _WORTH[dtype]
    if dtype == "int8" and not (multiplies_bytes() if by_bytes is None else by_bytes):
        worth = _WORTH_WITHOUT_BYTES
    return max(1, math.ceil(worth / max(1, products)))
