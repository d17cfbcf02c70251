"""Reading JSON that may say anything."""

from __future__ import annotations

import contextlib
import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgembed.checks import Fields, is_inside
from edgembed.errors import EdgembedError, ManifestError

SHA = "0" * 64


def fields(**values: object) -> Fields:
    return Fields.of(values, "file.json")


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"{",
        b"\xff\xfe{}",
        b"[]",
        b"null",
        b'"text"',
        b"1",
        b'{"a": 1, "a": 2}',
        b'{"outer": {"a": 1, "a": 2}}',
        b"[" * 100_000,
    ],
)
def test_only_one_json_object_is_taken(raw: bytes) -> None:
    with pytest.raises(ManifestError, match=r"file\.json"):
        Fields.of_json(raw, "file.json")


@given(st.binary(max_size=200))
def test_any_bytes_give_fields_or_a_manifest_error(raw: bytes) -> None:
    with contextlib.suppress(ManifestError):
        assert isinstance(Fields.of_json(raw, "file.json").value, dict)


READERS = {
    "string": ("x", [1, None, [], {}, True]),
    "boolean": (True, [0, 1, "true", None]),
    "hexadecimal": (SHA, ["", "0" * 63, "0" * 65, "A" * 64, "g" * 64, SHA + "\n", 7]),
    "relative_path": ("a/b", ["", "/a", "../a", "a/../b", "a//b", "a/", "./a", "a\\b", "c:a", 1]),
    "mapping": ({"a": 1}, [[], "x", None, 1]),
    "strings": ({"a": "b"}, [{"a": 1}, {"a": None}, [], "x"]),
    "section": ({"a": 1}, [[], "x", None]),
}


@pytest.mark.parametrize("reader", READERS)
def test_a_good_value_is_read(reader: str) -> None:
    good, _ = READERS[reader]
    read = getattr(fields(name=good), reader)("name")
    assert (read.value if isinstance(read, Fields) else read) == good


@pytest.mark.parametrize(
    ("reader", "bad"), [(reader, bad) for reader, (_, bads) in READERS.items() for bad in bads]
)
def test_a_bad_value_is_refused_by_name(reader: str, bad: object) -> None:
    with pytest.raises(ManifestError, match=r"file\.json: name"):
        getattr(fields(name=bad), reader)("name")


@pytest.mark.parametrize("reader", READERS)
def test_a_missing_field_is_named(reader: str) -> None:
    with pytest.raises(ManifestError, match=r"file\.json: name is missing"):
        getattr(fields(other=1), reader)("name")


def test_optional_string() -> None:
    assert fields(name="x").optional_string("name") == "x"
    assert fields(name=None).optional_string("name") is None
    assert fields().optional_string("name") is None
    with pytest.raises(ManifestError, match="name must be a text"):
        fields(name=1).optional_string("name")


@pytest.mark.parametrize("good", [1, 5, 10])
def test_integer_in_range(good: int) -> None:
    assert fields(name=good).integer("name", 1, 10) == good


@pytest.mark.parametrize("bad", [0, 11, -1, 1.0, True, "5", None, 10**30])
def test_integer_out_of_range(bad: object) -> None:
    with pytest.raises(ManifestError, match="name must be a whole number from 1 to 10"):
        fields(name=bad).integer("name", 1, 10)


def test_choice() -> None:
    assert fields(name="b").choice("name", ("a", "b")) == "b"
    with pytest.raises(ManifestError, match="name must be one of a, b, not 'c'"):
        fields(name="c").choice("name", ("a", "b"))


def test_items() -> None:
    items = list(fields(name=[{"a": 1}, {"a": 2}]).items("name"))
    assert [item.value["a"] for item in items] == [1, 2]
    with pytest.raises(ManifestError, match="name must be a list"):
        list(fields(name={}).items("name"))
    with pytest.raises(ManifestError, match=r"name\[1\] must be a JSON object"):
        list(fields(name=[{}, 1]).items("name"))


def test_sections() -> None:
    both = fields(name={"a/b": {"x": 1}})
    assert [(key, own.value) for key, own in both.sections("name")] == [("a/b", {"x": 1})]
    with pytest.raises(ManifestError, match=r"'\.\./a'"):
        list(fields(name={"../a": {}}).sections("name"))
    with pytest.raises(ManifestError, match="'int4'"):
        list(fields(name={"int4": {}}).sections("name", ("int8",)))


@pytest.mark.parametrize("path", ["a", "a/b.json", "onnx/model.onnx_data", "буква", "a b", "..a"])
def test_paths_inside(path: str) -> None:
    assert is_inside(path)


@pytest.mark.parametrize(
    "path",
    [
        "",
        ".",
        "..",
        "/",
        "/a",
        "//a",
        "../a",
        "a/..",
        "a/../../b",
        "./a",
        "a/",
        "a//b",
        "a/./b",
        "C:\\a",
        "C:a",
        "a\\..\\b",
        "\\\\host\\a",
        "a\0b",
        "file:stream",
    ],
)
def test_paths_outside(path: str) -> None:
    assert not is_inside(path)


@given(st.text(alphabet="ab./\\:\0~ ", max_size=12))
def test_an_inside_path_stays_inside(path: str) -> None:
    if not is_inside(path):
        return
    depth = 0
    for part in path.split("/"):
        assert part not in ("", ".", "..")
        depth += 1
    assert depth >= 1


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(), st.lists))
def test_readers_raise_nothing_but_edgembeds_errors(value: object) -> None:
    own = Fields.of_json(json.dumps({"name": value}).encode(), "file.json")
    for reader in READERS:
        with contextlib.suppress(EdgembedError):
            getattr(own, reader)("name")


@pytest.mark.parametrize("junk", [True, False, "1", None, [1], {}])
def test_a_number_is_no_other_kind_of_value(junk: object) -> None:
    with pytest.raises(ManifestError, match="mean must be a number"):
        Fields.of({"mean": junk}, "manifest.json").number("mean", -1, 1)


@pytest.mark.parametrize("outside", [-1.01, 2, math.nan, math.inf])
def test_a_number_is_within_its_bounds(outside: float) -> None:
    own = Fields.of({"mean": outside, "low": -1, "high": 1}, "manifest.json")
    assert (own.number("low", -1, 1), own.number("high", -1, 1)) == (-1.0, 1.0)
    with pytest.raises(ManifestError, match="mean must be from -1 to 1"):
        own.number("mean", -1, 1)
