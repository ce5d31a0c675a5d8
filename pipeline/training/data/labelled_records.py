"""Labelled records as a run would see them: contents, vectors, evidence of every labelled pair."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.arrays import Positions, Vectors, progress
from pipeline.candidates import ContentGroups, make_groups
from pipeline.catalog import Catalog, RegisteredJudge, VectorStore
from pipeline.config import ImageSettings
from pipeline.encoders import (
    Encoder,
    ImageRef,
    gather_vectors,
    missing_hashes,
    open_encoder,
    to_table,
)
from pipeline.matching import (
    WHOLE,
    ColumnLevels,
    Contents,
    DifferenceReader,
    DocumentFrequencies,
    Evidence,
    JudgeModel,
    LearnedInputs,
    PictureSet,
    SourceLevels,
    TextComparison,
    align_pairs,
    attributes_of,
    evidence_of,
    fields_of,
    geometry_findings,
    learning_for,
    with_differences,
)

SHARD = 8192
NOTHING = np.zeros((0, 1), np.float32)


@dataclass(frozen=True)
class LabelledRecords:
    """Some records with everything that judging asks of them; every record is its own unit.

    Attributes:
        records: schemas.RECORDS, sorted by record_id.
        units: unit i is record i.
        text_vectors, image_vectors: rows as the units' distinct hashes.
        images: how pictures are decoded.
        threads: CPU threads to use.
        laid: what geometry said of pairs of pictures by their places, filled as they are met.
    """

    records: pa.Table
    units: ContentGroups
    text_vectors: Vectors
    image_vectors: Vectors
    images: ImageSettings
    threads: int
    laid: dict[tuple[int, int], float] = field(default_factory=dict, compare=False)

    @classmethod
    def of(
        cls, records: pa.Table, *, min_tokens: int, images: ImageSettings, threads: int
    ) -> LabelledRecords:
        """Number the contents of `records`; nothing is embedded yet."""
        units = make_groups(
            records,
            np.arange(len(records)),
            min_tokens=min_tokens,
            min_detail=images.min_detail,
        )
        return cls(records, units, NOTHING, NOTHING, images, threads)

    @property
    def texts(self) -> list[str]:
        """The text of each record, '' without."""
        return [text or "" for text in self.records["text"].to_pylist()]

    @property
    def fields(self) -> dict[str, list[str]]:
        """Every field by name, '' where a record lacks it."""
        return fields_of(self.records["fields"])

    def embedded(self, encoder: Encoder, store: VectorStore) -> LabelledRecords:
        """The same with the vectors of `encoder`, those that `store` lacks made and kept there."""
        hashes = self.units.text_hashes if encoder.modality == "text" else self.units.image_hashes
        vectors = embed_records(hashes, self._items(encoder.modality, hashes), encoder, store)
        if encoder.modality == "text":
            return replace(self, text_vectors=vectors)
        return replace(self, image_vectors=vectors)

    def embedded_by(
        self, model: RegisteredJudge, catalog: Catalog, images: ImageSettings
    ) -> LabelledRecords:
        """The same with the vectors of a registered model's encoders."""
        labelled = self
        for settings in (model.encoder, model.image_encoder):
            if settings is not None:
                encoder = open_encoder(settings, images=images, threads=self.threads)
                labelled = labelled.embedded(encoder, catalog.vectors(encoder.fingerprint))
        return labelled

    def pictured(self, left: Positions, right: Positions) -> npt.NDArray[np.bool_]:
        """(p,) true where both records have a picture fit for matching."""
        return (self.units.image[left] >= 0) & (self.units.image[right] >= 0)

    def vectors(self, modality: str) -> npt.NDArray[np.float32]:
        """(n, d) the vector of each record, zeros without the content."""
        place = self.units.text if modality == "text" else self.units.image
        rows = self.text_vectors if modality == "text" else self.image_vectors
        out = np.zeros((len(place), rows.shape[1]), np.float32)
        out[place >= 0] = rows[place[place >= 0]]
        return out

    def items(self, modality: str) -> list[Any]:
        """The content of each record as an encoder takes it."""
        if modality == "text":
            return list(self.texts)
        return [ImageRef(uri=uri) for uri in self.records["image_uri"].to_pylist()]

    def evidence(self, left: Positions, right: Positions, judge: JudgeModel) -> Evidence:
        """Evidence of pairs of records, as `judge` sees them."""
        known = learning_for(
            judge,
            self.texts,
            self.fields,
            self._levels(judge),
            threads=self.threads,
            attributes=attributes_of(self.records, judge.attributes),
        )
        contents = Contents(
            self._embedded_units(),
            self.text_vectors,
            self.image_vectors,
            self._comparer(judge),
            text_judge=known.get("text_judge", LearnedInputs()),
            image_judge=known.get("image_judge", LearnedInputs()),
            **self._differing(judge),
        )
        found = evidence_of(contents, left, right, np.full(len(left), np.nan, np.float32))
        found = with_differences(found, contents, (left, right), judge.weighs(found.text))
        if judge.geometry is not None:
            image = replace(found.image, geometry=self._geometry(left, right))
            found = replace(found, image=image)
        return judge.sees(found)

    def _differing(self, judge: JudgeModel) -> dict[str, Any]:
        """What a judge that weighs differences and sources needs, as keywords of `Contents`."""
        if not judge.corrects:
            return {}
        fields = self.records["fields"].combine_chunks()
        several = np.diff(np.asarray(fields.offsets)).max(initial=0) > 1
        return {
            "sources": SourceLevels.of(self.records["source"], judge.sources),
            "fields": fields if several else None,
            "columns": ColumnLevels.of(sorted(judge.columns), judge.columns) if several else None,
            "differences": DifferenceReader(_frequencies(judge)),
        }

    def _geometry(self, left: Positions, right: Positions) -> npt.NDArray[np.float64]:
        """(p,) what laying their pictures upon each other says; see `ImageEvidence.geometry`."""
        one, other = self.units.image[left], self.units.image[right]
        low, high = np.minimum(one, other), np.maximum(one, other)
        differ = (low >= 0) & (low != high)  # equal pictures need no look, as in a run
        keys = [(int(a), int(b)) for a, b in zip(low[differ], high[differ], strict=True)]
        wanted = sorted(set(keys) - self.laid.keys())
        if wanted:
            refs = self._items("image", self.units.image_hashes)
            sides = (self._of_pictures(f"image_{side}") for side in ("width", "height"))
            gallery = PictureSet(
                lambda places: [refs[place] if refs[place].uri else None for place in places],
                np.stack([np.asarray(pc.fill_null(side, 0), np.int64) for side in sides], axis=1),
                self.images,
                self.threads,
            )
            pairs = np.array(wanted, np.int64)
            rows = align_pairs(gallery, pairs[:, 0], pairs[:, 1])
            told = [
                np.array([bool(row.get(name)) for row in rows])
                for name in ("verified", "unlike", "parts")
            ]
            self.laid.update(zip(wanted, geometry_findings(*told).tolist(), strict=True))
        out = np.full(len(left), np.nan)
        out[differ] = [self.laid[key] for key in keys]
        return out

    def _of_pictures(self, column: str) -> pa.Array:
        """A column of the records, by distinct picture."""
        hashes = self.records["image_hash"].combine_chunks()
        return (
            self.records[column]
            .combine_chunks()
            .take(pc.index_in(self.units.image_hashes, value_set=hashes))
        )

    def _embedded_units(self) -> ContentGroups:
        """The units, without the contents of a modality that was not embedded."""
        nowhere = np.full(len(self.units.rows), -1)
        text = self.units.text if len(self.text_vectors) else nowhere
        image = self.units.image if len(self.image_vectors) else nowhere
        return replace(self.units, text=text, image=image)

    def _levels(self, judge: JudgeModel) -> npt.NDArray[np.float32] | None:
        if judge.background is None:
            return None
        return judge.background.level(
            self.text_vectors if judge.modality == "text" else self.image_vectors
        )

    def _comparer(self, judge: JudgeModel) -> TextComparison | None:
        """Words weighed as in the corpus that the judge was corrected for, or as in these texts."""
        if not len(self.units.text_hashes):
            return None
        first = pc.index_in(
            self.units.text_hashes, value_set=self.records["text_hash"].combine_chunks()
        )
        return TextComparison(
            self.records["text"].combine_chunks().take(first),
            threads=self.threads,
            document_frequencies=_frequencies(judge) if judge.corrects else None,
        )

    def _items(self, modality: str, hashes: pa.Array) -> list[Any]:
        column = self.records[f"{modality}_hash"].combine_chunks()
        rows = pc.index_in(hashes, value_set=column).to_numpy()
        items = self.items(modality)
        return [items[row] for row in rows]


def _frequencies(judge: JudgeModel) -> DocumentFrequencies:
    """How many texts of the corpus have each word, as a corrected judge keeps it."""
    words = judge.blocks[WHOLE]
    return DocumentFrequencies(words.texts, words.words[:, 0], words.words[:, 1])


def embed_records(
    hashes: pa.Array, items: Sequence[Any], encoder: Encoder, store: VectorStore
) -> npt.NDArray[np.float32]:
    """(n, d) the vector of each distinct hash; zeros where its content could not be embedded."""
    wanted = missing_hashes(hashes, store.hashes())
    for start in range(0, len(wanted), SHARD):
        places = wanted[start : start + SHARD]
        part = hashes.take(pa.array(places))
        tables = []
        for encoded in encoder.encode([items[place] for place in places]):
            tables.append(to_table(part, encoded))
            progress.report("embed", start + len(encoded.positions), len(wanted))
        table = pa.concat_tables(tables)
        if len(table):
            store.append(table.sort_by("content_hash"))
    out = np.zeros((len(hashes), encoder.dimension), np.float32)
    gather_vectors(store.parts(), hashes=hashes, out=out)
    return out
