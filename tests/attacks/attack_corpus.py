"""The attacks: each what is done to a bundle, which error names it, and who must not see it."""

from __future__ import annotations

from typing import NamedTuple

import file_attacks
import graph_attacks
import manifest_attacks
import tokenizer_attacks
from spoiling import Spoil


class Attack(NamedTuple):
    """One attack on a copy of the bundle `base`.

    error: the class that refuses it; said: a regular expression that its message matches.
    unseen: "onnxruntime" or "tokenizers", which must not have been given anything by then.
    """

    spoil: Spoil
    error: str
    said: str
    unseen: tuple[str, ...] = ()
    base: str = "tiny-frida"


_BOTH = ("onnxruntime", "tokenizers")

ATTACKS = {
    **{f"file: {k}": Attack(*v) for k, v in file_attacks.ATTACKS.items()},
    **{
        f"graph: {k}": Attack(spoil, "UnsafeArtifactError", said, ("onnxruntime",))
        for k, (spoil, said) in graph_attacks.ATTACKS.items()
    },
    **{
        f"manifest: {k}": Attack(spoil, "ManifestError", said, _BOTH)
        for k, (spoil, said) in manifest_attacks.ATTACKS.items()
    },
    **{
        f"manifest: {k}": Attack(spoil, error, said, _BOTH[:1])
        for k, (spoil, error, said) in manifest_attacks.LIES.items()
    },
    **{
        f"tokenizer: {k}": Attack(spoil, "UnsafeArtifactError", said, ("tokenizers",), base)
        for base, attacks in tokenizer_attacks.ATTACKS.items()
        for k, (spoil, said) in attacks.items()
    },
}
