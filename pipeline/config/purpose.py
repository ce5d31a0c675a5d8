"""Uses that are out of scope, refused by name: whole words and their inflections.

A word that means a refused use in one phrase only is refused in that phrase: *identify* is, but not
where duplicates are what is identified, *face* is where a face is recognised or is a picture.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Annotated

from pydantic import AfterValidator

_DUPLICATES = r"(?:near )?(?:duplicat\w*|copy|copies|redundan\w*|repeated|dedup\w*)"
_CHECK = r"(?:verif\w*|check\w*|confirm\w*|prov(?:e|es|ed|ing)|proof\w*|establish\w*)"
_RECOGNISE = r"(?:recogni\w*|match\w*|compar\w*|identif\w*|verif\w*|detect\w*|search\w*|unlock\w*)"
_PICTURE = r"(?:images?|photos?|pictures?|scans?|templates?|ids?)"

# Pattern over the words of a purpose, lower case, one space between -> the use it states.
REFUSED_PURPOSES = {
    rf"(?<!\bde )\b(?:re)?identif(?:y|ies|ied|ying|ications?)\b(?! (?:\w+ ){{0,2}}{_DUPLICATES})": (
        "identifying people"
    ),
    rf"\b{_CHECK} (?:\w+ ){{0,3}}identit(?:y|ies)\b": "identifying people",
    rf"\bidentit(?:y|ies) (?:{_CHECK}|resolution|management|assurance)": "identifying people",
    r"\bkyc\b|\bknow your (?:customers?|clients?)\b": "identifying people",
    r"\bbiometr\w*": "identifying people",
    rf"\bfac(?:es?|ial)\b (?:\w+ ){{0,2}}(?:{_RECOGNISE}|{_PICTURE})\b": "identifying people",
    rf"\b{_RECOGNISE} (?:\w+ ){{0,2}}faces\b|^faces$|^face$": "identifying people",
    r"\b(?:iris|retina|voice|speaker|gait|palm) (?:recogni\w*|identif\w*|match\w*|scan\w*)": (
        "identifying people"
    ),
    r"\bsurveil\w*": "identifying people",
    r"\bwatch ?lists?\b|\bsanctions? screening\b": "identifying people",
    r"\baccess(?:es)? (?:control|right|grant|decision|management)\w*": "access control",
    r"\b(?:control|grant|deny|decid)\w* (?:\w+ ){0,2}access\b": "access control",
    r"\bauthenticat(?:e|es|ed|ing|ions?|ors?)\b": "access control",
    r"\b(?:border|entry|gate|door) (?:control|check)\w*": "access control",
    r"\badmissions?\b(?! (?:records?|notes?|forms?|letters?|tickets?)\b)": "admitting people",
    r"\badmit(?:s|ted|ting|tance)?\b": "admitting people",
}


def refused_use(purpose: str) -> str | None:
    """Name the out-of-scope use that a purpose states, or None when it is in scope."""
    text = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", unicodedata.normalize("NFKC", purpose))
    words = " ".join(re.findall(r"[^\W_]+", text.casefold()))
    return next(
        (use for pattern, use in REFUSED_PURPOSES.items() if re.search(pattern, words)), None
    )


def _in_scope(purpose: str) -> str:
    if use := refused_use(purpose):
        raise ValueError(
            f"{use} is out of scope: a score says that two records are alike, never that two "
            "persons are one; state another purpose, such as 'deduplication'"
        )
    return purpose


Purpose = Annotated[str, AfterValidator(_in_scope)]  # of a model; an error where it is refused
