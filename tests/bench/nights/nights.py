"""Night two and after: what a night costs when little has changed.

    python tests/bench/nights/nights.py --data ../shared/data [--rows 100000] [--out build/bench]

Short real texts (see million.py) through MiniLM: a first night, then nights on which a share of
the records is edited, deleted or new, then one on which nothing has changed. Each night is a
process of its own; its wall time is told as a ratio to the first night's, beside the contents
that were embedded and those that had to be.
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

sys.path.append(str(Path(__file__).parents[1]))
sys.path.append(str(Path(__file__).parents[1] / "size"))
from million import one_run, real_texts
from real_data import machine

SHARES = (0.001, 0.01, 0.1, 0.0)


def write(path: Path, texts: dict[str, str]) -> None:
    pq.write_table(pa.table({"id": list(texts), "text": list(texts.values())}), path)


def edited(text: str, generator: random.Random) -> str:
    at = generator.randrange(len(text))
    return text[:at] + generator.choice("abcdefghijklmnop") + text[at + 1 :]


def change(texts: dict[str, str], share: float, night: int) -> None:
    """Edit four fifths of `share` of the records, delete a tenth of it, add a tenth."""
    generator = random.Random(night)
    ids = generator.sample(sorted(texts), round(share * len(texts)))
    tenth = len(ids) // 10
    for name in ids[:tenth]:
        del texts[name]
    for name in ids[tenth : 2 * tenth]:
        texts[f"{name}-{night}"] = edited(texts[name], generator)
    for name in ids[2 * tenth :]:
        texts[name] = edited(texts[name], generator)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--out", type=Path, default=Path("build/bench"))
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--encoder", default="minilm", choices=["minilm", "toy"])
    chosen = parser.parse_args()
    out = chosen.out.resolve()
    out.mkdir(parents=True, exist_ok=True)
    catalog, path = out / "nights-catalog", out / "nights.parquet"
    shutil.rmtree(catalog, ignore_errors=True)
    pool = list(dict.fromkeys(real_texts(chosen.data)))
    random.Random(7).shuffle(pool)
    texts = {str(number): text for number, text in enumerate(pool[: chosen.rows])}
    settings: dict[str, object] = {
        "catalog": str(catalog),
        "sources": [
            {"type": "parquet", "name": "t", "path": str(path),
             "columns": {"id": "id", "text": "text"}}
        ],
        "text_encoder": {"type": chosen.encoder},
    }  # fmt: skip
    rows = []
    seen: set[str] = set()
    for night, share in enumerate((1.0, *SHARES)):
        if night:
            change(texts, share, night)
        write(path, texts)
        summary, seconds, peak = one_run(settings)
        new = set(texts.values()) - seen
        seen |= new
        row = {
            "night": night,
            "changed": share,
            "records": len(texts),
            "seconds": round(seconds, 1),
            "of_first_night": round(seconds / (rows[0]["seconds"] if rows else seconds), 4),
            "new_contents": len(new),
            "embedded": summary.counts.texts_embedded,
            "judged": summary.reused.judged,
            "standing": summary.reused.standing,
            "peak_gb": round(peak, 2),
            "stages": {e.stage: round(e.seconds, 2) for e in summary.stages},
        }
        rows.append(row)
        print(json.dumps(row), flush=True)
    result = {"encoder": chosen.encoder, "rows": rows, "machine": machine()}
    (out / "nights.json").write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
