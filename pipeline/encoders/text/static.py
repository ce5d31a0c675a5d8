"""Static token embeddings: the student of a slower encoder, and how one is made.

A text's vector is the sum of its tokens' vectors, so that a word's part of it is the same in every
text: words are tokenised once and looked up from then on. The student is distilled by model2vec
(Tulkens and van Dongen, 2024): each entry of the teacher's vocabulary embedded by the teacher,
principal components kept, frequent tokens weighted down.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from pipeline.encoders.base import Encoded, Floats32, normalise, text_blocks
from pipeline.encoders.fingerprint import fingerprint_of, folder_digest

TEXTS = 65_536  # looked up at a time
WORDS = 500_000  # whose vectors are kept: 500 MB at 256 dimensions
VERSION = 1  # of the recipe
FEW = 500_000  # tokens that scipy sums in less time than it takes to load torch
SETTINGS = "config_sentence_transformers.json"
# Tokenizers that see no further than a blank: a word's tokens are the same in every text.
_WORDWISE = {"BertPreTokenizer", "Whitespace", "WhitespaceSplit"}
_NORMALISERS = {None, "BertNormalizer", "Lowercase"}
_ODD_BLANKS = r"[\v\f]"  # Arrow splits there, tokenizers do not


@dataclass
class StaticTextEncoder:
    """Embeds by looking words up; vectors are those of the model in `folder`, to rounding."""

    table: Floats32  # (vocabulary, dimension)
    tokenizer: Any
    wordwise: bool
    name: str
    fingerprint: str
    modality: Literal["text"] = "text"
    _slots: dict[str, int] = field(default_factory=dict, repr=False)
    _sums: Floats32 | None = field(default=None, repr=False)

    @property
    def dimension(self) -> int:
        """Length of a vector."""
        return int(self.table.shape[1])

    def encode(self, items: Iterable[str]) -> Iterator[Encoded]:
        """Yield one `Encoded` per block; a text without any token fails."""
        start = 0
        for texts in text_blocks(items, size=TEXTS):
            sums = self._looked_up(pa.array(texts, pa.large_string()))
            yield normalise(np.arange(start, start + len(texts)), sums)  # type: ignore[arg-type]
            start += len(texts)

    def _looked_up(self, texts: pa.Array) -> Floats32:
        odd = pc.any(pc.match_substring_regex(texts, _ODD_BLANKS)).as_py()
        if not self.wordwise or odd:
            return self._tokenised(texts.to_pylist())
        split = pc.ascii_split_whitespace(texts)
        coded = split.flatten().dictionary_encode()
        rows = self._words(coded.dictionary.to_pylist())
        offsets = np.asarray(split.offsets, np.int64)
        codes = np.asarray(coded.indices, np.int64)
        return _bags(rows, codes, offsets[:-1])

    def _words(self, words: list[str]) -> Floats32:
        """(w, dimension) sums of the tokens of distinct words; the first WORDS are remembered.

        Words that come often come early, so that those left out are seldom seen again.
        """
        if self._sums is None:
            self._sums = np.zeros((WORDS, self.dimension), np.float32)  # takes room as it is filled
        slots = np.fromiter((self._slots.get(word, -1) for word in words), np.int64, len(words))
        out = self._sums[slots]
        unknown = np.flatnonzero(slots < 0)
        if len(unknown):
            new = [words[place] for place in unknown]
            out[unknown] = made = self._tokenised(new)
            first = len(self._slots)
            kept = new[: len(self._sums) - first]
            self._slots.update(zip(kept, range(first, first + len(kept)), strict=True))
            self._sums[first : first + len(kept)] = made[: len(kept)]
        return out

    def _tokenised(self, texts: list[str]) -> Floats32:
        """(t, dimension) sums of the tokens of each text."""
        encodings = self.tokenizer.encode_batch_fast(texts, add_special_tokens=False)
        lengths = np.fromiter((len(e.ids) for e in encodings), np.int64, len(encodings))
        ids = np.fromiter((i for e in encodings for i in e.ids), np.int64, int(lengths.sum()))
        return _bags(self.table, ids, np.cumsum(lengths) - lengths)


def _bags(table: Floats32, ids: NDArray[np.int64], offsets: NDArray[np.int64]) -> Floats32:
    """(bags, d) sums of the rows of each bag, in their order, either way the same to the bit."""
    if not len(ids):
        return np.zeros((len(offsets), table.shape[1]), np.float32)
    if len(ids) < FEW:
        from scipy.sparse import csr_matrix

        ends = np.append(offsets, len(ids))
        shape = len(offsets), len(table)
        chosen = csr_matrix((np.ones(len(ids), np.float32), ids, ends), shape=shape)
        return np.asarray(chosen @ table)
    import torch

    bags = torch.nn.functional.embedding_bag(
        torch.from_numpy(ids), torch.from_numpy(table), torch.from_numpy(offsets), mode="sum"
    )
    return bags.numpy()


def open_static_folder(folder: Path, *, name: str, model: Any = None) -> StaticTextEncoder | None:
    """The encoder of a folder of static embeddings; None where it holds anything else.

    Args:
        model: loaded, where the folder is not written as sentence-transformers writes it now.
    """
    parts = _of_model(model) if model is not None else _of_files(folder)
    if parts is None:
        return None
    tokenizer, table = parts
    tokenizer.no_truncation()
    tokenizer.no_padding()
    rules = json.loads(tokenizer.to_str())
    kind, change = ((rules.get(part) or {}).get("type") for part in ("pre_tokenizer", "normalizer"))
    return StaticTextEncoder(
        table=np.ascontiguousarray(table, np.float32),
        tokenizer=tokenizer,
        wordwise=kind in _WORDWISE and change in _NORMALISERS,
        name=name,
        fingerprint=fingerprint_of(files=folder_digest(folder), static=VERSION),
    )


def _of_model(model: Any) -> tuple[Any, Any] | None:
    """Tokenizer and table of a loaded model, if it has nothing else and no prompt."""
    from sentence_transformers.sentence_transformer.modules import Normalize, StaticEmbedding

    from pipeline.encoders.model_folder import default_prompt

    first, *rest = model
    plain = isinstance(first, StaticEmbedding) and all(isinstance(m, Normalize) for m in rest)
    if not plain or default_prompt(model):
        return None
    return first.tokenizer, first.embedding.weight.detach().float().numpy()


def _of_files(folder: Path) -> tuple[Any, Any] | None:
    """The same out of the files: to import sentence-transformers takes seconds."""
    from safetensors.numpy import load_file
    from tokenizers import Tokenizer

    try:
        modules = json.loads((folder / "modules.json").read_text(encoding="utf-8"))
        kinds = [module["type"].rpartition(".")[2] for module in modules]
        settings = json.loads((folder / SETTINGS).read_text(encoding="utf-8"))
        if kinds not in (["StaticEmbedding"], ["StaticEmbedding", "Normalize"]):
            return None
        if settings.get("default_prompt_name"):
            return None
        here = folder / modules[0]["path"]
        table = load_file(here / "model.safetensors").get("embedding.weight")
        tokenizer = Tokenizer.from_file(str(here / "tokenizer.json"))
    except Exception:  # noqa: BLE001 - the tokenizer's errors are plain ones
        return None  # sentence-transformers knows more ways to write it, and says what is wrong
    return None if table is None else (tokenizer, table)
