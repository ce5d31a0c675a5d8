"""Fine-tuned encoders: labelled pairs in, the folder of a trained encoder out.

Deterministic: the same data, settings, seed and threads give the same weights, bit for bit, on one
machine's CPU. The weights kept are those of the best epoch by validation, the start included.

Where other programs use the cores too, start Python with OMP_WAIT_POLICY=PASSIVE: two threads that
wait for each other by spinning were five times slower on two busy cores.
"""

from __future__ import annotations

import shutil
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, assert_never

import numpy as np

from pipeline.config import (
    CharacterCnn,
    CopyDetection,
    EncoderTraining,
    ImageSettings,
    MiniLmEncoder,
    NegativeSettings,
    SentenceTransformersImage,
    SentenceTransformersText,
    StaticText,
    ToyText,
)
from pipeline.encoders import ImageRef, core_count
from pipeline.errors import TrainingError
from pipeline.outputs import EncoderTrainingFacts, Epoch
from pipeline.storage import from_json, to_json, writing, writing_folder
from pipeline.training.siamese.pairs import PreparedData, TrainingData, drop_pairs, prepare_pairs
from pipeline.training.siamese.runtime import hardware, library_versions, silence, torch_settings
from pipeline.training.siamese.scratch import claim, training_key

_CLIP = 1.0  # norm of the gradient, as Hugging Face's trainer does by default


@dataclass(frozen=True)
class TrainedEncoder:
    """What a training leaves.

    folder: opens with the encoders' `load_model`. history: of every epoch, 0 the start. facts: how
    it went.
    """

    folder: Path
    history: tuple[Epoch, ...]
    facts: EncoderTrainingFacts


@dataclass(frozen=True)
class _Outcome:
    """A finished training: what finished.json keeps of it until its folder is written."""

    history: tuple[Epoch, ...]
    facts: EncoderTrainingFacts


def train_encoder(
    data: TrainingData,
    settings: EncoderTraining,
    negatives: NegativeSettings,
    *,
    folder: Path,
    work: Path,
    seed: int,
    threads: int | None,
    images: ImageSettings | None = None,
) -> TrainedEncoder:
    """Fine-tune `settings.start` on labelled pairs and save the best epoch's weights to `folder`.

    Args:
        data: contents, pairs, entities.
        settings: how to train.
        negatives: where different pairs come from beside the labelled ones.
        folder: written whole at the end; what was there is replaced.
        work: scratch of this training; a training that was killed and is started again with the
            same arguments goes on from its last checkpoint there.
        seed: of weights, order and dropout.
        threads: None uses every core.
        images: how pictures are decoded; default: the defaults.

    Raises:
        TrainingError: there is nothing to learn from, the loss stops being a number, or the start
            has no weights.
    """
    prepared = prepare_pairs(data)
    items = [data.items[row] for row in prepared.first]
    key = training_key(items, prepared, settings, negatives, seed=seed)
    claim(work, key)
    with silence(), torch_settings(core_count(threads), seed=seed):
        run = _Run(prepared, items, settings, negatives, work=work, seed=seed, images=images)
        outcome = run.outcome()
        run.export(outcome.facts.best_epoch, folder)
    facts = replace(outcome.facts, threads=core_count(threads))
    return TrainedEncoder(folder, outcome.history, facts)


class _Run:
    """One training: its model, data and journal."""

    def __init__(
        self,
        prepared: PreparedData,
        items: list[Any],
        settings: EncoderTraining,
        negatives: NegativeSettings,
        *,
        work: Path,
        seed: int,
        images: ImageSettings | None,
    ) -> None:
        from pipeline.training.siamese.checkpoints import CheckpointJournal
        from pipeline.training.siamese.datamodule import PairModule
        from pipeline.training.siamese.module import Siamese
        from pipeline.training.siamese.readers import PictureFeatureReader, Reader, TextReader

        self.settings, self.work = settings, work
        self.journal = CheckpointJournal(work, settings, started=time.monotonic())
        self.model, source = _open_start(settings)
        reader: Reader
        if isinstance(items[0], ImageRef):
            store, how = work / "pictures.npy", images or ImageSettings()
            reader = PictureFeatureReader(self.model, items, store=store, settings=how)
        else:
            reader = TextReader(self.model, items, folder=source, max_tokens=settings.max_tokens)
        self.prepared = drop_pairs(prepared, reader.unusable)
        self.module = Siamese(self.model, reader, self.prepared, settings)
        self.data = PairModule(
            self.prepared,
            reader,
            settings,
            negatives,
            embed=self.module.embed,
            untrained=isinstance(settings.start, CharacterCnn),
            seed=seed,
        )

    def outcome(self) -> _Outcome:
        """Train, unless a training that was killed afterwards has done so."""
        finished = self.work / "finished.json"
        if not finished.is_file():
            facts = self._facts(*self._fit())
            with writing(finished) as partial:
                partial.write_text(to_json(_Outcome(tuple(self.journal.history), facts)))
        return from_json(_Outcome, finished.read_text())

    def _fit(self) -> tuple[str, str, str]:
        import pytorch_lightning as lightning
        from lightning_fabric.plugins.environments.lightning import LightningEnvironment
        from pytorch_lightning.callbacks import Callback, EarlyStopping
        from pytorch_lightning.loggers import CSVLogger

        from pipeline.training.siamese.checkpoints import CHECKPOINT

        callbacks: list[Callback] = [self.journal]
        monitor = self.module.monitor
        patience: EarlyStopping | None = None
        if monitor != "none":
            mode = "min" if monitor == "valid_loss" else "max"
            patience = EarlyStopping(monitor, mode=mode, patience=self.settings.patience)
            callbacks.insert(0, patience)
        device, precision = hardware(self.settings.precision)
        trainer = lightning.Trainer(
            accelerator=device,
            devices=1,
            precision=precision,
            max_epochs=self.settings.epochs,
            callbacks=callbacks,
            logger=CSVLogger(self.work, name="", version="log"),
            plugins=[LightningEnvironment()],
            # Some sums have no deterministic form on a GPU; there it is as far as it goes.
            deterministic="warn" if device == "cuda" else True,
            gradient_clip_val=_CLIP,
            num_sanity_val_steps=0,
            limit_val_batches=0,
            reload_dataloaders_every_n_epochs=1,
            log_every_n_steps=10,
            enable_progress_bar=False,
            enable_model_summary=False,
            default_root_dir=self.work,
        )
        last = self.work / CHECKPOINT
        resumed = str(last) if last.is_file() else None
        try:
            trainer.fit(self.module, datamodule=self.data, ckpt_path=resumed, weights_only=True)
        except SystemExit as error:  # what Lightning makes of Ctrl-C
            raise KeyboardInterrupt from error
        if self.journal.out_of_time:
            stopped = "minutes"
        elif patience is not None and patience.stopped_epoch:
            stopped = "patience"
        else:
            stopped = "epochs"
        return stopped, str(trainer.strategy.root_device), precision

    def _facts(self, stopped: str, device: str, precision: str) -> EncoderTrainingFacts:
        history, settings = self.journal.history, self.settings
        contents = sum(row.contents for row in history)
        seconds = sum(row.step_seconds for row in history)
        met = [row.in_batch_negatives for row in history if row.in_batch_negatives is not None]
        return EncoderTrainingFacts(
            objective=settings.objective,
            start=settings.start.model_dump(mode="json"),
            monitor=self.module.monitor,
            epochs=len(history) - 1,
            best_epoch=self.journal.best,
            steps=history[-1].step,
            stopped=stopped,
            seconds=round(self.journal.seconds, 3),
            texts_per_second=round(contents / seconds, 3) if seconds else None,
            in_batch_negatives=round(float(np.mean(met)), 3) if met else None,
            mined=tuple(row.mined for row in history[1:]),
            pairs=self.prepared.counts,
            versions=library_versions(),
            device=device,
            precision=precision,
            seed=self.data.seed,
            threads=0,
        )

    def export(self, best: int, folder: Path) -> None:
        """Write the weights of the best epoch as a folder, whole or not at all."""
        from safetensors.torch import load_model

        self.model.to("cpu")
        load_model(self.model, self.journal.weights(best))
        self._measure_ranges()
        shutil.rmtree(folder, ignore_errors=True)
        with writing_folder(folder) as partial:
            self.model.eval().save_pretrained(str(partial), create_model_card=False)

    def _measure_ranges(self) -> None:
        """Let a copy-detection network know anew what its eight bits must hold."""
        from pipeline.encoders import CALIBRATED, CopyNetwork

        network = self.model[0]
        if isinstance(network, CopyNetwork):
            rows = np.flatnonzero(~self.module.reader.unusable)[:CALIBRATED]
            network.measure_ranges(self.module.reader.features(rows)["pixel_values"].numpy())


def _open_start(settings: EncoderTraining) -> tuple[Any, Path]:
    """Return the model to start from, and the folder it came from.

    Raises:
        TrainingError: it has no weights to train.
    """
    from pipeline.encoders import load_model

    match settings.start:
        case MiniLmEncoder():
            from pipeline.encoders import verify_folder

            folder = verify_folder()
        case SentenceTransformersText(path=path) | SentenceTransformersImage(path=path):
            folder = Path(path)
        case CopyDetection(path=path, image_size=size):
            from sentence_transformers import SentenceTransformer

            from pipeline.encoders import CopyNetwork, shipped_folder

            folder = Path(path) if path else shipped_folder()
            network = CopyNetwork.load(str(folder))
            network.image_size = size or network.image_size
            network.freeze()
            return SentenceTransformer(modules=[network], device="cpu"), folder
        case CharacterCnn() as start:
            from sentence_transformers import SentenceTransformer

            from pipeline.encoders import character_cnn

            module = character_cnn.CharacterCnn(**start.model_dump(exclude={"type"}))
            return SentenceTransformer(modules=[module], device="cpu"), Path("character_cnn")
        case StaticText():
            raise TrainingError("encoder.start: a student is distilled before it is trained")
        case ToyText():
            raise TrainingError(
                "encoder.start: toy counts trigrams and has no weights to train; choose minilm or "
                "character_cnn, or set encoder.train: false"
            )
        case _:
            assert_never(settings.start)
    return load_model(folder), folder
