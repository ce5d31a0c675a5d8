"""Names of the sample: invented people and firms, each written in several ways, and the truth.

Every name is put together here from lists written for this sample. What tells two entities apart
is often small (a brother, a second trade under one stem), and what two spellings of one entity
share is sometimes little (`Ødegård, Bastien` and `B. Ødegård`).
"""

from __future__ import annotations

import csv
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from io import StringIO
from zlib import crc32

GIVEN = (
    "Annika", "Bastien", "Carlota", "Dorothea", "Emil", "Fatima", "Gregor", "Henriette", "Ignacio",
    "Jolanta", "Kasimir", "Leonie", "Matteo", "Nadia", "Oskar", "Philippa", "Quirin", "Rosalind",
    "Stanisław", "Théodora", "Ulrike", "Valentín", "Wilhelmina", "Xaver", "Yannick", "Zoë",
)  # fmt: skip
SURNAMES = (
    "Ahlström", "Ødegård", "Brightwell", "Castañeda", "Dąbrowski", "Eichenlaub", "Fernández",
    "Grünwald", "Håkansson", "Iversen", "Jäger", "Kowalczyk", "Lindqvist", "Müller-Lenz",
    "Novotný", "O'Farrell", "Pellegrini", "Quintanilha", "Rosenthal", "Šimková", "Thorvaldsen",
    "Unterberger", "Vasseur", "Whitcombe", "Yıldız", "Zieliński", "van der Molen", "de la Cruz",
    "Marchetti", "Szabó", "Papadopoulos", "Fairweather", "Björklund", "Großmann", "Lefèvre",
    "Carvalho", "Steenbergen", "Hollingsworth", "Kaczmarek", "Meriläinen",
)  # fmt: skip
STEMS = (
    "Norrvik", "Kestrelwood", "Greenwether", "Brightmoor", "Pellowmere", "Stonehollow", "Ombrane",
    "Zephline", "Haldenau", "Calderbrook", "Vinterlund", "Marisco", "Tallowgate", "Fjordhavn",
    "Quellstein", "Ashcombe", "Lumarelle", "Orsova", "Petrichor", "Rookfield", "Sablière",
    "Tindersby", "Ulmenhof", "Wexcombe", "Ybbsfeld", "Zirkonia", "Auerbach", "Belmonte",
    "Cresthaven", "Drachenfels",
)  # fmt: skip
TRADES = (
    ("Logistics", "Logist."), ("Engineering", "Eng."), ("Trading", "Trdg."),
    ("Instruments", "Instr."), ("Foods", "Fds"), ("Textiles", "Text."), ("Shipping", "Shpg."),
    ("Software", "Softw."), ("Optics", "Opt."), ("Furniture", "Furn."), ("Ceramics", "Ceram."),
    ("Publishing", "Publ."), ("Brothers & Sons", "Bros. and Sons"), ("Tools & Dies", "Tools+Dies"),
)  # fmt: skip
FORMS = (
    ("GmbH", "G.m.b.H."), ("Ltd", "Limited"), ("S.A.", "SA"), ("AB", "Aktiebolag"),
    ("Inc.", "Incorporated"), ("B.V.", "BV"), ("Sp. z o.o.", "Spolka z o.o."), ("AG", "A.G."),
)  # fmt: skip
LETTERS = str.maketrans(
    {
        "ø": "oe",
        "Ø": "Oe",
        "å": "aa",
        "ö": "oe",
        "ä": "ae",
        "ü": "ue",
        "ß": "ss",
        "ł": "l",
        "ı": "i",
    }
)
PEOPLE_PER_SURNAME, FIRMS_PER_STEM = 4, 5


@dataclass(frozen=True)
class Name:
    """One record: its key, the name as written, and the entity that it names."""

    key: str
    name: str
    entity: str


def names() -> list[Name]:
    """Return every spelling of every entity, in an order that says nothing of the entities."""
    found = [*_people(), *_firms()]
    return sorted(found, key=lambda name: name.key)


def names_file() -> bytes:
    """Return `names.csv` as written: id, name."""
    return _csv(("id", "name"), ((name.key, name.name) for name in names()))


def clusters_file() -> bytes:
    """Return `name_clusters.csv` as written: record_id, cluster_id; single members too."""
    return _csv(
        ("record_id", "cluster_id"), ((f"names:{name.key}", name.entity) for name in names())
    )


def _people() -> Iterator[Name]:
    for place, surname in enumerate(SURNAMES):
        for n in range(PEOPLE_PER_SURNAME):
            # Given names of one surname differ in their first letter, so an initial is enough.
            given = GIVEN[(place * 7 + n * 5) % len(GIVEN)]
            full = f"{given} {surname}"
            ways = (
                f"{surname}, {given}",
                f"{given[0]}. {surname}",
                _plain(full),
                _slip(full),
                f"{_plain(surname).upper()} {_plain(given)}",
            )
            yield from _written(f"p{place:02d}{n}", full, ways)


def _firms() -> Iterator[Name]:
    for place, stem in enumerate(STEMS):
        for n in range(FIRMS_PER_STEM):
            trade, short = TRADES[(place * 3 + n * 5) % len(TRADES)]
            form, other = FORMS[(place + n) % len(FORMS)]
            full = f"{stem} {trade} {form}"
            ways = (
                f"{stem} {trade}",
                f"{stem} {trade}, {other}",
                f"{stem} {short} {form}",
                _slip(full),
                f"{_plain(f'{stem} {trade}').upper()} {form}",
            )
            yield from _written(f"f{place:02d}{n}", full, ways)


def _written(entity: str, full: str, ways: tuple[str, ...]) -> Iterator[Name]:
    """The full name and up to three other spellings of it, each once."""
    first = _number(entity)
    spellings = [full] + [ways[(first + step) % len(ways)] for step in range(first % 4)]
    for spelling in dict.fromkeys(spellings):
        yield Name(f"n{_number(entity + spelling):08x}", spelling, entity)


def _plain(text: str) -> str:
    """Without accents, as typed on a foreign keyboard."""
    split = unicodedata.normalize("NFKD", text.translate(LETTERS))
    return "".join(letter for letter in split if not unicodedata.combining(letter))


def _slip(text: str) -> str:
    """Two neighbouring letters exchanged, neither of them first of a word."""
    places = [n for n in range(1, len(text) - 2) if text[n - 1 : n + 2].isalpha()]
    place = places[_number(text) % len(places)]
    return text[:place] + text[place + 1] + text[place] + text[place + 2 :]


def _number(text: str) -> int:
    return crc32(text.encode())


def _csv(header: tuple[str, str], rows: Iterator[tuple[str, str]]) -> bytes:
    target = StringIO()
    writer = csv.writer(target, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return target.getvalue().encode("utf-8")
