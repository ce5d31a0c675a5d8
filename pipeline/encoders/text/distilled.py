"""The static student: MiniLM's is shipped, another teacher's is distilled once.

The shipped one is what `_distil` made of the official MiniLM, rounded to float16, and lies in the
package: the first run on a machine waits for no distilling, and its vectors are the same on every
machine.
"""

from __future__ import annotations

import os
import shutil
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

# What is shipped, as a folder of sentence-transformers, and the length of its vectors.
SHIPPED = Path(__file__).parent.parent / "student"
SHIPPED_DIMENSION = 256
WEIGHTS = "model.safetensors"


def is_shipped(config: StaticText) -> bool:
    """Whether Gemel carries this student, so that nothing is distilled."""
    return isinstance(config.teacher, MiniLmEncoder) and config.dimension == SHIPPED_DIMENSION


def open_static(config: StaticText, *, students: Path) -> StaticTextEncoder:
    """Open a student: the shipped one, or one that is distilled where `students` lacks it.

    Raises:
        EncoderError: the teacher cannot be opened or distilled, or files are damaged.
    """
    shipped = is_shipped(config)
    folder = SHIPPED if shipped else distil_student(config, students=students)
    encoder = open_static_folder(folder, name=f"static-{config.dimension}")
    if encoder is None:
        if shipped:
            raise EncoderError(f"the static encoder in {folder} is damaged; install gemel again")
        raise EncoderError(
            f"{folder} is no longer the static encoder that was distilled; remove it, and it is "
            "distilled again"
        )
    return encoder


def distil_student(config: StaticText, *, students: Path) -> Path:
    """The folder of a student in float32, as training starts from; made in one step.

    The teacher's files and the recipe name it. The shipped one is unpacked, another distilled.

    Raises:
        EncoderError: the teacher cannot be opened or distilled.
    """
    if is_shipped(config):
        return _unpacked(students / f"shipped-{fingerprint_of(files=folder_digest(SHIPPED))}")
    return distil_from_teacher(config, students=students)


def distil_from_teacher(config: StaticText, *, students: Path) -> Path:
    """The folder of a student that the teacher is asked for, made once.

    Raises:
        EncoderError: the teacher cannot be opened or distilled.
    """
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


def _unpacked(folder: Path) -> Path:
    """The shipped student with float32 weights, which sentence-transformers can train."""
    from safetensors.numpy import load_file, save_file

    if not (folder / "modules.json").exists():
        with writing_folder(folder) as staging:
            shutil.copytree(SHIPPED, staging, dirs_exist_ok=True)
            weights = load_file(SHIPPED / WEIGHTS)
            whole = {name: value.astype(np.float32) for name, value in weights.items()}
            save_file(whole, staging / WEIGHTS)
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
