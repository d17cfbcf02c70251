"""The operators that a bundle's graph may have, by domain.

Those that edgembed-export leaves in the graphs of the families it takes (tests/export looks), and
plain arithmetic of their kind. None reads a file, makes text, or is random; none but a choice of
attention has a graph inside.
"""

from __future__ import annotations

_ARITHMETIC = """Abs Add And Cast Clip Cos CumSum Div Equal Erf Exp Floor Greater GreaterOrEqual
Less LessOrEqual Log Max Min Mod Mul Neg Not Or Pow Reciprocal Relu Sigmoid Sign Sin Softmax Sqrt
Sub Tanh Where"""
_MATRICES = """Gemm Gelu LayerNormalization MatMul RMSNormalization ReduceMax ReduceMean ReduceSum
SimplifiedLayerNormalization"""
_SHAPES = """Concat Constant ConstantOfShape Expand Gather Identity Range Reshape Shape Slice Split
Squeeze Transpose Unsqueeze"""
_INTEGERS = """DequantizeLinear DynamicQuantizeLinear"""
_ORT = """DynamicQuantizeMatMul FastGelu Gelu MatMulIntegerToFloat MultiHeadAttention"""

OPERATORS = {
    b"": frozenset(" ".join((_ARITHMETIC, _MATRICES, _SHAPES, _INTEGERS)).encode().split()),
    b"com.microsoft": frozenset(_ORT.encode().split()),
}
# The one operator that has graphs inside: these, by the attribute that holds each, one node each.
CHOICE = b"If"
BRANCHES = frozenset((b"then_branch", b"else_branch"))
CHOSEN = {b"": frozenset((b"Attention",)), b"com.microsoft": frozenset((b"MultiHeadAttention",))}
# Which of an operator's inputs, and all after it, say how large its output will be.
SHAPE_INPUTS = {b"ConstantOfShape": 0, b"Expand": 1, b"Reshape": 1, b"Range": 0}
