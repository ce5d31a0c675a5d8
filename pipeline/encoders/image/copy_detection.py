"""The copy-detection network that Gemel ships, or one that was trained from it."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

from pipeline.config import CopyDetection, ImageSettings
from pipeline.encoders.fingerprint import fingerprint_of, require_digest
from pipeline.encoders.image.base import PictureEncoder
from pipeline.encoders.image.copy_weights import FACTS, WEIGHTS, read_copy_folder
from pipeline.encoders.image.loader import PREPARED
from pipeline.errors import EncoderError
from pipeline.storage import file_digest

# Of the shipped weights; the thresholds in `pipeline.matching.rules.default_rules` are only theirs.
SHA256 = "b26dbe73bc9036a94607af72615d3192630961ee903a7c2e210861aba51a5360"
_INT8 = 1  # of the recipe in onnx_graph; its steps are part of every vector


def shipped_folder() -> Path:
    """The folder of the network in this package."""
    return Path(str(files("pipeline.encoders") / "copies"))


def open_copy_detection(
    config: CopyDetection, *, images: ImageSettings, threads: int | None
) -> PictureEncoder:
    """Load the network; neither torch nor sentence-transformers is imported.

    Raises:
        EncoderError: a file is missing or damaged, the shipped weights are not those that were
            measured, or a package is missing.
    """
    from pipeline.encoders.image.exported import open_session
    from pipeline.encoders.image.onnx_graph import graph

    folder = Path(config.path) if config.path else shipped_folder()
    if not config.path:
        require_digest(folder / WEIGHTS, expected=SHA256, reinstall="gemel")
    kept = read_copy_folder(folder)
    size = config.image_size or kept.image_size
    int8 = config.backend == "int8"
    made = graph(
        kept.layers,
        image_size=size,
        gem_power=kept.gem_power,
        bounds=kept.bounds if int8 else None,
        projection=(kept.weight, kept.bias),
    )
    return PictureEncoder(
        network=open_session(made, name="copy detection"),
        image_size=size,
        name=f"{folder.name}{'-int8' if int8 else ''}",
        fingerprint=fingerprint_of(
            weights=file_digest(folder / WEIGHTS, error=EncoderError),
            facts=file_digest(folder / FACTS, error=EncoderError),
            image_size=size,
            prepared=PREPARED,
            version=1,
            **({"int8": _INT8} if int8 else {}),
        ),
        dimension=len(kept.bias),
        batch_size=config.batch_size,
        images=images,
        threads=threads,
        prepare_thread=int,
    )
