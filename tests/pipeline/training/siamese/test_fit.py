"""`train_encoder` as a whole: it learns, repeats itself, survives a kill, says what is wrong."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import average_precision_score

from pipeline.arrays import progress
from pipeline.config.encoders import SentenceTransformersImage, SentenceTransformersText, ToyText
from pipeline.config.finetune import EncoderTraining
from pipeline.encoders import ImageRef
from pipeline.encoders.text.folder import open_folder
from pipeline.errors import TrainingError
from pipeline.outputs.model_results import EncoderTrainingFacts
from pipeline.storage import from_json, to_json
from pipeline.training.siamese.pairs import TrainingData

pytestmark = pytest.mark.slow

HERE = Path(__file__).parents[1]


def changed(settings: EncoderTraining, **values: Any) -> EncoderTraining:
    return settings.model_copy(update=values)


def weights(folder: Path) -> bytes:
    return (folder / "model.safetensors").read_bytes()


def vectors(folder: Path, texts: list[str]) -> np.ndarray:
    encoder = open_folder(folder, dtype="float32", batch_size=16, threads=1)
    out = np.zeros((len(texts), encoder.dimension), np.float32)
    for part in encoder.encode(texts):
        out[part.positions] = part.vectors
    return out


def test_it_learns_and_the_folder_is_what_it_learnt(
    data: TrainingData, settings: EncoderTraining, train: Callable[..., Any]
) -> None:
    trained = train(data, changed(settings, epochs=6, objective="supervised_contrastive+cosent"))
    scores = [row.valid_average_precision for row in trained.history]
    assert max(scores) > scores[0] + 0.2
    assert scores[trained.facts.best_epoch] == max(scores)
    embedded = vectors(trained.folder, list(data.items))
    cosine = (embedded[data.valid_left] * embedded[data.valid_right]).sum(axis=1)
    found = average_precision_score(data.valid_grade >= 0.5, cosine)
    assert found == pytest.approx(max(scores), abs=1e-6)
    assert from_json(EncoderTrainingFacts, to_json(trained.facts)) == trained.facts
    assert trained.facts.stopped == "epochs"
    assert trained.facts.steps == trained.history[-1].step
    assert trained.facts.mined[0] == 0  # random weights know no hard negative
    assert all(row.mined > 0 and row.excluded_known > 0 for row in trained.history[2:])


@pytest.mark.parametrize("model", ["character_cnn", "bert"])
def test_two_trainings_are_one(
    model: str, unvalidated: TrainingData, settings: EncoderTraining, train: Callable[..., Any],
    bert_folder: Path,
) -> None:  # fmt: skip
    if model == "bert":
        start = SentenceTransformersText(type="sentence_transformers", path=str(bert_folder))
        settings = changed(settings, start=start)
    one, two = train(unvalidated, settings, name="a"), train(unvalidated, settings, name="b")
    other = train(unvalidated, settings, name="c", seed=2)
    assert weights(one.folder) == weights(two.folder)
    assert weights(one.folder) != weights(other.folder)
    assert one.facts.best_epoch == 2


def test_the_callers_random_state_and_torch_stay_as_they_were(
    few: TrainingData, settings: EncoderTraining, train: Callable[..., Any]
) -> None:
    import torch

    def state() -> tuple[Any, ...]:
        return (
            torch.get_rng_state().tolist(), repr(np.random.get_state()),
            torch.get_num_threads(), torch.are_deterministic_algorithms_enabled(),
        )  # fmt: skip

    before = state()
    train(few, changed(settings, epochs=1))
    assert state() == before


CHILD = """
import sys
from pathlib import Path
sys.path[:0] = [sys.argv[1], str(Path(sys.argv[1]).parents[2])]
from conftest import labelled
from pipeline.config import EncoderTraining, NegativeSettings
from pipeline.training.siamese.fit import train_encoder

settings = EncoderTraining.model_validate_json(sys.argv[2])
folder = Path(sys.argv[3])
train_encoder(labelled(16), settings, NegativeSettings(mined=2), folder=folder / "a",
              work=folder / "a-work", seed=1, threads=1)
"""


def child(settings: EncoderTraining, folder: Path, **options: Any) -> subprocess.Popen[bytes]:
    arguments = [sys.executable, "-c", CHILD, str(HERE), settings.model_dump_json(), str(folder)]
    return subprocess.Popen(arguments, **options)


@pytest.fixture
def checkpoints(tmp_path: Path) -> Callable[[], Iterator[dict[str, Any]]]:
    """The checkpoints of the child as it goes."""

    def read() -> Iterator[dict[str, Any]]:
        import torch

        path, until = tmp_path / "a-work" / "last.ckpt", time.monotonic() + 60
        while time.monotonic() < until:
            if path.is_file():
                yield torch.load(path, weights_only=True)
            time.sleep(0.01)

    return read


def test_a_killed_training_goes_on_to_the_same_end(
    few: TrainingData, settings: EncoderTraining, train: Callable[..., Any], tmp_path: Path,
    checkpoints: Callable[[], Iterator[dict[str, Any]]],
) -> None:  # fmt: skip
    settings = changed(settings, epochs=3, batch_size=3, checkpoint_minutes=1e-6)
    process = child(settings, tmp_path)
    for checkpoint in checkpoints():
        taken = checkpoint["PairModule"]["taken"]
        if checkpoint["epoch"] == 1 and taken >= 2:
            break
    process.kill()
    process.wait()
    assert not (tmp_path / "a").exists()
    resumed, whole = train(few, settings, name="a"), train(few, settings, name="b")
    assert resumed.facts.epochs == 3
    assert [row.step for row in resumed.history] == [row.step for row in whole.history]
    losses = [[row.train_loss for row in run.history] for run in (resumed, whole)]
    assert losses[0] == losses[1]
    assert weights(resumed.folder) == weights(whole.folder)
    # Started once more, for the folder was lost: nothing is trained again.
    (resumed.folder / "modules.json").unlink()
    again = train(few, settings, name="a")
    assert again.history == resumed.history
    assert weights(again.folder) == weights(whole.folder)
    assert vectors(again.folder, ["one text"]).shape == (1, 32)


def test_nothing_is_printed_and_nothing_is_left_in_the_working_folder(
    settings: EncoderTraining, tmp_path: Path
) -> None:
    here = tmp_path / "here"
    here.mkdir()
    process = child(
        settings, tmp_path, cwd=here, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )  # fmt: skip
    assert process.communicate() == (b"", b"")
    assert process.returncode == 0
    assert not list(here.iterdir())
    assert (tmp_path / "a-work" / "log" / "metrics.csv").is_file()


def test_another_training_does_not_go_on_from_this_one(
    few: TrainingData, settings: EncoderTraining, train: Callable[..., Any]
) -> None:
    one = train(few, changed(settings, epochs=1))
    two = train(few, changed(settings, epochs=2))
    assert (one.facts.epochs, two.facts.epochs) == (1, 2)
    assert len(two.history) == 3


def test_progress_reaches_its_total(
    few: TrainingData, settings: EncoderTraining, train: Callable[..., Any]
) -> None:
    told: list[tuple[str, int, int | None]] = []
    with progress.listening(lambda *report: told.append(report)):
        trained = train(few, settings)
    steps = trained.facts.steps
    assert [done for _, done, _ in told] == list(range(1, steps + 1))
    assert told[-1] == ("finetune", steps, steps)


def test_it_stops_when_validation_does_not_improve_and_keeps_the_best(
    few: TrainingData, settings: EncoderTraining, train: Callable[..., Any]
) -> None:
    # Validation pairs are labelled the wrong way round: every step makes it worse.
    upside_down = replace(
        few, valid_grade=1 - few.valid_grade, entity=np.arange(len(few.entity))
    )  # fmt: skip
    trained = train(upside_down, changed(settings, epochs=20, patience=2), mined=0)
    assert trained.facts.stopped == "patience"
    assert trained.facts.epochs < 20
    scores = [row.valid_average_precision for row in trained.history]
    best = trained.facts.best_epoch
    assert scores[best] == max(scores)
    embedded = vectors(trained.folder, list(few.items))
    cosine = (embedded[few.valid_left] * embedded[few.valid_right]).sum(axis=1)
    found = average_precision_score(upside_down.valid_grade >= 0.5, cosine)
    assert found == pytest.approx(scores[best], abs=1e-6)


def test_it_stops_when_time_is_up(
    few: TrainingData, settings: EncoderTraining, train: Callable[..., Any]
) -> None:
    trained = train(few, changed(settings, epochs=50, max_minutes=1e-6))
    assert trained.facts.stopped == "minutes"
    assert trained.facts.steps == 1
    assert len(trained.history) == 2


@pytest.mark.parametrize(("kept", "monitor"), [(1.0, "valid_loss"), (2.0, "none")])
def test_validation_of_one_kind_or_none(
    kept: float, monitor: str, few: TrainingData, settings: EncoderTraining,
    train: Callable[..., Any],
) -> None:  # fmt: skip
    chosen = few.valid_grade == kept
    data = replace(
        few, valid_left=few.valid_left[chosen], valid_right=few.valid_right[chosen],
        valid_grade=few.valid_grade[chosen],
    )  # fmt: skip
    trained = train(data, settings)
    assert trained.facts.monitor == monitor
    assert all(row.valid_average_precision is None for row in trained.history)
    assert (trained.history[-1].valid_loss is None) == (monitor == "none")
    assert monitor != "none" or trained.facts.best_epoch == trained.facts.epochs


def test_pictures_are_trained_and_broken_ones_counted(
    few: TrainingData, settings: EncoderTraining, train: Callable[..., Any],
    pictures: Callable[[TrainingData], TrainingData], router_folder: Path,
) -> None:  # fmt: skip
    from pipeline.config.sources import ImageSettings
    from pipeline.encoders.opening import open_encoder

    data = pictures(few)
    items = list(data.items)
    items[int(data.left[0])] = ImageRef(data=b"no picture")
    start = SentenceTransformersImage(type="sentence_transformers_image", path=str(router_folder))
    trained = train(replace(data, items=items), changed(settings, start=start))
    assert trained.history[-1].train_loss < trained.history[1].train_loss
    assert trained.facts.pairs["unusable_contents"] == 1
    assert trained.facts.pairs["train_unusable"] >= 1
    saved = start.model_copy(update={"path": str(trained.folder)})
    encoder = open_encoder(saved, images=ImageSettings(workers=0), threads=1)
    assert next(iter(encoder.encode(items[1:3]))).vectors.shape == (2, 32)


def test_a_text_that_names_a_file_is_read_as_a_text(
    few: TrainingData, settings: EncoderTraining, train: Callable[..., Any], router_folder: Path,
) -> None:  # fmt: skip
    items = list(few.items)
    items[int(few.left[0])] = "photo.png"
    items[int(few.left[1])] = "https://example.invalid/a.jpg"
    start = SentenceTransformersText(type="sentence_transformers", path=str(router_folder))
    trained = train(replace(few, items=items), changed(settings, start=start, epochs=1))
    assert trained.facts.pairs["unusable_contents"] == 0
    assert vectors(trained.folder, items).shape == (len(items), 32)


def test_what_cannot_train_says_so(
    few: TrainingData, settings: EncoderTraining, train: Callable[..., Any]
) -> None:
    with pytest.raises(TrainingError, match="no weights"):
        train(few, changed(settings, start=ToyText(type="toy")))
    with pytest.raises(TrainingError, match="identical"):
        train(replace(few, items=["same"] * len(few.items)), settings)
    with pytest.raises(TrainingError, match="cannot be read"):
        train(replace(few, items=[" " * at for at in range(len(few.items))]), settings)
    different = replace(few, grade=np.zeros(len(few.grade)), entity=np.arange(len(few.entity)))
    with pytest.raises(TrainingError, match="no training pair is a duplicate"):
        train(different, settings)
    with pytest.raises(TrainingError, match="different grades"):
        train(different, changed(settings, objective="cosent"))
    same = few.grade == 1
    one = replace(
        few, left=few.left[same], right=few.right[same], grade=few.grade[same],
        entity=np.zeros(len(few.entity), np.int64),
    )  # fmt: skip
    with pytest.raises(TrainingError, match="one entity"):
        train(one, settings, mined=0)


def test_a_loss_that_is_no_number_stops_the_training(
    few: TrainingData, settings: EncoderTraining, train: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    from pipeline.training.siamese import module

    def broken(*_: Any, **__: Any) -> Any:
        return lambda vectors, labels: vectors.sum() * float("nan")

    monkeypatch.setattr(module, "build_objective", broken)
    with pytest.raises(TrainingError, match="loss became nan in epoch 1"):
        train(few, settings)
