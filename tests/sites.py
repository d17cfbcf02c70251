"""A small installation to copy from: what pip leaves of wheels that hold next to nothing."""

from __future__ import annotations

from pathlib import Path


def installed(folder: Path, tag: str, *more: str) -> Path:
    """What pip would have left of three small wheels, of `more`, and of one that is not needed."""
    contents = {
        "numpy": ["numpy/__init__.py", "numpy/tests/test_a.py", "numpy/a.pyi", "numpy/f2py/x.py"],
        "onnxruntime": [
            "onnxruntime/__init__.py",
            "onnxruntime/capi/libonnxruntime.so.1.99",
            "onnxruntime/capi/state.so",
            "onnxruntime/tools/t.py",
        ],
        "tokenizers": ["tokenizers/__init__.py", "tokenizers/__pycache__/__init__.pyc"],
        "Some_Hub": ["some_hub/__init__.py"],
        "needed-by.hub": ["deeper.py"],
        "stranger": ["stranger.py"],
        **{name: [f"{name.replace('-', '_')}/__init__.py"] for name in more},
    }
    requires = {"tokenizers": ["some-hub>=1,<3", "absent", "stranger; extra == 'dev'"]}
    requires["Some_Hub"] = ["needed_by_hub", "tokenizers"]
    for name, files in contents.items():
        info = f"{name}-1.0.dist-info"
        lines = [f"Requires-Dist: {line}" for line in requires.get(name, [])]
        texts = dict.fromkeys(files, "x = 1\n") | {
            f"{info}/METADATA": "\n".join(["Metadata-Version: 2.1", f"Name: {name}", *lines]),
            f"{info}/WHEEL": f"Tag: {tag}-{tag}-manylinux2014_x86_64\n",
            f"{info}/INSTALLER": "pip",
        }
        for file, text in texts.items():
            (folder / file).parent.mkdir(parents=True, exist_ok=True)
            (folder / file).write_text(text)
        # A script outside of site-packages, and a file that somebody has removed.
        record = [*texts, f"{info}/RECORD", "../../bin/script", "gone.py"]
        (folder / info / "RECORD").write_text("".join(f"{file},,\n" for file in record))
    return folder
