"""MODEL to a folder: folders, names that cannot be, and a hub on loopback that plays the real one.

What talks to a hub runs in a process of its own: see small_hub.py.
"""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from small_hub import COMMIT, environment, serve

from checkpoints import move_transformer
from edgembed_export.errors import ArgumentsError
from edgembed_export.hub import locate
from support import python

LOCATE = """
import json, sys
from edgembed_export.hub import hub_answers, locate
from edgembed_export.errors import ExportError
try:
    found = locate(sys.argv[1], sys.argv[2] or None)
    paths = [path for path in found.folder.rglob("*") if path.is_file()]
    files = sorted(path.relative_to(found.folder).as_posix() for path in paths)
    answer = {"id": found.model_id, "revision": found.revision, "folder": str(found.folder),
              "files": files}
except ExportError as error:
    answer = {"error": type(error).__name__, "said": str(error)}
answer["answers"] = hub_answers(sys.argv[1])
print(json.dumps(answer))
"""


def ask(endpoint: str, home: Path, model: str, revision: str = "") -> dict[str, object]:
    done = python(
        "-W",
        "ignore",
        "-c",
        LOCATE,
        model,
        revision,
        **environment(endpoint, home),
    )
    assert done.returncode == 0, done.stderr.decode()
    return json.loads(done.stdout.splitlines()[-1])  # type: ignore[no-any-return]


# --- without a hub


def test_a_folder(
    checkpoint_folder: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = checkpoint_folder("tiny-cls")
    found = locate(str(folder))
    assert (found.folder, found.model_id, found.revision) == (folder, "tiny-cls", None)
    monkeypatch.chdir(folder)
    assert locate(".").model_id == "tiny-cls"


def test_a_folder_has_no_revision(checkpoint_folder: Callable[[str], Path]) -> None:
    with pytest.raises(ArgumentsError, match="--revision"):
        locate(str(checkpoint_folder("tiny-cls")), "main")


@pytest.mark.parametrize(
    "model",
    ["", "name", "a/b/c", "../x/y", "/no/folder", "owner/", "/name", "a b/c", "https://x.org/a/b",
     "owner/name@main", "owner\\name", "own\ner/name"],
)  # fmt: skip
def test_names_that_cannot_be(model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ArgumentsError, match="neither a folder nor a hub id"):
        locate(model)


def test_a_hub_that_refuses_the_connection(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    answer = ask(f"http://127.0.0.1:{port}", tmp_path, "owner/name")
    assert answer["error"] == "HubError"
    assert "owner/name" in str(answer["said"])
    assert "local folder" in str(answer["said"])
    assert answer["answers"] is False


# --- a small hub


@pytest.fixture
def hub(own_checkpoint: Path) -> Iterator[tuple[str, Path, list[str]]]:
    """Its address, the folder it serves, and what it has been asked for."""
    with serve(own_checkpoint, "owner/name") as (address, asked):
        yield address, own_checkpoint, asked


@pytest.mark.parametrize("revision", ["", "main", "v1", COMMIT])
def test_a_download_is_pinned_to_a_commit(
    hub: tuple[str, Path, list[str]], tmp_path: Path, revision: str
) -> None:
    address, served, asked = hub
    (served / "pytorch_model.bin").write_bytes(b"a pickle")
    (served / "modeling.py").write_text("raise SystemExit")
    (served / "onnx").mkdir()
    (served / "onnx" / "model.onnx").write_bytes(b"someone's own")
    answer = ask(address, tmp_path / "home", "owner/name", revision)
    assert (answer.get("id"), answer.get("revision")) == ("owner/name", COMMIT), answer
    assert answer["answers"] is True
    files = set(answer["files"])  # type: ignore[call-overload]
    assert {"modules.json", "model.safetensors", "1_Pooling/config.json"} <= files
    assert not {"pytorch_model.bin", "modeling.py", "onnx/model.onnx"} & files
    fetched = [line for line in asked if "/resolve/" in line]
    assert fetched
    assert all(f"/resolve/{COMMIT}/" in line for line in fetched)
    assert not any(".bin" in line or ".py" in line for line in fetched)
    for name in files:
        own = (Path(str(answer["folder"])) / name).read_bytes()
        assert own == (served / name).read_bytes()


def test_an_older_layout_is_downloaded_whole(
    hub: tuple[str, Path, list[str]], tmp_path: Path
) -> None:
    address, served, _ = hub
    own = move_transformer(served)
    (own / "sentence_bert_config.json").rename(own / "sentence_roberta_config.json")
    answer = ask(address, tmp_path / "home", "owner/name")
    whole = {path.relative_to(served).as_posix() for path in served.rglob("*") if path.is_file()}
    assert set(answer["files"]) == whole  # type: ignore[call-overload]


def test_a_model_without_safetensors_is_not_downloaded(
    hub: tuple[str, Path, list[str]], tmp_path: Path
) -> None:
    address, served, asked = hub
    (served / "model.safetensors").rename(served / "pytorch_model.bin")
    answer = ask(address, tmp_path / "home", "owner/name")
    assert answer["error"] == "CheckpointError"
    assert "safetensors" in str(answer["said"])
    assert not any("/resolve/" in line for line in asked)


@pytest.mark.parametrize(("model", "revision"), [("owner/other", ""), ("owner/name", "absent")])
def test_what_the_hub_does_not_have(
    hub: tuple[str, Path, list[str]], tmp_path: Path, model: str, revision: str
) -> None:
    answer = ask(hub[0], tmp_path / "home", model, revision)
    assert answer["error"] == "HubError"
    assert "--revision" in str(answer["said"])
