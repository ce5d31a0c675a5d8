"""The registry below an object store: seen alike from every machine, whole whatever is cut off."""

import json
import shutil
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from pipeline import run
from pipeline.catalog import Catalog
from pipeline.catalog.health import check_catalog
from pipeline.catalog.registry.remote import SharedRegistry
from pipeline.catalog.registry.version import ModelFacts
from pipeline.config.encoders import ToyText
from pipeline.config.finetune import TrainConfig
from pipeline.config.run import RunConfig
from pipeline.errors import LostLockError, ModelError
from pipeline.storage import object_lock
from pipeline.storage.lock import hold
from pipeline.storage.place import Place
from pipeline.training.finetuning import finetune
from pipeline.training.model_evaluation import evaluate
from pipeline.training.recalibration import recalibrate

pytestmark = pytest.mark.slow

pytest.importorskip("moto", reason="moto is not installed: make install")
pytest.importorskip("s3fs", reason="s3fs is not installed: make install")

Machine = Callable[[str], SharedRegistry]


def filler(text: str) -> Callable[[Path], ModelFacts]:
    def fill(folder: Path) -> ModelFacts:
        (folder / "encoder").mkdir()
        (folder / "encoder" / "weights").write_text(text)
        (folder / "metrics.json").write_text("{}")
        return ModelFacts(purpose="deduplication", encoder=ToyText(type="toy", dimension=16))

    return fill


@pytest.fixture
def machine(bucket: str, tmp_path: Path) -> Machine:
    """The registry as the machine of that name sees it."""
    return lambda name: SharedRegistry(tmp_path / name, Place.of(f"{bucket}/catalog/models"))


def promoted(registry: SharedRegistry, text: str) -> str:
    model = registry.register("products", filler(text))
    return registry.promote("products", model.version, by="ann", reason=text).reference


def test_what_one_machine_registers_another_opens_promotes_and_rolls_back(machine: Machine) -> None:
    here, there = machine("here"), machine("there")
    assert there.champion() is None
    assert there.list() == []
    assert promoted(here, "a") == "products/v0001"
    found = there.champion()
    assert found is not None
    assert (found.folder / "encoder" / "weights").read_text() == "a"
    assert found.folder.is_relative_to(there.root)
    assert promoted(there, "b") == "products/v0002"
    assert here.find("products").version == "v0002"
    back = here.rollback(by="ann", reason="worse")
    assert back is not None
    assert there.champion() == found
    assert [change.action for change in there.history()] == ["promote", "promote", "rollback"]
    assert machine("third").problems() == {}


def test_a_catalog_made_anew_is_not_taken_for_the_old_one(machine: Machine) -> None:
    promoted(machine("here"), "a")
    machine("here").store.remove()
    assert machine("here").champion() is None
    assert machine("here").list() == []
    promoted(machine("there"), "b")
    found = machine("here").champion()
    assert found is not None
    assert (found.folder / "encoder" / "weights").read_text() == "b"


def test_a_file_altered_or_lost_in_the_store_is_named_and_can_be_put_back(machine: Machine) -> None:
    promoted(machine("here"), "a")
    file = machine("here").store / "products" / "v0001" / "encoder" / "weights"
    for damage, words in (
        (lambda: file.write(b"x"), "weights was altered"),
        (file.remove, "weights is missing"),
    ):
        damage()
        assert words in machine("there").problems()["products/v0001"]
        with pytest.raises(ModelError, match=words):
            machine("there").open("products")
        file.write(b"a")
        assert machine("there").open("products").version == "v0001"
        shutil.rmtree(machine("there").root)


class Cut(BaseException):
    """The connection, or the process, at one step."""


@pytest.fixture
def cut(bucket: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[int], None]]:
    """Cut what is written to the store at its n-th object, before it or, every other time, after.

    The lock is given up as on a normal end: that a dead holder's is taken over is tested elsewhere.
    """
    left = [0]
    fs = Place.of(bucket).fs  # one per process
    write, take = Place.write, fs.put_file

    def step(send: Callable[[], Any]) -> Any:
        left[0] -= 1
        if left[0] == 0:
            raise Cut
        sent = send()
        left[0] -= 1
        if left[0] == 0:
            raise Cut
        return sent

    def counted(self: Place, content: bytes) -> None:
        if self.is_local:
            return write(self, content)
        return step(lambda: write(self, content))  # type: ignore[no-any-return]

    def put(*args: Any, **options: Any) -> Any:
        return step(lambda: take(*args, **options))

    monkeypatch.setattr(Place, "write", counted)
    monkeypatch.setattr(fs, "put_file", put)
    yield lambda at: left.__setitem__(0, at)
    left[0] = 0


def test_what_is_cut_off_leaves_the_version_and_the_champion_whole(
    machine: Machine, cut: Callable[[int], None]
) -> None:
    first = promoted(machine("here"), "a")
    seen, at = set(), 0
    while True:
        at += 1
        cut(at)
        try:
            promoted(machine("here"), "b")
            ended = True
        except Cut:
            ended = False
        cut(0)
        fresh = machine(f"fresh-{at}")
        assert fresh.problems() == {}
        champion = fresh.champion()
        assert champion is not None
        seen.add((len(fresh.list()), champion.reference == first))
        if champion.reference != first:
            fresh.rollback()
        for model in fresh.list()[1:]:
            (fresh.store / model.name / model.version).remove()
        if ended:
            break
    assert at > 8
    assert seen == {(1, True), (2, True), (2, False)}


def test_a_process_that_lost_the_lock_changes_nothing(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    promoted(machine("here"), "a")
    registry = machine("here")

    def fill(folder: Path) -> ModelFacts:
        # Meanwhile the lock is another's: as after minutes without a network.
        monkeypatch.setattr(object_lock.ObjectLock, "check", lost)
        return filler("b")(folder)

    def lost(_: object) -> None:
        raise LostLockError("lost")

    with pytest.raises(LostLockError):
        registry.register("products", fill)
    assert [model.version for model in machine("there").list()] == ["v0001"]
    with pytest.raises(LostLockError):
        registry.rollback()
    assert len(machine("there").history()) == 1


def test_who_finds_it_locked_waits(machine: Machine) -> None:
    registry, done = machine("here"), threading.Event()

    def register() -> None:
        registry.register("products", filler("a"))
        done.set()

    waiting = threading.Thread(target=register)
    with hold(registry.store / "registry.lock", taken="taken{owner}"):
        waiting.start()
        assert not done.wait(0.5)
    assert done.wait(30)
    waiting.join()


def test_a_model_fine_tuned_into_object_storage_judges_the_nights_there(
    bucket: str, endpoint: str, write_offers: Callable[..., Path], tmp_path: Path
) -> None:
    data = write_offers(tmp_path / "data")
    options = {"key": "k", "secret": "zq9-credential", "client_kwargs": {"endpoint_url": endpoint}}
    where = {"catalog": f"{bucket}/catalog", "catalog_options": options}
    source = {
        "type": "jsonl", "name": "s", "path": str(data / "offers.jsonl"),
        "columns": {"id": "id", "text": "title"},
    }  # fmt: skip
    common = {**where, "sources": [source], "threads": 1, "images": {"workers": 0}}
    training = TrainConfig.model_validate(
        {
            **common,
            "name": "offers",
            "labels": [{"type": "pairs", "path": str(data / "pairs.csv")}],
            "encoder": {"train": False, "start": {"type": "toy"}},
            "judge": {"kind": "linear", "target_precision": 0.6},
        }
    )
    model = finetune(training).model
    catalog = Catalog.of(training)
    if catalog.models.champion() is None:
        catalog.models.promote(*model.split("/"), by="ann", reason="tried")
    encoders = {"text_encoder": {"type": "toy"}, "image_encoder": {"type": "toy_image"}}
    shutil.rmtree(catalog.local / "models")  # the night is another machine's
    summary = run(RunConfig.model_validate({**common, **encoders}))
    assert [row.model for row in summary.models.registered] == [model]
    assert evaluate(training, model="champion").models.keys() == {model}
    assert recalibrate(training, model=model).model == "offers/v0002"
    assert not [found for found in check_catalog(catalog) if not found.ok]
    kept = catalog.root / "models" / "offers" / "v0001" / "training.json"
    assert json.loads(kept.read())["config"]["catalog_options"]["secret"] == "***"
    assert b"zq9" not in kept.read()
