"""A Siamese time-delay network over characters: for names, codes and scripts no model covers.

The one-dimensional descendant of Bromley et al., Signature verification using a "Siamese" time
delay neural network, 1993: the same small convolution at every place, pooled over the text.
Importing this module loads torch and sentence-transformers.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_model as load_safetensors
from sentence_transformers.base.modules import InputModule
from torch import Tensor, nn
from torch.nn import functional

from pipeline.encoders.base import Features
from pipeline.encoders.windows import Window

_BYTES = 4
_DROPOUT = 0.1


def plain(text: str) -> str:
    """Fold case and compatibility forms (NFKC), squeeze white space; idempotent."""
    for _ in range(2):  # folding can leave what composes again
        text = unicodedata.normalize("NFKC", text).casefold()
    return " ".join(unicodedata.normalize("NFKC", text).split())


def character_bytes(text: str) -> NDArray[np.uint8]:
    """Hash each character to four bytes, uint8 (len(text), 4); no two characters share all four.

    MurmurHash3's finaliser, a bijection of 32 bits: any code point of any script has its place in
    four tables of 256 rows, without a vocabulary.
    """
    points = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), "<u4") + np.uint32(1)
    points ^= points >> np.uint32(16)
    points *= np.uint32(0x85EBCA6B)
    points ^= points >> np.uint32(13)
    points *= np.uint32(0xC2B2AE35)
    points ^= points >> np.uint32(16)
    return points.astype("<u4").view(np.uint8).reshape(-1, _BYTES)


@dataclass(frozen=True)
class CharacterCutter:
    """Cuts plain texts into windows of at most `limit` characters, at a space where there is."""

    limit: int

    def cut(self, texts: Sequence[str], *, start: int) -> list[Window]:
        """Return the windows of all texts in order; the first text has position `start`."""
        return [
            Window(start + row, piece, len(piece))
            for row, text in enumerate(texts)
            for piece in self._pieces(plain(text))
        ]

    def _pieces(self, text: str) -> list[str]:
        pieces = []
        while len(text) > self.limit:
            space = text.rfind(" ", 1, self.limit + 1)
            end = space if space > 0 else self.limit
            pieces.append(text[:end])
            text = text[end:].lstrip()
        return [*pieces, text]


class CharacterCnn(InputModule):
    """Characters to a unit vector: hashed embeddings, residual convolutions, mean and maximum.

    Padded places are zero before every convolution, exactly as the places beyond the ends of the
    text, and take no part in the pooling: padding changes no vector.
    """

    config_file_name = "character_cnn.json"
    config_keys = ["dimension", "channels", "layers", "kernel", "max_characters"]  # noqa: RUF012

    def __init__(
        self, *, dimension: int, channels: int, layers: int, kernel: int, max_characters: int
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.dimension, self.channels, self.layers = dimension, channels, layers
        self.kernel, self.max_characters = kernel, max_characters
        self.bytes = nn.ModuleList(nn.Embedding(256, channels) for _ in range(_BYTES))
        # Doubling the delays every second layer lets the last one see a phrase (Waibel et al.,
        # Phoneme recognition using time-delay neural networks, 1989).
        self.delays = [2 ** (layer // 2) for layer in range(layers)]
        self.convolutions = nn.ModuleList(
            nn.Conv1d(channels, channels, kernel, dilation=delay) for delay in self.delays
        )
        self.norms = nn.ModuleList(nn.LayerNorm(channels) for _ in range(layers))
        self.dropout = nn.Dropout(_DROPOUT)
        self.head = nn.Linear(2 * channels, dimension)

    @property
    def max_seq_length(self) -> int:
        """Characters in a window."""
        return self.max_characters

    def get_embedding_dimension(self) -> int:
        """Return the length of a vector."""
        return self.dimension

    def preprocess(
        self,
        inputs: Sequence[Any],
        prompt: str | None = None,
        processing_kwargs: Any = None,
        **_: Any,
    ) -> Features:
        """Return input_ids int64 (n, length, 4) and attention_mask int64 (n, length).

        inputs: texts. processing_kwargs: as a Transformer's; text: {"max_length", "padding"}.
        """
        options = (processing_kwargs or {}).get("text", {})
        limit = min(int(options.get("max_length", self.max_characters)), self.max_characters)
        rows = [character_bytes(plain((prompt or "") + text)[:limit]) for text in inputs]
        fixed = options.get("padding") == "max_length"
        length = limit if fixed else max(1, *(len(row) for row in rows))
        ids = np.zeros((len(rows), length, _BYTES), np.int64)
        mask = np.zeros((len(rows), length), np.int64)
        for at, row in enumerate(rows):
            ids[at, : len(row)], mask[at, : len(row)] = row, 1
        return {
            "input_ids": torch.from_numpy(ids),
            "attention_mask": torch.from_numpy(mask),
            "modality": "text",
        }

    def forward(self, features: Features, **_: Any) -> Features:
        """Set sentence_embedding, (n, dimension), unit rows."""
        ids, mask = features["input_ids"], features["attention_mask"].bool().unsqueeze(-1)
        x = sum(table(ids[..., at]) for at, table in enumerate(self.bytes)) * mask
        for delay, convolution, norm in zip(
            self.delays, self.convolutions, self.norms, strict=True
        ):
            reach = (self.kernel - 1) * delay
            padded = functional.pad(x.transpose(1, 2), (reach // 2, reach - reach // 2))
            heard = functional.gelu(convolution(padded)).transpose(1, 2)
            x = norm(x + self.dropout(heard)) * mask
        vectors = self.head(torch.cat([_mean(x, mask), _maximum(x, mask)], dim=1))
        features["sentence_embedding"] = functional.normalize(vectors, dim=1)
        return features

    def save(self, output_path: str, *args: Any, safe_serialization: bool = True, **_: Any) -> None:
        """Write settings and weights (safetensors)."""
        self.save_config(output_path)
        self.save_torch_weights(output_path, safe_serialization=True)

    @classmethod
    def load(  # type: ignore[override] # only ever from a local folder
        cls, model_name_or_path: str, subfolder: str = "", **_: Any
    ) -> CharacterCnn:
        """Read what `save` wrote."""
        config = cls.load_config(model_name_or_path, subfolder=subfolder, local_files_only=True)
        module = cls(**config)
        load_safetensors(module, Path(model_name_or_path) / subfolder / "model.safetensors")
        return module


def _mean(x: Tensor, mask: Tensor) -> Tensor:
    """(n, length, c) over the places of `mask` (n, length, 1), summed in float32; 0 for none."""
    total = x.sum(dim=1, dtype=torch.float32) / mask.sum(dim=1).clamp(min=1)
    return total.to(x.dtype)


def _maximum(x: Tensor, mask: Tensor) -> Tensor:
    """(n, length, c) over the places of `mask` (n, length, 1); 0 for none."""
    highest = x.masked_fill(~mask, -torch.inf).amax(dim=1)
    return highest.masked_fill(~mask.any(dim=1), 0.0)
