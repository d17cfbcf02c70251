"""The commands' part of docs/cli.md, made from the command line's own definitions.

    python tests/cli_page.py

writes it; test_cli_page.py checks that it was done. (argparse's own layout of a help text differs
from one Python to the next.)
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

from edgembed.cli import parser
from edgembed_export.cli import parser as export_parser

PAGE = Path(__file__).parent.parent / "docs" / "cli.md"
_BEGIN, _END = "<!-- commands -->\n", "<!-- end -->\n"


def commands() -> dict[str, argparse.ArgumentParser]:
    """Every sub-command by name."""
    (choices,) = [a.choices for a in parser()._actions if isinstance(a.choices, dict)]
    return dict(choices)


def programs() -> dict[str, argparse.ArgumentParser]:
    """Everything that a shell can be asked, as it is typed."""
    own = {f"edgembed {name}": command for name, command in commands().items()}
    return own | {"edgembed-export": export_parser()}


def page() -> str:
    """docs/cli.md as it should be: what is there, with the commands between the two marks."""
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(_BEGIN)
    _, _, after = rest.partition(_END)
    sections = "\n".join("\n".join(_section(*one)) for one in programs().items())
    return f"{before}{_BEGIN}{sections}{_END}{after}"


def _section(name: str, command: argparse.ArgumentParser) -> Iterator[str]:
    formatter = command._get_formatter()
    everywhere = (argparse._HelpAction, argparse._VersionAction)
    actions = [a for a in command._actions if not isinstance(a, everywhere)]
    positional = " ".join(_positional(a) for a in actions if not a.option_strings)
    yield f"## {name}\n"
    yield f"`{name} {positional} [OPTION ...]`\n"
    yield f"{command.description}\n"
    yield "| argument | meaning |\n|---|---|"
    for action in actions:
        text = " ".join(formatter._expand_help(action).split()).replace("|", "\\|")
        yield f"| `{_spelling(action)}` | {text} |"
    if command.epilog:
        yield f"\n{' '.join(command.epilog.split())}"
    yield ""


def _positional(action: argparse.Action) -> str:
    return f"[{_value(action)}]" if action.nargs == "?" else _value(action)


def _value(action: argparse.Action) -> str:
    if action.metavar:
        return str(action.metavar)
    return "{" + ",".join(map(str, action.choices)) + "}" if action.choices else action.dest.upper()


def _spelling(action: argparse.Action) -> str:
    names = ", ".join(action.option_strings)
    takes = action.nargs != 0
    return " ".join(filter(None, [names, _value(action) if takes else ""])).replace("|", "\\|")


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
