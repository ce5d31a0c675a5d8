"""Distilled students: static encoders with their teacher's cosines on the user's texts. SHELL."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipeline.arrays import Rows, as_strings, cosines, positions_in, progress
from pipeline.catalog import Catalog
from pipeline.config import (
    DistillSettings,
    EncoderTraining,
    NegativeSettings,
    SentenceTransformersText,
    TrainConfig,
)
from pipeline.encoders import Encoder, missing_hashes, open_encoder
from pipeline.errors import TrainingError
from pipeline.outputs import Agreement, DistillationFacts
from pipeline.training.data.corpus import corpus_texts
from pipeline.training.data.labelled_records import embed_records
from pipeline.training.data.training_data import LabelledData

if TYPE_CHECKING:
    from pipeline.training.siamese.fit import TrainedEncoder
    from pipeline.training.siamese.pairs import TrainingData

HELD = 0.1  # share of the texts that say which epoch is best
FEWEST = 20  # texts to learn from
Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class DistillationCorpus:
    """Distinct texts, by ascending content hash, as both encoders see them.

    Attributes:
        hashes: (n,) strings. texts: n. student, teacher: (n, d), (n, e) unit norm.
        asked: texts that the teacher had not embedded before.
    """

    hashes: pa.Array
    texts: list[str]
    student: Floats
    teacher: Floats
    asked: int


def distil(
    config: TrainConfig, data: LabelledData, *, work: Path
) -> tuple[TrainConfig, DistillationFacts | None]:
    """The configuration with a student that has learned its teacher's cosines, and how it did.

    Without `encoder.distill` the configuration is as it was and there are no facts. A training that
    was killed goes on where it was.

    Returns:
        The configuration, and the facts; None without `encoder.distill`.

    Raises:
        TrainingError: the start is no static student, or there are too few texts.
    """
    settings, start = config.encoder.distill, config.encoder.start
    if settings is None:
        return config, None
    assert isinstance(start, SentenceTransformersText)
    corpus = _embed(config, settings, corpus_texts(config, data, most=settings.texts))
    training, origins = distillation_data(
        corpus, _label(data, corpus.hashes), settings, held=HELD, seed=config.seed
    )
    found = learn_student(
        training, config.encoder, settings, work=work, seed=config.seed, threads=config.threads
    )
    path = start.model_copy(update={"path": str(found.folder)})
    after = vectors_of(_student(config, path), corpus.texts)
    held = training.valid_left, training.valid_right
    facts = DistillationFacts(
        texts=len(corpus.texts),
        embedded_by_the_teacher=corpus.asked,
        pairs=origins,
        held_out_pairs=len(held[0]),
        before=agreement(corpus.student, corpus.teacher, *held),
        after=agreement(after, corpus.teacher, *held),
        epochs=found.facts.epochs,
        best_epoch=found.facts.best_epoch,
        steps=found.facts.steps,
        seconds=found.facts.seconds,
    )
    encoder = config.encoder.model_copy(update={"start": path})
    return config.model_copy(update={"encoder": encoder}), facts


def distillation_data(
    corpus: DistillationCorpus,
    labelled: tuple[Rows, Rows],
    settings: DistillSettings,
    *,
    held: float,
    seed: int,
) -> tuple[TrainingData, dict[str, int]]:
    """Pairs to learn from, others of texts that are held out, and the former by origin.

    Args:
        labelled: pairs of rows of the corpus. held: share of the texts.
    """
    from pipeline.training.siamese.pairs import TrainingData
    from pipeline.training.teacher_pairs import teacher_pairs

    count = len(corpus.texts)
    order = np.random.default_rng(seed).permutation(count)
    kept = round(held * count)
    learnt, valid = (
        teacher_pairs(
            corpus.student,
            corpus.teacher,
            rows=rows,
            labelled=labelled,
            near=settings.near,
            random=settings.random,
            seed=seed,
        )
        for rows in (order[kept:], order[:kept])
    )
    data = TrainingData(
        items=corpus.texts,
        left=learnt.left,
        right=learnt.right,
        grade=learnt.cosine.astype(np.float64),
        valid_left=valid.left,
        valid_right=valid.right,
        valid_grade=valid.cosine.astype(np.float64),
        entity=np.arange(count),
        minable=np.zeros(count, np.bool_),
    )
    return data, learnt.origins


def learn_student(
    data: TrainingData,
    encoder: EncoderTraining,
    settings: DistillSettings,
    *,
    work: Path,
    seed: int,
    threads: int | None,
) -> TrainedEncoder:
    """Train the student; rows of tokens that no text has are left as they are."""
    from pipeline.training.siamese.fit import train_encoder

    own = settings.model_dump(include={"epochs", "batch_size", "learning_rate"})
    # Without patience: the best epochs are the last, when the learning rate has come down.
    own |= {"patience": settings.epochs, "max_minutes": None, "distill": None}
    fixed = {"objective": "cosine", "weight_decay": 0.0, "precision": "32"}
    return train_encoder(
        data,
        encoder.model_copy(update={**own, **fixed}),
        NegativeSettings(mined=0),
        folder=work / "student",
        work=work / "student-training",
        seed=seed,
        threads=threads,
    )


def agreement(student: Floats, teacher: Floats, left: Rows, right: Rows) -> Agreement:
    """How alike the cosines of two encoders are on some pairs of texts."""
    from scipy.stats import spearmanr

    mine, other = cosines(student, left, right), cosines(teacher, left, right)
    error = float(np.square(mine - other, dtype=np.float64).mean())
    return Agreement(round(float(spearmanr(mine, other)[0]), 4), round(error, 5))


def vectors_of(encoder: Encoder, texts: list[str]) -> Floats:
    """(n, d), zeros where a text has no vector."""
    out = np.zeros((len(texts), encoder.dimension), np.float32)
    for part in encoder.encode(texts):
        out[part.positions] = part.vectors
    return out


def _embed(config: TrainConfig, settings: DistillSettings, table: pa.Table) -> DistillationCorpus:
    """The texts with the vectors of both encoders; without those that either cannot embed.

    Raises:
        TrainingError: the start is no static student, or too few texts are left.
    """
    student = _student(config, config.encoder.start)
    assert settings.teacher is not None, "train_student fills it in"
    teacher = open_encoder(settings.teacher, images=config.images, threads=config.threads)
    hashes, texts = as_strings(table["text_hash"]), table["text"].to_pylist()
    store = Catalog.of(config).vectors(teacher.fingerprint)
    asked = len(missing_hashes(hashes, store.hashes()))
    progress.say(f"distilling: the teacher embeds {asked:,} of {len(texts):,} texts")
    wanted, present = embed_records(hashes, texts, teacher, store), vectors_of(student, texts)
    rows = np.flatnonzero(wanted.any(axis=1) & present.any(axis=1))
    if len(rows) < FEWEST:
        raise TrainingError(
            f"encoder.distill: {len(rows)} texts to learn from, too few; name all records under "
            "`sources`, or leave distill out"
        )
    kept = [texts[row] for row in rows]
    return DistillationCorpus(hashes.take(pa.array(rows)), kept, present[rows], wanted[rows], asked)


def _student(config: TrainConfig, start: Any) -> Encoder:
    from pipeline.encoders import StaticTextEncoder

    encoder = open_encoder(start, images=config.images, threads=config.threads)
    if not isinstance(encoder, StaticTextEncoder):
        raise TrainingError(
            f"encoder.distill is for a static student, and {start.path} is none; set "
            "encoder.start: {type: static}, or leave distill out"
        )
    return encoder


def _label(data: LabelledData, hashes: pa.Array) -> tuple[Rows, Rows]:
    """The training pairs as rows of the corpus, those that are in it."""
    place = positions_in(as_strings(data.labelled.records["text_hash"]), hashes)
    part = data.pairs.part("train")
    left, right = place[data.pairs.left[part]], place[data.pairs.right[part]]
    inside = (left >= 0) & (right >= 0)
    return left[inside], right[inside]
