"""Steps of a fine-tune: negatives, pictures, an encoder and a judge for labelled data.

`pipeline.training.finetuning` puts them in order, calibrates, measures and registers.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow.compute as pc

from pipeline.catalog import Catalog
from pipeline.config import (
    CharacterCnn,
    CopyDetection,
    SentenceTransformersImage,
    SentenceTransformersText,
    StaticText,
    ToyText,
    TrainConfig,
)
from pipeline.encoders import Encoder, open_encoder
from pipeline.errors import ConfigError
from pipeline.matching import JudgeModel
from pipeline.outputs import (
    DistillationFacts,
    EncoderTrainingFacts,
    Epoch,
    JudgeFacts,
    PictureEvidence,
)
from pipeline.training.data.hard_negatives import add_mined
from pipeline.training.data.labelled_records import LabelledRecords
from pipeline.training.data.training_data import (
    PICTURED_PAIRS,
    LabelledData,
    modality_of,
)

# --- the encoder -------------------------------------------------------------------------------


@dataclass(frozen=True)
class TrainedEncoderFolder:
    """An encoder for the judge to build on.

    Attributes:
        settings: opens it: `encoders.open_encoder`.
        folder: where its files are; None for a packaged one that was not trained.
        facts, history: of the training; None and empty when there was none.
        distillation: how it learned from its teacher; None where it did not.
    """

    settings: Any
    folder: Path | None
    facts: EncoderTrainingFacts | None = None
    history: tuple[Epoch, ...] = ()
    distillation: DistillationFacts | None = None

    def open(self, config: TrainConfig) -> Encoder:
        """Load it."""
        return open_encoder(self.settings, images=config.images, threads=config.threads)


def train_student(config: TrainConfig) -> TrainConfig:
    """The configuration with a folder in the place of a student still to be distilled.

    Where it learns from a teacher and none is named, the teacher is the student's own.
    """
    student, distill = config.encoder.start, config.encoder.distill
    if not isinstance(student, StaticText):
        return config
    from pipeline.encoders import distil_student

    folder = distil_student(student, students=Catalog.of(config).local / "students")
    path = SentenceTransformersText(type="sentence_transformers", path=str(folder))
    if distill is not None and distill.teacher is None:
        distill = distill.model_copy(update={"teacher": student.teacher})
    encoder = config.encoder.model_copy(update={"start": path, "distill": distill})
    return config.model_copy(update={"encoder": encoder})


def open_start(config: TrainConfig) -> TrainedEncoderFolder:
    """The encoder that training starts from, as it is."""
    settings = config.encoder.start
    if isinstance(settings, CharacterCnn):
        return TrainedEncoderFolder(None, None)
    path = getattr(settings, "path", None)
    return TrainedEncoderFolder(settings, Path(path) if path else None)


def train_encoder_step(
    config: TrainConfig, data: LabelledData, *, work: Path, name: str = "encoder"
) -> TrainedEncoderFolder:
    """Fine-tune the encoder on the training pairs; the best epoch by validation is kept."""
    from pipeline.training.siamese.fit import train_encoder
    from pipeline.training.siamese.pairs import TrainingData

    pairs = data.pairs
    fit, valid = pairs.part("train"), pairs.part("valid")
    minable = np.zeros(len(data.entity), bool)
    minable[data.usable["train"]] = True
    found = train_encoder(
        TrainingData(
            items=data.labelled.items(modality_of(config)),
            left=pairs.left[fit],
            right=pairs.right[fit],
            grade=pairs.grade[fit],
            valid_left=pairs.left[valid],
            valid_right=pairs.right[valid],
            valid_grade=pairs.grade[valid],
            entity=data.entity,
            minable=minable,
        ),
        config.encoder,
        config.negatives,
        folder=work / name,
        work=work / f"{name}-training",
        seed=config.seed,
        threads=config.threads,
        images=config.images,
    )
    return TrainedEncoderFolder(
        _settings(config, found.folder), found.folder, found.facts, found.history
    )


def _settings(config: TrainConfig, folder: Path) -> Any:
    start = config.encoder.start
    if isinstance(start, CopyDetection):
        return start.model_copy(update={"path": str(folder)})
    if modality_of(config) == "image":
        return SentenceTransformersImage(type="sentence_transformers_image", path=str(folder))
    return SentenceTransformersText(type="sentence_transformers", path=str(folder), dtype="float32")


def embed_labelled(
    config: TrainConfig, data: LabelledData, trained: TrainedEncoderFolder
) -> tuple[LabelledData, str]:
    """Embed the labelled records, as far as the catalog lacks their vectors.

    Returns:
        The data with vectors, and the encoder's fingerprint.
    """
    encoder = trained.open(config)
    store = Catalog.of(config).vectors(encoder.fingerprint)
    labelled = data.labelled.embedded(encoder, store)
    return replace(data, labelled=labelled), encoder.fingerprint


def add_pictures(config: TrainConfig, data: LabelledData) -> LabelledData:
    """Embed the pictures beside the texts where there are enough to learn from.

    Raises:
        ConfigError: pictures came inside their rows, and no run has embedded them yet.
    """
    pairs, labelled = data.pairs, data.labelled
    part = pairs.part("train")
    both = part[labelled.pictured(pairs.left[part], pairs.right[part])]
    same = int(pairs.same[both].sum())
    found = PictureEvidence(None, same, len(both) - same)
    settings = config.judge.image_encoder
    wanted = modality_of(config) == "text" and config.judge.kind != "similarity"
    if settings is None or not wanted or min(found.same, found.different) < PICTURED_PAIRS:
        return replace(data, pictures=found)
    encoder = open_encoder(settings, images=config.images, threads=config.threads)
    labelled = labelled.embedded(encoder, Catalog.of(config).vectors(encoder.fingerprint))
    inside = pc.is_null(labelled.records["image_uri"]).to_numpy() & (labelled.units.image >= 0)
    if lost := int((inside & ~labelled.vectors("image").any(axis=1)).sum()):
        raise ConfigError(
            f"judge.image_encoder: {lost} pictures came inside their rows (columns.image_bytes) "
            f"and {config.catalog} has no vector of {encoder.name} for them; run `gemel run` on "
            "it with this image_encoder first, or set judge.image_encoder: null"
        )
    return replace(
        data, labelled=labelled, pictures=replace(found, fingerprint=encoder.fingerprint)
    )


# --- the judge ---------------------------------------------------------------------------------


def learn_judge_step(
    config: TrainConfig,
    data: LabelledData,
    *,
    trained: bool,
    blind: npt.NDArray[np.float64] | None,
) -> tuple[JudgeModel, JudgeFacts]:
    """Fit the judge on training pairs, choose on validation pairs, set the search floor."""
    from pipeline.training.judge.learn import (
        EvidentPairs,
        Learner,
        blank_judge,
        cosine_floor,
        learn_judge,
    )

    modality, pairs, labelled = modality_of(config), data.pairs, data.labelled
    pictures = data.pictures.fingerprint
    learner = Learner(modality, config.judge, trained and blind is None, config.seed, pictures)
    rows = data.usable["train"]
    texts, fields = labelled.texts, labelled.fields
    vectors = labelled.vectors(modality)
    blank = blank_judge(
        learner,
        [texts[row] for row in rows],
        {name: [values[row] for row in rows] for name, values in fields.items()},
        vectors=vectors[rows],
    )

    def evident(split: str, cosines: npt.NDArray[np.float64] | None = None) -> EvidentPairs:
        part = pairs.part(split)
        evidence = labelled.evidence(pairs.left[part], pairs.right[part], blank)
        return EvidentPairs(evidence, pairs.same[part], data.sides[part], cosines)

    fitted, facts = learn_judge(blank, evident("train", blind), evident("valid"), learner)
    part = np.concatenate([pairs.part("train"), pairs.part("valid")])
    left, right = vectors[pairs.left[part]], vectors[pairs.right[part]]
    known = left.any(axis=1) & right.any(axis=1)
    cosine = np.where(known, (left * right).sum(axis=1, dtype=np.float64), np.nan)
    floor = cosine_floor(cosine, pairs.same[part], vectors[rows], seed=config.seed)
    used = replace(data.pictures, fingerprint=fitted.pictures)
    return replace(fitted, floor=floor.floor), replace(facts, search_floor=floor, pictures=used)


def score_labelled(data: LabelledData, judge: JudgeModel, split: str) -> npt.NDArray[np.float64]:
    """Log-odds of a split's pairs."""
    part = data.pairs.part(split)
    return judge.score(data.labelled.evidence(data.pairs.left[part], data.pairs.right[part], judge))


def blind_cosines(
    config: TrainConfig, data: LabelledData, *, work: Path
) -> npt.NDArray[np.float64] | None:
    """Cosines of the training pairs by encoders each blind to its fold; None for one fold."""
    if config.encoder.folds == 1 or not config.encoder.train:
        return None
    from pipeline.training.judge.folds import entity_folds

    pairs, part = data.pairs, data.pairs.part("train")
    out = np.zeros(len(part))
    folds = entity_folds(
        data.sides[part], pairs.same[part], count=config.encoder.folds, seed=config.seed
    )
    for number, (fit, held) in enumerate(folds):
        split = pairs.split.copy()
        split[np.delete(part, fit)] = "held"
        blinded = replace(data, pairs=replace(pairs, split=split))
        fold = train_encoder_step(config, blinded, work=work, name=f"fold-{number}")
        embedded, _ = embed_labelled(config, data, fold)
        vectors = embedded.labelled.vectors(modality_of(config))
        rows = part[held]
        out[held] = (vectors[pairs.left[rows]] * vectors[pairs.right[rows]]).sum(axis=1)
        shutil.rmtree(work / f"fold-{number}", ignore_errors=True)
    return out


def zero_shot(config: TrainConfig, data: LabelledData) -> tuple[LabelledRecords, str]:
    """The records embedded by the encoder that training starts from.

    A network from scratch knows nothing at its start: hashed character trigrams stand in.
    """
    begun = open_start(config)
    settings = begun.settings or ToyText(type="toy")
    encoder = open_encoder(settings, images=config.images, threads=config.threads)
    store = Catalog.of(config).vectors(encoder.fingerprint)
    return data.labelled.embedded(encoder, store), encoder.fingerprint


def add_negatives(config: TrainConfig, data: LabelledData) -> LabelledData:
    """Add mined negatives where the labels give none, or the world is declared closed."""
    parts = [data.pairs.part(split) for split in ("train", "valid", "test")]
    lacking = any(len(part) and data.pairs.same[part].all() for part in parts)
    if not lacking and not config.negatives.closed_world:
        return data
    labelled, _ = zero_shot(config, data)
    vectors = labelled.vectors(modality_of(config))
    pairs = add_mined(
        data.pairs, vectors, data.entity, data.usable, config.negatives, seed=config.seed
    )
    return replace(data, pairs=pairs)
