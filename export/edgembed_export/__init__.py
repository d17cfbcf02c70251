"""The export stage: a sentence-transformers checkpoint to a verified bundle."""

import os

# Read when onnxruntime is imported, which optimum and others do as well: see edgembed.session.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
