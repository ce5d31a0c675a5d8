"""Self-supervised encoders: trained on records without labels, written to a folder."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from pipeline.arrays import Rows, progress
from pipeline.config import PictureViewSettings, SourceConfig, ViewTrainConfig
from pipeline.encoders import ImageRef, core_count
from pipeline.errors import ConfigError
from pipeline.evaluation import PICTURE_EDITS, TEXT_EDITS
from pipeline.ingestion import SourceBatch, content_hash, open_source, record_texts
from pipeline.outputs import HeldBackFigures, ViewEpoch, ViewTrainingSummary
from pipeline.storage import to_json

if TYPE_CHECKING:
    from pipeline.training.self_supervised.picture_views import Photographs


_SHARD = 4096
_FEWEST = 8  # records, below which nothing is trained
_CARD = "README.md"


@dataclass(frozen=True)
class TrainingRecords:
    """Records to learn from.

    Attributes:
        items: texts, or references to pictures.
        group: (n,) numbers; records of one may show the same. groups: of them.
        read: records that the sources delivered; rejected: rows that they refused.
    """

    items: list[Any]
    group: Rows
    groups: int
    read: int
    rejected: int


def train_self_supervised(config: ViewTrainConfig, *, dry_run: bool = False) -> ViewTrainingSummary:
    """Train an encoder on edited views of the records and write its folder.

    Args:
        dry_run: read the records, say what would be learned from, write nothing.

    Raises:
        ConfigError: there are too few records, or `group` names no attribute of theirs.
        TrainingError: the loss became no number.
    """
    material = read_training_records(config)
    from pipeline.training.self_supervised.views import split_views

    train, held = split_views(material.group, held_back=config.held_back, seed=config.seed)
    plan = ViewTrainingSummary(
        name=config.name,
        purpose=config.purpose,
        views=config.views.type,
        objective=config.learning.objective,
        out=config.out,
        read=material.read,
        rejected=material.rejected,
        records=len(material.items),
        groups=material.groups,
        trained_on=len(train),
        held_back=len(held),
    )
    if dry_run:
        return plan
    from pipeline.training.siamese.runtime import library_versions, silence, torch_settings

    with silence(), torch_settings(core_count(None), seed=config.seed):
        pictures = isinstance(config.views, PictureViewSettings)
        learned = (_pictures if pictures else _texts)(config, material, train, held)
    summary = replace(
        plan,
        versions=library_versions(),
        settings=config.model_dump(mode="json"),
        unreadable=learned.unreadable,
        history=learned.history,
        held_back_figures=learned.figures,
    )
    folder = Path(config.out)
    (folder / "training.json").write_text(to_json(summary))
    (folder / _CARD).write_text(view_model_card(config, summary))
    return summary


def read_training_records(config: ViewTrainConfig) -> TrainingRecords:
    """Every content once, those of smallest hash where there are more than `most`.

    Raises:
        ConfigError: there are too few records, or `group` names no attribute of theirs.
    """
    found: dict[str, tuple[Any, str]] = {}
    read = rejected = 0
    for source, batch in _batches(config):
        rejected += batch.rejected.num_rows
        read += batch.rows.num_rows
        for digest, item, group in _items(config, source, batch.rows):
            found.setdefault(digest, (item, group))
        if len(found) > 2 * config.most:
            found = dict(sorted(found.items(), key=lambda pair: pair[0])[: config.most])
    kept = sorted(found.items(), key=lambda pair: pair[0])[: config.most]
    if len(kept) < _FEWEST:
        raise ConfigError(
            f"sources: {len(kept)} {config.views.type} to learn from, at least {_FEWEST} are needed"
        )
    names = [group or f"\0{digest}" for digest, (_, group) in kept]
    if config.group and not any(group for _, (_, group) in kept):
        raise ConfigError(
            f"group: no record has the attribute {config.group!r}; name one of the columns that "
            "the sources keep"
        )
    distinct, number = np.unique(names, return_inverse=True)
    items = [item for _, (item, _) in kept]
    return TrainingRecords(items, number.astype(np.int64), len(distinct), read, rejected)


def _batches(config: ViewTrainConfig) -> Iterator[tuple[SourceConfig, SourceBatch]]:
    for source in config.sources:
        for batch in open_source(source).batches(rows=_SHARD):
            yield source, batch


def _items(
    config: ViewTrainConfig, source: SourceConfig, rows: pa.Table
) -> Iterator[tuple[str, Any, str]]:
    """(content hash, item, group or empty) of the rows that have the modality."""
    groups = [dict(row or ()).get(config.group) or "" for row in rows["attributes"].to_pylist()]
    if config.views.type == "texts":
        texts = record_texts(rows)
        for item, digest, group in zip(
            texts.text.to_pylist(), texts.hash.to_pylist(), groups, strict=True
        ):
            if item:
                yield digest, item, group
        return
    for uri, data, group in zip(
        rows["image_uri"].to_pylist(), rows["image_bytes"].to_pylist(), groups, strict=True
    ):
        if uri or data:
            # A picture in a file is named by its address: reading all to hash them costs a pass.
            (digest,) = content_hash(pa.array([uri or data])).to_pylist()
            yield digest, ImageRef(uri, data, source.storage_options), group


# --- the two kinds -----------------------------------------------------------------------------


@dataclass(frozen=True)
class _Learned:
    """Every epoch, figures 'before' and 'after' on held-back records, pictures not decoded."""

    history: tuple[ViewEpoch, ...]
    figures: dict[str, HeldBackFigures]
    unreadable: int = 0


def _pictures(
    config: ViewTrainConfig, material: TrainingRecords, train: Rows, held: Rows
) -> _Learned:
    from pipeline.encoders import CALIBRATED, CopyNetwork
    from pipeline.training.self_supervised import fit
    from pipeline.training.self_supervised.picture_views import (
        Photographs,
        PictureViews as Dataset,
        picture_step,
    )
    from pipeline.training.self_supervised.scenes import known_strangers

    views = config.views
    assert isinstance(views, PictureViewSettings)
    photographs = Photographs(material.items, material.group, config.images)
    unreadable = _drop_unreadable(photographs, views.train_size)
    keep = np.setdiff1d(np.arange(len(material.items)), unreadable)
    train, held = np.intersect1d(train, keep), np.intersect1d(held, keep)

    def data(rows: Rows, size: int) -> Any:
        part = photographs.part(rows)
        made = Dataset(part, size=size, seed=config.seed, edits=views.edits or tuple(PICTURE_EDITS))
        apart = partial(known_strangers, part, threads=core_count(None))
        return fit.ViewData(made, picture_step, part.group, views.workers, apart)

    epochs = config.learning.epochs
    if views.start:
        network = CopyNetwork.load(views.start)
    else:
        network = fit.copy_network(image_size=views.image_size, dimension=views.dimension)
        fit.whiten(network, data(train, views.train_size), epoch=epochs)
    network.freeze()
    learned = _learn(config, network, data(train, views.train_size), data(held, network.image_size))
    some = data(train[:CALIBRATED], network.image_size)
    pixels = [step["pixel_values"] for _, step in some.each(np.arange(len(some.group)), epoch=0)]
    network.measure_ranges(np.concatenate([x.numpy() for x in pixels]))
    network.save(config.out)
    return replace(learned, unreadable=len(unreadable))


def _drop_unreadable(photographs: Photographs, size: int) -> Rows:
    """Rows that cannot be decoded."""
    from pipeline.ingestion import ImageError

    bad = []
    for row in range(len(photographs.refs)):
        try:
            photographs.picture(row, size=size)
        except ImageError:
            bad.append(row)
        progress.report("read", row + 1, len(photographs.refs))
    return np.array(bad, np.int64)


def _texts(config: ViewTrainConfig, material: TrainingRecords, train: Rows, held: Rows) -> _Learned:
    from pipeline.encoders import load_model, verify_folder
    from pipeline.training.self_supervised import fit
    from pipeline.training.self_supervised.text_views import TextViews, text_step

    views = config.views
    assert not isinstance(views, PictureViewSettings)
    path = getattr(views.start, "path", None)
    encoder = load_model(Path(path) if path else verify_folder())
    collate = text_step(encoder, max_tokens=views.max_tokens)

    def data(rows: Rows) -> Any:
        texts = [material.items[row] for row in rows.tolist()]
        made = TextViews(texts, seed=config.seed, edits=views.edits or tuple(TEXT_EDITS))
        return fit.ViewData(made, collate, material.group[rows], 0)

    learned = _learn(config, encoder, data(train), data(held))
    Path(config.out).mkdir(parents=True, exist_ok=True)
    encoder.save(config.out, create_model_card=False)
    return learned


def _learn(config: ViewTrainConfig, encoder: Any, train: Any, held: Any) -> _Learned:
    """Train, and measure on the held-back records before and after."""
    from pipeline.training.self_supervised import fit

    epochs = config.learning.epochs
    measured: dict[str, HeldBackFigures] = {}

    def measure(name: str) -> None:
        if len(held.group) > 1:
            measured[name] = fit.measure_held_back(encoder, held, epoch=epochs + 2)

    measure("before")
    history = fit.fit_views(encoder, train, config.learning, seed=config.seed, each=_say)
    measure("after")
    return _Learned(history, measured)


def _say(entry: ViewEpoch) -> None:
    progress.say(f"epoch {entry.epoch}: loss {entry.loss:.3f}, after {entry.seconds:.0f} s")


# --- the card ----------------------------------------------------------------------------------


def view_model_card(config: ViewTrainConfig, facts: ViewTrainingSummary) -> str:
    """The model card: data, recipe, figures, limits."""
    rows = [
        f"| {name} | {found.average_precision:.3f} | {found.recall_at_precision_999:.3f} |"
        for name, found in facts.held_back_figures.items()
    ]
    table = ["| | average precision | recall at precision 0.999 |", "|---|---|---|", *rows]
    learning = config.learning
    sources = ", ".join(source.name for source in config.sources)
    lines = [
        f"# {facts.name}",
        "",
        f"A Siamese encoder of {facts.views}, trained without labels on two edited views of "
        f"each record ({facts.objective}), for {facts.purpose}.",
        "",
        f"Learned from {facts.trained_on:,} of {facts.records:,} records ({sources}); whole "
        f"groups, {facts.held_back:,} records, were held back and only measure:",
        "",
        *(table if rows else ["nothing was held back, so nothing is measured"]),
        "",
        f"{learning.epochs} epochs of steps of {learning.batch_size} records, learning rate "
        f"{learning.learning_rate:g}, seed {config.seed}. The whole recipe and "
        "the versions are in training.json.",
        "",
        "Views are edits that a program makes; copies that people make differ in other ways. The "
        "figures say how views find each other, not how copies do. The cosines of this encoder "
        "have thresholds of their own: those of another model are wrong for it.",
        "",
        "Not for identifying persons, nor for deciding on anybody's access, admission or rights: "
        "that two pictures or texts are alike says nothing of who is in them.",
    ]
    return "\n".join(lines) + "\n"
