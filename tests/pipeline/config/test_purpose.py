"""Refused purposes: whole words and their inflections, both ways."""

import pytest

from pipeline.config.purpose import REFUSED_PURPOSES, refused_use

PEOPLE, ACCESS, ADMIT = "identifying people", "access control", "admitting people"

REFUSED = [
    ("identifying persons", PEOPLE),
    ("Identify people in photos", PEOPLE),
    ("identification", PEOPLE),
    ("person identification", PEOPLE),
    ("identified visitors of the site", PEOPLE),
    ("re-identification of patients", PEOPLE),
    ("verify identity", PEOPLE),
    ("verifying the customer's identity", PEOPLE),
    ("identity verification", PEOPLE),
    ("identity checks at onboarding", PEOPLE),
    ("KYC", PEOPLE),
    ("kyc-screening", PEOPLE),
    ("know your customer", PEOPLE),
    ("biometric matching", PEOPLE),
    ("biometrics", PEOPLE),
    ("face recognition", PEOPLE),
    ("Face-Matching", PEOPLE),
    ("face identification", PEOPLE),
    ("matching of faces", PEOPLE),
    ("facial images of travellers", PEOPLE),
    ("faces", PEOPLE),
    ("voice recognition", PEOPLE),
    ("surveillance of a street", PEOPLE),
    ("watchlist screening", PEOPLE),
    ("access control", ACCESS),
    ("Access Control at the gate", ACCESS),
    ("access_control", ACCESS),
    ("access-control", ACCESS),
    ("accessControl", ACCESS),
    ("controlling access to a building", ACCESS),
    ("granting them access", ACCESS),
    ("authenticating users", ACCESS),
    ("authentication", ACCESS),
    ("border checks", ACCESS),
    ("admission to a venue", ADMIT),
    ("admitting guests", ADMIT),
]
ALLOWED = [
    "deduplication",
    "deduplication, images",
    "surface textures of tiles",
    "interface tickets",
    "typefaces and fonts",
    "face cream offers",
    "face-to-face training records",
    "identifying duplicate products",
    "identify near-duplicate tickets",
    "identification of the duplicate offers",
    "deduplicate by product identifier",
    "identical listings",
    "de-identified patient notes",
    "brand identity assets",
    "accessories and accessible toilets",
    "a wireless access point catalogue",
    "authentic spare parts",
    "authenticity certificates",
    "hospital admission records",
    "readmittance-free text",
    "permission slips",
    "remission letters",
    "kyck sports articles",
    "customers' addresses kept twice",
    "quality control of scans",
]


@pytest.mark.parametrize(("purpose", "use"), REFUSED)
def test_a_use_out_of_scope_is_named(purpose: str, use: str) -> None:
    assert refused_use(purpose) == use


@pytest.mark.parametrize("purpose", ALLOWED)
def test_a_word_within_a_word_or_of_another_meaning_is_no_use(purpose: str) -> None:
    assert refused_use(purpose) is None


def test_every_pattern_refuses_some_phrase_of_the_table() -> None:
    import re

    texts = [" ".join(re.findall(r"[^\W_]+", phrase.casefold())) for phrase, _ in REFUSED]
    unused = [p for p in REFUSED_PURPOSES if not any(re.search(p, text) for text in texts)]
    assert not unused
