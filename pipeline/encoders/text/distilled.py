"""The static student: distilled from its teacher once, then read from its folder."""

from __future__ import annotations

import os
from contextlib import redirect_stderr
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.arrays import progress
from pipeline.config import MiniLmEncoder, StaticText
from pipeline.encoders.fingerprint import fingerprint_of, folder_digest
from pipeline.encoders.text.static import VERSION, StaticTextEncoder, open_static_folder
from pipeline.errors import EncoderError
from pipeline.storage import writing_folder


def open_static(config: StaticText, *, students: Path) -> StaticTextEncoder:
    """Open a student, distilled first where the folder `students` does not hold it yet.

    Raises:
        EncoderError: the teacher cannot be opened or distilled.
    """
    folder = distil_student(config, students=students)
    encoder = open_static_folder(folder, name=f"static-{config.dimension}")
    if encoder is None:
        raise EncoderError(
            f"{folder} is no longer the static encoder that was distilled; remove it, and it is "
            "distilled again"
        )
    return encoder


def distil_student(config: StaticText, *, students: Path) -> Path:
    """The folder of a student, made in one step; the teacher's files and the recipe name it."""
    teacher = _teacher_folder(config)
    key = fingerprint_of(
        teacher=folder_digest(teacher), dimension=config.dimension, version=VERSION
    )
    folder = students / key
    if not (folder / "modules.json").exists():
        progress.say("distilling the static encoder: a minute or two, once for this catalog")
        with writing_folder(folder) as staging:
            _distil(teacher, config.dimension, staging)
    return folder


def _teacher_folder(config: StaticText) -> Path:
    if isinstance(config.teacher, MiniLmEncoder):
        from pipeline.encoders.text.minilm import verify_folder

        return verify_folder()
    return Path(config.teacher.path)


def _distil(teacher: Path, dimension: int, folder: Path) -> None:
    os.environ.update(HF_HUB_OFFLINE="1", TRANSFORMERS_OFFLINE="1", HF_HUB_DISABLE_TELEMETRY="1")
    from model2vec.distill import distill_from_model
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Normalize, StaticEmbedding
    from transformers import AutoModel, AutoTokenizer
    from transformers.utils import logging

    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    try:
        with Path(os.devnull).open("w") as nowhere, redirect_stderr(nowhere):  # its progress bar
            network = AutoModel.from_pretrained(str(teacher))
            tokenizer: Any = AutoTokenizer.from_pretrained(str(teacher))
            student = distill_from_model(
                network, tokenizer, pca_dims=dimension, quantize_to="float32", device="cpu"
            )
    except (OSError, ValueError, KeyError, TypeError, RuntimeError) as error:
        raise EncoderError(f"cannot distil a static student of {teacher}: {error}") from error
    weights = np.asarray(student.embedding, np.float32)
    static = StaticEmbedding(student.tokenizer, embedding_weights=weights)
    static.tokenizer.no_truncation()
    model = SentenceTransformer(modules=[static, Normalize()], device="cpu")
    model.save(str(folder), create_model_card=False)
