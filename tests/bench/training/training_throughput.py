"""Training throughput of `train_encoder` against sentence-transformers' own trainer.

    python tests/bench/training/training_throughput.py [--data DATA] [--rounds 3] [--threads 2]

Same model (MiniLM), loss (InfoNCE over the duplicates of a step), batch, precision, threads and
pairs of distinct texts; the two take turns, each run in a process of its own, and the ratio of a
round is paired. The bar: not below 0.9. Their trainer wants `accelerate` and `datasets`, which are
installed into a folder of the benchmark, beside the environment and not into it. Run it on a quiet
machine.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from real_data import machine

TEMPERATURE = 0.05
RATE = 2e-5
BAR = 0.9
# Without dependencies: those that matter are there, and torch must not be installed once more.
PACKAGES = [
    "accelerate", "datasets", "dill", "multiprocess", "xxhash", "pandas", "python-dateutil", "six",
    "psutil",
]  # fmt: skip


def pairs(data: Path | None, count: int) -> tuple[list[str], list[str]]:
    """Return left and right texts, all distinct: product titles, or made-up ones as long."""
    if data is not None:
        import pyarrow.parquet as pq

        table = pq.read_table(data / "wdc_lspc" / "pairs.parquet", columns=["text_a", "text_b"])
        texts = sorted({text for name in ("text_a", "text_b") for text in table[name].to_pylist()})
        texts = [texts[at] for at in np.random.default_rng(0).permutation(len(texts))]
    else:
        rng = np.random.default_rng(0)
        letters = np.array(list("abcdefghiklmnoprstuwy0123456789"))
        words = ["".join(rng.choice(letters, rng.integers(2, 9))) for _ in range(5000)]
        lengths = np.clip(rng.lognormal(2.1, 0.5, 2 * count).round(), 2, 40).astype(int)
        texts = [" ".join(rng.choice(words, n)) + f" {at}" for at, n in enumerate(lengths)]
    if len(texts) < 2 * count:
        raise SystemExit(f"{len(texts)} distinct texts make no {count} pairs; lower --pairs")
    return texts[:count], texts[count : 2 * count]


def ours(left: list[str], right: list[str], options: argparse.Namespace, work: Path) -> float:
    """Return pairs per second of `train_encoder`."""
    from pipeline.config.finetune import EncoderTraining, NegativeSettings
    from pipeline.training.siamese.fit import train_encoder
    from pipeline.training.siamese.pairs import TrainingData

    count, nothing = len(left), np.zeros(0, np.int64)
    one = np.arange(count)
    data = TrainingData(
        [*left, *right], one, one + count, np.ones(count), nothing, nothing, np.zeros(0),
        np.concatenate([one, one]), np.ones(2 * count, bool),
    )  # fmt: skip
    settings = EncoderTraining(
        objective="info_nce", temperature=TEMPERATURE, epochs=1, batch_size=options.batch,
        learning_rate=RATE, precision=options.precision, max_tokens=options.max_tokens,
    )  # fmt: skip
    trained = train_encoder(
        data, settings, NegativeSettings(mined=0), folder=work / "model", work=work / "scratch",
        seed=0, threads=options.threads,
    )  # fmt: skip
    return count / sum(row.step_seconds for row in trained.history)


def theirs(left: list[str], right: list[str], options: argparse.Namespace, work: Path) -> float:
    """Return pairs per second of SentenceTransformerTrainer."""
    import torch
    from datasets import Dataset
    from sentence_transformers import (
        SentenceTransformerTrainer,
        SentenceTransformerTrainingArguments,
    )
    from sentence_transformers.sentence_transformer.losses import MultipleNegativesRankingLoss

    from pipeline.encoders.model_folder import load_model
    from pipeline.encoders.text.minilm import verify_folder

    torch.set_num_threads(options.threads)
    model = load_model(verify_folder())
    model.max_seq_length = options.max_tokens
    arguments = SentenceTransformerTrainingArguments(
        str(work), per_device_train_batch_size=options.batch, num_train_epochs=1,
        learning_rate=RATE, bf16=options.precision == "bf16", save_strategy="no",
        use_cpu=not torch.cuda.is_available(), report_to="none", disable_tqdm=True, seed=0,
    )  # fmt: skip
    trainer = SentenceTransformerTrainer(
        model, args=arguments, train_dataset=Dataset.from_dict({"left": left, "right": right}),
        loss=MultipleNegativesRankingLoss(model, scale=1 / TEMPERATURE),
    )  # fmt: skip
    started = time.perf_counter()
    trainer.train()
    return len(left) / (time.perf_counter() - started)


def one_run(who: str, options: argparse.Namespace, packages: Path) -> float:
    """Measure one of the two in a process of its own."""
    command = [sys.executable, __file__, "--only", who, *sys.argv[1:]]
    here = str(Path(__file__).resolve().parents[3])
    paths = [here, os.environ.get("PYTHONPATH", ""), *([str(packages)] if who == "theirs" else [])]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in paths if path)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{who} failed:\n{done.stdout}\n{done.stderr}")
    return float(json.loads(done.stdout.splitlines()[-1])["pairs_per_second"])


def install(packages: Path) -> None:
    """Put what their trainer wants into `packages`, unless it is there or in the environment."""
    wanted = ("accelerate", "datasets")
    if all(importlib.util.find_spec(name) or (packages / name).is_dir() for name in wanted):
        return
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target"]
    if subprocess.run([*command, str(packages), *PACKAGES], check=False).returncode:
        raise SystemExit(f"cannot install {' '.join(PACKAGES)}; put them into {packages}")


def parsed() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, help="the shared sets; default: made-up titles")
    parser.add_argument("--out", type=Path, default=Path("build/bench"))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--pairs", type=int, default=2048)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--max-tokens", type=int, default=128)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--precision", choices=["32", "bf16"], default="32")
    parser.add_argument("--only", choices=["ours", "theirs"], help=argparse.SUPPRESS)
    return parser.parse_args()


def main() -> int:
    """Alternate, print a table, write training_throughput.json; 1 when below the bar."""
    options = parsed()
    if options.only:
        run = ours if options.only == "ours" else theirs
        with tempfile.TemporaryDirectory() as work:
            speed = run(*pairs(options.data, options.pairs), options, Path(work))
        print(json.dumps({"pairs_per_second": speed}))
        return 0
    options.out.mkdir(parents=True, exist_ok=True)
    packages = options.out.resolve() / "trainer-packages"
    install(packages)
    rounds: list[dict[str, Any]] = []
    print(f"{'round':>5} {'ours, pairs/s':>14} {'theirs, pairs/s':>16} {'ratio':>6}")
    for number in range(options.rounds):
        order = ("ours", "theirs") if number % 2 == 0 else ("theirs", "ours")
        row = {who: one_run(who, options, packages) for who in order}
        rounds.append({**row, "ratio": row["ours"] / row["theirs"], "load": os.getloadavg()[0]})
        print(f"{number:5} {row['ours']:14.1f} {row['theirs']:16.1f} {rounds[-1]['ratio']:6.2f}")
    ratio = median(row["ratio"] for row in rounds)
    print(f"median ratio {ratio:.2f}, bar {BAR}")
    given = {name: str(value) for name, value in vars(options).items() if name != "only"}
    result = {"machine": machine(), "options": given, "rounds": rounds, "median_ratio": ratio}
    (options.out / "training_throughput.json").write_text(json.dumps(result, indent=2))
    return 0 if ratio >= BAR else 1


if __name__ == "__main__":
    sys.exit(main())
