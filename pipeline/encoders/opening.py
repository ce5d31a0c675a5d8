"""Encoders: one file per member, opened by `open_encoder`; heavy libraries load only then."""

from __future__ import annotations

from pathlib import Path
from typing import assert_never

from pipeline.config import (
    CopyDetection,
    ImageEncoderConfig,
    ImageSettings,
    MiniLmEncoder,
    OnnxImage,
    SentenceTransformersImage,
    SentenceTransformersText,
    StaticText,
    TextEncoderConfig,
    TorchScriptImage,
    ToyImage,
    ToyText,
    user_cache,
)
from pipeline.encoders.base import Encoder


def open_encoder(
    config: TextEncoderConfig | ImageEncoderConfig,
    *,
    images: ImageSettings,
    threads: int | None,
    students: Path | None = None,
) -> Encoder:
    """Load the encoder that `config` describes.

    Args:
        threads: None uses every available core.
        students: where distilled encoders are kept; default: the user's cache.

    Raises:
        EncoderError: its files are absent, damaged, not the expected ones, or a library is missing.
    """
    match config:
        case MiniLmEncoder():
            from pipeline.encoders.text.minilm import open_minilm

            return open_minilm(config, threads=threads)
        case SentenceTransformersText():
            from pipeline.encoders.text.folder import open_text_folder

            return open_text_folder(config, threads=threads)
        case StaticText():
            from pipeline.encoders.text.distilled import open_static

            return open_static(config, students=students or user_cache() / "students")
        case ToyText():
            from pipeline.encoders.text.toy import ToyTextEncoder

            return ToyTextEncoder(dimension=config.dimension)
        case CopyDetection():
            from pipeline.encoders.image.copy_detection import open_copy_detection

            return open_copy_detection(config, images=images, threads=threads)
        case SentenceTransformersImage():
            from pipeline.encoders.image.folder import open_image_folder

            return open_image_folder(config, images=images, threads=threads)
        case TorchScriptImage():
            from pipeline.encoders.image.exported import open_torchscript

            return open_torchscript(config, images=images, threads=threads)
        case OnnxImage():
            from pipeline.encoders.image.exported import open_onnx

            return open_onnx(config, images=images, threads=threads)
        case ToyImage():
            from pipeline.encoders.image.toy import open_toy_image

            return open_toy_image(config, images=images)
        case _:
            assert_never(config)
