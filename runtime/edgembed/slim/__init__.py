"""The least that has to be installed: for a Lambda layer, a small image, a zip.

`slim` copies numpy, onnxruntime, tokenizers and edgembed out of an installation, by the rules of
`rules`; `check` proves that the copy gives the same vectors. Nothing is downloaded.
"""

from edgembed.slim.build import LeftOut, SlimReport, slim
from edgembed.slim.check import check

__all__ = ["LeftOut", "SlimReport", "check", "slim"]
