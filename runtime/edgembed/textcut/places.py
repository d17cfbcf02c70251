"""Places in a text across which no normaliser, no grapheme and no word of one token reaches.

Normalisers put marks and letters together and take emoji with their joiners for one. All of this
hangs on characters of few kinds. PLAIN has none of these: each of its characters begins a new
grapheme, joins nothing before it, and gives at least one character when it is normalised. So does
a single blank or line end before one of them.
Source: Unicode's Annexes 15 (what composes with what is before it) and 29 (graphemes).
"""

from __future__ import annotations

import re

# Letters that BERT's normaliser leaves in words.
LETTERS = (
    "0-9A-Za-z\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u02af\u0386\u0388-\u038a\u038c\u038e-\u03a1\u03a3-\u03ce\u0400-\u0481"
    "\u048a-\u0527\u0531-\u0556\u0561-\u0586\u05d0-\u05ea\u0620-\u063f\u0641-\u064a"
    "\u0904-\u0928\u092a-\u0930\u0932\u0933\u0935-\u0939\u0e01-\u0e30\u0e32\u10d0-\u10f0"
    "\u0985-\u098c\u0993-\u09a8\u09aa-\u09b0\u09b6-\u09b9\u0a13-\u0a28\u0a2a-\u0a30\u0a93-\u0aa8\u0aaa-\u0ab0"
    "\u0ab5-\u0ab9\u0b13-\u0b28\u0b2a-\u0b30\u0b85-\u0b8a\u0b92-\u0b95\u0b99\u0b9a\u0b9e\u0b9f\u0ba3\u0ba4\u0ba8-\u0baa"
    "\u0bae-\u0bb5\u0c05-\u0c0c\u0c12-\u0c28\u0c2a-\u0c33\u0c35-\u0c39\u0c85-\u0c8c\u0c92-\u0ca8\u0caa-\u0cb3"
    "\u0cb5-\u0cb9\u0d05-\u0d0c\u0d12-\u0d28\u0d2a-\u0d39\u0d85-\u0d96\u0d9a-\u0db1\u0db3-\u0dbb\u0dc0-\u0dc6"
    "\u0e94-\u0e97\u0e99-\u0e9f\u0ead-\u0eb0\u0f5d-\u0f68\u1000-\u1021\u1200-\u1206\u1208-\u1246\u1260-\u1286"
    "\u1290-\u12ae\u12d8-\u12ee\u12f0-\u130e\u1320-\u1346\u1348-\u135a\u1780-\u17a2\u1e00-\u1e9b\u1ea0-\u1ef9"
    "\u3041-\u3096\u30a1-\u30fa\u30fc-\u30fe\uac00-\ud7a3\ufb00-\ufb06"
)
# Signs, and what normalises to letters and signs; without SentencePiece's own for a blank.
SIGNS = (
    "\u00a1-\u00a7\u00a9-\u00ac\u00ae\u00b0-\u00b3\u00b5-\u00b7\u00b9-\u00bf\u00d7\u00f7\u060c\u061b\u061f\u0660-\u066d"
    "\u06d4\u06f0-\u06f9\u0964-\u0970\u0e3f-\u0e46\u0e4f-\u0e5b\u104a-\u104f\u1361-\u137c\u17d4-\u17dc\u2010-\u2016"
    "\u2018-\u2027\u2030-\u203d\u203f-\u2052\u2074-\u208e\u20a0-\u20b1\u2100-\u213a\u2153-\u2183\u2190-\u23ce"
    "\u2460-\u24fe\u2500-\u2580\u2582-\u2613\u2619-\u267d\u270c-\u2727\u2729-\u274b\u2761-\u2794\u2798-\u27af"
    "\u27f0-\u2adb\u3001-\u3029\u3030\u30fb\u3105-\u312c\u3131-\u318e\u3220-\u3243\u327f-\u32cb\u3300-\u3376"
    "\ufdf0-\ufdfb\ufe30-\ufe46\uff01-\uff9d\uffe0-\uffe2\uffe4-\uffe6"
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
PLAIN = "!-~" + LETTERS + SIGNS + IDEOGRAPHS + EMOJI
_PLAIN = re.compile(f"[{PLAIN}]")
_PLACE = re.compile(f"(?<=[{PLAIN}{MARKS}])(?=[ \t\n\r]?[{PLAIN}])")
# How far back one is looked for; farther than a text of any language needs.
_BACK = 4096


def last_place(text: str, end: int) -> int | None:
    """The last place in text[:end + 1], whose ends are none."""
    end = min(end, len(text) - 1)
    for start in (end - 64, end - _BACK):
        # A place is told by the two characters behind it at most.
        found = _PLACE.finditer(text, max(1, start), end + 2)
        places = [match.start() for match in found if match.start() <= end]
        if places:
            return places[-1]
    return None


def steady_end(text: str, end: int, reach: int) -> int | None:
    """The last place before text[:end]'s last `reach` characters that surely count, or None."""
    counted = [match.start() for match in _PLAIN.finditer(text, max(0, end - _BACK), end)]
    return last_place(text, counted[-reach]) if len(counted) > reach else None
