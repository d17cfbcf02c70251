"""The demo's texts: three pairs of the model card of rubert-mini-frida, in Russian and English.

No third-party imports: both sides of the demo read it, each in its own environment.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Pair:
    """Two texts, the prefixes the card puts before them, and the cosine the card gives."""

    a: str
    b: str
    prompt_a: str = ""
    prompt_b: str = ""
    card: float | None = None


RUSSIAN = (
    Pair(
        "В Ярославской области разрешили работу бань, но без посетителей",
        "Ярославским баням разрешили работать без посетителей",
        "paraphrase",
        "paraphrase",
        0.9423348903656006,
    ),
    Pair(
        "Женщину доставили в больницу, за ее жизнь сейчас борются врачи.",
        "Женщину спасают врачи.",
        "categorize_entailment",
        "categorize_entailment",
        0.8306248188018799,
    ),
    Pair(
        "Сколько программистов нужно, чтобы вкрутить лампочку?",
        "Чтобы вкрутить лампочку, требуется три программиста: один напишет программу извлечения "
        "лампочки, другой — вкручивания лампочки, а третий проведет тестирование.",
        "search_query",
        "search_document",
        0.7095720767974854,
    ),
)
ENGLISH = (
    Pair(
        "Saunas in the Yaroslavl region may open, but without visitors",
        "Yaroslavl's saunas were allowed to work without visitors",
        "paraphrase",
        "paraphrase",
    ),
    Pair(
        "A woman was taken to hospital, doctors are now fighting for her life.",
        "Doctors are saving a woman.",
        "categorize_entailment",
        "categorize_entailment",
    ),
    Pair(
        "How many programmers does it take to change a light bulb?",
        "Changing a light bulb takes three programmers: one writes the program that takes the bulb "
        "out, another the one that puts it in, and the third does the testing.",
        "search_query",
        "search_document",
    ),
)
# A prefix of the card, and the names under which other checkpoints have the same thing.
OTHER_NAMES = {"search_query": ("query",), "search_document": ("document", "passage")}


def prompt_text(name: str, prompts: dict[str, str]) -> str:
    """What this model puts before a text for a prefix of the card; "" where it has no such."""
    for text in prompts.values():
        if text.rstrip(": ") == name:
            return text
    return next((prompts[key] for key in OTHER_NAMES.get(name, ()) if key in prompts), "")
