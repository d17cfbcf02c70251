"""Corpora: a dataset in, the same rows with their embeddings out, on one machine or on a cluster.

    plan.py      the input cut into parts: neighbouring rows of one file, found again by any process
    readers/     Parquet, JSONL and CSV: cutting a file into parts, reading one part
    worker.py    one part: read, embed, write whole; nothing is shared between parts
    spread.py    the parts spread over threads or over a cluster by Daft
    state.py     what is finished, kept beside the output; what belongs to another run is refused
    run.py       all of it together

A part becomes one file of the output, always of the same name, put in its place in one step, and
after it a small file that says it is finished. So a process may be killed at any moment, and the
next one goes on from what is whole: rows cannot be written twice, and none can be lost. pyarrow
reads and writes (object stores too), Daft schedules; both come with the extra [corpus].
"""

from edgembed.corpus.run import embed_corpus
from edgembed.corpus.settings import Settings

__all__ = ["Settings", "embed_corpus"]
