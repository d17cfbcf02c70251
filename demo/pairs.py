"""The demo's texts: three pairs of the model card of rubert-mini-frida, in Russian and English."""

from __future__ import annotations

from edgembed_export.known_answers import PAIRS, Pair

RUSSIAN = PAIRS
ENGLISH = (
    Pair(
        "Saunas in the Yaroslavl region may open, but without visitors",
        "Yaroslavl's saunas were allowed to work without visitors",
        "paraphrase: ",
        "paraphrase: ",
    ),
    Pair(
        "A woman was taken to hospital, doctors are now fighting for her life.",
        "Doctors are saving a woman.",
        "categorize_entailment: ",
        "categorize_entailment: ",
    ),
    Pair(
        "How many programmers does it take to change a light bulb?",
        "Changing a light bulb takes three programmers: one writes the program that takes the bulb "
        "out, another the one that puts it in, and the third does the testing.",
        "search_query: ",
        "search_document: ",
    ),
)
# A prompt of the card, and the names under which other checkpoints have the same thing.
OTHER_NAMES = {"search_query: ": ("query",), "search_document: ": ("document", "passage")}


def prompt_text(prompt: str, prompts: dict[str, str]) -> str:
    """What this model puts before a text for a prompt of the card; "" where it has no such."""
    if prompt in prompts.values():
        return prompt
    return next((prompts[key] for key in OTHER_NAMES.get(prompt, ()) if key in prompts), "")
