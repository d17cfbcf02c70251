"""Attacks by the graph, whose SHA-256 the manifest names: what the bytes ask onnxruntime for."""

from __future__ import annotations

import struct
from collections.abc import Callable

from spoiling import Spoil, graph, model

from wire_writer import change_first, field, initializer, node, tensor, varint

_INITIALIZER, _OUTPUT = 5, 12
_LARGE = b"embeddings.word_embeddings.weight"


def _more(*added: bytes) -> Spoil:
    """A graph with more in it than it had."""
    return graph(lambda raw: raw + b"".join(added))


def _place(key: str, value: str) -> Spoil:
    """Another value in external_data, of the largest weight."""

    def change(raw: bytes) -> bytes:
        def entry(_: bytes) -> bytes:
            return field(1, key) + field(2, value)

        def weight(content: bytes) -> bytes:
            return change_first(content, 13, entry, key.encode())

        return change_first(raw, _INITIALIZER, weight, _LARGE)

    return graph(change)


def _weight(change: Callable[[bytes], bytes], name: bytes = _LARGE) -> Spoil:
    return graph(lambda raw: change_first(raw, _INITIALIZER, change, name))


def _shape(*dims: int) -> bytes:
    return struct.pack(f"<{len(dims)}q", *dims)


def _location(path: str) -> Spoil:
    return _place("location", path)


def _operator(op_type: str, domain: str = "", more: bytes = b"") -> tuple[Spoil, str]:
    full = f"{domain}.{op_type}" if domain else op_type
    return _more(node(op_type, domain=domain, more=more)), f"operator {full} is not allowed"


def _in_ort_format(raw: bytes) -> bytes:
    """Still a model in ONNX, but onnxruntime would take it for one in its own format."""
    return b"\x08\x08\x12\x04ORTM" + raw[raw.index(b"\x12") + 2 + len("pytorch") :]


_FLOATS = field(2, field(1, field(1, 1)))


def _branch(
    name: str, *inside: bytes, kind: int = 5, output: bytes = field(12, field(1, "y") + _FLOATS)
) -> bytes:
    """An attribute of a choice that holds a graph with these in it."""
    whole = b"".join(inside) + field(2, "b") + output
    return field(5, field(1, name) + field(20, kind) + field(6, whole))


def _choice(*branches: bytes) -> Spoil:
    return _more(node("If", inputs=("c",), more=b"".join(branches)))


_SHORT = node("Attention", inputs=("q", "k", "v"))
_LONG = node("MultiHeadAttention", inputs=("q", "k", "v"), domain="com.microsoft")
_THEN, _ELSE = _branch("then_branch", _SHORT), _branch("else_branch", _LONG)
_INNER = node("If", inputs=("c",), more=_THEN + _ELSE)
_SUBGRAPH = field(5, field(1, "body") + field(20, 5) + field(6, node("Add")))
_DISAGREE = r"^onnx/\S+ and the manifest disagree about the weight"
_NAMED = "should not be there"

ATTACKS: dict[str, tuple[Spoil, str]] = {
    # where the weights are
    "external data by ../": (_location("../../../../etc/passwd"), _DISAGREE),
    "external data by an absolute path": (_location("/etc/passwd"), _DISAGREE),
    "external data in another file of the bundle": (_location("model.onnx_data"), _DISAGREE),
    "external data without a place": (_location(""), _DISAGREE),
    "external data at another offset": (_place("offset", "0"), _DISAGREE),
    "external data at a negative offset": (_place("offset", "-4096"), "not said where"),
    "external data at an offset of 5,000 digits": (
        _place("offset", "9" * 5000), "not said where",
    ),
    "external data of another length": (_place("length", str(2**40)), "bytes outside"),
    "external data by a location that there is not": (
        _weight(lambda raw: raw.replace(field(14, 1), field(14, 2), 1)), "not said where",
    ),
    "external data said twice": (
        _weight(lambda raw: raw + field(13, field(1, "location") + field(2, "x"))), "twice",
    ),
    "a weight that the manifest does not have": (
        _more(initializer("new", (4,), b"", 1, b"".join(
            field(13, field(1, key) + field(2, value))
            for key, value in (
                ("location", "model_quantized.onnx_data"), ("offset", "0"), ("length", "16")
            )
        ) + field(14, 1))),
        _DISAGREE,
    ),
    "a weight that only the manifest has": (
        _weight(lambda _: tensor(_LARGE.decode(), (1,), _shape(0))), "has no weight",
    ),
    # what the weights are
    "float32 in the manifest, int8 in the graph": (
        _weight(lambda raw: raw.replace(field(2, 1), field(2, 3), 1).replace(
            field(2, "79872"), field(2, "19968"))),
        "bytes outside|disagree",
    ),
    "another shape in the graph": (
        _weight(lambda raw: raw.replace(varint(48), varint(24), 1)), "bytes outside|disagree",
    ),
    "2^40 initialisers in one": (_more(initializer("x", (2**40,), b"")), "0 bytes of content"),
    "2^60 initialisers in one": (_more(initializer("x", (2**60,), b"")), "absurd shape"),
    "a product of dimensions over 2^64": (
        _more(initializer("x", (2**33, 2**33), b"")), "absurd shape",
    ),
    "a negative dimension": (_more(initializer("x", (-1, 4), b"")), "absurd shape"),
    "a hundred dimensions": (_more(initializer("x", (1,) * 60, b"")), "absurd shape"),
    "less content than the shape says": (
        _more(initializer("x", (4,), b"\0" * 8)), "8 bytes of content instead of 32",
    ),
    "a million initialisers": (_more(initializer("", (), b"\0" * 8) * 10**6), "no graph that"),
    "a weight twice": (_more(initializer("x", (1,), _shape(1)) * 2), "twice"),
    "strings for numbers": (
        _more(initializer("x", (1,), b"", 8, field(6, "text"))), _NAMED,
    ),
    "a type that there is not": (_more(initializer("x", (1,), b"\0" * 8, 99)), "of a type"),
    "a sparse initialiser": (_more(field(15, tensor("x", (1,), _shape(1)))), _NAMED),
    "one weight for a thousand nodes": (
        _more(node("Relu", inputs=(_LARGE.decode(),)) * 1000), "is used 1001 times",
    ),
    # what the graph does
    "a shape of 2^60 by ConstantOfShape": (
        _more(initializer("x", (2,), _shape(2**30, 2**30)), node("ConstantOfShape", inputs=("x",))),
        "absurd shape",
    ),
    "a shape of 2^40 by Expand": (
        _more(initializer("x", (2,), _shape(2**20, 2**20)), node("Expand", inputs=("a", "x"))),
        "absurd shape",
    ),
    "a shape of nine numbers by ConstantOfShape": (
        _more(initializer("x", (9,), _shape(2**30, 2**30, *[1] * 7)),
              node("ConstantOfShape", inputs=("x",))),
        "absurd shape",
    ),
    "a shape of nine numbers in an attribute": (
        _more(node("Constant", more=field(5, field(1, "value") + field(5, tensor(
            "x", (9,), _shape(2**30, 2**30, *[1] * 7)))))),
        "attribute asks",
    ),
    "a shape that is a matrix": (
        _more(initializer("x", (2, 1), _shape(2**30, 2**30)), node("Expand", inputs=("a", "x"))),
        "absurd shape",
    ),
    "a shape outside": (
        _more(node("Expand", inputs=("a", _LARGE.decode()))), "shape that is outside",
    ),
    "a range of floats": (
        _more(initializer("x", (), struct.pack("<f", 1e12), 1),
              node("Range", inputs=("a", "x", "b"))),
        "absurd shape",
    ),
    "a number of 2^40": (_more(initializer("x", (1,), _shape(2**40))), "absurd shape"),
    "a loop": _operator("Loop"),
    "a loop with its body": _operator("Loop", more=_SUBGRAPH),
    "a choice without branches": (_choice(), "not one between two branches"),
    "a choice with one branch": (_choice(_THEN), "not one between two branches"),
    "a choice with one branch twice": (_choice(_THEN, _THEN), "not one between two branches"),
    "a choice with three branches": (_choice(_THEN, _ELSE, _ELSE), "not one between two branches"),
    "a choice with a branch of another name": (
        _choice(_THEN, _branch("body", _LONG)), "not one between two branches",
    ),
    "a choice with an attribute besides": (
        _choice(_THEN, _ELSE, field(5, field(1, "x") + field(20, 2) + field(3, 1))), _NAMED,
    ),
    "a choice of another domain": _operator("If", "com.microsoft", _THEN + _ELSE),
    "a choice in a choice": (
        _choice(_branch("then_branch", _INNER), _ELSE), "operator If is not allowed",
    ),
    "a loop in a choice": (
        _choice(_THEN, _branch("else_branch", node("Loop", more=_SUBGRAPH))),
        "operator Loop is not allowed",
    ),
    "arithmetic in a choice": (
        _choice(_branch("then_branch", node("Expand", inputs=("a", _LARGE.decode()))), _ELSE),
        "operator Expand is not allowed",
    ),
    "two nodes in a branch": (_choice(_THEN, _branch("else_branch", _LONG, _LONG)), "twice"),
    "no node in a branch": (_choice(_THEN, _branch("else_branch")), "not one node"),
    "no output of a branch": (
        _choice(_THEN, _branch("else_branch", _LONG, output=b"")), "not one node",
    ),
    "an output of a branch that is a sequence": (
        _choice(_THEN, _branch("else_branch", _LONG, output=field(
            12, field(1, "y") + field(2, field(4, b""))))), _NAMED,
    ),
    "a branch of whole numbers": (
        _choice(_THEN, _branch("else_branch", _LONG, output=field(
            12, field(1, "y") + field(2, field(1, field(1, 7)))))), "no float32",
    ),
    "a branch with a weight": (
        _choice(_THEN, _branch("else_branch", _LONG, initializer("x", (2**40,), b""))), _NAMED,
    ),
    "a branch with an input": (
        _choice(_THEN, _branch("else_branch", _LONG, field(11, field(1, "q") + _FLOATS))), _NAMED,
    ),
    "a branch that is a number": (
        _choice(_THEN, _branch("else_branch", _LONG, kind=2)), "is no graph",
    ),
    "a branch without a graph": (
        _choice(_THEN, field(5, field(1, "else_branch") + field(20, 5))), "is no graph",
    ),
    "a graph inside of a branch's node": (
        _choice(_THEN, _branch("else_branch", node(
            "MultiHeadAttention", domain="com.microsoft", more=_SUBGRAPH))), _NAMED,
    ),
    "one weight for a thousand choices": (
        _more(node("If", inputs=(_LARGE.decode(),), more=_THEN + _ELSE) * 1000), "is used 1001",
    ),
    "one weight in the branches of a thousand choices": (
        _more(node("If", inputs=("c",), more=_THEN + _branch(
            "else_branch", node("Attention", inputs=(_LARGE.decode(),)))) * 1000), "is used 1001",
    ),
    "attention that nobody chooses": _operator("Attention"),
    "a graph inside of an allowed operator": (_more(node("Add", more=_SUBGRAPH)), _NAMED),
    "content of an attribute outside": (
        _more(node("Constant", more=field(5, field(1, "value") + field(5, tensor(
            "x", (4,), b"", 1, field(14, 1) + b"".join(
                field(13, field(1, key) + field(2, value))
                for key, value in (("location", "x"), ("offset", "0"), ("length", "16"))
            ))))),),
        "attribute asks",
    ),
    **{
        f"operator {name}": _operator(name)
        for name in ("RandomNormal", "RandomUniformLike", "Bernoulli", "Scan", "SequenceMap",
                     "StringConcat", "TfIdfVectorizer", "ImageDecoder", "Nothing", "")
    },
    **{
        f"operator {domain}.{name}": _operator(name, domain)
        for domain, name in (("ai.onnx", "Add"), ("ai.onnx.ml", "TreeEnsemble"), ("mine", "Add"),
                             ("com.microsoft", "Tokenizer"), ("com.microsoft", "BeamSearch"),
                             ("com.microsoft", "EPContext"), ("ai.onnx.training", "Adam"))
    },
    "two operators in one node": (_more(node("Add", more=field(4, "Loop"))), _NAMED),
    "functions": (model(lambda raw: raw + field(25, field(1, "Add"))), _NAMED),
    "training": (model(lambda raw: raw + field(20, b"")), _NAMED),
    "a domain of operators": (model(lambda raw: raw + field(8, field(1, "mine"))), "domain"),
    # how it is written down
    "two graphs": (model(lambda raw: raw + field(7, node("Loop"))), _NAMED),
    "onnxruntime's own format": (model(lambda raw: b"\0\0\0\0ORTM" + raw), "own format"),
    "onnxruntime's own format, in ONNX": (model(_in_ort_format), "own format"),
    "no graph": (model(lambda _: b""), "no graph"),
    "half a graph": (model(lambda raw: raw[: len(raw) // 2]), "no graph that"),
    "noise": (model(lambda _: bytes(range(256)) * 400), "no graph that"),
    "a group": (model(lambda raw: raw + b"\x0b\x0c"), "no known kind"),
    "a number without an end": (model(lambda raw: raw + b"\x08" + b"\xff" * 1000), "64 bits"),
    "a length of 2^63": (model(lambda raw: raw + b"\x12" + varint(2**63)), "beyond the end"),
    "a field of number 0": (model(lambda raw: raw + b"\x00\x00"), "no known kind"),
    "a million fields": (_more(field(13, b"") * 10**6), "no graph that"),
    "a million inputs of a node": (_more(node("Concat", inputs=("",) * 10**6)), "one too many"),
    "noise in a name": (_more(initializer("x", (), b"\0" * 8).replace(b"x", b"\xff")), "utf-8"),
    # what goes in and out
    "another input": (_more(field(11, field(1, "secret") + _FLOATS)), "must take"),
    "another output": (_more(field(12, field(1, "other") + _FLOATS)), "must give"),
    "an output of another dimension": (
        graph(lambda raw: change_first(raw, _OUTPUT, lambda own: own.replace(
            b"\x08" + varint(48), b"\x08" + varint(47)))), "of dimension 48",
    ),
    "an input that is a sequence": (
        _more(field(11, field(1, "input_ids") + field(2, field(4, b"")))), _NAMED,
    ),
}  # fmt: skip
