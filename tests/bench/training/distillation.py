"""What a static student gains by learning its teacher's cosines on the corpus itself.

    python tests/bench/training/distillation.py --data DATA [--only er_abt_buy …] [--texts 6000]

A third of each set's texts is held out and never learned from. Printed of the held-out texts,
before and after: rank correlation of the student's cosines with MiniLM's, over the pairs near to
either and as many at random; their mean squared difference; and how many of all the pairs with a
teacher's cosine of at least 0.8 are among as many, and twice as many, of the student's nearest.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from real_data import SETS, Report

from pipeline.config.encoders import (
    DistillSettings,
    MiniLmEncoder,
    SentenceTransformersText,
    StaticText,
)
from pipeline.config.finetune import EncoderTraining
from pipeline.config.sources import ImageSettings, ParquetSource
from pipeline.encoders.opening import open_encoder
from pipeline.encoders.text.distilled import distil_student
from pipeline.training.data.corpus import source_texts
from pipeline.training.distillation import (
    DistillationCorpus,
    agreement,
    distillation_data,
    learn_student,
    vectors_of,
)
from pipeline.training.teacher_pairs import teacher_pairs

NEAR = 0.8
HELD = 1 / 3
NOTHING = np.zeros(0, np.int64), np.zeros(0, np.int64)


def texts_of(name: str, data: Path) -> list[str]:
    """Distinct texts of a set as a run reads them, by ascending hash."""
    if name == "qqp_dev_test":
        table = pq.read_table(data / name / "pairs.parquet", columns=["text_a", "text_b"])
        return sorted({*table["text_a"].to_pylist(), *table["text_b"].to_pylist()}, key=hash_of)
    source = ParquetSource.model_validate(SETS[name][0](data / name)[0])
    table = pa.concat_tables(source_texts(source)).drop_null()
    found = dict(zip(table["text_hash"].to_pylist(), table["text"].to_pylist(), strict=True))
    return [found[key] for key in sorted(found)]


def hash_of(text: str) -> str:
    from hashlib import blake2b

    return blake2b(text.encode(), digest_size=16).hexdigest()


def near_recall(student: np.ndarray, teacher: np.ndarray) -> dict[str | int, float]:
    """Share of the teacher's near pairs among the student's nearest ones."""
    above = np.triu_indices(len(student), 1)
    near = (teacher @ teacher.T)[above] >= NEAR
    order = np.argsort(-(student @ student.T)[above], kind="stable")
    count = int(near.sum())
    return {"near": float(count), **{n: float(near[order[: n * count]].mean() * n) for n in (1, 2)}}


def measure(name: str, chosen: argparse.Namespace) -> str:
    """One line of the table."""
    images = ImageSettings(workers=0)
    student = distil_student(StaticText(type="static"), students=chosen.out / "students")
    start = SentenceTransformersText(type="sentence_transformers", path=str(student))
    texts = texts_of(name, chosen.data)[: chosen.texts]
    seen = vectors_of(open_encoder(start, images=images, threads=chosen.threads), texts)
    began = time.perf_counter()
    teacher = open_encoder(MiniLmEncoder(), images=images, threads=chosen.threads)
    wanted = vectors_of(teacher, texts)
    asked = time.perf_counter() - began
    order = np.random.default_rng(chosen.seed).permutation(len(texts))
    held, kept = np.split(order, [round(HELD * len(order))])
    part = DistillationCorpus(
        pa.array([str(row) for row in kept]),
        [texts[row] for row in kept],
        seen[kept],
        wanted[kept],
        len(kept),
    )
    settings = DistillSettings()
    data, _ = distillation_data(part, NOTHING, settings, held=0.1, seed=chosen.seed)
    found = learn_student(
        data,
        EncoderTraining(start=start),
        settings,
        work=chosen.out / "distillation" / name,
        seed=chosen.seed,
        threads=chosen.threads,
    )
    path = start.model_copy(update={"path": str(found.folder)})
    after = vectors_of(open_encoder(path, images=images, threads=chosen.threads), texts)
    pairs = teacher_pairs(
        seen, wanted, rows=held, labelled=NOTHING, near=5, random=5, seed=chosen.seed
    )
    cells = []
    for vectors in (seen, after):
        agreed = agreement(vectors, wanted, pairs.left, pairs.right)
        recall = near_recall(vectors[held], wanted[held])
        cells.append((agreed["spearman"], agreed["squared_error"], recall[1], recall[2]))
    both = " | ".join(f"{a:.3f} → {b:.3f}" for a, b in zip(*cells, strict=True))
    facts = found.facts
    return (
        f"| {name} | {len(kept):,} | {asked * len(kept) / len(texts):.0f} | {len(data.left):,} | "
        f"{facts.seconds:.0f} | {facts.best_epoch} | {both} | {recall['near']:,.0f} |"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--out", type=Path, default=Path("build/bench"))
    parser.add_argument("--texts", type=int, default=6000)
    parser.add_argument("--threads", type=int, default=None)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--only",
        nargs="*",
        default=["er_abt_buy", "qqp_dev_test", "gitbugs", "debian_descriptions", "apache_jira"],
    )
    chosen = parser.parse_args()
    chosen.out.mkdir(parents=True, exist_ok=True)
    report = Report(
        "| set | texts | teacher s | pairs | training s | best epoch | rank correlation | "
        "squared difference | near pairs among as many | among twice as many | near pairs |"
    )
    for name in chosen.only:
        report.add(measure(name, chosen))
    report.write(chosen.out / "distillation")


if __name__ == "__main__":
    main()
