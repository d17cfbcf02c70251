"""Reading JSON that may say anything: a typed view that names the field in every complaint."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from pathlib import PurePosixPath
from typing import Any, NamedTuple, TypeVar

from edgembed.errors import ManifestError

_Choice = TypeVar("_Choice", bound=str)
_SHA256 = re.compile(r"[0-9a-f]{64}")
_REMEDY = "the bundle is damaged or was edited: export or download it again"


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        raise ValueError("a key stands twice in one object")
    return result


class Fields(NamedTuple):
    """One JSON object, and where in which file it stands."""

    value: dict[str, Any]
    where: str

    @classmethod
    def of_json(cls, raw: bytes, where: str) -> Fields:
        """Parse a file that must be one JSON object without duplicate keys."""
        try:
            value = json.loads(raw.decode("utf-8"), object_pairs_hook=_no_duplicates)
            json.dumps(value, ensure_ascii=False).encode()  # "\\ud800" is JSON, but no Unicode
        except (ValueError, RecursionError) as error:
            raise ManifestError(f"{where} is not valid JSON ({error}); {_REMEDY}") from error
        return cls.of(value, where)

    @classmethod
    def of(cls, value: Any, where: str) -> Fields:
        """The view of a value that must be a JSON object."""
        if not isinstance(value, dict):
            raise ManifestError(f"{where} must be a JSON object; {_REMEDY}")
        return cls(value, where)

    def error(self, name: str, what: str) -> ManifestError:
        """The complaint about one field, to be raised by the caller."""
        return ManifestError(f"{self.where}: {name} {what}; {_REMEDY}")

    def _get(self, name: str) -> Any:
        if name not in self.value:
            raise self.error(name, "is missing")
        return self.value[name]

    def string(self, name: str, most: int | None = None) -> str:
        """A text, of at most so many characters."""
        value = self._get(name)
        if not isinstance(value, str):
            raise self.error(name, "must be a text")
        if most is not None and len(value) > most:
            raise self.error(name, f"must have {most} characters at most")
        return value

    def optional_string(self, name: str) -> str | None:
        """A text, or None where the field is null or absent."""
        return None if self.value.get(name) is None else self.string(name)

    def boolean(self, name: str) -> bool:
        """True or false."""
        value = self._get(name)
        if not isinstance(value, bool):
            raise self.error(name, "must be true or false")
        return value

    def integer(self, name: str, low: int, high: int) -> int:
        """A whole number from low to high."""
        value = self._get(name)
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            raise self.error(name, f"must be a whole number from {low} to {high}")
        return value

    def number(self, name: str, low: float, high: float) -> float:
        """A number from low to high."""
        value = self._get(name)
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise self.error(name, "must be a number")
        if not low <= value <= high:
            raise self.error(name, f"must be from {low} to {high}")
        return float(value)

    def integers(self, name: str, low: int, high: int) -> list[int]:
        """A list of whole numbers from low to high."""
        value = self._get(name)
        if not isinstance(value, list):
            raise self.error(name, "must be a list")
        return [Fields({name: item}, self.where).integer(name, low, high) for item in value]

    def choice(self, name: str, choices: Sequence[_Choice]) -> _Choice:
        """One of the given texts."""
        value = self.string(name)
        for choice in choices:
            if value == choice:
                return choice
        raise self.error(name, f"must be one of {', '.join(choices)}, not {value!r}")

    def hexadecimal(self, name: str) -> str:
        """A SHA-256 in lower-case hex."""
        value = self.string(name)
        if not _SHA256.fullmatch(value):
            raise self.error(name, "must be 64 hexadecimal digits")
        return value

    def relative_path(self, name: str) -> str:
        """A path inside the bundle."""
        value = self.string(name)
        if not is_inside(value):
            raise self.error(name, f"must be a plain path inside the bundle, not {value!r}")
        return value

    def mapping(self, name: str) -> dict[str, Any]:
        """Any JSON object."""
        return self.of(self._get(name), f"{self.where}: {name}").value

    def strings(self, name: str) -> dict[str, str]:
        """An object whose values are all texts."""
        value = self.mapping(name)
        if not all(isinstance(v, str) for v in value.values()):
            raise self.error(name, "must hold texts only")
        return value

    def section(self, name: str) -> Fields:
        """A nested object."""
        return self.of(self._get(name), f"{self.where}: {name}")

    def named(self, name: str) -> Iterator[tuple[str, Fields]]:
        """A nested object's own objects, under any keys."""
        for key, value in self.mapping(name).items():
            yield key, self.of(value, f"{self.where}: {name}: {key}")

    def sections(
        self, name: str, names: Sequence[str] | None = None
    ) -> Iterator[tuple[str, Fields]]:
        """A nested object's own objects; its keys are `names`, or paths inside the bundle."""
        for key, fields in self.named(name):
            if not (is_inside(key) if names is None else key in names):
                raise self.error(name, f"has an entry {key!r} that cannot be")
            yield key, fields

    def items(self, name: str) -> Iterator[Fields]:
        """A list of objects."""
        value = self._get(name)
        if not isinstance(value, list):
            raise self.error(name, "must be a list")
        for index, item in enumerate(value):
            yield self.of(item, f"{self.where}: {name}[{index}]")


def is_inside(path: str) -> bool:
    """Whether a path is a plain relative one: no "..", no root, drive, backslash or control."""
    parts = PurePosixPath(path).parts
    plain = bool(parts) and path.isprintable() and not any(c in path for c in "\\:")
    plain = plain and not path.startswith("/")
    return plain and ".." not in parts and "/".join(parts) == path
