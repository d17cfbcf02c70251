"""manifest.json: what a bundle says of itself, and the one place that reads and writes it.

Everything in it came from outside, so every field is checked for its type and range before use.
`Manifest.parse` and `Manifest.dump` are inverses; the same manifest gives the same bytes.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from edgembed.canary import Canary
from edgembed.checks import Fields
from edgembed.errors import ManifestError, PromptError
from edgembed.floats import to_text
from edgembed.pooling import POOLING_MODES, Float32, PoolingMode
from edgembed.precision import read_ranges
from edgembed.prompts import Prompts
from edgembed.similarity import SIMILARITY_FUNCTIONS
from edgembed.tensors import ITEM_BYTES, ONNX_TYPES, Tensor

FORMAT = "edgembed-bundle"
FORMAT_VERSION = 1
FILE_NAME = "manifest.json"
DTYPES = ("int8", "float32")

# A dimension or a length beyond these is a lie or an attack, not a sentence encoder.
_MAX_DIMENSION = 65_536
_MAX_SEQ_LENGTH = 1_000_000
_MAX_BYTES = 2**36
# What is read before it is looked through: a graph without its weights, XLM-R's 250,000 tokens.
_MAX_GRAPH_BYTES, _MAX_TOKENIZER_BYTES, _MAX_VOCABULARY_BYTES = 16 * 2**20, 24 * 2**20, 16 * 2**20


class Artifact(NamedTuple):
    """One file of the bundle: its SHA-256 (hex) and its size in bytes."""

    sha256: str
    bytes: int


class Weights(NamedTuple):
    """One dtype's files, as paths inside the bundle, and the fingerprint of its vector space.

    graph: what this runtime runs, input_ids (1, tokens) int64 -> (1, tokens, dim) float32.
    masked_graph: the same with an attention_mask input, for other people's tools.
    data: the weights of both, in onnx's external data format; tensors: what is where in it.
    """

    graph: str
    masked_graph: str
    data: str
    fingerprint: str
    tensors: Mapping[str, Tensor]


class Source(NamedTuple):
    """Where the model came from: hub id (or folder name), pinned commit, licence."""

    id: str
    revision: str | None = None
    license: str | None = None
    architecture: str = ""


@dataclass(frozen=True)
class Manifest:
    """A bundle's manifest; field by field as design and README describe it.

    vocabulary: the tokenizer's, as lines, where that loads faster (see wordpiece).
    ranges: by dtype, (2, dim) float32: what int8 and uint8 output is cut from (see precision).
    """

    model: Source
    dimension: int
    pooling: PoolingMode
    normalize: bool
    include_prompt: bool
    max_seq_length: int
    prompts: Prompts
    similarity_fn_name: str
    default_dtype: str
    dtypes: Mapping[str, Weights]
    artifacts: Mapping[str, Artifact]
    tokenizer: str = "tokenizer.json"
    vocabulary: str | None = None
    canaries: tuple[Canary, ...] = ()
    ranges: Mapping[str, Float32] = field(default_factory=dict)
    parity: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    tools: Mapping[str, str] = field(default_factory=dict)

    def dump(self) -> bytes:
        """The manifest as UTF-8 JSON, keys in a fixed order."""
        document = {
            "format": FORMAT,
            "format_version": FORMAT_VERSION,
            **vars(self),
            "model": self.model._asdict(),
            "dtypes": {name: _weights_to_json(w) for name, w in self.dtypes.items()},
            "artifacts": {name: a._asdict() for name, a in self.artifacts.items()},
            "prompts": dict(self.prompts.texts),
            "default_prompt_name": self.prompts.default_name,
            "canaries": [canary.to_json() for canary in self.canaries],
            "ranges": {name: to_text(own) for name, own in self.ranges.items()},
        }
        return (json.dumps(document, ensure_ascii=False, indent=1) + "\n").encode()

    @classmethod
    def parse(cls, raw: bytes) -> Manifest:
        """Read a manifest.json. ManifestError names the field that is wrong."""
        top = Fields.of_json(raw, FILE_NAME)
        _check_format(top)
        manifest = cls(
            model=_source(top.section("model")),
            dimension=top.integer("dimension", 1, _MAX_DIMENSION),
            pooling=top.choice("pooling", POOLING_MODES),
            normalize=top.boolean("normalize"),
            include_prompt=top.boolean("include_prompt"),
            max_seq_length=top.integer("max_seq_length", 1, _MAX_SEQ_LENGTH),
            prompts=_prompts(top),
            similarity_fn_name=top.choice("similarity_fn_name", SIMILARITY_FUNCTIONS),
            default_dtype=top.choice("default_dtype", DTYPES),
            dtypes={name: _weights(w) for name, w in top.sections("dtypes", DTYPES)},
            artifacts={name: _artifact(a) for name, a in top.sections("artifacts")},
            tokenizer=top.relative_path("tokenizer"),
            vocabulary=_optional_path(top, "vocabulary"),
            canaries=tuple(Canary.parse(c) for c in top.items("canaries")),
            ranges=read_ranges(top),
            parity={name: _parity(p) for name, p in top.sections("parity", DTYPES)},
            tools=top.strings("tools"),
        )
        manifest._check_references(top)
        return manifest

    def _check_references(self, top: Fields) -> None:
        if self.default_dtype not in self.dtypes:
            raise top.error("default_dtype", f"names {self.default_dtype!r}, which is not there")
        of_text = {self.tokenizer, self.vocabulary or self.tokenizer}
        of_weights = {name for own in self.dtypes.values() for name in own[:3]}  # its paths
        if shared := of_text & of_weights:
            raise top.error("dtypes", f"names {min(shared)}, which is the tokenizer's")
        if missing := sorted((of_text | of_weights) - set(self.artifacts)):
            raise top.error("artifacts", f"has no entry for {', '.join(missing)}")
        self._check_sizes(top)
        for weights in self.dtypes.values():
            _check_tensors(weights, self.artifacts[weights.data].bytes, top)
        for canary in self.canaries:
            canary.check(self.dimension, top)
        for ranges in self.ranges.values():
            if ranges.shape != (2, self.dimension):
                raise top.error("ranges", f"must hold 2 x {self.dimension} numbers")

    def _check_sizes(self, top: Fields) -> None:
        most = {self.vocabulary or self.tokenizer: _MAX_VOCABULARY_BYTES}
        most |= {self.tokenizer: _MAX_TOKENIZER_BYTES}
        for weights in self.dtypes.values():
            most |= dict.fromkeys((weights.graph, weights.masked_graph), _MAX_GRAPH_BYTES)
        for name, size in most.items():
            if self.artifacts[name].bytes > size:
                raise top.error("artifacts", f"gives {name} more than {size} bytes")


def _check_format(top: Fields) -> None:
    if top.string("format") != FORMAT:
        raise top.error("format", f"must be {FORMAT!r}: this is not a bundle")
    version = top.integer("format_version", 1, 2**31)
    if version != FORMAT_VERSION:
        raise ManifestError(
            f"{FILE_NAME}: format_version {version} is newer than this edgembed reads "
            f"({FORMAT_VERSION}): upgrade edgembed, or export the model again"
        )


def _check_tensors(weights: Weights, size: int, top: Fields) -> None:
    end = 0
    for name, tensor in sorted(weights.tensors.items(), key=lambda item: item[1].offset):
        if tensor.offset % ITEM_BYTES[tensor.dtype]:
            raise top.error("dtypes", f"places {name!r} where it is not aligned")
        if tensor.offset < end:
            raise top.error("dtypes", f"places {name!r} on top of another weight")
        end = tensor.offset + tensor.bytes()
        if end > size:
            raise top.error("dtypes", f"places {name!r} beyond the end of {weights.data}")


def _source(section: Fields) -> Source:
    return Source(
        id=section.string("id"),
        revision=section.optional_string("revision"),
        license=section.optional_string("license"),
        architecture=section.optional_string("architecture") or "",
    )


def _weights(section: Fields) -> Weights:
    return Weights(
        graph=section.relative_path("graph"),
        masked_graph=section.relative_path("masked_graph"),
        data=section.relative_path("data"),
        fingerprint=section.hexadecimal("fingerprint"),
        tensors={name: _tensor(t) for name, t in section.named("tensors")},
    )


def _weights_to_json(weights: Weights) -> dict[str, Any]:
    tensors = {name: tensor._asdict() for name, tensor in weights.tensors.items()}
    return {**weights._asdict(), "tensors": tensors}


def _optional_path(section: Fields, name: str) -> str | None:
    return None if section.optional_string(name) is None else section.relative_path(name)


def _tensor(section: Fields) -> Tensor:
    return Tensor(
        dtype=section.choice("dtype", tuple(ONNX_TYPES)),
        shape=tuple(section.integers("shape", 0, 2**31)),
        offset=section.integer("offset", 0, 2**53),
    )


def _artifact(section: Fields) -> Artifact:
    return Artifact(section.hexadecimal("sha256"), section.integer("bytes", 0, _MAX_BYTES))


def _parity(section: Fields) -> dict[str, Any]:
    # What canaries depend on; bundles of before there was a choice do not tell the bits.
    section.number("mean", -1, 1)
    if "activation_bits" in section.value:
        section.integer("activation_bits", 8, 16)
    return section.value


def _prompts(top: Fields) -> Prompts:
    try:
        return Prompts(top.strings("prompts"), top.optional_string("default_prompt_name"))
    except PromptError as error:
        raise top.error("default_prompt_name", str(error)) from error
