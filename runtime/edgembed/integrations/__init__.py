"""edgembed inside other people's libraries: a module each, behind an extra of the same name.

langchain, llama_index, haystack, chroma, sklearn, mteb. Each is a thin class on
`encoder.Encoder`, and importing it imports its library. docs/libraries.md shows each at work.
"""

from edgembed.errors import MissingExtraError


def missing(extra: str, package: str) -> MissingExtraError:
    """The error of a module whose library is not installed, to be raised by it."""
    return MissingExtraError(
        f"edgembed.integrations.{extra.replace('-', '_')} needs {package}: "
        f"pip install 'edgembed[{extra}]'"
    )
