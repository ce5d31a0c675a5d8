"""Text of a record made safe for the eye: what would not show, or would mislead, is spelled out."""

from __future__ import annotations

import re
import unicodedata

# Controls (but line feed and tab), bidirectional overrides, zero-width and interlinear marks,
# tags, and lone surrogates: invisible, or able to make a line read differently than it is.
_HIDDEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f"
    "\ufeff\ufff9-\ufffb\ud800-\udfff\U000e0000-\U000e007f]"
)


def make_visible(text: str, *, limit: int | None = None) -> str:
    """Return `text` with hidden characters as ⟨U+202E⟩, cut to `limit` characters and counted."""
    over = 0 if limit is None else len(text) - limit
    if over > 0:
        text = text[:limit]
    text = _HIDDEN.sub(lambda match: f"⟨U+{ord(match[0]):04X}⟩", _anchor(text))
    return f"{text}… (+{over:,} characters)" if over > 0 else text


def _anchor(text: str) -> str:
    """Give a leading combining mark something of its own to sit on."""
    return "\u25cc" + text if text and unicodedata.combining(text[0]) else text
