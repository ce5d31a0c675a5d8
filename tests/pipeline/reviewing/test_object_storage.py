"""The review page on a catalog in an object store."""

from __future__ import annotations

from pathlib import Path

import pytest
import s3fs

from pipeline.catalog import Catalog
from pipeline.labels import latest_verdicts
from pipeline.reviewing import make_app, open_desk
from tests.worlds.review_page import PORT, TOKEN, Page


@pytest.mark.slow
def test_a_catalog_in_an_object_store_is_reviewed(
    published: Path, endpoint: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from starlette.testclient import TestClient

    monkeypatch.setenv("GEMEL_CACHE", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    options = {"key": "k", "secret": "s", "client_kwargs": {"endpoint_url": endpoint}}
    store = s3fs.S3FileSystem(**options)
    store.mkdir("reviewed")
    store.put(f"{published}/", "reviewed/catalog/", recursive=True)
    desk = open_desk(Catalog("s3://reviewed/catalog", create=False, options=options), by="ann")
    app = make_app(desk, token=TOKEN, port=PORT)
    bearer = {"Authorization": f"Bearer {TOKEN}"}
    page = Page(TestClient(app, base_url=f"http://127.0.0.1:{PORT}", headers=bearer), desk)
    item = page.next(queue="weakest")[0]
    page.say(item, "different")
    page.post("undo")
    page.post("redo")
    labels = desk.catalog.tables.labels()
    assert labels is not None
    assert latest_verdicts(labels)["label"].to_pylist() == ["different"]
    picture = page.client.get("/api/picture", params={"record": "p:one.png"})
    assert picture.status_code == 200
    desk.close()
