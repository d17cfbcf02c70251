"""Whether a call's prompts are what its caller can have meant: two mistakes that no error shows.

A model that was trained with prompts gives worse vectors without one, and with two of them.
"""

from __future__ import annotations

from collections.abc import Sequence

from edgembed.errors import PromptWarning
from edgembed.prompts import Prompts
from edgembed.warn import warn


class PromptCheck:
    """Warns once of each mistake in the life of a model; a look at each text's first characters."""

    def __init__(self, prompts: Prompts) -> None:
        """Keep what to look for; without prompts there is nothing, and a call costs nothing."""
        self._known = tuple(dict.fromkeys(text for text in prompts.texts.values() if text.strip()))
        self._double = bool(self._known)
        self._missing = prompts.needs_a_choice

    def __call__(self, named: bool, prefix: str, texts: Sequence[str]) -> None:
        """Check a call. named: the caller named a prompt, or asked for none. prefix: its text."""
        if self._double and prefix:
            self._check_double(prefix, texts)
        elif self._missing and not named:
            self._check_missing(texts)

    def _check_double(self, prefix: str, texts: Sequence[str]) -> None:
        text = next((text for text in texts if text.startswith(self._known)), None)
        if text is None:
            return
        self._double = False
        own = max((known for known in self._known if text.startswith(known)), key=len)
        warn(
            f"the prompt {prefix!r} is put before a text that begins with {own!r} already: leave "
            "it out of the texts and name it with prompt_name=, or say prompt='' (said once)",
            PromptWarning,
        )

    def _check_missing(self, texts: Sequence[str]) -> None:
        if all(text.startswith(self._known) for text in texts):  # put there by hand, or no texts
            return
        self._missing = False
        warn(
            f"this model was trained with prompts ({', '.join(map(repr, self._known))}) and this "
            "call names none: use encode_query and encode_document, or prompt_name=; "
            "prompt='' says that none is meant (said once)",
            PromptWarning,
        )
