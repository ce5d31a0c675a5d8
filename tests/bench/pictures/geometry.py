"""How well the geometry of two pictures tells an edited copy from a second photograph.

    python tests/bench/pictures/geometry.py --data DATA [--out build/bench] [--nearest 10]

augly: true pairs of a query and its reference that are verified, by level, and for each half of the
references (the thresholds were chosen on the even one); hard: pairs of a query and the references
nearest by the shipped network that are not its own. scenes: neighbouring and random photographs of
one group of the training photographs, which may be seconds apart. wallpapers: sizes, crops and
thumbnails of one picture, and for each wallpaper the nearest of other groups. ukbench: pairs of one
group (turned, mirrored, grey, another size or format), and of others. resolution: true resolution
of an enlarged or damaged copy over that of its source, percentiles 5, 50 and 95. Shares have
Wilson's 95 % intervals; one thread.
"""

from __future__ import annotations

import argparse
import io
import itertools
import time
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pyarrow.parquet as pq
from copy_detection import KINDS, embed, told
from PIL import Image, ImageFilter
from real_data import keep

from pipeline.config.encoders import CopyDetection
from pipeline.config.sources import ImageSettings
from pipeline.encoders import Encoder, ImageRef
from pipeline.encoders.opening import open_encoder
from pipeline.ingestion.effective_resolution import effective_resolution
from pipeline.matching.geometry.alignment import align, is_verified
from pipeline.matching.geometry.keypoints import Keypoints

PER_GROUP = 8  # neighbouring pairs of a group, and
RANDOM = 3  # random ones


def opened(file: Any) -> Image.Image:
    with Image.open(file) as image:
        return image.convert("RGB")


class Pairs:
    """Aligned pairs, with the time each step took."""

    def __init__(self) -> None:
        self.kept: dict[Any, Keypoints] = {}
        self.sizes: list[int] = []
        self.finding, self.aligning, self.count = 0.0, 0.0, 0

    def keypoints(self, key: Any, file: Callable[[], Any]) -> Keypoints:
        if key not in self.kept:
            image = opened(file())
            start = time.perf_counter()
            self.kept[key] = Keypoints.of(image)
            self.finding += time.perf_counter() - start
            self.sizes.append(self.kept[key].nbytes)
        return self.kept[key]

    def holds(self, left: Keypoints, right: Keypoints) -> bool:
        start = time.perf_counter()
        found = is_verified(align(left, right))
        self.aligning += time.perf_counter() - start
        self.count += 1
        return found

    def cost(self) -> dict[str, str]:
        pictures = max(1, len(self.sizes))
        return {
            "cost: ms a picture": f"{1000 * self.finding / pictures:.1f}",
            "cost: ms a pair": f"{1000 * self.aligning / max(1, self.count):.1f}",
            "cost: KB a picture": f"{np.mean(self.sizes) / 1000:.0f}",
        }


def augly(pairs: Pairs, encoder: Encoder, data: Path, nearest: int) -> dict[str, str]:
    folder = data / "augly_copies_open"
    queries, references = (
        pq.read_table(folder / f"{name}.parquet").to_pylist() for name in ("queries", "references")
    )
    paths = [row["path"] for row in [*queries, *references]]
    vectors = embed(encoder, [ImageRef(uri=str(folder / path)) for path in paths])
    cosine = vectors[: len(queries)] @ vectors[len(queries) :].T
    place = {row["reference_id"]: number for number, row in enumerate(references)}

    def picture(row: dict[str, Any]) -> Keypoints:
        return pairs.keypoints(row["path"], lambda: folder / row["path"])

    true: dict[str, list[bool]] = {}
    hard: list[bool] = []
    for number, query in enumerate(queries):
        own = place.get(query["base_id"])
        if own is not None:
            found = pairs.holds(picture(references[own]), picture(query))
            half = zlib.crc32(query["base_id"].encode()) % 2
            for name in ("all", query["level"], f"half {half}"):
                true.setdefault(name, []).append(found)
        others = [other for other in np.argsort(-cosine[number]).tolist() if other != own][:nearest]
        hard += [pairs.holds(picture(references[other]), picture(query)) for other in others]
    return {
        **{
            f"augly: copies verified, {name}": told(sum(found), len(found))
            for name, found in sorted(true.items())
        },
        f"augly: the {nearest} nearest strangers verified": told(sum(hard), len(hard)),
    }


def scenes(pairs: Pairs, data: Path) -> dict[str, str]:
    table = pq.read_table(data / "photos_train" / "photos.parquet")
    jpeg = table["jpeg"].to_pylist()
    groups: dict[tuple[str, str], list[int]] = {}
    names = zip(table["source"].to_pylist(), table["group"].to_pylist(), strict=True)
    for row, name in enumerate(names):
        groups.setdefault(name, []).append(row)
    random = np.random.default_rng(0)
    found: dict[str, list[bool]] = {}
    for (source, _), rows in sorted(groups.items()):
        if len(rows) < 2:
            continue
        chosen = random.permutation(list(itertools.pairwise(rows)))[:PER_GROUP].tolist()
        chosen += [sorted(random.choice(rows, 2, replace=False).tolist()) for _ in range(RANDOM)]
        kept = Pairs()
        for pair in sorted({(left, right) for left, right in chosen}):
            both = [kept.keypoints(row, lambda row=row: io.BytesIO(jpeg[row])) for row in pair]
            found.setdefault(source, []).append(kept.holds(*both))
        pairs.finding, pairs.aligning = pairs.finding + kept.finding, pairs.aligning + kept.aligning
        pairs.sizes, pairs.count = pairs.sizes + kept.sizes, pairs.count + kept.count
    return {
        f"scenes: pairs of {source} verified": told(sum(each), len(each))
        for source, each in found.items()
    }


def wallpapers(pairs: Pairs, encoder: Encoder, data: Path, nearest: int) -> dict[str, str]:
    folder = data / "debian_wallpapers"
    rows = pq.read_table(folder / "images.parquet").to_pylist()
    vectors = embed(encoder, [ImageRef(uri=str(folder / row["path"])) for row in rows])
    cosine = vectors @ vectors.T
    points = [pairs.keypoints(row["path"], lambda row=row: folder / row["path"]) for row in rows]
    found: dict[str, list[bool]] = {"copies": [], "recoloured designs": [], "strangers": []}
    for left, right in itertools.combinations(range(len(rows)), 2):
        if rows[left]["group"] == rows[right]["group"]:
            plain = rows[left]["kind"] in KINDS and rows[right]["kind"] in KINDS
            name = "copies" if plain else "recoloured designs"
            found[name].append(pairs.holds(points[left], points[right]))
    for left, row in enumerate(rows):
        others = [o for o in np.argsort(-cosine[left]) if rows[o]["group"] != row["group"]]
        found["strangers"] += [pairs.holds(points[left], points[o]) for o in others[:nearest]]
    return {f"wallpapers: {name} verified": told(sum(v), len(v)) for name, v in found.items()}


def ukbench(pairs: Pairs, data: Path) -> dict[str, str]:
    folder = data / "imagededup_ukbench"
    rows = []
    for row in pq.read_table(folder / "images.parquet").to_pylist():
        try:
            points = pairs.keypoints(row["path"], lambda row=row: folder / row["path"])
        except OSError:  # one is broken on purpose
            continue
        rows.append((row["group"], points))
    found: dict[bool, list[bool]] = {True: [], False: []}
    for left, right in itertools.combinations(rows, 2):
        # Without a group: a picture of its own.
        found[left[0] is not None and left[0] == right[0]].append(pairs.holds(left[1], right[1]))
    names = {True: "copies", False: "strangers"}
    return {f"ukbench: {names[k]} verified": told(sum(v), len(v)) for k, v in found.items()}


def larger(by: float, kind: Image.Resampling) -> Callable[[Image.Image], Image.Image]:
    return lambda image: image.resize((round(image.width * by), round(image.height * by)), kind)


def stored(quality: int) -> Callable[[Image.Image], Image.Image]:
    def make(image: Image.Image) -> Image.Image:
        file = io.BytesIO()
        image.save(file, "JPEG", quality=quality)
        return opened(file)

    return make


MADE: dict[str, Callable[[Image.Image], Image.Image]] = {
    "2x bilinear": larger(2, Image.Resampling.BILINEAR),
    "2x bicubic": larger(2, Image.Resampling.BICUBIC),
    "2x Lanczos": larger(2, Image.Resampling.LANCZOS),
    "4x bicubic": larger(4, Image.Resampling.BICUBIC),
    "1.5x bicubic": larger(1.5, Image.Resampling.BICUBIC),
    "2x bicubic, JPEG 90": lambda image: stored(90)(MADE["2x bicubic"](image)),
    "half size": larger(0.5, Image.Resampling.LANCZOS),
    "half size, 2x bicubic": lambda image: MADE["2x bicubic"](MADE["half size"](image)),
    "JPEG 30": stored(30),
    "blurred by 1 pixel": lambda image: image.filter(ImageFilter.GaussianBlur(1)),
}


def resolution(data: Path) -> dict[str, str]:
    paths = [
        *sorted((data / "debian_wallpapers" / "images").iterdir())[::4],
        *sorted((data / "augly_copies_open" / "references").iterdir())[::10],
    ]
    images = [opened(path) for path in paths]
    own = np.array([effective_resolution(image) for image in images])
    whole = own / [max(image.size) for image in images]
    kept = [number for number, value in enumerate(own) if value > 0]

    def spread(values: Any) -> str:
        return " / ".join(f"{value:.2f}" for value in np.quantile(values, (0.05, 0.5, 0.95)))

    found = {f"resolution: of its size, {len(images)} pictures": spread(whole)}
    for name, make in MADE.items():
        ratio = [effective_resolution(make(images[number])) / own[number] for number in kept]
        found[f"resolution: {name}"] = spread(ratio)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--out", type=Path, default=Path("build/bench"))
    parser.add_argument("--nearest", type=int, default=10)
    chosen = parser.parse_args()
    cv2.setNumThreads(1)
    data = chosen.data.resolve()
    encoder = open_encoder(CopyDetection(), images=ImageSettings(), threads=1)
    pairs = Pairs()
    measured = {
        **augly(pairs, encoder, data, chosen.nearest),
        **scenes(pairs, data),
        **wallpapers(pairs, encoder, data, chosen.nearest),
        **ukbench(pairs, data),
        **resolution(data),
        **pairs.cost(),
    }
    print("| measure | value |\n|---|---|")
    print("\n".join(f"| {name} | {value} |" for name, value in measured.items()))
    keep(chosen.out / "geometry.json", measured=measured)


if __name__ == "__main__":
    main()
