"""Tables of characters: what is taken, tokenizers can walk; made by hand, as darts-clone does."""

from __future__ import annotations

import base64
import struct
from collections.abc import Callable
from random import Random

import pytest
from tokenizers import normalizers

from edgembed.charsmap import check_charsmap
from edgembed.checks import Fields
from edgembed.errors import ManifestError

_LEAF, _HAS_LEAF, _FAR = 1 << 31, 1 << 8, 1 << 9
_UNITS = 768
_TEXTS = ["a", "b", "A cab", "\0", "ab\u0301", "я", "\U0001f600"]


def _units() -> list[int]:
    """a -> "A", b -> "" , in a double array of three blocks: root, children, values.

    The place of a child is its parent's place ^ offset ^ byte; a value is the child of byte 0.
    """
    units = [0] * _UNITS
    units[0] = 256 << 10
    for byte, value in ((ord("a"), 0), (ord("b"), 2)):
        child = 256 ^ byte
        units[child] = byte | _HAS_LEAF | 768 << 10  # 256 ^ 768 = 512
        units[child ^ 768] = _LEAF | value
    return units


_REPLACEMENTS = b"A\0\0"


def _table(units: list[int], replacements: bytes = _REPLACEMENTS, length: int | None = None) -> str:
    size = 4 * len(units) if length is None else length
    raw = struct.pack("<I", size) + struct.pack(f"<{len(units)}I", *units) + replacements
    return base64.b64encode(raw).decode()


def _check(table: str) -> None:
    check_charsmap(Fields({"table": table}, "tokenizer.json"), "table")


def test_a_table_as_sentencepiece_writes_it_is_taken() -> None:
    table = _table(_units())
    _check(table)
    walked = normalizers.Precompiled(base64.b64decode(table))
    assert walked.normalize_str("cab") == "cA"


def test_far_offsets_count_256_fold() -> None:
    units = _units()
    units[0] = 1 << 10 | _FAR  # the same place: 1 << 8
    _check(_table(units))
    assert normalizers.Precompiled(base64.b64decode(_table(units))).normalize_str("cab") == "cA"
    units[0] = 3 << 10 | _FAR
    with pytest.raises(ManifestError, match="outside of it"):
        _check(_table(units))


@pytest.mark.parametrize(
    ("spoilt", "said"),
    [
        ("no base64!", "cannot be decoded"),
        ("", "shorter than"),
        (_table(_units(), b"", 4 * _UNITS + 4), "shorter than"),
        (_table(_units(), length=4 * _UNITS - 2), "shorter than"),
        (_table(_units()[:-1]), "outside of it"),
        (_table(_units(), b"AA\0"), "outside of it"),  # b's value begins within a text
        (_table(_units(), b"A"), "outside of it"),  # b's value begins beyond the end
        (_table(_units(), b"A\0" + b"x" * 257), "outside of it"),
    ],
)
def test_what_leads_out_is_refused(spoilt: str, said: str) -> None:
    with pytest.raises(ManifestError, match=said):
        _check(spoilt)


@pytest.mark.parametrize("replacements", [b"A\0", b"A\0" + b"x" * 256])
def test_the_last_replacement_may_end_the_file(replacements: bytes) -> None:
    _check(_table(_units(), replacements))


def test_what_is_taken_can_be_walked(
    amount: Callable[[int, int], int], figure: Callable[[str], None]
) -> None:
    """tokenizers panics, while it tokenises, at a place outside; the texts reach all units."""
    count, taken = amount(1_000, 50_000), 0
    for seed in range(count):
        random, units = Random(seed), _units()
        used = [place for place, unit in enumerate(units) if unit]
        for _ in range(random.choice((1, 2))):
            units[random.choice(used)] ^= 1 << random.randrange(32)
        table = _table(units)
        try:
            _check(table)
        except ManifestError:
            continue
        taken += 1
        walked = normalizers.Precompiled(base64.b64decode(table))
        for text in _TEXTS:
            walked.normalize_str(text)
    assert 0 < taken < count
    figure(f"{count:,} changed tables of characters, of which {taken:,} were taken and walked")
