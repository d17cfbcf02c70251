"""The integrations where their libraries are not installed; tests/integrations has the rest."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import edgembed.integrations
from edgembed import Embedder, PromptError
from edgembed.integrations.encoder import Encoder
from support import ROOT, python

LIBRARIES = {
    "langchain": "langchain_core",
    "llama_index": "llama_index",
    "haystack": "haystack",
    "chroma": "chromadb",
    "sklearn": "sklearn",
    "mteb": "mteb",
}


def test_every_module_is_listed_here() -> None:
    folder = Path(edgembed.integrations.__file__).parent
    assert {path.stem for path in folder.glob("*.py")} == {*LIBRARIES, "__init__", "encoder"}


@pytest.mark.parametrize(("module", "library"), LIBRARIES.items())
def test_a_library_that_is_missing_is_named_with_its_extra(module: str, library: str) -> None:
    script = f"""
import sys
sys.modules[{library!r}] = None
from edgembed import MissingExtraError
try:
    import edgembed.integrations.{module}
except MissingExtraError as error:
    print(error)
"""
    done = python("-c", script)
    extra = module.replace("_", "-")
    assert f"pip install 'edgembed[{extra}]'" in done.stdout.decode(), done.stderr.decode()
    assert f"\n{extra} = [" in (ROOT / "pyproject.toml").read_text(encoding="utf-8")


def test_a_prompt_by_name_by_prefix_and_by_text(bundles: Path) -> None:
    folder = str(bundles / "tiny-frida")
    expected = Embedder(folder).encode(["Кошка"], prompt="paraphrase: ")
    for prompt in ("STS", "paraphrase", "paraphrase: "):
        own = Encoder(folder, query_prompt=prompt, document_prompt=prompt)
        np.testing.assert_array_equal(own.queries(["Кошка"]), expected)
        np.testing.assert_array_equal(own.documents(["Кошка"]), expected)
    misspelt = Encoder(folder, query_prompt="parafrase", document_prompt="parafrase")
    for encode in (misspelt.queries, misspelt.documents):
        with pytest.raises(PromptError, match=r"parafrase.* paraphrase,"):
            encode(["Кошка"])
