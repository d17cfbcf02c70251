"""Exercise examples/ as far as this machine goes; what cannot be done here is said.

    python tests/examples/run.py WORK BUNDLE

WORK keeps environments and roots. Exit code 1 where an example fails.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))

from environments import ROOT, Environment, set_up  # noqa: E402

_TEMPLATES = Environment(
    "templates", (("cfn-lint==1.58.0", "google-api-python-client==2.202.0", "pyyaml"),)
)


def main(work: Path, bundle: Path) -> int:
    """Templates, then the image."""
    codes = [subprocess.run([*set_up(_TEMPLATES, work), HERE / "templates.py"], check=False)]
    if shutil.which("debootstrap") is None or os.geteuid() != 0:
        print("the image was not built: that takes root and debootstrap")
        return max(done.returncode for done in codes)
    shutil.rmtree(work / "wheel", ignore_errors=True)
    build = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir"]
    subprocess.run([*build, work / "wheel", ROOT], check=True)
    (wheel,) = (work / "wheel").glob("*.whl")
    image = [sys.executable, HERE / "image.py", bundle, work / "image", "--wheel", wheel]
    codes.append(subprocess.run(image, check=False))
    return max(done.returncode for done in codes)


if __name__ == "__main__":
    sys.exit(min(1, main(Path(sys.argv[1]), Path(sys.argv[2]))))
