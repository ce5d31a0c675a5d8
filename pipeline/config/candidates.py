"""Settings of the index and of the candidate pairs."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from pipeline.config.base import Cosine, Frozen, Share


class ExactIndex(Frozen):
    """Brute force in blocks: the oracle, and right for small collections."""

    type: Literal["exact"]


class FaissIndex(Frozen):
    """FAISS, by the rule: flat up to `exact_below` contents, inverted lists above."""

    type: Literal["faiss"] = "faiss"
    exact_below: int = Field(100_000, ge=0, description="Up to this many contents search exactly.")
    target_recall: Share = Field(
        0.995, description="Probes are tuned on a sample until this share of near pairs is found."
    )


IndexConfig = Annotated[ExactIndex | FaissIndex, Field(discriminator="type")]


class LexicalSettings(Frozen):
    """MinHash over word shingles for long texts, whose embedding blurs near-verbatim copies."""

    enabled: bool = Field(True, description="Compare long texts by word shingles too.")
    min_tokens: int = Field(40, ge=5, description="Shorter texts are left to the embedding.")
    shingle: int = Field(3, ge=1, le=10, description="Words per shingle.")
    floor: Share = Field(0.5, description="Exact Jaccard at or above which a pair is kept.")


class RareWordSettings(Frozen):
    """Pairs of texts that share a rare word: names, codes and titles that an embedding blurs."""

    enabled: bool = Field(True, description="Propose pairs of texts that share a rare word.")
    max_texts: int = Field(
        30, ge=2, description="A word that more distinct texts have proposes nothing."
    )
    partners: int = Field(
        20,
        ge=1,
        description="Texts that the rarest words of one text may propose it with; of adjacent "
        "words, joined, half as many.",
    )


class CandidateSettings(Frozen):
    """Down to where candidate pairs are searched, and how dense groups are collapsed."""

    text_floor: Cosine | None = Field(
        None, description="Cosine down to which texts are searched; none: the encoder's own."
    )
    image_floor: Cosine | None = Field(
        None, description="The same for pictures; none: the encoder's, or what a run found."
    )
    lexical: LexicalSettings = LexicalSettings()
    rare_words: RareWordSettings = RareWordSettings()
    max_neighbours: int = Field(
        1000, ge=2, description="Near copies listed of one content; above, its floor rises."
    )
    collapse_cosine: Share = Field(
        0.98, description="Dense groups above this cosine are collapsed to leaders."
    )
    recall_sample: int = Field(500, ge=1, description="Contents searched by brute force each run.")
