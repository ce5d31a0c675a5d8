"""A published run of two shops and a folder of pictures, and the review page over a copy of it."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from pipeline import run
from pipeline.catalog import Catalog
from pipeline.reviewing import Desk, make_app, open_desk
from tests.worlds.pictures import drawn, save
from tests.worlds.runs import OPEN_GATES, pictures_in, rows_in, run_config, write_jsonl

TOKEN, PORT = "the-token-of-the-test", 8123
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


@dataclass
class Page:
    """The page's API as a script with the token uses it."""

    client: TestClient
    desk: Desk

    def get(self, path: str, **query: Any) -> Any:
        answer = self.client.get(f"/api/{path}", params=query)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def post(self, path: str, status: int = 200, /, **body: Any) -> Any:
        answer = self.client.post(f"/api/{path}", json=body)
        assert answer.status_code == status, answer.text
        return answer.json()

    def next(self, **query: Any) -> list[dict[str, Any]]:
        items: list[dict[str, Any]] = self.get("next", **query)["items"]
        return items

    def say(self, item: dict[str, Any], label: str, status: int = 200, **body: Any) -> Any:
        ends = {side: item[side]["id"] for side in ("left", "right")}
        told = {"seen": item["seen"], "origin": item["origin"], **ends, "label": label, **body}
        return self.post("answer", status, **told)

    def pair(self, left: str, right: str, **query: Any) -> Any:
        return self.get("pair", left=left, right=right, **query)


def open_page(root: Path, **settings: Any) -> Page:
    desk = open_desk(Catalog(root, create=False), by="ann", **settings)
    client = TestClient(
        make_app(desk, token=TOKEN, port=PORT), base_url=f"http://127.0.0.1:{PORT}",
        headers={"Authorization": f"Bearer {TOKEN}"}, raise_server_exceptions=False,
    )  # fmt: skip
    return Page(client, desk)


@pytest.fixture
def root(published: Path, tmp_path: Path) -> Path:
    """A catalog of the test's own."""
    shutil.copytree(published, tmp_path / "catalog")
    return tmp_path / "catalog"


Opener = Callable[..., Page]


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
