"""A whole run beside semhash, on the same real texts, with the same static model and threshold.

    python tests/bench/peers.py --data ../shared/data [--rows 400000] [--threshold 0.9]

semhash is installed into a folder of the benchmark, beside the environment and not into it. Both
start from a Parquet file and a model on disk, each in a process of its own, one after the other.
What is counted of `gemel` is a complete first run: ingest, embedding, candidates, judging every
pair with its evidence, clusters, tables, report. semhash embeds, searches and keeps one text of
each group.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import venv
from pathlib import Path
from typing import Any

from million import config, one_run, static_encoder, write_texts
from real_data import Report

SEMHASH = """
import json, resource, sys, time
began = time.perf_counter()
import numpy as np
import pyarrow.parquet as pq
from model2vec import StaticModel
from safetensors.numpy import load_file
from semhash import SemHash
from tokenizers import Tokenizer
texts, folder, threshold = sys.argv[1], sys.argv[2], float(sys.argv[3])
(weights,) = [v for k, v in load_file(f"{folder}/model.safetensors").items()]
tokenizer = Tokenizer.from_file(f"{folder}/tokenizer.json")
model = StaticModel(weights.astype(np.float32), tokenizer, normalize=True)
records = pq.read_table(texts)["text"].to_pylist()
found = SemHash.from_records(records, model=model).self_deduplicate(threshold=threshold)
print(json.dumps({
    "seconds": time.perf_counter() - began, "kept": len(found.selected),
    "peak_gb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6,
}))
"""


def peer_python(folder: Path) -> Path:
    """The interpreter of an environment that has semhash and nothing of ours."""
    python = folder / "bin" / "python"
    if not python.exists():
        venv.create(folder, with_pip=True)
        install = ["-m", "pip", "install", "--quiet", "semhash==0.5.0", "pyarrow", "safetensors"]
        subprocess.run([str(python), *install], check=True)
    return python


def semhash(python: Path, texts: Path, model: Path, threshold: float) -> dict[str, Any]:
    command = [str(python), "-c", SEMHASH, str(texts), str(model), str(threshold)]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True)
    return {"way": "semhash 0.5", **json.loads(done.stdout.splitlines()[-1])}


def gemel(out: Path, rows: int, threshold: float) -> dict[str, Any]:
    settings = {**config(out, rows), "candidates": {"text_floor": threshold}}
    shutil.rmtree(str(settings["catalog"]), ignore_errors=True)
    summary: Any
    summary, seconds, peak = one_run(settings)
    return {
        "way": "gemel",
        "seconds": seconds,
        "peak_gb": peak,
        "candidates": summary["counts"]["candidates"],
        "clusters": summary["counts"]["clusters"],
        "recall": summary["candidate_recall"]["text"]["recall"],
        "stages": {e["stage"]: round(e["seconds"], 1) for e in summary["stages"]},
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--out", type=Path, default=Path("build/bench"))
    parser.add_argument("--rows", type=int, nargs="*", default=[100_000, 400_000])
    parser.add_argument("--threshold", type=float, default=0.9)
    chosen = parser.parse_args()
    out = chosen.out.resolve()
    out.mkdir(parents=True, exist_ok=True)
    python = peer_python(out / "peers")
    report = Report("| rows | way | seconds | × gemel | peak GB | |")
    results = []
    for rows in chosen.rows:
        texts = out / f"million-{rows}.parquet"
        write_texts(chosen.data, texts, rows)
        own = gemel(out, rows, chosen.threshold)
        for row in (own, semhash(python, texts, static_encoder(out), chosen.threshold)):
            results.append({"rows": rows, **row})
            told = {k: v for k, v in row.items() if k not in ("way", "seconds", "peak_gb")}
            report.add(
                f"| {rows:,} | {row['way']} | {row['seconds']:.1f} | "
                f"{row['seconds'] / own['seconds']:.2f} | {row['peak_gb']:.2f} | {told} |"
            )
    report.write(out / "peers", threshold=chosen.threshold, rows=results)


if __name__ == "__main__":
    main()
