"""The review page as a script with the token uses it, and what it leaves in the catalog."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from starlette.testclient import TestClient

from pipeline.catalog import Catalog
from pipeline.labels import latest_verdicts
from pipeline.reviewing import Desk, make_app, open_desk

TOKEN, PORT = "the-token-of-the-test", 8123
ADDRESS = f"http://127.0.0.1:{PORT}"


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


Opener = Callable[..., Page]


def labels_of(page: Page) -> list[dict[str, Any]]:
    """The rows of the table of labels, read anew."""
    table = Catalog(str(page.desk.catalog.root)).tables.labels()
    return [] if table is None else table.to_pylist()


def latest(page: Page) -> dict[tuple[str, str], str]:
    """What counts of each pair, as a run reads it."""
    table = Catalog(str(page.desk.catalog.root)).tables.labels()
    assert table is not None
    return {(r["left_id"], r["right_id"]): r["label"] for r in latest_verdicts(table).to_pylist()}
