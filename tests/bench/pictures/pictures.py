"""Pictures a second from file to vector, beside the same network in plain PyTorch.

    python tests/bench/pictures/pictures.py --data DATA [--out build/bench]

Plain: one process opens, squashes and stacks 32 pictures at a time, PyTorch runs the shipped
network in float32 on every core. The others are `copy_detection` with each backend and two decoder
processes, their start included. The AugLy copies are cut into rounds that every way takes in turn;
ours go through a round several times, as a night has more pictures. The second table has the same
at camera size: photographs enlarged to 12 megapixels, with some noise.

ratio: of the pictures a second, the median over the rounds, with the smallest and the largest. CPU
ms: processor time per picture in all processes, which the load of a shared machine moves less. AP:
micro average precision over all pairs of query and reference; P and R: precision and recall of the
pairs at the cosine at which the default judge asks for review and at which it accepts. cosine: to
the vectors of plain PyTorch, the mean and the least.
"""

from __future__ import annotations

import argparse
import io
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from real_data import Report

from pipeline.config.encoders import CopyDetection
from pipeline.config.sources import ImageSettings
from pipeline.encoders import ImageRef
from pipeline.encoders.image.copy_detection import shipped_folder
from pipeline.encoders.opening import open_encoder

SET = "augly_copies_open"
BATCH, DIMENSION = 32, 512
REVIEW, ACCEPT = 0.3, 0.7
CAMERA, CAMERAS = 4032, 32  # width in pixels, pictures
QUALITY = "AP | P, R at 0.30 | P, R at 0.70"
PLAIN = "plain PyTorch"
Way = Callable[[Sequence[Path]], np.ndarray]


def plain() -> Way:
    import torch
    from PIL import Image

    from pipeline.encoders.copy_network import CopyNetwork

    model = CopyNetwork.load(str(shipped_folder()))
    size = model.image_size

    def pixels(path: Path) -> np.ndarray:
        with Image.open(path) as file:
            small = file.convert("RGB").resize((size, size), Image.Resampling.BILINEAR)
        return np.asarray(small).transpose(2, 0, 1)

    def embed(paths: Sequence[Path]) -> np.ndarray:
        torch.set_num_threads(os.cpu_count() or 1)
        vectors = []
        for at in range(0, len(paths), BATCH):
            batch = torch.from_numpy(np.stack([pixels(path) for path in paths[at : at + BATCH]]))
            with torch.inference_mode():
                vectors.append(model({"pixel_values": batch})["sentence_embedding"].numpy())
        return np.concatenate(vectors)

    return embed


def ours(backend: str) -> Way:
    config = CopyDetection.model_validate({"backend": backend})
    encoder = open_encoder(config, images=ImageSettings(), threads=None)

    def embed(paths: Sequence[Path]) -> np.ndarray:
        vectors = np.zeros((len(paths), DIMENSION), np.float32)
        for part in encoder.encode(ImageRef(uri=str(path)) for path in paths):
            vectors[part.positions] = part.vectors
        return vectors

    return embed


@dataclass
class Measured:
    """vectors: of all pictures. rates: pictures a second in each round; cpu: its milliseconds."""

    vectors: np.ndarray
    rates: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)


def timed(
    ways: dict[str, Way], paths: Sequence[Path], *, rounds: int, times: dict[str, int]
) -> dict[str, Measured]:
    """Take every way through every round in turn, `times` through it."""
    measured = {name: Measured(np.zeros((len(paths), DIMENSION), np.float32)) for name in ways}
    for way in ways.values():
        way(paths[:8])
    for number in range(rounds):
        places = np.arange(number, len(paths), rounds)
        for name, way in ways.items():
            chosen = [paths[place] for place in places] * times.get(name, 1)
            began, used = time.perf_counter(), cpu_seconds()
            found = way(chosen)
            measured[name].rates.append(len(chosen) / (time.perf_counter() - began))
            measured[name].cpu.append(1000 * (cpu_seconds() - used) / len(chosen))
            measured[name].vectors[places] = found[: len(places)]
    return measured


def cpu_seconds() -> float:
    used = os.times()
    return used.user + used.system + used.children_user + used.children_system


def augly(folder: Path) -> tuple[list[Path], np.ndarray]:
    """The pictures, queries first, and which reference each query was made from."""
    queries, references = (
        pq.read_table(folder / f"{name}.parquet") for name in ("queries", "references")
    )
    base = np.array(queries["base_id"].to_pylist(), dtype=object)
    known = np.array(references["reference_id"].to_pylist(), dtype=object)
    names = queries["path"].to_pylist() + references["path"].to_pylist()
    return [folder / name for name in names], base[:, None] == known[None]


def quality(vectors: np.ndarray, truth: np.ndarray) -> dict[str, float]:
    from sklearn.metrics import average_precision_score

    cosines = vectors[: len(truth)] @ vectors[len(truth) :].T
    found: dict[str, float] = {"ap": float(average_precision_score(truth.ravel(), cosines.ravel()))}
    for name, floor in (("review", REVIEW), ("accept", ACCEPT)):
        over = cosines >= floor
        found[f"{name}_precision"] = float(truth[over].mean())
        found[f"{name}_recall"] = float(over[truth].mean())
    return found


def camera(paths: Sequence[Path], folder: Path) -> list[Path]:
    """Write photographs enlarged to the size of a camera's."""
    from PIL import Image

    folder.mkdir(parents=True, exist_ok=True)
    made = [folder / f"{number:03}.jpg" for number in range(CAMERAS)]
    for number, path in enumerate(made):
        if not path.exists():
            with Image.open(paths[number * len(paths) // CAMERAS]) as file:
                large = file.convert("RGB").resize((CAMERA, CAMERA * 3 // 4))
            rng = np.random.default_rng(number)
            noise = rng.integers(-6, 7, (large.height, large.width, 1))
            noisy = np.clip(np.asarray(large, np.int16) + noise, 0, 255).astype(np.uint8)
            file_of = io.BytesIO()
            Image.fromarray(noisy).save(file_of, "JPEG", quality=90)
            path.write_bytes(file_of.getvalue())
    return made


def cells(one: Measured, base: Measured) -> str:
    ratios = np.divide(one.rates, base.rates)
    cosines = np.einsum("nd,nd->n", one.vectors, base.vectors)
    return (
        f"{np.median(one.rates):.0f} | {np.median(ratios):.1f} ({ratios.min():.1f} … "
        f"{ratios.max():.1f}) | {np.median(one.cpu):.1f} | "
        f"{np.median(base.cpu) / np.median(one.cpu):.1f} | {cosines.mean():.4f}, "
        f"{cosines.min():.4f}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--out", type=Path, default=Path("build/bench"))
    parser.add_argument("--rounds", type=int, default=3)
    chosen = parser.parse_args()
    chosen.out.mkdir(parents=True, exist_ok=True)
    ways = {PLAIN: plain(), **{name: ours(name) for name in ("float32", "int8")}}
    columns = "pictures/s | ratio | CPU ms | ratio | cosine"
    paths, truth = augly(chosen.data / SET)
    report = Report(f"| way | {columns} | {QUALITY} |")
    facts: list[dict[str, Any]] = []
    measured = timed(ways, paths, rounds=chosen.rounds, times={"float32": 2, "int8": 4})
    for name, one in measured.items():
        good = quality(one.vectors, truth)
        facts.append({"way": name, "pictures_per_second": one.rates, "cpu_ms": one.cpu, **good})
        report.add(
            f"| {name} | {cells(one, measured[PLAIN])} | {good['ap']:.4f} | "
            f"{good['review_precision']:.3f}, {good['review_recall']:.3f} | "
            f"{good['accept_precision']:.3f}, {good['accept_recall']:.3f} |"
        )
    large = camera(paths[len(truth) :], chosen.out / "camera")
    report.add(f"\n| at 12 megapixels | {columns} |\n|---|---|---|---|---|---|")
    shown = {name: ways[name] for name in (PLAIN, "float32", "int8")}
    measured = timed(shown, large, rounds=1, times={"float32": 4, "int8": 4})
    for name, one in measured.items():
        facts.append(
            {"way": f"{name}, camera", "pictures_per_second": one.rates, "cpu_ms": one.cpu}
        )
        report.add(f"| {name} | {cells(one, measured[PLAIN])} |")
    report.write(chosen.out / "pictures", rows=facts)


if __name__ == "__main__":
    main()
