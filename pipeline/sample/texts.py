"""The text files of the sample: packaged rows without their labels, and bad rows on purpose.

The bad rows are made here, as bytes, so that the packaged files stay clean.
"""

from __future__ import annotations

import csv
import json
from importlib.resources import files
from io import StringIO
from typing import Any

HIDDEN = ("entity", "family")  # what is known about a row, and no pipeline may see

# Place in the finished file -> line. The id already taken and the ticket without one are added
# when the file is written, because they depend on its rows.
BAD_PRODUCTS = {
    20: b",Loose leaf tea strainer,For mugs.,Pellowmere,5.90,en,2025-02-11,\n",
    110: b"NW-90001,Caf\xe9 filters no. 4,100 pieces,Pellowmere,2.90,en,2025-04-01,\n",
    150: b"NW-90002,Door mat made of coir,Pellowmere\n",
    190: b"NW-90003,Wall hook, oak, large,Two screws.,Pellowmere,9.90,en,2025-05-05,\n",
    225: b"NW-90004,,,,3.50,en,2025-05-06,\n",
}
BAD_TICKETS = {
    66: b'{"id": "T-100001", "subject": "Cut off in the middle", "body": "The line\n',
    90: b'["T-100002", "A list where an object should be"]\n',
    121: b'{"id": "T-100003", "subject": "Gr\xfc\xdfe", "body": "Latin-1, not UTF-8"}\n',
    140: b'{"id": "T-100004", "subject": "", "body": "   ", "attachment": null}\n',
}

Row = dict[str, Any]


def products() -> list[dict[str, str]]:
    """Return the packaged product rows, with `entity` and `family`."""
    return list(csv.DictReader(StringIO(_packaged("catalogue.csv"))))


def tickets() -> list[Row]:
    """Return the packaged support tickets, with `entity` and `family`."""
    return [json.loads(line) for line in _packaged("tickets.jsonl").split("\n") if line]


def catalogue_file() -> bytes:
    """Return `catalogue.csv` as written: RFC 4180, five bad rows, one in Latin-1 amid UTF-8."""
    rows = [_visible(row) for row in products()]
    lines = [_csv_line(list(row.values())) for row in rows]
    taken = f"{rows[0]['sku']},Cast iron trivet,round,Pellowmere,14.90,en,2025-03-02,\n"
    _insert(lines, {**BAD_PRODUCTS, 75: taken.encode("ascii")})
    return _csv_line(list(rows[0])) + b"".join(lines)


def tickets_file() -> bytes:
    """Return `tickets.jsonl` as written: five bad lines, one in Latin-1 amid UTF-8."""
    rows = [_visible(row) for row in tickets()]
    lines = [_json_line(row) for row in rows]
    spare = {**rows[1], "subject": "Opening hours", "body": "When does the south branch open?"}
    nameless = _json_line({**spare, "id": None})
    _insert(lines, {**BAD_TICKETS, 12: nameless, 40: _json_line(spare)})
    return b"".join(lines)


def _packaged(name: str) -> str:
    return files("pipeline.sample").joinpath(name).read_bytes().decode("utf-8")


def _visible(row: Row) -> Row:
    return {name: value for name, value in row.items() if name not in HIDDEN}


def _csv_line(cells: list[str]) -> bytes:
    line = StringIO()
    csv.writer(line, lineterminator="\n").writerow(cells)
    return line.getvalue().encode("utf-8")


def _json_line(row: Row) -> bytes:
    return json.dumps(row, ensure_ascii=False).encode("utf-8") + b"\n"


def _insert(lines: list[bytes], extra: dict[int, bytes]) -> None:
    """Put each extra line at its place in the finished file."""
    for place in sorted(extra):
        lines.insert(place, extra[place])
