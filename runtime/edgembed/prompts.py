"""Which prompt goes before a text.

A prompt can be named by its key in the checkpoint ("query") or by its prefix ("search_query" for
"search_query: "); a call that names none takes the checkpoint's default.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

from edgembed.errors import PromptError
from edgembed.log import logger
from edgembed.unicode import is_encodable

# What encode_query and encode_document look for, first found wins. The first names of each are
# sentence-transformers' own; the last is how FRIDA and its students call the same thing.
QUERY_NAMES = ("query", "search_query")
DOCUMENT_NAMES = ("document", "passage", "corpus", "search_document")

_PREFIX = re.compile(r"(\w[\w -]*?):\s*")
_WORD = re.compile(r"[\w-]+", re.ASCII)  # prompts in some scripts are one word, and none of these


@dataclass(frozen=True)
class Prompts:
    """A checkpoint's prompts by key, and the key of its default (None: no prompt).

    An empty prompt is one as well: it says that a text goes as it is, default or not.
    """

    texts: Mapping[str, str]
    default_name: str | None = None

    def __post_init__(self) -> None:
        """Refuse a default that names no prompt."""
        if self.default_name is not None and self.default_name not in self.texts:
            raise PromptError(
                f"the default prompt {self.default_name!r} is none of {list(self.texts)}"
            )

    @cached_property
    def by_name(self) -> Mapping[str, str]:
        """Every name that works: the keys, then the prefixes that are not keys already."""
        names = dict(self.texts)
        for text in self.texts.values():
            if match := _PREFIX.fullmatch(text):
                names.setdefault(match[1], text)
        return names

    def resolve(self, prompt: str | None, prompt_name: str | None) -> str:
        """The text to put before each input, "" for none.

        `prompt` wins over `prompt_name`; with neither it is the checkpoint's default. prompt=""
        asks for no prompt at all. PromptError for a name that there is not, or what is no text.
        """
        for value in (prompt, prompt_name):
            if value is not None and not _is_text(value):
                raise PromptError(f"a prompt and its name are valid Unicode texts, not {value!r}")
        if prompt is not None:
            if prompt_name is not None:
                logger().warning("prompt is given, so prompt_name=%r is ignored", prompt_name)
            return prompt
        if prompt_name is None:
            return "" if self.default_name is None else self.texts[self.default_name]
        names = self.by_name
        if prompt_name not in names:
            known = ", ".join(names) or "none: this model has no prompts"
            raise PromptError(
                f"no prompt is named {prompt_name!r}; this bundle knows {known}. "
                "To put other words before the texts, pass them as prompt="
            )
        return names[prompt_name]

    @property
    def needs_a_choice(self) -> bool:
        """Whether no text is to go without a prompt, and none is put there by default.

        Of many models only queries have one: their documents are rightly encoded with none.
        """
        names = {name for name, text in self.by_name.items() if text.strip()}
        one_for_all = names.isdisjoint(QUERY_NAMES) or not names.isdisjoint(DOCUMENT_NAMES)
        return self.default_name is None and bool(names) and one_for_all

    def first(self, candidates: Iterable[str]) -> str | None:
        """The first candidate that names a prompt here, or None.

        One that is empty only where no other is there: sentence-transformers saves an empty "query"
        and "document" with every model, whatever its prompts are called.
        """
        names = self.by_name
        found = [name for name in candidates if name in names]
        return next((name for name in found if names[name]), found[0] if found else None)


def text_asked_for(prompts: Mapping[str, str], name_or_text: str) -> str:
    """What a command's --prompt puts before each text: that of a prompt of this name, or itself.

    PromptError for a single word that is no name. It was meant as one; as a text it would grow
    together with the word behind it.
    """
    names = Prompts(prompts).by_name
    if name_or_text not in names and _WORD.fullmatch(name_or_text):
        raise PromptError(
            f"no prompt is named {name_or_text!r}; this model knows {', '.join(names) or 'none'}. "
            "A text of your own to put before each is taken if it ends with a space"
        )
    return names.get(name_or_text, name_or_text)


def _is_text(value: object) -> bool:
    return isinstance(value, str) and is_encodable(value)
