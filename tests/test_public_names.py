"""The names that others rely on. A change here is a change for every user: say so in CHANGELOG."""

from __future__ import annotations

import inspect
from pathlib import Path

import pytest

import edgembed
from edgembed import Embedder

ERRORS = {
    "EdgembedError": (Exception,),
    "BundleError": (edgembed.EdgembedError,),
    "BundleNotFoundError": (edgembed.BundleError, FileNotFoundError),
    "ManifestError": (edgembed.BundleError, ValueError),
    "IntegrityError": (edgembed.BundleError, RuntimeError),
    "UnsafeArtifactError": (edgembed.BundleError, ValueError),
    "CanaryError": (edgembed.BundleError, RuntimeError),
    "ModelLoadError": (edgembed.BundleError, RuntimeError),
    "ArgumentError": (edgembed.EdgembedError, ValueError),
    "PromptError": (edgembed.ArgumentError,),
    "TextError": (edgembed.ArgumentError,),
    "InferenceError": (edgembed.EdgembedError, RuntimeError),
    "MissingExtraError": (edgembed.EdgembedError, ImportError),
}
WARNINGS = {
    "EdgembedWarning": (UserWarning,),
    "TruncationWarning": (edgembed.EdgembedWarning,),
    "CanaryWarning": (edgembed.EdgembedWarning,),
    "PromptWarning": (edgembed.EdgembedWarning,),
}


def test_the_package() -> None:
    assert sorted(edgembed.__all__) == sorted([*ERRORS, *WARNINGS, "Embedder", "__version__"])
    assert dir(edgembed) == sorted(edgembed.__all__)
    for name in edgembed.__all__:
        assert getattr(edgembed, name) is not None
    with pytest.raises(AttributeError, match="nobody"):
        edgembed.nobody  # noqa: B018


@pytest.mark.parametrize(("name", "bases"), [*ERRORS.items(), *WARNINGS.items()])
def test_the_tree_of_errors_and_warnings(name: str, bases: tuple[type, ...]) -> None:
    assert getattr(edgembed, name).__bases__ == bases
    assert getattr(edgembed, name).__doc__


def test_the_tree_in_the_documentation_is_the_real_one() -> None:
    import edgembed.errors

    for name in (*ERRORS, *WARNINGS):
        assert name in str(edgembed.errors.__doc__)


def test_embedder() -> None:
    public = [name for name in dir(Embedder) if not name.startswith("_")]
    assert public == [
        "aencode",
        "aencode_document",
        "aencode_query",
        "default_prompt_name",
        "dimension",
        "dtype",
        "encode",
        "encode_document",
        "encode_iter",
        "encode_query",
        "fingerprint",
        "from_package",
        "get_embedding_dimension",
        "get_sentence_embedding_dimension",
        "max_seq_length",
        "prompt_names",
        "prompts",
        "ranges",
        "similarity",
        "similarity_fn_name",
        "similarity_pairwise",
        "tokenize",
    ]
    assert all(getattr(Embedder, name).__doc__ for name in public)


# sentence-transformers' own order; tests/export/test_semantics.py compares with the real one.
ENCODE = [
    "inputs",
    "prompt_name",
    "prompt",
    "batch_size",
    "show_progress_bar",
    "output_value",
    "precision",
    "convert_to_numpy",
    "convert_to_tensor",
    "device",
    "normalize_embeddings",
    "truncate_dim",
    "pool",
    "chunk_size",
    "on_error",
    "kwargs",
]


def parameters(function: object) -> list[str]:
    names = list(inspect.signature(function).parameters)  # type: ignore[arg-type]
    return names[1:] if names[0] == "self" else names


def test_parameters() -> None:
    assert parameters(Embedder.encode) == ENCODE
    for method in (Embedder.encode_query, Embedder.encode_document):
        assert parameters(method)[:3] == ENCODE[:3]
    assert parameters(Embedder.__init__) == [
        "bundle",
        "dtype",
        "threads",
        "canaries",
        "public_key",
        "copy_weights",
    ]
    assert parameters(Embedder.from_package) == ["package", "dtype", "threads", "canaries"]
    assert parameters(Embedder.similarity) == ["embeddings1", "embeddings2"]
    assert parameters(Embedder.similarity_pairwise) == ["embeddings1", "embeddings2"]
    assert parameters(Embedder.tokenize) == ["texts"]


def test_defaults() -> None:
    defaults = {
        name: parameter.default
        for name, parameter in inspect.signature(Embedder.encode).parameters.items()
        if parameter.default is not inspect.Parameter.empty
    }
    assert defaults == {
        "inputs": None,
        "prompt_name": None,
        "prompt": None,
        "batch_size": 32,
        "show_progress_bar": None,
        "output_value": "sentence_embedding",
        "precision": "float32",
        "convert_to_numpy": True,
        "convert_to_tensor": False,
        "device": None,
        "normalize_embeddings": False,
        "truncate_dim": None,
        "pool": None,
        "chunk_size": None,
        "on_error": None,
    }


def test_types_are_shipped() -> None:
    assert (Path(edgembed.__file__).parent / "py.typed").is_file()


def test_text_error_keeps_indices_as_a_tuple() -> None:
    assert edgembed.TextError("x", [1, 2]).indices == (1, 2)
    assert edgembed.TextError("x").indices == ()
