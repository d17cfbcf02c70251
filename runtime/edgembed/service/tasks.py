"""What a route makes of a request: texts to run, what to keep of each, and a body of it all."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple


class Piece(NamedTuple):
    """What a worker gives back for one text; `value` is the route's own."""

    value: Any
    tokens: int
    truncated: bool
    tokenization_seconds: float = 0.0


@dataclass(frozen=True)
class Task:
    """Work for the workers.

    run makes a Piece of one text, on a worker; finish makes the response's JSON of all of them.
    single: the client sent one text and no list. learn: how long texts take may be learnt from it.
    """

    texts: Sequence[str]
    run: Callable[[str], Piece]
    finish: Callable[[list[Piece]], bytes]
    single: bool = False
    learn: bool = True
