"""A published run of two shops and a folder of pictures, and the review page over a copy of it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pipeline import run
from tests.worlds.pictures import drawn, save
from tests.worlds.review_page import Opener, Page, open_page
from tests.worlds.runs import OPEN_GATES, pictures_in, rows_in, run_config, write_jsonl

KINDS = ("garden hose", "desk lamp", "wall clock", "travel kettle", "paper shredder", "bread knife")
LONG = "This text stands below every offer of the shop and says how returns are handled. " * 2


def shop(name: str, count: int) -> list[dict[str, str]]:
    """Offers; every second model of shop b differs in its size from that of shop a."""
    rows = []
    for number in range(count):
        kind, maker = KINDS[number % 6], f"Maker{number // 6}"
        size = f"{10 + number} cm" if name == "a" or number % 2 else f"{50 + number} cm"
        title = f"{maker} {kind} {size}" if name == "a" else f"{kind} {maker} {size}"
        rows.append({"id": str(number), "title": title, "said": LONG, "price": str(number)})
    return rows


@pytest.fixture(scope="session")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The catalog of one published run."""
    folder = tmp_path_factory.mktemp("reviewed")
    columns = {"id": "id", "text": ["title", "said"], "attributes": ["price"]}
    a, b = shop("a", 24), shop("b", 24)
    a[0]["title"] += " <script>alert(1)</script>"
    # Copies: one row many times, a cluster of more members than a page.
    a += [{**a[5], "id": f"copy{number:02d}"} for number in range(12)]
    sources = [
        rows_in(write_jsonl(folder / f"{name}.jsonl", rows), name=name, columns=columns)
        for name, rows in (("a", a), ("b", b))
    ]
    save(folder, one=drawn(1), two=drawn(2))
    shutil.copy(folder / "photos" / "one.png", folder / "photos" / "copy.png")
    drawn(1).resize((60, 45)).save(folder / "photos" / "small.jpg", quality=60)
    config = run_config(
        folder / "catalog", *sources, pictures_in(folder / "photos"), gates=OPEN_GATES, threads=1,
        text_encoder={"type": "minilm"},  # whose judge answers correct
    )  # fmt: skip
    assert run(config).status == "published"
    return folder / "catalog"


@pytest.fixture
def root(published: Path, tmp_path: Path) -> Path:
    """A catalog of the test's own."""
    shutil.copytree(published, tmp_path / "catalog")
    return tmp_path / "catalog"


@pytest.fixture
def open_pages(root: Path) -> Iterator[Opener]:
    """Opens pages on the test's catalog, and closes them."""
    pages: list[Page] = []

    def opened(**settings: Any) -> Page:
        pages.append(open_page(root, **settings))
        return pages[-1]

    yield opened
    for page in pages:
        page.desk.close()


@pytest.fixture
def page(open_pages: Opener) -> Page:
    return open_pages()


@pytest.fixture(scope="session")
def looked(published: Path) -> Iterator[Page]:
    """A page on the shared catalog that nobody answers on."""
    page = open_page(published, read_only=True)
    yield page
    page.desk.close()
