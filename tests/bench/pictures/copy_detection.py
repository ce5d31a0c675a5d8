"""How well an image encoder finds copies: every measure of its own, with the thresholds it ships.

    python tests/bench/pictures/copy_detection.py --data DATA [--out build/bench]
        [--encoder '{"type": "copy_detection"}' '{"type": "copy_detection", "path": "mine"}']

augly: micro average precision and recall at precision 0.90 over all pairs of a query and a
reference, raw and with each query's mean cosine to its nearest other references subtracted
(`normalised`: the background is the corpus itself, the pair's own reference left out).
edits: crop, flips, 25° rotation and square of the photographs that training held back; recall at a
precision of 0.999 over all pairs of a photograph and an edit, and precision and recall of the pairs
that the default judge accepts. scenes: pairs of held-back photographs of one group, which may be
seconds apart: the share that the default judge accepts. wallpapers: pairs of sizes, crops and
thumbnails; their recall at precision 1.0, and at the default threshold.
Shares have Wilson's 95 % intervals.
"""

from __future__ import annotations

import argparse
import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from PIL import Image, ImageOps
from pydantic import TypeAdapter
from real_data import keep
from sklearn.metrics import average_precision_score
from train_images import recipe

from pipeline.config.encoders import ImageEncoderConfig
from pipeline.config.matching import JudgeSettings
from pipeline.config.sources import ImageSettings
from pipeline.encoders import Encoder, ImageRef
from pipeline.encoders.opening import open_encoder
from pipeline.evaluation.intervals import share_interval
from pipeline.evaluation.ranking import Ranking
from pipeline.matching.rules.default_rules import LogisticImageRule, image_default
from pipeline.training.self_supervised.train import read_training_records
from pipeline.training.self_supervised.views import split_views

BACKGROUND = 1  # nearest references that a query's cosines are counted above
KINDS = ("size/crop", "thumbnail")


def embed(encoder: Encoder, refs: Sequence[ImageRef]) -> np.ndarray:
    out = np.zeros((len(refs), encoder.dimension), np.float32)
    for part in encoder.encode(refs):
        out[part.positions] = part.vectors
    return out


def told(part: int, of: int) -> str:
    found = share_interval(part, of)
    return f"{found.value:.3f} ({found.low:.3f} to {found.high:.3f}, {of:,})"


def augly(encoder: Encoder, data: Path) -> dict[str, Any]:
    folder = data / "augly_copies_open"
    queries, references = (
        pq.read_table(folder / f"{name}.parquet") for name in ("queries", "references")
    )
    paths = [*queries["path"].to_pylist(), *references["path"].to_pylist()]
    vectors = embed(encoder, [ImageRef(uri=str(folder / path)) for path in paths])
    place = {key: row for row, key in enumerate(references["reference_id"].to_pylist())}
    base = queries["base_id"].to_pylist()
    cosine = vectors[: len(queries)] @ vectors[len(queries) :].T
    true = np.zeros(cosine.shape, bool)
    for row, key in enumerate(base):
        if key is not None:
            true[row, place[key]] = True
    nearest = np.sort(cosine, axis=1)[:, ::-1]
    # The best of a query may be its own; the level of strangers begins after it.
    level = nearest[:, 1 : 1 + BACKGROUND].mean(axis=1, keepdims=True)
    found = {}
    for name, score in (("raw", cosine), ("normalised", cosine - level)):
        flat, right = score.ravel(), true.ravel()
        found[f"augly, {name}: average precision"] = f"{average_precision_score(right, flat):.3f}"
        found[f"augly, {name}: recall at P 0.90"] = f"{Ranking(right, flat).recall_at(0.9):.3f}"
    return found


def edits_of(image: Image.Image) -> list[Image.Image]:
    width, height = image.size
    cut = (width // 8, height // 8, width - width // 8, height - height // 8)
    return [
        image.crop(cut),
        ImageOps.mirror(image),
        ImageOps.flip(image),
        image.rotate(25, Image.Resampling.BILINEAR, expand=True),
        ImageOps.fit(image, (min(image.size),) * 2, Image.Resampling.BILINEAR),
    ]


EDITS = ("crop", "mirror", "flip", "rotated 25°", "square")


def edited(image: ImageRef) -> list[ImageRef]:
    with Image.open(io.BytesIO(image.data or b"")) as file:
        made = edits_of(file.convert("RGB"))
    refs = []
    for picture in made:
        out = io.BytesIO()
        picture.save(out, "JPEG", quality=90)
        refs.append(ImageRef(data=out.getvalue()))
    return refs


def photographs(encoder: Encoder, data: Path, accept: float) -> dict[str, Any]:
    config = recipe(data, Path("unused"))
    material = read_training_records(config)
    _, held = split_views(material.group, held_back=config.held_back, seed=config.seed)
    group, refs = material.group[held], [material.items[row] for row in held]
    whole = embed(encoder, refs)
    copies = embed(encoder, [copy for ref in refs for copy in edited(ref)])
    kind, owner = np.tile(np.arange(len(EDITS)), len(refs)), np.repeat(np.arange(len(refs)), 5)
    cosine = copies @ whole.T
    true = owner[:, None] == np.arange(len(refs))[None, :]
    counted = true | (group[owner][:, None] != group[None, :])
    score, right = cosine[counted], true[counted]
    found = {
        "edits: recall at P 0.999": f"{Ranking(right, score).recall_at(0.999):.3f}",
        "edits: accepted, precision": told(
            int((right & (score >= accept)).sum()), max(int((score >= accept).sum()), 1)
        ),
        "edits: accepted, recall": told(int((right & (score >= accept)).sum()), len(copies)),
    }
    own = cosine[np.arange(len(copies)), owner]
    for number, name in enumerate(EDITS):
        found[f"edits: accepted, recall of {name}"] = (
            f"{(own[kind == number] >= accept).mean():.3f}"
        )
    between = whole @ whole.T
    same = np.triu(group[:, None] == group[None, :], 1)
    found["scenes: pairs accepted"] = told(int((between[same] >= accept).sum()), int(same.sum()))
    groups = [name for name in np.unique(group) if (group == name).sum() > 1]
    merged = sum(
        bool((between[np.ix_(group == name, group == name)] - 2 * np.eye((group == name).sum())
              >= accept).any())
        for name in groups
    )  # fmt: skip
    found["scenes: groups with an accepted pair"] = told(merged, len(groups))
    strangers = np.triu(group[:, None] != group[None, :], 1)
    found["strangers accepted"] = f"{(between[strangers] >= accept).sum()} of {strangers.sum():,}"
    return found


def wallpapers(encoder: Encoder, data: Path, accept: float) -> dict[str, Any]:
    folder = data / "debian_wallpapers"
    table = pq.read_table(folder / "images.parquet")
    vectors = embed(
        encoder, [ImageRef(uri=str(folder / path)) for path in table["path"].to_pylist()]
    )
    group, kind = np.array(table["group"].to_pylist()), np.array(table["kind"].to_pylist())
    plain = np.isin(kind, KINDS)
    upper = np.triu(np.ones((len(group),) * 2, bool), 1)
    same = (group[:, None] == group[None, :]) & upper
    true = same & plain[:, None] & plain[None, :]
    counted = (upper & ~same) | true
    cosine = vectors @ vectors.T
    score, right = cosine[counted], true[counted]
    taken, total = score >= accept, int(true.sum())
    good = int((right & taken).sum())
    return {
        "wallpapers: recall of pairs at P 1.0": f"{Ranking(right, score).recall_at(1.0):.3f}",
        "wallpapers: accepted, precision": told(good, max(int(taken.sum()), 1)),
        "wallpapers: accepted, recall": told(good, total),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--out", type=Path, default=Path("build/bench"))
    parser.add_argument(
        "--encoder", nargs="+",
        default=['{"type": "copy_detection"}'],
    )  # fmt: skip
    chosen = parser.parse_args()
    data = chosen.data.resolve()
    columns: dict[str, dict[str, Any]] = {}
    for given in chosen.encoder:
        config = TypeAdapter(ImageEncoderConfig).validate_python(json.loads(given))
        rule = image_default(config, JudgeSettings()).rule
        assert isinstance(rule, LogisticImageRule)
        accept = (np.log(rule.accept / (1 - rule.accept)) - rule.bias) / rule.cosine
        encoder = open_encoder(config, images=ImageSettings(), threads=None)
        columns[encoder.name] = {
            "accepted from a cosine of": f"{accept:.3f}",
            **augly(encoder, data),
            **photographs(encoder, data, accept),
            **wallpapers(encoder, data, accept),
        }
        print(encoder.name, json.dumps(columns[encoder.name], indent=1), flush=True)
    names = list(columns)
    lines = [f"| measure | {' | '.join(names)} |", "|---" * (len(names) + 1) + "|"]
    for measure in columns[names[0]]:
        lines.append(f"| {measure} | {' | '.join(columns[name][measure] for name in names)} |")
    print("\n".join(lines))
    keep(chosen.out / "copy_detection.json", columns=columns)


if __name__ == "__main__":
    main()
