"""`edgembed serve BUNDLE`: an HTTP server with OpenAI's and TEI's routes."""

from __future__ import annotations

import argparse
import os
from typing import Any

from edgembed.cli.options import Commands
from edgembed.errors import ArgumentError, MissingExtraError
from edgembed.service.settings import Settings
from edgembed.service.variables import MODEL, SETTINGS, Option, api_keys, seconds, truth, values

_SUMMARY = "Answer OpenAI's and TEI's embedding requests over HTTP."
_EPILOG = """Each option may be given by the environment variable in brackets, as for TEI; a flag
wins over its variable. Only requests from this machine are answered unless --host says otherwise.
SIGTERM ends the server when what it has accepted is answered, after --drain-time and two seconds at
the latest."""


def _host(text: str) -> str:
    if not text.strip():  # which sockets take for all addresses
        raise ValueError("no address")
    return text


def _port(text: str) -> int:
    port = int(text)
    if not 0 <= port < 2**16:
        raise ValueError("out of range")
    return port


def _list(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


# TEI's HOSTNAME is no variable of ours: Docker sets it to the container's id; and shells set HOST.
_SERVER = (
    Option(
        "--host", "127.0.0.1", _host, "address to listen on; 0.0.0.0: all", "ADDRESS", "EDGEMBED_"
    ),
    Option("--port", 3000, _port, "port to listen on; 0: any that is free", "PORT"),
    *MODEL,
    Option("--request-timeout", 12.0, seconds, "for a request to come in whole", "SECONDS"),
    Option("--drain-time", 8.0, seconds, "for accepted requests, on SIGTERM", "SECONDS"),
    Option("--api-key-file", None, str, "a file with one API key a line", "FILE"),
    Option("--cors-allow-origin", (), _list, "origins of web pages that may ask", "ORIGINS"),
    Option("--json-output", False, truth, "logs as JSON lines", "BOOL"),
)


def add(commands: Commands) -> None:
    """The command's arguments."""
    command: argparse.ArgumentParser = commands.add_parser(
        "serve", help=_SUMMARY, description=_SUMMARY, epilog=_EPILOG
    )
    command.add_argument(
        "bundle", metavar="BUNDLE", nargs="?", help="folder that edgembed-export wrote [MODEL_ID]"
    )
    for option in (*_SERVER, *SETTINGS):
        default = "" if option.default in (None, ()) else f" (default: {option.default})"
        flag: dict[str, Any] = {"metavar": option.metavar}
        if option.parse is truth:
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
    given = vars(args)
    keys = api_keys(args.api_key, args.api_key_file)
    settings = Settings(**values(SETTINGS, given), api_keys=keys)
    server = values(_SERVER, given)
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
        model = Model.load(bundle, server["dtype"], settings, public_key=server["public_key"])
        service = Service(model, server["threads"])
        times = server["request_timeout"], server["drain_time"]
        serve(service, listening, *times, server["cors_allow_origin"])
    return 0
