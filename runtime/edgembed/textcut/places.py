"""Places in a text across which no normaliser, no grapheme and no word of one token reaches.

Normalisers put marks and letters together and take emoji with their joiners for one. All of this
hangs on characters of few kinds. PLAIN has none of these: each of its characters begins a new
grapheme, joins nothing before it, and gives at least one character when it is normalised.
Source: Unicode's Annexes 15 (what composes with what is before it) and 29 (graphemes).
"""

from __future__ import annotations

import re

# Letters that BERT's normaliser leaves in words.
LETTERS = (
    "0-9A-Za-z\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u02af\u0386\u0388-\u038a\u038c\u038e-\u03a1\u03a3-\u03ce\u0400-\u0481"
    "\u048a-\u0527\u0531-\u0556\u0561-\u0586\u05d0-\u05ea\u0620-\u063f\u0641-\u064a"
    "\u0904-\u0928\u092a-\u0930\u0932\u0933\u0935-\u0939\u0e01-\u0e30\u0e32\u10d0-\u10f0"
    "\u3041-\u3096\u30a1-\u30fa\uac00-\ud7a3\ufb00-\ufb06"
)
IDEOGRAPHS = "\u3400-\u4db5\u4e00-\u9fcb"
# Those of Unicode 6: later ones are unknown to some tables. No flags, no tones of skin.
EMOJI = (
    "\U0001f330-\U0001f335\U0001f337-\U0001f37c\U0001f380-\U0001f393\U0001f3a0-\U0001f3c4"
    "\U0001f400-\U0001f43e\U0001f442-\U0001f4f7\U0001f500-\U0001f53d\U0001f600-\U0001f640"
    "\U0001f645-\U0001f64f\U0001f680-\U0001f6c5"
)
# Marks that may stand before a place, each belonging to what is before it.
MARKS = "\u0300-\u036f\u0591-\u05bd\u064b-\u0652\u093e-\u094c\u0e31\u0e33-\u0e3a\u0e47-\u0e4e"
PLAIN = "!-~" + LETTERS + IDEOGRAPHS + EMOJI
_PLAIN = re.compile(f"[{PLAIN}]")
_PLACE = re.compile(f"(?<=[{PLAIN}{MARKS}])(?=[{PLAIN}])")
# How far back one is looked for; farther than a text of any language needs.
_BACK = 4096


def last_place(text: str, end: int) -> int | None:
    """The last place in text[:end + 1], whose ends are none."""
    end = min(end, len(text) - 1)
    for start in (end - 64, end - _BACK):
        places = [match.start() for match in _PLACE.finditer(text, max(1, start), end + 1)]
        if places:
            return places[-1]
    return None


def steady_end(text: str, end: int, reach: int) -> int | None:
    """The last place before text[:end]'s last `reach` characters that surely count, or None."""
    counted = [match.start() for match in _PLAIN.finditer(text, max(0, end - _BACK), end)]
    return last_place(text, counted[-reach]) if len(counted) > reach else None
