"""`edgembed serve BUNDLE`: an HTTP server with OpenAI's and TEI's routes."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgembed.cli.options import Commands
from edgembed.errors import ArgumentError, MissingExtraError
from edgembed.service.settings import Settings

_SUMMARY = "Answer OpenAI's and TEI's embedding requests over HTTP."
_EPILOG = """Each option may be given by the environment variable in brackets, as for TEI; a flag
wins over its variable. Only requests from this machine are answered unless --host says otherwise.
SIGTERM ends the server when what it has accepted is answered, after --drain-time and two seconds at
the latest."""
_MOST_SECONDS, _MOST_THREADS = 3600.0, 1024
_YES, _NO = ("true", "1", "yes", "on"), ("false", "0", "no", "off")


@dataclass(frozen=True)
class _Option:
    """A flag and its variable: TEI's, which is the flag's name in upper case, or a safer one."""

    flag: str
    default: Any
    parse: Callable[[str], Any]
    help: str
    metavar: str
    prefix: str = ""

    @property
    def name(self) -> str:
        return self.flag.removeprefix("--").replace("-", "_")

    @property
    def variable(self) -> str:
        return self.prefix + self.name.upper()


def _truth(text: str) -> bool:
    if text.lower() not in (*_YES, *_NO):
        raise ValueError("neither true nor false")
    return text.lower() in _YES


def _seconds(text: str) -> float:
    seconds = float(text)
    if not 0 < seconds <= _MOST_SECONDS:
        raise ValueError("out of range")
    return seconds


def _host(text: str) -> str:
    if not text.strip():  # which sockets take for all addresses
        raise ValueError("no address")
    return text


def _port(text: str) -> int:
    port = int(text)
    if not 0 <= port < 2**16:
        raise ValueError("out of range")
    return port


def _threads(text: str) -> int:
    threads = int(text)
    if not 0 < threads <= _MOST_THREADS:
        raise ValueError("out of range")
    return threads


def _own(name: str, parse: Callable[[str], Any], text: str, metavar: str) -> _Option:
    return _Option(f"--{name.replace('_', '-')}", getattr(Settings, name), parse, text, metavar)


def _list(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


# Those that are fields of Settings, and those of the server. TEI's HOSTNAME is no variable of ours:
# Docker sets it to the container's id; and shells set HOST.
_SETTINGS = (
    _own("served_model_name", str, "what OpenAI's routes call the model", "NAME"),
    _own("max_concurrent_requests", int, "requests in work at once; more get 429", "N"),
    _own("max_client_batch_size", int, "texts in one request of TEI's routes", "N"),
    _own("max_batch_tokens", int, "at least the bundle's max_seq_length", "N"),
    _own("payload_limit", int, "bytes of a request's body", "BYTES"),
    _own("max_queue_time", _seconds, "longest wait for other requests; else 429", "SECONDS"),
    _own("auto_truncate", _truth, "cut texts that are too long, or refuse them", "BOOL"),
    _own("default_prompt_name", str, "in place of the checkpoint's default prompt", "NAME"),
    _own("default_prompt", str, "the same by its text; '' for none", "TEXT"),
)
_SERVER = (
    _Option(
        "--host", "127.0.0.1", _host, "address to listen on; 0.0.0.0: all", "ADDRESS", "EDGEMBED_"
    ),
    _Option("--port", 3000, _port, "port to listen on; 0: any that is free", "PORT"),
    _Option("--dtype", None, str, "int8 or float32 (default: the bundle's)", "DTYPE"),
    _Option("--threads", None, _threads, "texts run at once (default: all CPUs)", "N", "EDGEMBED_"),
    _Option("--request-timeout", 12.0, _seconds, "for a request to come in whole", "SECONDS"),
    _Option("--drain-time", 8.0, _seconds, "for accepted requests, on SIGTERM", "SECONDS"),
    _Option("--api-key-file", None, str, "a file with one API key a line", "FILE"),
    _Option("--cors-allow-origin", (), _list, "origins of web pages that may ask", "ORIGINS"),
    _Option("--json-output", False, _truth, "logs as JSON lines", "BOOL"),
)


def add(commands: Commands) -> None:
    """The command's arguments."""
    command: argparse.ArgumentParser = commands.add_parser(
        "serve", help=_SUMMARY, description=_SUMMARY, epilog=_EPILOG
    )
    command.add_argument(
        "bundle", metavar="BUNDLE", nargs="?", help="folder that edgembed-export wrote [MODEL_ID]"
    )
    for option in (*_SERVER, *_SETTINGS):
        default = "" if option.default in (None, ()) else f" (default: {option.default})"
        flag: dict[str, Any] = {"metavar": option.metavar}
        if option.parse is _truth:
            flag |= {"nargs": "?", "const": "true"}
        command.add_argument(
            option.flag, help=f"{option.help}{default} [{option.variable}]", **flag
        )
    command.add_argument(
        "--api-key",
        metavar="KEY",
        help="a key that requests must bring; better by its variable, as other users of this "
        "machine can read flags [API_KEY]",
    )
    command.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Serve until SIGTERM or SIGINT."""
    settings = Settings(**_values(args, _SETTINGS), api_keys=_keys(args))
    server = _values(args, _SERVER)
    bundle = args.bundle or os.environ.get("MODEL_ID")
    if not bundle:
        raise ArgumentError("name the BUNDLE, or set MODEL_ID to it")
    try:
        from edgembed.server import log
        from edgembed.server.run import Address, serve
        from edgembed.service.model import Model
        from edgembed.service.service import Service
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("edgembed"):
            raise
        raise MissingExtraError("serve needs: pip install 'edgembed[serve]'") from error
    # Bound first: a port that is taken shows before a large model is loaded.
    with Address(server["host"], server["port"]).bind() as listening:
        log.configure(server["json_output"])
        service = Service(Model.load(bundle, server["dtype"], settings), server["threads"])
        times = server["request_timeout"], server["drain_time"]
        serve(service, listening, *times, server["cors_allow_origin"])
    return 0


def _values(args: argparse.Namespace, options: Iterable[_Option]) -> dict[str, Any]:
    """Each option's value by its name: the flag's, else the variable's, else the default."""
    return {o.name: _value(args, o) for o in options}


def _value(args: argparse.Namespace, option: _Option) -> Any:
    given, where = getattr(args, option.name), option.flag
    if given is None:
        given, where = os.environ.get(option.variable), option.variable
        if given == "" and option.name != "default_prompt":  # an empty variable is none
            given = None
    if given is None:
        return option.default
    try:
        return option.parse(given)
    except ValueError as error:
        raise ArgumentError(f"{where}={given!r} is no value for it: {option.help}") from error


def _keys(args: argparse.Namespace) -> tuple[str, ...]:
    key = args.api_key if args.api_key is not None else os.environ.get("API_KEY")
    keys = [] if key is None else [key]
    file = args.api_key_file or os.environ.get("API_KEY_FILE")
    if file:
        try:
            lines = Path(file).read_text("utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise ArgumentError(f"--api-key-file {file} cannot be read: {error}") from error
        keys += [line.strip() for line in lines if line.strip()]
        if not keys:
            raise ArgumentError(f"--api-key-file {file} holds no key")
    return tuple(keys)
