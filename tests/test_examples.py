"""examples/: what each names is there, and its commands run; `make examples` goes further."""

from __future__ import annotations

import ctypes
import json
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from edgembed.pack.aws import FILES, HANDLER
from edgembed.service.variables import MODEL, SETTINGS
from serving import serve
from support import ROOT

EXAMPLES = ROOT / "examples"
UNIT = EXAMPLES / "systemd" / "edgembed.service"


class _Template(yaml.SafeLoader):
    """YAML with CloudFormation's !Ref, !GetAtt and !Sub."""


_Template.add_multi_constructor("!", lambda _, tag, node: {tag: node.value})


def test_the_sam_template_names_what_pack_makes() -> None:
    raw = (EXAMPLES / "aws-sam" / "template.yaml").read_text("utf-8")
    template = yaml.load(raw, _Template)
    layer = template["Resources"]["Packages"]["Properties"]
    function = template["Resources"]["Embeddings"]["Properties"]
    assert [Path(layer["ContentUri"]).name, Path(function["CodeUri"]).name] == list(FILES)
    assert function["Handler"] == HANDLER
    assert function["Runtime"] in layer["CompatibleRuntimes"]
    assert function["Architectures"] == layer["CompatibleArchitectures"]
    known = {option.variable for option in (*SETTINGS, *MODEL)} | {"API_KEY"}
    assert set(function["Environment"]["Variables"]) <= known


def test_cloud_runs_variables_are_serves(bundles: Path) -> None:
    service = yaml.safe_load((EXAMPLES / "cloud-run" / "service.yaml").read_text("utf-8"))
    (container,) = service["spec"]["template"]["spec"]["containers"]
    variables = {own["name"]: own.get("value", "a-secret") for own in container["env"]}
    assert "PORT" not in variables  # Cloud Run's to set
    with serve(bundles / "tiny-cls", **variables) as server:
        assert server.post("/embed", {"inputs": "a"}).status == 401
        probe = container["startupProbe"]["httpGet"]
        assert server.get(probe["path"]).status == 200
        (line,) = server.logged('"listening"')
        assert json.loads(line)["level"] == "info"


def entrypoint() -> list[str]:
    lines = (EXAMPLES / "docker" / "Dockerfile").read_text("utf-8").splitlines()
    (last,) = [line for line in lines if line.startswith("ENTRYPOINT ")]
    command: list[str] = json.loads(last.partition(" ")[2])
    return command


def exec_start() -> list[str]:
    (line,) = re.findall(r"^ExecStart=(.*)$", UNIT.read_text("utf-8"), re.MULTILINE)
    return shlex.split(line)


@pytest.mark.parametrize("command", [entrypoint(), exec_start()], ids=["docker", "systemd"])
def test_the_commands_run(bundles: Path, command: list[str]) -> None:
    assert Path(command[0]).name.startswith("python3")
    assert command[2] == "serve"
    assert command[3] == f"{command[1]}/bundle"
    with serve(bundles / "tiny-cls", *command[4:]) as server:
        assert server.post("/embed", {"inputs": "a"}).status == 200


analyze = pytest.mark.skipif(
    shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed"
)


@analyze
def test_systemd_understands_the_unit(tmp_path: Path) -> None:
    # A Python of that path need not be here; all else is as it stands.
    unit = tmp_path / "edgembed.service"
    unit.write_text(UNIT.read_text("utf-8").replace("/usr/bin/python3", sys.executable))
    done = subprocess.run(
        ["systemd-analyze", "verify", str(unit)], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    security = ["systemd-analyze", "security", "--offline=true", "--threshold=20", str(unit)]
    assert subprocess.run(security, capture_output=True, check=False).returncode == 0


def allowed_calls() -> set[str]:
    """The system calls of the unit's SystemCallFilter lines, as this systemd counts them."""
    allowed: set[str] = set()
    for names in re.findall(r"^SystemCallFilter=(.*)$", UNIT.read_text("utf-8"), re.MULTILINE):
        calls = {call for name in names.strip("~").split() for call in calls_of(name)}
        allowed = allowed - calls if names.startswith("~") else allowed | calls
    return allowed


def calls_of(name: str) -> set[str]:
    if not name.startswith("@"):
        return {name}
    done = subprocess.run(
        ["systemd-analyze", "syscall-filter", name], capture_output=True, text=True, check=True
    )
    inside = [line.strip() for line in done.stdout.splitlines()[1:]]
    return {call for one in inside if one and one[0] != "#" for call in calls_of(one)}


_DENY_WRITE_EXECUTE = """
import ctypes, os, sys
if ctypes.CDLL(None).prctl(65, 1, 0, 0, 0):  # PR_SET_MDWE, PR_MDWE_REFUSE_EXEC_GAIN
    sys.exit("this kernel knows no MDWE")
os.execvp(sys.argv[1], sys.argv[1:])
"""


def knows_mdwe() -> bool:
    """Whether the kernel (Linux 6.3) can do what MemoryDenyWriteExecute= does."""
    return sys.platform.startswith("linux") and ctypes.CDLL(None).prctl(66, 0, 0, 0, 0) >= 0


@analyze
@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")
@pytest.mark.skipif(not knows_mdwe(), reason="this kernel cannot deny memory both ways")
def test_the_units_sandbox_allows_what_the_server_does(bundles: Path, tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    main = "import sys; from edgembed.cli import main; sys.exit(main())"
    strace = ["strace", "-D", "-f", "-qq", "-o", str(trace)]  # -D: signals reach the server
    server = [sys.executable, "-c", _DENY_WRITE_EXECUTE, *strace, sys.executable, "-B", "-c", main]
    with serve(bundles / "minilm", "--threads", "2", command=server) as running:
        assert running.post("/embed", {"inputs": ["a b c " * 50] * 8}).status == 200
    made = [re.match(r"\d+ +(\w+)\((\w*)", line) for line in trace.read_text().splitlines()]
    calls = {call[1] for call in made if call}
    assert {"mmap", "socket", "accept4", "futex"} <= calls
    assert calls - allowed_calls() == set()
    assert {call[2] for call in made if call and call[1] == "socket"} <= {"AF_INET", "AF_INET6"}
