"""A million short real texts: memory of the whole run, time of candidates and clustering.

    python tests/bench/size/million.py --data ../shared/data [--rows 1000000] [--out build/bench]
        [--shipped]

The texts are verses, package summaries, sentences of descriptions and of articles, product
titles and names out of the shared sets; where they do not suffice, copies with one edited
character are added. The encoder is MiniLM's static student, because a million texts through a
transformer take an hour on two cores. The first run fills the vector cache; the second computes
all else anew and is measured in a process of its own. --shipped: texts are judged as without any
setting, by the shipped judge, and not by the words in common at stated thresholds.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

sys.path.append(str(Path(__file__).parents[1]))
from real_data import machine

from pipeline.catalog import RunSummary
from pipeline.config.encoders import StaticText
from pipeline.encoders.text.distilled import distil_student

SENTENCE = re.compile(r"(?<=[.!?])\s+")
COLUMNS = [
    ("bible_en_parallel", "records", "text"),
    ("debian_descriptions", "records", "summary"),
    ("debian_descriptions", "records", "description"),
    ("autofj_names", "records", "text"),
    ("apache_jira", "records", "summary"),
    ("wdc_lspc", "pairs", "text_a"),
    ("wdc_lspc", "pairs", "text_b"),
    ("qqp_dev_test", "pairs", "text_a"),
    ("qqp_dev_test", "pairs", "text_b"),
    ("minhash_articles", "records", "text"),
    ("mrpc", "pairs", "text_a"),
]


def real_texts(data: Path) -> Iterator[str]:
    for folder, table, column in COLUMNS:
        for value in pq.read_table(data / folder / f"{table}.parquet")[column].to_pylist():
            for sentence in SENTENCE.split(" ".join((value or "").split())):
                if 12 <= len(sentence) <= 300:
                    yield sentence


def write_texts(data: Path, path: Path, rows: int) -> int:
    """Write `rows` texts; return how many of them are untouched originals."""
    generator = random.Random(7)
    texts = list(real_texts(data))
    generator.shuffle(texts)
    texts = texts[:rows]
    originals = len(texts)
    for text in generator.choices(texts, k=rows - originals):
        at = generator.randrange(len(text))
        texts.append(text[:at] + generator.choice("abcdefghijklmnop") + text[at + 1 :])
    table = pa.table({"id": pc.cast(pa.array(np.arange(rows)), pa.string()), "text": texts})
    pq.write_table(table, path, row_group_size=100_000)
    return originals


def static_encoder(out: Path) -> Path:
    """The folder of MiniLM's static student, distilled on first use."""
    return distil_student(StaticText(type="static"), students=out / "students")


def config(out: Path, rows: int) -> dict[str, object]:
    return {
        "catalog": str(out / f"million-catalog-{rows}"),
        "sources": [
            {"type": "parquet", "name": "t", "path": str(out / f"million-{rows}.parquet"),
             "columns": {"id": "id", "text": "text"}}
        ],
        "text_encoder": {"type": "sentence_transformers", "path": str(static_encoder(out))},
        "judge": {"text": {"accept": 0.95, "review": 0.92}},
        "candidates": {"text_floor": 0.9},
    }  # fmt: skip


CHILD = """
import json, sys
from pipeline import run
from pipeline.config import RunConfig
config, full = (json.loads(given) for given in sys.argv[1:])
print(json.dumps(run(RunConfig.model_validate(config), full=full).to_json()))
"""


def one_run(settings: dict[str, object], *, full: bool = False) -> tuple[RunSummary, float, float]:
    """Summary, seconds and peak memory in GB of a run in a process of its own."""
    began = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", CHILD, json.dumps(settings), json.dumps(full)],
        stdout=subprocess.PIPE,
        check=True,
    )
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1e6
    summary = RunSummary.from_json(json.loads(done.stdout.splitlines()[-1]))
    return summary, time.perf_counter() - began, peak


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--out", type=Path, default=Path("build/bench"))
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--shipped", action="store_true", help="the judge of no settings")
    chosen = parser.parse_args()
    out = chosen.out.resolve()
    out.mkdir(parents=True, exist_ok=True)
    originals = write_texts(chosen.data, out / f"million-{chosen.rows}.parquet", chosen.rows)
    settings = config(out, chosen.rows)
    if chosen.shipped:
        del settings["judge"], settings["candidates"]
        settings["text_encoder"] = {"type": "static"}
    _, first, first_peak = one_run(settings)
    print(f"first run (fills the vector cache): {first:.0f} s, {first_peak:.2f} GB", flush=True)
    summary, seconds, peak = one_run(settings, full=True)
    stages = {entry.stage: round(entry.seconds, 1) for entry in summary.stages}
    result = {
        "rows": chosen.rows,
        "originals": originals,
        "first_run_seconds": round(first, 1),
        "second_run_seconds": round(seconds, 1),
        "peak_gb": round(max(peak, first_peak), 2),
        "candidates_and_clusters_seconds": round(stages["search"] + stages["cluster"], 1),
        "stages": stages,
        "embedded_in_second_run": summary.counts.texts_embedded,
        "candidates": summary.counts.candidates,
        "judging_us_a_pair": round(stages["score"] / summary.counts.candidates * 1e6, 2),
        "duplicate_clusters": summary.counts.duplicate_clusters,
        "candidate_recall": vars(summary.recall.text),
        "index": summary.index.text,
        "machine": machine(),
    }
    print(json.dumps(result, indent=2))
    (out / f"million-{chosen.rows}.json").write_text(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
