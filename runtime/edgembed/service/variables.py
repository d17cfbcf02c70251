"""Settings by environment variables: TEI's names where TEI has them.

`edgembed serve` gives each a flag as well; a serverless handler has the variables only.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgembed.errors import ArgumentError
from edgembed.service.settings import Settings
from edgembed.threads import checked_threads

_MOST_SECONDS = 3600.0
_YES, _NO = ("true", "1", "yes", "on"), ("false", "0", "no", "off")


@dataclass(frozen=True)
class Option:
    """A flag and its variable: TEI's, which is the flag's name in upper case, or a safer one."""

    flag: str
    default: Any
    parse: Callable[[str], Any]
    help: str
    metavar: str
    prefix: str = ""

    @property
    def name(self) -> str:
        """Its name in Python."""
        return self.flag.removeprefix("--").replace("-", "_")

    @property
    def variable(self) -> str:
        """The environment variable."""
        return self.prefix + self.name.upper()


def truth(text: str) -> bool:
    """ValueError for what is neither true nor false."""
    if text.lower() not in (*_YES, *_NO):
        raise ValueError("neither true nor false")
    return text.lower() in _YES


def seconds(text: str) -> float:
    """ValueError for what is no time to wait."""
    given = float(text)
    if not 0 < given <= _MOST_SECONDS:
        raise ValueError("out of range")
    return given


def threads(text: str) -> int:
    """ValueError for what is no number of threads."""
    return checked_threads(int(text))


def _own(name: str, parse: Callable[[str], Any], text: str, metavar: str) -> Option:
    return Option(f"--{name.replace('_', '-')}", getattr(Settings, name), parse, text, metavar)


# The fields of Settings but the keys, and what the model is loaded with.
SETTINGS = (
    _own("served_model_name", str, "what OpenAI's routes call the model", "NAME"),
    _own("max_concurrent_requests", int, "requests in work at once; more get 429", "N"),
    _own("max_client_batch_size", int, "texts in one request of TEI's routes", "N"),
    _own("max_batch_tokens", int, "at least the bundle's max_seq_length", "N"),
    _own("payload_limit", int, "bytes of a request's body", "BYTES"),
    _own("max_queue_time", seconds, "longest wait for other requests; else 429", "SECONDS"),
    _own("auto_truncate", truth, "cut texts that are too long, or refuse them", "BOOL"),
    _own("default_prompt_name", str, "in place of the checkpoint's default prompt", "NAME"),
    _own("default_prompt", str, "the same by its text; '' for none", "TEXT"),
)
MODEL = (
    Option("--dtype", None, str, "int8 or float32 (default: the bundle's)", "DTYPE"),
    Option("--threads", None, threads, "texts run at once (default: all CPUs)", "N", "EDGEMBED_"),
    Option(
        "--public-key",
        None,
        str,
        "refuse a bundle that is not signed with the private key to this one (PEM, Ed25519)",
        "FILE",
        "EDGEMBED_",
    ),
)


def values(options: Iterable[Option], flags: Mapping[str, Any]) -> dict[str, Any]:
    """Each option's value by its name: the flag's, else the variable's, else the default.

    flags: what was given on a command line, by name; None where nothing was. ArgumentError names
    the flag or the variable that cannot be read.
    """
    return {option.name: _value(option, flags.get(option.name)) for option in options}


def _value(option: Option, given: Any) -> Any:
    where = option.flag
    if given is None:
        given, where = os.environ.get(option.variable), option.variable
        if given == "" and option.name != "default_prompt":  # an empty variable is none
            given = None
    if given is None:
        return option.default
    try:
        return option.parse(given)
    except ValueError as error:
        raise ArgumentError(
            f"{where}={given!r} is no value for it ({error}): {option.help}"
        ) from error


def api_keys(key: str | None = None, file: str | None = None) -> tuple[str, ...]:
    """The keys that requests must bring: those given, else those of API_KEY and API_KEY_FILE.

    file: one with a key a line; ArgumentError where it cannot be read or holds none.
    """
    key = os.environ.get("API_KEY") if key is None else key
    keys = [] if key is None else [key]
    file = file or os.environ.get("API_KEY_FILE")
    if file:
        try:
            lines = Path(file).read_text("utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise ArgumentError(f"--api-key-file {file} cannot be read: {error}") from error
        keys += [line.strip() for line in lines if line.strip()]
        if not keys:
            raise ArgumentError(f"--api-key-file {file} holds no key")
    return tuple(keys)
