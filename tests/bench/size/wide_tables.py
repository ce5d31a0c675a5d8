"""Wide tables with and without the names of their columns: the figures of this page.

    python tests/bench/size/wide_tables.py --data ../shared/data [--out build/bench]

FEBRL sets 1 to 3, its set 4, and the first 10,000 rows of historical_people_50k, each with
`columns.text_names` true and false at the default floor, and false at another floor.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

sys.path.append(str(Path(__file__).parents[1]))
import real_data

FEBRL = ("given_name", "surname", "street_number", "address_1", "address_2", "suburb", "postcode",
         "state", "date_of_birth", "soc_sec_id")  # fmt: skip
PEOPLE = ("full_name", "dob", "birth_place", "postcode_fake", "gender", "occupation")
SETS = {"febrl123": FEBRL, "febrl4": FEBRL, "people": PEOPLE}
RUNS: list[tuple[str, bool, float | None]] = [
    *((name, named, None) for name in SETS for named in (True, False)),
    ("febrl4", False, 0.75),
    ("people", False, 0.45),
]


def write_sets(data: Path, out: Path) -> None:
    """Write each set's records with ids and clusters that are unique in it."""
    table = pq.read_table(data / "febrl" / "records.parquet")
    table = table.cast(pa.schema([(name, pa.string()) for name in table.column_names]))
    for name, wanted in (("febrl123", "febrl[123]"), ("febrl4", "febrl4")):
        rows = table.filter(pc.match_substring_regex(table["dataset"], wanted))
        # 4a holds the originals of the duplicates in 4b.
        family = pc.utf8_slice_codeunits(rows["dataset"], 0, 6)
        keys = {
            "record_id": pc.binary_join_element_wise(rows["dataset"], rows["record_id"], "/"),
            "cluster_id": pc.binary_join_element_wise(family, rows["cluster_id"], "/"),
        }
        _write(out / name, pa.table({**keys, **{column: rows[column] for column in FEBRL}}))
    people = pq.read_table(data / "historical_people_50k" / "records.parquet")
    _write(out / "people", people.slice(0, 10_000))


def _write(folder: Path, table: pa.Table) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, folder / "records.parquet")


def measure(name: str, out: Path, *, named: bool, floor: float | None) -> dict[str, Any]:
    """Run one set and score it."""
    columns = {"id": "record_id", "text": SETS[name], "text_names": named, "attributes": ()}

    def sources(folder: Path) -> list[dict[str, Any]]:
        path = str(folder / "records.parquet")
        return [{"type": "parquet", "name": "s", "path": path, "columns": columns}]

    real_data.SETS[name] = (sources, real_data.clustered("cluster_id"))
    catalogs = out / ("named" if named else "values")
    found = real_data.measure(name, out, catalogs, {"candidates": {"text_floor": floor}})
    return {"text_names": named, "floor": floor, **found}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--out", type=Path, default=Path("build/bench"))
    chosen = parser.parse_args()
    out = chosen.out / "wide"
    write_sets(chosen.data, out)
    rows = []
    for name, named, floor in RUNS:
        rows.append(measure(name, out, named=named, floor=floor))
        print(real_data.table(rows[-1:]), flush=True)
    text = real_data.table(rows)
    print(f"\n{text}")
    result = {"machine": real_data.machine(), "runs": rows}
    (chosen.out / "wide_tables.json").write_text(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
