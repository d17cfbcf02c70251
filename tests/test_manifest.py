"""manifest.json: parse and dump are inverses, and nothing wrong passes."""

from __future__ import annotations

import contextlib
import copy
import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgembed.canary import Canary
from edgembed.errors import EdgembedError, ManifestError
from edgembed.manifest import Artifact, Manifest, Source, Weights
from edgembed.prompts import Prompts
from edgembed.tensors import Tensor

DATA = ("onnx/model.onnx_data", "onnx/model_quantized.onnx_data")
GRAPHS = ("onnx/model_nomask.onnx", "onnx/model_quantized_nomask.onnx")
MASKED = ("onnx/model.onnx", "onnx/model_quantized.onnx")


def example() -> Manifest:
    vector = np.array([1.0, -2.5, 1e-30], np.float32)
    return Manifest(
        model=Source("owner/модель", "c0ffee", "mit", "bert"),
        dimension=3,
        pooling="mean",
        normalize=True,
        include_prompt=True,
        max_seq_length=512,
        prompts=Prompts({"query": "search_query: ", "passage": "поиск: "}, "query"),
        similarity_fn_name="cosine",
        default_dtype="int8",
        dtypes={
            "float32": Weights(
                GRAPHS[0], MASKED[0], DATA[0], "a" * 64, {"words": Tensor("float32", (5, 3), 0)}
            ),
            "int8": Weights(
                GRAPHS[1],
                MASKED[1],
                DATA[1],
                "b" * 64,
                {"words": Tensor("int8", (5, 3), 4096), "scale": Tensor("float32", (), 8192)},
            ),
        },
        artifacts={
            name: Artifact(f"{index:064x}", 10_000 + index)
            for index, name in enumerate([*GRAPHS, *MASKED, *DATA, "tokenizer.json"])
        },
        canaries=(Canary("search_query: Привет", {"int8": vector, "float32": vector * 2}),),
        ranges={"int8": np.array([[-1, 0.5, -1e-30], [-1, 2, 3e8]], np.float32)},
        parity={"int8": {"mean": 0.999, "min": 0.99}},
        tools={"onnxruntime": "1.0"},
    )


def document() -> dict[str, Any]:
    return json.loads(example().dump())  # type: ignore[no-any-return]


def encoded(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode()


def test_parse_is_the_inverse_of_dump() -> None:
    manifest = example()
    again = Manifest.parse(manifest.dump())
    assert again.dump() == manifest.dump()
    for name in vars(manifest):
        if name not in ("canaries", "ranges"):
            assert getattr(again, name) == getattr(manifest, name), name
    (kept,), (canary,) = again.canaries, manifest.canaries
    assert kept.text == canary.text
    for dtype, vector in canary.vectors.items():
        assert kept.vectors[dtype].tobytes() == vector.tobytes()
    np.testing.assert_array_equal(again.ranges["int8"], manifest.ranges["int8"], strict=True)


def test_a_bundle_from_before_there_were_ranges() -> None:
    old = document()
    del old["ranges"]
    assert Manifest.parse(encoded(old)).ranges == {}


def test_the_same_manifest_gives_the_same_bytes() -> None:
    assert example().dump() == example().dump()
    assert example().dump().endswith(b"}\n")
    assert "модель" in example().dump().decode()  # readable, not escaped


def test_a_bundle_says_its_format_first() -> None:
    assert list(document())[:2] == ["format", "format_version"]


REQUIRED = [
    "format",
    "format_version",
    "model",
    "dimension",
    "pooling",
    "normalize",
    "include_prompt",
    "max_seq_length",
    "prompts",
    "similarity_fn_name",
    "default_dtype",
    "dtypes",
    "artifacts",
    "tokenizer",
    "canaries",
    "parity",
    "tools",
]
NESTED = [
    ("model", "id"),
    ("dtypes", "int8", "graph"),
    ("dtypes", "int8", "masked_graph"),
    ("dtypes", "int8", "data"),
    ("dtypes", "int8", "fingerprint"),
    ("dtypes", "int8", "tensors"),
    ("dtypes", "int8", "tensors", "words", "dtype"),
    ("dtypes", "int8", "tensors", "words", "shape"),
    ("dtypes", "int8", "tensors", "words", "offset"),
    ("artifacts", "tokenizer.json", "sha256"),
    ("artifacts", "tokenizer.json", "bytes"),
    ("canaries", 0, "text"),
    ("canaries", 0, "vectors"),
]
PATHS = [(name,) for name in REQUIRED] + NESTED


def holder(value: Any, path: tuple[Any, ...]) -> Any:
    for key in path[:-1]:
        value = value[key]
    return value


def test_required_names_all_fields() -> None:
    assert sorted([*REQUIRED, "default_prompt_name", "ranges", "vocabulary"]) == sorted(document())


def change(path: tuple[Any, ...], new: Any) -> bytes:
    value = document()
    holder(value, path)[path[-1]] = new
    return encoded(value)


@pytest.mark.parametrize("path", PATHS, ids=str)
def test_a_missing_field_is_named(path: tuple[Any, ...]) -> None:
    value = document()
    del holder(value, path)[path[-1]]
    with pytest.raises(ManifestError, match=f"{path[-1]} is missing"):
        Manifest.parse(encoded(value))


JUNK: list[Any] = [None, True, 3, 1.5, "junk", [1], {"a": [1]}]
# Junk of a field's own type is no junk there; it is what other tests are about.
OWN_TYPE = {
    "id": str,
    "text": str,
    "tokenizer": str,
    "graph": str,
    "masked_graph": str,
    "data": str,
    "normalize": bool,
    "include_prompt": bool,
    "dimension": int,
    "max_seq_length": int,
    "bytes": int,
    "offset": int,
    "shape": list,
    "parity": dict,
}
MISTYPED = [
    (path, junk) for path in PATHS for junk in JUNK if type(junk) is not OWN_TYPE.get(path[-1])
]


@pytest.mark.parametrize(("path", "junk"), MISTYPED, ids=str)
def test_a_mistyped_field_is_named(path: tuple[Any, ...], junk: Any) -> None:
    with pytest.raises(ManifestError, match=str(path[-1])):
        Manifest.parse(change(path, junk))


@pytest.mark.parametrize("name", ["revision", "license", "architecture"])
def test_optional_fields_of_the_model(name: str) -> None:
    value = document()
    del value["model"][name]
    assert not getattr(Manifest.parse(encoded(value)).model, name)
    value["model"][name] = 5
    with pytest.raises(ManifestError, match=name):
        Manifest.parse(encoded(value))


@pytest.mark.parametrize(
    ("path", "new", "said"),
    [
        (("format",), "other", "not a bundle"),
        (("format_version",), 2, "upgrade edgembed"),
        (("dimension",), 0, "dimension"),
        (("dimension",), 65_537, "dimension"),
        (("dimension",), 4, "canaries"),
        (("max_seq_length",), 0, "max_seq_length"),
        (("pooling",), "max", "mean, cls"),
        (("similarity_fn_name",), "jaccard", "cosine"),
        (("default_prompt_name",), "nobody", "default_prompt_name"),
        (("default_dtype",), "int4", "default_dtype"),
        (("dtypes",), {}, "default_dtype"),
        (("dtypes", "int8", "fingerprint"), "B" * 64, "fingerprint"),
        (("dtypes", "int8", "graph"), "onnx/absent.onnx", "artifacts"),
        (("dtypes", "int8", "data"), "config.json", "artifacts"),
        (("dtypes", "int8", "tensors", "words", "dtype"), "float64", "dtype"),
        (("dtypes", "int8", "tensors", "words", "dtype"), "object", "dtype"),
        (("dtypes", "int8", "tensors", "words", "shape"), [-5, 3], "shape"),
        (("dtypes", "int8", "tensors", "words", "shape"), [5, None], "shape"),
        (("dtypes", "int8", "tensors", "words", "shape"), [2**31] * 8, "beyond the end"),
        (("dtypes", "int8", "tensors", "words", "offset"), -1, "offset"),
        (("dtypes", "int8", "tensors", "words", "offset"), 10_000, "beyond the end"),
        (("dtypes", "int8", "tensors", "scale", "offset"), 4097, "aligned"),
        (("tokenizer",), "other.json", "artifacts"),
        (("artifacts", "tokenizer.json", "bytes"), -1, "bytes"),
        (("artifacts", "tokenizer.json", "sha256"), "0" * 63, "sha256"),
        (("prompts",), {"query": 1}, "prompts"),
        (("parity", "int8"), {"mean": 0.9, "activation_bits": "16"}, "activation_bits"),
        (("parity", "int8"), {"mean": 0.9, "activation_bits": 7}, "activation_bits"),
        (("tools",), {"torch": 2}, "tools"),
        (("ranges", "int8"), "not base64!", "ranges"),
        (("ranges", "int8"), 5, "ranges"),
        (("ranges", "int8"), "AAAAAAAAgD8=", "ranges"),  # one dimension instead of three
        (("ranges", "int8"), "AAAAAAAAAAAAAAAAAACAPwAAgD8=", "ranges"),  # five numbers
        (("ranges", "int8"), "AAAAAAAAAAAAAIA/AACAPwAAgD8AAAAA", "ranges"),  # the greatest first
        (("ranges", "int8"), "AAAAAAAAAAAAAAAAAACAPwAAgD8AAIB/", "ranges"),  # infinity
        (("canaries", 0, "vectors"), {"int8": "not base64!"}, "vectors"),
        (("canaries", 0, "vectors"), {"int8": "AAAA"}, "vectors"),
        (("canaries", 0, "vectors"), {"int8": "AACAfwAAgH8AAIB/"}, "canaries"),  # infinities
    ],
    ids=lambda value: str(value)[:30],
)
def test_a_value_out_of_range_is_named(path: tuple[Any, ...], new: Any, said: str) -> None:
    with pytest.raises(ManifestError, match=said):
        Manifest.parse(change(path, new))


@pytest.mark.parametrize("evil", ["../x", "/etc/passwd", "a/../../x", "C:\\x", "x\0y", "", "."])
@pytest.mark.parametrize("field", ["graph", "masked_graph", "data"])
def test_a_path_out_of_the_bundle_is_refused(field: str, evil: str) -> None:
    value = document()
    value["dtypes"]["int8"][field] = evil
    value["artifacts"][evil] = {"sha256": "0" * 64, "bytes": 1}
    with pytest.raises(ManifestError):
        Manifest.parse(encoded(value))
    with pytest.raises(ManifestError, match="tokenizer"):
        Manifest.parse(change(("tokenizer",), evil))


@pytest.mark.parametrize("own", ["tokenizer", "vocabulary"])
@pytest.mark.parametrize("other", ["graph", "masked_graph", "data"])
def test_a_file_of_the_tokenizer_is_none_of_the_weights(own: str, other: str) -> None:
    path = document()["dtypes"]["int8"][other]
    with pytest.raises(ManifestError, match=f"{path}, which is the tokenizer's"):
        Manifest.parse(change((own,), path))


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Where something stands in a JSON value, at every depth."""
    entries = value.items() if isinstance(value, dict) else enumerate(value)
    for key, inner in entries:
        yield (*path, key)
        if isinstance(inner, (dict, list)):
            yield from places(inner, (*path, key))


DOCUMENT = document()
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=5,
)


@pytest.mark.parametrize(
    "path",
    [("prompts", "query"), ("model", "id"), ("tools", "onnxruntime"), ("canaries", 0, "text")],
    ids=str,
)
def test_a_lone_surrogate_in_a_text_is_refused(path: tuple[Any, ...]) -> None:
    value = document()
    holder(value, path)[path[-1]] = "\ud800"
    with pytest.raises(ManifestError):
        Manifest.parse(json.dumps(value).encode())


@given(st.sampled_from(sorted(places(DOCUMENT), key=str)), ANYTHING)
def test_a_changed_value_gives_a_manifest_or_edgembeds_error(
    path: tuple[Any, ...], new: Any
) -> None:
    value = copy.deepcopy(DOCUMENT)
    holder(value, path)[path[-1]] = new
    try:
        parsed = Manifest.parse(json.dumps(value).encode())  # NaN and lone surrogates pass too
    except EdgembedError:
        return
    assert Manifest.parse(parsed.dump()).dump() == parsed.dump()


@given(st.integers(0, len(encoded(DOCUMENT)) - 1), st.integers(0, 255))
def test_a_changed_byte_gives_a_manifest_or_edgembeds_error(place: int, byte: int) -> None:
    raw = bytearray(encoded(DOCUMENT))
    raw[place] = byte
    with contextlib.suppress(EdgembedError):
        Manifest.parse(bytes(raw))
