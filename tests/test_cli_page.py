"""docs/cli.md says what the command line says; completion scripts complete; help is quick."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from cli_page import PAGE, commands, page, programs
from support import python

MAIN = "import sys; from edgembed.cli import main; sys.exit(main())"


def test_the_page_is_what_the_commands_say() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "run  python tests/cli_page.py"


def test_every_command_is_on_the_page() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert {"encode", "similarity", "info", "doctor", "bench", "serve"} <= set(commands())
    for name, command in programs().items():
        assert f"\n## {name}\n" in text
        assert command.description


def test_what_help_imports_is_little() -> None:
    # Of what it does import, time is measured in docs and benchmarks, not here: but these alone
    # would take longer than everything else together.
    script = f"""
import sys
try:
    {MAIN.replace("sys.exit(main())", 'main(["--help"])')}
finally:
    print(sorted({{name.partition(".")[0] for name in sys.modules}}), file=sys.stderr)
"""
    said = python("-c", script).stderr.decode()
    for heavy in ("numpy", "onnxruntime", "asyncio", "logging", "concurrent", "email", "starlette"):
        assert f"'{heavy}'" not in said, heavy


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_script_for_each_shell(shell: str) -> None:
    done = python("-c", MAIN, "completion", shell)
    assert done.returncode == 0, done.stderr
    for word in ("encode", "doctor", "resume", "prompt"):
        assert word in done.stdout.decode()


def completed(script: Path, words: list[str]) -> list[str]:
    """What bash offers for the last word."""
    code = f"""
source {script}
COMP_WORDS=({" ".join(words)} "")
COMP_CWORD={len(words)}
COMP_LINE="{" ".join(words)} "
COMP_POINT=${{#COMP_LINE}}
$(complete -p edgembed | sed 's/.*-F \\([^ ]*\\).*/\\1/')
printf '%s\\n' "${{COMPREPLY[@]}}"
"""
    done = subprocess.run(["bash", "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.split()


@pytest.mark.skipif(shutil.which("bash") is None, reason="bash is not installed")
def test_bash_completes(tmp_path: Path) -> None:
    script = tmp_path / "edgembed.bash"
    script.write_bytes(python("-c", MAIN, "completion", "bash").stdout)
    assert set(commands()) <= set(completed(script, ["edgembed"]))
    code = ["edgembed", "encode", "bundle", "in.txt", "--format"]
    assert set(completed(script, code)) == {"npy", "jsonl", "parquet"}
    assert set(completed(script, ["edgembed", "completion"])) >= {"bash", "zsh", "fish"}


def test_without_shtab_the_extra_is_named() -> None:
    done = python("-c", f"import sys; sys.modules['shtab'] = None; {MAIN}", "completion", "bash")
    assert done.returncode == 1
    assert b"edgembed[completion]" in done.stderr
    assert b"Traceback" not in done.stderr
