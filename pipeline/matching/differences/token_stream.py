"""Token streams: the words, numbers, signs and symbols of many texts in order, in bulk.

White space and marks that only part words are no tokens. A number keeps its sign, its points and
what joins its groups (-1,250.00, 2024-01-02, 12:15), a code its hyphens, a word its apostrophe.
Letters of scripts without spaces, symbols, emoji, superscripts and fractions are tokens each.
"""

from __future__ import annotations

import html
import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.arrays import Flags, factorize
from pipeline.ingestion import classify_letters, codes_of, token_strings
from pipeline.matching.comparison.folding import fold

Places = npt.NDArray[np.int64]
Codes = npt.NDArray[np.uint32]

LETTER, DIGIT, SINGLE, MARK, SPACE, ACCENT, SENTENCE, NUMERIC = (1 << bit for bit in range(8))
COMMON = 1 << 17
STARTS, COMMA, POINT, COLON = 1, 2, 4, 8  # what is seen of a token beside its letters
_SURROGATES, _SURROGATE_COUNT = 0xD800, 0x800
MOST_WORDS = 0x110000 - _SURROGATE_COUNT
_UNSPACED = ("CJK UNIFIED", "CJK COMPAT", "HIRAGANA", "KATAKANA", "THAI", "LAO", "KHMER", "MYANMAR")
_KEPT_MARKS = "#%&@*§†‡‰\\+"
_DROPPED_SYMBOLS = "|`´¨¯¸~^"
_TAG = re.compile(r"</?(?:b|i|u|em|strong|span|a|sup|sub|font|small)\b[^<>]{0,200}>", re.I)
_BLOCK = re.compile(r"</?[a-zA-Z][a-zA-Z0-9]{0,10}\b[^<>]{0,200}/?>")
# Signs that are written in two ways without a word for them: trade marks, the fraction's stroke,
# degrees in one letter, "times" between figures; figures raised or lowered behind a letter (m²,
# H₂O), but not behind another figure (10⁶ is not 106).
_TWO_WAYS = "[⁄™℠®℃℉×²³¹⁰⁴-⁹₀-₉]|\\((?:tm|TM|R)\\)"
_REPLACED = (
    ("⁄", "/"), ("℃", "°C"), ("℉", "°F"), (r"[™℠®]|\((?:tm|TM|R)\)", ""),
    (r"(\d\s?)×(\s?\d)", r"\1x\2"),
)  # fmt: skip
_RAISED = re.compile(r"(?<=[^\W\d_])[²³¹⁰⁴-⁹₀-₉]+")
_INVISIBLE = "[\\x{ad}\\x{200b}\\x{200e}\\x{200f}\\x{202a}-\\x{202e}\\x{2060}-\\x{2069}\\x{feff}\\x{fe0e}\\x{fe0f}]"  # noqa: E501


@dataclass(frozen=True)
class TokenStreams:
    """The tokens of n texts; every token is one character of a string.

    Attributes:
        folded: (n,) one character a token, equal for tokens that differ by case and width only.
        seen: (n,) likewise, equal for tokens that are equal and stand alike (see `looks`).
        words: what the characters of `seen` are; `looks`: bits STARTS (begins a sentence), COMMA
            and POINT (followed by one).
        accented: (n,) texts that have Latin letters with accents.
        capital: (n,) texts whose letters are all capitals or, words for words, begin with one.
        cut: (n,) texts that end in an ellipsis.
    """

    folded: list[str]
    seen: list[str]
    words: list[str]
    looks: list[int]
    accented: Flags
    capital: Flags
    cut: Flags

    def token(self, letter: str) -> tuple[str, int]:
        """The word that a character of `seen` stands for, and what is seen beside it."""
        number = ord(letter)
        number -= (number >= _SURROGATES) * _SURROGATE_COUNT
        return self.words[number], self.looks[number]

    def letters(self, values: dict[str, int]) -> dict[str, int]:
        """The characters of `seen` that stand for some words, and what the words stand for."""
        return {
            chr(number + (number >= _SURROGATES) * _SURROGATE_COUNT): values[word]
            for number, word in enumerate(self.words if values else ())
            if word in values
        }


def prepare_texts(texts: pa.Array) -> pa.Array:
    """The texts without entities, tags of HTML and letters that nobody sees; Unicode's NFC."""
    texts = pc.utf8_normalize(pc.fill_null(texts, ""), form="NFC")
    texts = pc.replace_substring_regex(texts, _INVISIBLE, "")
    texts = _replaced(texts, _TWO_WAYS, _one_way)
    return _replaced(texts, r"&#?\w{2,8};|<[/a-zA-Z]", _unescape)


def _replaced(texts: pa.Array, found: str, made: Callable[[str], str]) -> pa.Array:
    """The texts, those in which something is found made anew."""
    marked = pc.match_substring_regex(texts, found)
    if not pc.any(marked).as_py():
        return texts
    clean = [made(text) for text in texts.filter(marked).to_pylist()]
    return pc.replace_with_mask(texts, marked, pa.array(clean, texts.type))


def _one_way(text: str) -> str:
    text = _RAISED.sub(lambda found: unicodedata.normalize("NFKC", found.group()), text)
    for old, new in _REPLACED:
        text = re.sub(old, new, text)
    return text


def _unescape(text: str) -> str:
    text = html.unescape(text)
    text = _BLOCK.sub(" ", _TAG.sub("", text)) if "<" in text else text
    return unicodedata.normalize("NFC", text)


def token_streams(texts: pa.Array) -> TokenStreams:
    """Take texts apart.

    Args:
        texts: (n,) strings as `prepare_texts` gives them, some MB at most.

    Raises:
        ValueError: more distinct tokens than there are characters.
    """
    values = texts.to_pylist()
    code = codes_of("\n".join(["", *values, ""]))
    ends = np.cumsum(np.fromiter(map(len, values), np.int64, len(values)) + 1)
    kind = classify_letters(code, _kind)
    kept, starts, stops = _spans(code, kind)
    letters = np.cumsum(kept, dtype=np.int64)
    before = np.append(letters[starts] - 1, letters[-1] if len(letters) else 0)
    encoded = token_strings(code[kept], before).dictionary_encode()
    words: list[str] = encoded.dictionary.to_pylist()
    number = encoded.indices.to_numpy().astype(np.int64)
    looks = _looks(code, kind, kept, starts, stops)
    both, place = factorize(number * 16 + looks)
    folded: dict[str, int] = {}
    fold_place = np.array([folded.setdefault(fold(word), len(folded)) for word in words], np.int64)
    if max(len(both), len(folded)) > MOST_WORDS:
        raise ValueError(f"{len(both)} distinct tokens in one portion of texts")
    count = np.diff(np.searchsorted(starts, ends), prepend=0)
    bounds = np.append(0, np.cumsum(count))
    accented = np.add.reduceat(np.append((kind & ACCENT) != 0, False), np.append(0, ends[:-1]))
    return TokenStreams(
        folded=_strings(fold_place[number], bounds),
        seen=_strings(place, bounds),
        words=[words[item] for item in (both // 16).tolist()],
        looks=(both % 16).tolist(),
        accented=accented > 0,
        capital=np.fromiter((_is_capital(text) for text in values), bool, len(values)),
        cut=np.fromiter(
            (text.rstrip().endswith(("…", "...", "[...]", "…)")) for text in values),
            bool, len(values),
        ),
    )  # fmt: skip


def _is_capital(text: str) -> bool:
    return text.isupper()


def _spans(code: Codes, kind: npt.NDArray[np.uint8]) -> tuple[Flags, Places, Places]:
    """Kept letters, and where tokens begin and end."""
    letter, digit = (kind & LETTER) != 0, (kind & DIGIT) != 0
    single = (kind & (SINGLE | MARK)) != 0
    word = letter | digit
    kept = word | single
    inner = np.zeros(len(code), bool)
    is_point, is_dash = _among(code, ".,:/'’"), _among(code, "-–‐‑")
    mid = slice(1, -1)
    previous, following = slice(None, -2), slice(2, None)
    inner[mid] |= (is_point | is_dash)[mid] & digit[previous] & digit[following]
    inner[mid] |= (
        is_dash[mid] & word[previous] & word[following] & (digit[previous] | digit[following])
    )
    inner[mid] |= _among(code, "'’ʼ׳\"״")[mid] & letter[previous] & letter[following]
    sign = np.zeros(len(code), bool)
    sign[mid] = _among(code, "-–−+±")[mid] & ~word[previous] & digit[following]
    sign[mid] &= (code != ord(")"))[previous]
    single &= ~sign
    # 'A-', 'O-': a dash behind one or two letters, and no word after it.
    tail = np.zeros(len(code), bool)
    tail[2:-1] = is_dash[2:-1] & letter[1:-2] & ~word[3:] & ~letter[:-3]
    tail[3:-1] |= is_dash[3:-1] & letter[2:-2] & letter[1:-3] & ~word[4:] & ~letter[:-4]
    single |= tail
    quoting = np.zeros(len(code), bool)
    space = (kind & SPACE) != 0
    quoting[1:-2] = (
        (code[1:-2] == ord(">"))
        & space[:-3]
        & (space[2:-1] & ~digit[3:] | (code[2:-1] == ord(">")))
    )
    single &= ~quoting
    kept = (word | single | inner | sign) & ~quoting
    joined = kept & ~single
    starts = kept.copy()
    starts[1:] &= ~(joined[1:] & joined[:-1]) | sign[1:]
    first = np.flatnonzero(starts)
    last = np.flatnonzero(kept & ~np.append(joined[1:] & joined[:-1] & ~sign[1:], False))
    return kept, first, last


def _looks(
    code: Codes, kind: npt.NDArray[np.uint8], kept: Flags, starts: Places, stops: Places
) -> Places:
    """(t,) bits of what is seen of each token beside its letters."""
    breaks = np.cumsum(((kind & SENTENCE) != 0) & ~kept)
    here = breaks[starts] if len(starts) else breaks[:0]
    new = np.append(True, here[1:] != here[:-1]) if len(here) else here.astype(bool)
    behind = code[np.minimum(stops + 1, len(code) - 1)]
    comma, point = _among(behind, ",，、،"), behind == ord(".")
    colon = behind == ord(":")
    return np.asarray(new * STARTS + comma * COMMA + point * POINT + colon * COLON, np.int64)


def _among(code: Codes, letters: str) -> Flags:
    """(c,) whether each character is one of a few."""
    table = np.zeros(COMMON, bool)
    table[codes_of(letters)] = True
    return table[np.minimum(code, COMMON - 1)]


def _strings(number: Places, bounds: Places) -> list[str]:
    """One string a text out of the numbers of its tokens."""
    code = (number + (number >= _SURROGATES) * _SURROGATE_COUNT).astype(np.uint32)
    whole = code.tobytes().decode("utf-32-le")
    edges = bounds.tolist()
    return [whole[a:b] for a, b in pairwise(edges)]


def _kind(letter: str) -> int:
    category = unicodedata.category(letter)
    if category[0] == "Z" or letter.isspace():
        return SPACE | SENTENCE * (letter == "\n")
    if category in ("Lo", "Lm", "Mn", "Mc", "Nl") and unicodedata.name(letter, "").startswith(
        _UNSPACED
    ):
        return SINGLE
    if category == "Co":
        return SINGLE | SENTENCE  # stands for the name of a column
    if category == "Nd":
        return DIGIT
    if category[0] in "LM" or letter in "_\u200c\u200d":
        accent = category[0] == "L" and 0xC0 <= ord(letter) < 0x250
        return LETTER | ACCENT * accent
    if category in ("No", "Nl") or letter in _KEPT_MARKS:
        return MARK
    if category[0] == "S" and letter not in _DROPPED_SYMBOLS:
        return MARK
    return SENTENCE * (letter in ".!?:;。！？：；")
