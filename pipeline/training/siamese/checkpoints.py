"""A journal of what must outlive a training: history, best weights, a checkpoint to go on from."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytorch_lightning as lightning
from pytorch_lightning.callbacks import Checkpoint
from safetensors.torch import save_model

from pipeline.arrays import progress
from pipeline.config import EncoderTraining
from pipeline.outputs import Epoch
from pipeline.storage import writing
from pipeline.training.siamese.datamodule import PairModule
from pipeline.training.siamese.module import EpochMetrics, Siamese

STAGE = "finetune"
CHECKPOINT = "last.ckpt"


class CheckpointJournal(Checkpoint):
    """Writes into `work`: last.ckpt every epoch and every few minutes, best-<epoch>.safetensors.

    history: one row per epoch; epoch 0 is the start, before any step. best: the epoch with the
    highest validation average precision (the lowest loss among equals, or alone where there is no
    average precision; the last where there is no validation).
    """

    def __init__(self, work: Path, settings: EncoderTraining, *, started: float) -> None:
        self.work, self.settings, self._started = work, settings, started
        self.history: list[Epoch] = []
        self.best = -1
        self.out_of_time = False
        self._earlier = 0.0  # seconds of the training before it was killed
        self._epoch_started = self._saved = self._tick = started

    @property
    def seconds(self) -> float:
        """Seconds of training, those before a kill included."""
        return self._earlier + time.monotonic() - self._started

    def weights(self, epoch: int) -> Path:
        """Return the file of an epoch's weights."""
        return self.work / f"best-{epoch}.safetensors"

    def on_train_start(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule
    ) -> None:
        """Measure the start, which training has to beat."""
        module = _siamese(pl_module)
        if not self.history:
            module.valid = module.validate_pairs()
            self._record(trainer, module)
        self._epoch_started = self._saved = self._tick = time.monotonic()

    def on_train_epoch_start(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule
    ) -> None:
        """Leave the mining that went before out of the throughput."""
        self._tick = time.monotonic()

    def on_train_batch_end(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, *_: Any
    ) -> None:
        """Report the progress, write a checkpoint when it is due, stop when time is up."""
        data, steps = _data(trainer), int(trainer.num_training_batches)
        data.taken += 1
        tally, now = _siamese(pl_module).tally, time.monotonic()
        tally.seconds, self._tick = tally.seconds + now - self._tick, now
        left = (self.settings.epochs - trainer.current_epoch - 1) * steps + steps - data.taken
        progress.report(STAGE, trainer.global_step, trainer.global_step + left)
        minutes = self.settings.max_minutes
        if minutes is not None and self.seconds > 60 * minutes:
            self.out_of_time = trainer.should_stop = True
        due = time.monotonic() - self._saved > 60 * self.settings.checkpoint_minutes
        if due and data.taken < steps:  # the epoch's end writes one by itself
            self._save(trainer)
            self._tick = time.monotonic()

    def on_train_epoch_end(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule
    ) -> None:
        """Record the epoch, keep its weights if they are the best, write a checkpoint."""
        module = _siamese(pl_module)
        self._record(trainer, module)
        module.tally = EpochMetrics()
        self._save(trainer)
        self._epoch_started = time.monotonic()

    def state_dict(self) -> dict[str, Any]:
        """Return what a resumed training goes on from."""
        return {
            "history": [vars(row) for row in self.history],
            "best": self.best,
            "seconds": self.seconds,
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take it up again."""
        self.history = [Epoch(**row) for row in state_dict["history"]]
        self.best = state_dict["best"]
        self._earlier = state_dict["seconds"]

    def _record(self, trainer: lightning.Trainer, module: Siamese) -> None:
        data, tally = _data(trainer), module.tally
        epoch = len(self.history)
        self.history.append(
            Epoch(
                epoch=epoch,
                step=trainer.global_step,
                train_loss=tally.loss / tally.steps if tally.steps else None,
                valid_average_precision=module.valid.get("valid_average_precision"),
                valid_loss=module.valid.get("valid_loss"),
                learning_rate=trainer.optimizers[0].param_groups[0]["lr"] if epoch else 0.0,
                seconds=time.monotonic() - self._epoch_started,
                contents=tally.contents,
                step_seconds=tally.seconds,
                in_batch_negatives=tally.negatives / tally.steps if tally.steps else None,
                mined=len(data.mined.left) if epoch else 0,
                excluded_known=data.mined.known if epoch else 0,
                excluded_suspected=data.mined.suspected if epoch else 0,
                excluded_labelled=data.mined.labelled if epoch else 0,
                mined_short=data.mined.short if epoch else 0,
                mined_among=data.mined.searched if epoch else 0,
            )
        )
        if self.best < 0 or _merit(self.history[-1]) > _merit(self.history[self.best]):
            self._keep(module, epoch)

    def _keep(self, module: Siamese, epoch: int) -> None:
        """Write the weights; the previous best stays until the next, a checkpoint may name it."""
        with writing(self.weights(epoch)) as partial:
            save_model(module.encoder, str(partial))
        for old in self.work.glob("best-*.safetensors"):
            if old not in (self.weights(epoch), self.weights(self.best)):
                old.unlink()
        self.best = epoch

    def _save(self, trainer: lightning.Trainer) -> None:
        with writing(self.work / CHECKPOINT) as partial:
            trainer.save_checkpoint(partial)
        self._saved = time.monotonic()


def _merit(row: Epoch) -> tuple[float, float]:
    """Return average precision, then loss; without validation a later epoch is better."""
    if row.valid_loss is None:
        return float(row.epoch), 0.0
    score = row.valid_average_precision
    return (0.0 if score is None else score), -row.valid_loss


def _siamese(module: lightning.LightningModule) -> Siamese:
    assert isinstance(module, Siamese)
    return module


def _data(trainer: lightning.Trainer) -> PairModule:
    data = trainer.datamodule  # type: ignore[attr-defined]
    assert isinstance(data, PairModule)
    return data
