"""A catalog on an object store, served by moto: the same result as in a folder, one writer."""

import json
import time
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from pipeline import run
from pipeline.catalog import Catalog
from pipeline.catalog.health import check_catalog
from pipeline.config.run import RunConfig
from pipeline.errors import CatalogError, LostLockError
from pipeline.storage import object_lock
from pipeline.storage.place import Place

pytestmark = pytest.mark.slow

pytest.importorskip("moto", reason="moto is not installed: make install")
pytest.importorskip("s3fs", reason="s3fs is not installed: make install")


def clusters(catalog: Catalog) -> list[dict[str, Any]]:
    return catalog.read("clusters", run=catalog.run()).sort_by("record_id").to_pylist()  # type: ignore[no-any-return]


def test_two_nights_give_what_they_give_in_a_folder(
    bucket: str, endpoint: str, configured: Callable[..., RunConfig], tmp_path: Path
) -> None:
    options = {"key": "k", "secret": "zq9-credential", "client_kwargs": {"endpoint_url": endpoint}}
    local = configured(12)
    remote = configured(12, catalog=f"{bucket}/a/catalog", catalog_options=options)
    first = [run(local), run(remote)]
    assert first[0].counts == first[1].counts
    assert clusters(Catalog.of(local)) == clusters(Catalog.of(remote))
    second = [run(configured(15)), run(remote.model_copy(update={"name": "again"}))]
    assert [summary.counts.texts_embedded for summary in second] == [4, 4]
    here, there = Catalog.of(local), Catalog.of(remote)
    assert clusters(here) == clusters(there)
    assert [found.status for found in there.runs()] == ["published", "published"]
    assert not [found for found in check_catalog(there) if not found.ok]
    stored = there.run().config["catalog_options"]
    assert stored["secret"] == stored["key"] == "***"
    kept = there.root / "runs" / there.run().run
    assert {"config.json", "summary.json", "run.json", "report.html"} <= set(kept.names())
    assert "zq9" not in "".join((kept / name).read().decode() for name in kept.names())
    assert Path(second[1].report).read_bytes() == (kept / "report.html").read()
    assert not list(tmp_path.glob("home/catalogs/*/work/*")), "scratch is local, and removed"


def test_what_cannot_hold_a_catalog_is_said_before_any_work(
    bucket: str, configured: Callable[..., RunConfig]
) -> None:
    with pytest.raises(CatalogError, match="a local folder or below s3://bucket"):
        run(configured(catalog="gs://bucket/catalog"))
    with pytest.raises(CatalogError, match="no key secrt"):
        run(configured(catalog=bucket, catalog_options={"secrt": "x"}))
    with pytest.raises(CatalogError, match="check the bucket's name"):
        run(configured(catalog=f"{bucket}-absent/x"))
    with pytest.raises(CatalogError, match="there is no catalog"):
        Catalog(f"{bucket}/nothing", create=False)


def test_of_two_runs_started_together_one_works_and_one_says_why_not(
    two_starts: ModuleType, bucket: str, tmp_path: Path
) -> None:
    assert sum(two_starts.repeat(tmp_path, f"{bucket}/catalog", tries=1).values()) == 1


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(object_lock, "BEAT_SECONDS", 0.2)
    monkeypatch.setattr(object_lock, "STALE_SECONDS", 2.0)


def test_a_living_holder_is_waited_for_and_named(bucket: str, quick: None) -> None:
    catalog = Catalog(f"{bucket}/c")
    with catalog.writer():
        catalog.name_writer("tonight")
        time.sleep(3)  # longer than a dead one's lock lasts: the heartbeat keeps it
        with (
            pytest.raises(CatalogError, match=r"another run is writing .*run tonight, process \d+"),
            Catalog(f"{bucket}/c").writer(),
        ):
            pass
    with catalog.writer():
        pass


def test_a_dead_holder_is_taken_over_by_one_alone_and_cannot_publish(
    bucket: str, quick: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = Place.of(f"{bucket}/writer.lock")
    dead = object_lock.ObjectLock(place, {"pid": 1}, "taken{owner}")
    dead._ended.set()  # its heart stops, as in a killed process
    dead._thread.join()
    with pytest.raises(CatalogError, match="taken over after 2 s"):
        object_lock.ObjectLock(place, {"pid": 2}, "taken{owner}")
    time.sleep(3)
    dead.check()  # nobody took it: it is still its own, and young again
    time.sleep(3)
    seen = dead._get()[1]
    living = object_lock.ObjectLock(place, {"pid": 3}, "taken{owner}")
    # A second who saw the same stale lock writes under the same condition.
    assert dead._put({"pid": 4}, IfMatch=seen) is None
    with pytest.raises(LostLockError, match="nothing is published"):
        dead.check()
    living.check()
    dead.release()
    assert json.loads(place.read())["pid"] == 3, "a lost lock is left alone"
    living.release()
    assert json.loads(place.read())["released"]
