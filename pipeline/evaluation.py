"""How right a run was on labelled pairs, with intervals."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.json
import pyarrow.parquet
from scipy.stats import binomtest

from pipeline.errors import ConfigError

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Labels:
    """Labelled pairs by record id; `same` (p,) is true for duplicates."""

    left: pa.Array
    right: pa.Array
    same: Flags


def read_labels(path: str) -> Labels:
    """Read labelled pairs with the columns left_id, right_id, label (1 or 0).

    Raises:
        ConfigError: the file, a column or a value is not usable.
    """
    columns = {"left_id": pa.string(), "right_id": pa.string()}
    try:
        match Path(path).suffix:
            case ".parquet":
                table = pa.parquet.read_table(path)
            case ".csv":
                types = pa.csv.ConvertOptions(column_types=columns)
                table = pa.csv.read_csv(path, convert_options=types)
            case ".jsonl":
                table = pa.json.read_json(path)
            case suffix:
                raise ConfigError(f"labels: {path} must be .parquet, .csv or .jsonl, not {suffix}")
    except (OSError, pa.ArrowInvalid) as error:
        raise ConfigError(f"labels: cannot read {path}: {error}") from error
    missing = {"left_id", "right_id", "label"} - set(table.column_names)
    if missing:
        raise ConfigError(f"labels: {path} lacks {sorted(missing)}; it has {table.column_names}")
    if not len(table):
        raise ConfigError(f"labels: {path} has no rows; remove the setting, or label some pairs")
    values = table["label"].to_numpy()
    if not np.isin(values, (0, 1)).all():
        raise ConfigError(f"labels: {path} column label must hold 1 (duplicate) or 0 (different)")
    left, right = (table[name].cast(pa.string()).combine_chunks() for name in columns)
    return Labels(left, right, values.astype(bool))


def require_known(labels: Labels, record_ids: pa.Array, *, path: str) -> None:
    """Make sure that some labelled pair names two records of the run.

    Raises:
        ConfigError: none does: the ids are of another kind, or the file is of other data.
    """
    sides = [rows_of(side, record_ids) >= 0 for side in (labels.left, labels.right)]
    if (sides[0] & sides[1]).any():
        return
    ids = pa.concat_arrays([labels.left, labels.right])
    named = pc.unique(ids.filter(pa.array(~np.concatenate(sides))))
    raise ConfigError(
        f"labels: none of the {len(labels.same):,} pairs in {path} names two of the run's "
        f"{len(record_ids):,} records; the file has ids such as {_examples(named)}, the records "
        f"{_examples(record_ids)}: write record ids as source:key"
    )


def _examples(ids: pa.Array) -> str:
    return ", ".join(repr(item) for item in ids.slice(0, 3).to_pylist())


def share(successes: int, trials: int) -> tuple[float, float, float]:
    """A proportion with its 95 % Wilson interval: (value, low, high); (0, 0, 1) of nothing."""
    if not trials:
        return 0.0, 0.0, 1.0
    interval = binomtest(successes, trials).proportion_ci(method="wilson")
    return successes / trials, float(interval.low), float(interval.high)


def pair_metrics(
    labels: Labels,
    *,
    left: npt.NDArray[np.int64],
    right: npt.NDArray[np.int64],
    cluster: npt.NDArray[np.int64],
    score: Floats,
    candidate: Flags,
) -> dict[str, float]:
    """Precision, recall and average precision of a run on labelled pairs.

    Args:
        left, right: (p,) record rows of each labelled pair, -1 where the id is unknown.
        cluster: (n,) cluster number of each record; a pair is predicted when both share one.
        score: (p,) probability of each pair, 0 where it never was a candidate.
        candidate: (p,) whether the pair was a candidate or an exact copy.

    Returns:
        Precision and recall after clustering with lower 95 % bounds, F1, average precision of the
        scores (scikit-learn's step-wise definition) and the recall of positives among candidates.
    """
    from sklearn.metrics import average_precision_score

    known = (left >= 0) & (right >= 0)
    same, score = labels.same[known], score[known]
    predicted = cluster[left[known]] == cluster[right[known]]
    hits = int((predicted & same).sum())
    precision, precision_low, _ = share(hits, int(predicted.sum()))
    recall, recall_low, _ = share(hits, int(same.sum()))
    return {
        "pairs": int(known.sum()),
        "positives": int(same.sum()),
        "unknown": int((~known).sum()),
        "precision": precision,
        "precision_low": precision_low,
        "recall": recall,
        "recall_low": recall_low,
        "f1": 2 * hits / max(int(predicted.sum()) + int(same.sum()), 1),
        "average_precision": float(average_precision_score(same, score)) if same.any() else 0.0,
        "candidate_recall": share(int((candidate[known] & same).sum()), int(same.sum()))[0],
    }


def rows_of(ids: pa.Array, record_ids: pa.Array) -> npt.NDArray[np.int64]:
    """Row of each id among `record_ids`, -1 where it is unknown."""
    place = pc.fill_null(pc.index_in(ids, value_set=record_ids), -1)
    return np.asarray(place.to_numpy(), np.int64)
