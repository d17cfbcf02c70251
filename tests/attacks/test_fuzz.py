"""Files changed at random give what they gave, or an error of ours, and nothing else.

Mutations are made by a seeded generator of our own, not by hypothesis, whose bookkeeping would take
most of the time of a million.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import Any

import pytest

from edgembed.errors import EdgembedError
from edgembed.graphcheck import check_graph
from edgembed.manifest import Manifest
from edgembed.tokenizerfile import parse

_JUNK: tuple[Any, ...] = (
    None, True, False, 0, 1, -1, 2**31, 2**63, -(2**63), 10**30, 1.5, float("nan"), float("inf"),
    "", "x", "../x", "/etc/passwd", "\0", "\ud800", "🙂" * 100, [], [None], [[[]]], {}, {"": {}},
    {"..": 1}, "0" * 64, "AAAA", 1e308, "int8", "float32", "mean",
)  # fmt: skip
_BYTES = (
    b"",
    b"\0",
    b"\xff",
    b"{",
    b"}",
    b"[",
    b"]",
    b'"',
    b"\\",
    b",",
    b":",
    b"1e999",
    b"-",
    b"9" * 400,
)


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every holder and key in a JSON value."""
    waiting = [value]
    while waiting:
        holder = waiting.pop()
        keys = list(holder) if isinstance(holder, dict) else range(len(holder))
        for key in keys:
            yield holder, key
            if isinstance(holder[key], (dict, list)):
                waiting.append(holder[key])


def _change_value(raw: bytes, random: Random) -> bytes:
    """Set, take out, double, or move about something in a JSON document."""
    value = json.loads(raw)
    for _ in range(random.choice((1, 1, 2, 5))):
        places = list(_places(value))
        if not places:
            break
        holder, key = random.choice(places)
        what = random.randrange(4)
        if what == 0:
            del holder[key]
        elif what == 1 and isinstance(holder, dict):
            holder[random.choice(("", "x", "..", "type", "\ud800"))] = holder.pop(key)
        elif what == 2:
            other, own = random.choice(places)
            holder[key] = json.loads(json.dumps(other[own])) if own in _keys(other) else None
        else:
            holder[key] = random.choice(_JUNK)
    return json.dumps(value).encode()


def _keys(holder: Any) -> Any:
    return holder if isinstance(holder, dict) else range(len(holder))


def _change_bytes(raw: bytes, random: Random) -> bytes:
    """Overwrite, put in, take out or double some bytes, or cut the end off."""
    changed = bytearray(raw)
    for _ in range(random.choice((1, 1, 2, 8))):
        at = random.randrange(len(changed) + 1)
        end = min(len(changed), at + random.choice((1, 1, 4, 64, 1024)))
        what = random.randrange(6)
        if what == 0:
            changed[at:end] = random.randbytes(end - at)
        elif what == 1:
            changed[at:at] = random.choice(_BYTES)
        elif what == 2:
            del changed[at:end]
        elif what == 3:
            changed[at:at] = changed[at:end]
        elif what == 4 and at < end:
            changed[at] ^= 1 << random.randrange(8)
        elif random.randrange(20) == 0:
            del changed[at:]
    return bytes(changed)


def _fuzz(
    raw: bytes,
    changes: tuple[Callable[[bytes, Random], bytes], ...],
    check: Callable[[bytes], object],
    count: int,
) -> Counter[str]:
    """How many mutations gave which error; any that is not ours is raised with its seed."""
    given: Counter[str] = Counter()
    for seed in range(count):
        random = Random(seed)
        mutated = random.choice(changes)(raw, random)
        try:
            check(mutated)
            given["taken"] += 1
        except EdgembedError as error:
            given[type(error).__name__] += 1
        except BaseException as error:
            raise AssertionError(f"seed {seed} gave {error!r}: {mutated[:2000]!r}") from error
    return given


@pytest.fixture(scope="module")
def bundle(bundles: Path) -> Path:
    return bundles / "tiny-frida"


def _small_manifest(bundle: Path) -> bytes:
    """The bundle's manifest with fewer of what it has many of: quicker to change and to read."""
    value = json.loads((bundle / "manifest.json").read_bytes())
    value["canaries"] = value["canaries"][:1]
    named = {value["tokenizer"], value["vocabulary"]}
    for own in value["dtypes"].values():
        named |= {own["graph"], own["masked_graph"], own["data"]}
    value["artifacts"] = {k: v for k, v in value["artifacts"].items() if k in named}
    value["tools"], value["ranges"] = {"onnxruntime": "1.0"}, {}
    value["prompts"] = dict(list(value["prompts"].items())[:2])
    value["default_prompt_name"] = next(iter(value["prompts"]))
    return Manifest.parse(json.dumps(value).encode()).dump()


def _parse_and_dump(raw: bytes) -> None:
    """What is taken is understood: written and read again it is the same (looked at now and then,
    because writing takes ten times as long as reading).
    """
    parsed = Manifest.parse(raw)
    if len(raw) % 16 == 0:
        dumped = parsed.dump()
        assert Manifest.parse(dumped).dump() == dumped


def test_manifests(
    bundle: Path, amount: Callable[[int, int], int], figure: Callable[[str], None]
) -> None:
    raw, count = _small_manifest(bundle), amount(4_000, 1_000_000)
    given = _fuzz(raw, (_change_value, _change_bytes), _parse_and_dump, count)
    assert set(given) == {"taken", "ManifestError"}
    assert given["ManifestError"] > count / 2
    figure(f"{count:,} mutations of {len(raw)} bytes: {dict(given)}")


@pytest.mark.parametrize("name", ["tiny-frida", "tiny-xlmr"])
def test_tokenizers(
    bundles: Path, name: str, amount: Callable[[int, int], int], figure: Callable[[str], None]
) -> None:
    raw, count = (bundles / name / "tokenizer.json").read_bytes(), amount(1_000, 20_000)

    def check(mutated: bytes) -> None:
        parse(mutated).text()
        parse(mutated, vocabulary=False)

    given = _fuzz(raw, (_change_value, _change_bytes), check, count)
    assert set(given) == {"taken", "UnsafeArtifactError"}
    figure(f"{count:,} mutations of {len(raw)} bytes: {dict(given)}")


@pytest.mark.parametrize("dtype", ["int8", "float32"])
def test_graphs(
    bundle: Path, dtype: str, amount: Callable[[int, int], int], figure: Callable[[str], None]
) -> None:
    manifest = Manifest.parse((bundle / "manifest.json").read_bytes())
    weights = manifest.dtypes[dtype]
    raw, count = (bundle / weights.graph).read_bytes(), amount(500, 20_000)

    def check(mutated: bytes) -> None:
        check_graph(mutated, weights.graph, weights, manifest)

    given = _fuzz(raw, (_change_bytes,), check, count)
    assert set(given) == {"taken", "UnsafeArtifactError"}
    figure(f"{count:,} mutations of {len(raw)} bytes: {dict(given)}")
