"""From how many tokens on a text is worth several threads.

onnxruntime cuts each product of a run into parts for its threads and waits for the last of them,
which costs the same however short the text is: below some number of multiplications several
threads take longer than one.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from edgembed.tensors import Tensor

# Multiplications with weights from which on two threads were faster than one (AMD Zen 4,
# all-MiniLM-L6-v2 and rubert-mini-frida's shape, onnxruntime 1.32). An INT8 product takes a third
# of the time of a float32 one, and its kernels have more parts to wait for.
_WORTH = {"float32": 45e6, "int8": 700e6}
# Longer than any layer is wide: the rows of an embedding, of which a token is given one.
_MOST_UNITS = 16_384


def tokens_worth(dtype: str, tensors: Mapping[str, Tensor]) -> int:
    """The least tokens of a text that is worth several threads; at least 1.

    tensors: the weights of that dtype, by name. Attention's own products, which count in long
    texts alone, are left out.
    """
    matrices = (t.shape for t in tensors.values() if len(t.shape) == 2)
    products = sum(math.prod(shape) for shape in matrices if max(shape) <= _MOST_UNITS)
    return max(1, math.ceil(_WORTH[dtype] / max(1, products)))
