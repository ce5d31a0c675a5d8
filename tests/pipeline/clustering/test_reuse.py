"""What did not change has last night's rows, and these are the rows it would get."""

from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import example, given, settings, strategies as st

from pipeline.candidates.content_groups import ContentGroups
from pipeline.clustering.clusters import cluster_tables
from pipeline.clustering.links import Links
from pipeline.clustering.reuse import cluster_touched
from pipeline.config.run import ClusterSettings
from pipeline.labels.verdicts import Verdicts, changed_pairs, settle_verdicts
from pipeline.storage.schemas import LABELS
from tests.worlds.scored_pairs import scored

Content = dict[str, int]  # record -> its text's number
Pairs = dict[tuple[int, int], float]  # texts -> probability


def inputs(
    content: Content, pairs: Pairs, labels: pa.Table
) -> tuple[tuple[pa.Table, ContentGroups, Links], Verdicts]:
    """Records, units and links of a night, and its verdicts."""
    ids = sorted(content)
    texts = np.array([content[i] for i in ids], np.int64)
    leader = np.array([ids.index(min(i for i in ids if content[i] == t)) for t in texts], np.int64)
    rows = np.unique(leader)
    number = {int(texts[row]): n for n, row in enumerate(rows)}
    found = sorted(
        (min(number[a], number[b]), max(number[a], number[b]), p)
        for (a, b), p in pairs.items() if a in number and b in number
    )  # fmt: skip
    left, right, probability = (
        np.array([f[n] for f in found], kind) for n, kind in enumerate((np.int64, np.int64, float))
    )
    links = scored(left, right, probability)
    nothing, no = np.full(len(rows), -1), np.zeros(len(rows), bool)
    none = pa.array([], pa.string())
    units = ContentGroups(
        leader, rows, np.arange(len(rows)), nothing, none, none, texts[rows] % 3 == 0, no
    )
    records = pa.table(
        {
            "record_id": pa.array(ids, pa.string()),
            "source": pa.array([i[0] for i in ids], pa.string()),
            "text": pa.array([f"the text {t}" + " more" * (t % 2) for t in texts], pa.string()),
            "image_width": pa.array([None] * len(ids), pa.int32()),
            "image_height": pa.array([None] * len(ids), pa.int32()),
            "image_effective_side": pa.array([None] * len(ids), pa.float32()),
            "timestamp": pa.array([None] * len(ids), pa.timestamp("us", tz="UTC")),
        }
    )
    verdicts = settle_verdicts(labels, records["record_id"].combine_chunks())
    return (records, units, links), verdicts


def touched(old: Content, new: Content, was: Pairs, now: Pairs, units: ContentGroups) -> np.ndarray:
    """Units with a record that is new or has another text, or whose text has another pair."""
    ids = sorted(new)
    records = np.array([old.get(i) != new[i] for i in ids], bool)
    before, after = set(old.values()), set(new.values())

    def around(text: int, pairs: Pairs, there: set[int]) -> set[Any]:
        return {(k, v) for k, v in pairs.items() if text in k and set(k) <= there}

    moved = np.array([around(new[i], was, before) != around(new[i], now, after) for i in ids], bool)
    found = np.zeros(len(units.rows), bool)
    found[units.group_of_record[records | moved]] = True
    return found


names = st.sampled_from([f"{'abc'[n % 3]}:{n:02}" for n in range(12)])
text = st.integers(0, 8)
contents = st.dictionaries(names, text, max_size=12)
judged = st.sampled_from([0.2, 0.6, 0.9, 0.95, 0.9999])
pairings = st.dictionaries(st.tuples(text, text).filter(lambda p: p[0] < p[1]), judged, max_size=14)
said = st.lists(st.tuples(names, names, st.sampled_from(["same", "different", "related"])),
                max_size=5)  # fmt: skip


def labels(given_pairs: list[tuple[str, str, str]]) -> pa.Table:
    rows = [
        {"left_id": a, "right_id": b, "label": w, "by": "ann", "at": n, "origin": "import",
         "note": None}
        for n, (a, b, w) in enumerate(given_pairs)
    ]  # fmt: skip
    return pa.Table.from_pylist(rows, LABELS)


def as_sets(table: pa.Table, number: list[Any]) -> list[list[int]]:
    return sorted([n for n, c in enumerate(number) if c == one] for one in set(number))


@pytest.mark.slow
@example(  # the record of a verdict is gone, and with it why a copy was kept apart
    {"a:00": 0, "a:06": 5, "b:01": 0, "c:02": 0, "a:09": 5}, {"a:00": 0}, {}, {},
    [("a:00", "a:09", "different")], [], "a",
)  # fmt: skip
@given(contents, contents, pairings, pairings, said, said, st.sampled_from(["", "a", "ab", "abc"]))
@settings(max_examples=300, deadline=None)
def test_taking_over_what_did_not_change_changes_nothing(
    old: Content, changes: Content, was: Pairs, more: Pairs, first: Any, then: Any,
    free: str,
) -> None:  # fmt: skip
    policy = ClusterSettings.model_validate({"keeper": ("most_central", "longest_text")})
    keep = {record: t for record, t in old.items() if record not in list(changes)[::2]}
    new = {**keep, **dict(list(changes.items())[1::2])}
    now = {
        **{k: v for k, v in was.items() if k not in list(more)[::2]},
        **dict(list(more.items())[1::2]),
    }
    all_said = labels([*first, *then])
    night, verdicts = inputs(old, was, labels(first))
    before, cut_before = cluster_tables(*night, policy, verdicts, duplicate_free=free)
    tonight, verdicts = inputs(new, now, all_said)
    whole, cut = cluster_tables(*tonight, policy, verdicts, duplicate_free=free)
    gone = pa.array(sorted(set(old) - set(new)), pa.string())
    named = set(changed_pairs(labels(first), all_said, gone=gone).to_pylist())
    units = tonight[1]
    open_units = touched(old, new, was, now, units)
    at = [n for n, record in enumerate(sorted(new)) if record in named]
    open_units[units.group_of_record[at]] = True
    rows, group, cuts = cluster_touched(
        *tonight, policy, verdicts, touched=open_units, previous=before, previous_cut=cut_before,
        duplicate_free=free,
    )  # fmt: skip
    columns = [name for name in whole.column_names if name != "cluster_id"]
    assert rows.select(columns).to_pylist() == whole.select(columns).to_pylist()
    assert as_sets(rows, group.tolist()) == as_sets(whole, whole["cluster_id"].to_pylist())
    assert cuts.to_pylist() == cut.to_pylist()


def test_an_untouched_component_is_not_clustered_again(monkeypatch: Any) -> None:
    from pipeline.clustering import reuse

    texts = {f"s:{n:02}": n for n in range(9)}
    pairs: Pairs = {(n, n + 1): 0.95 for n in (0, 3, 6)}
    night, verdicts = inputs(texts, pairs, labels([]))
    before, cut = cluster_tables(*night, ClusterSettings(), verdicts)
    seen: list[list[str]] = []

    def watched(records: pa.Table, *rest: Any, **more: Any) -> Any:
        seen.append(records["record_id"].to_pylist())
        return cluster_tables(records, *rest, **more)

    monkeypatch.setattr(reuse, "cluster_tables", watched)
    open_units = np.arange(9) == 4
    cluster_touched(*night, ClusterSettings(), verdicts, touched=open_units, previous=before,
              previous_cut=cut)  # fmt: skip
    assert seen == [["s:03", "s:04"]]
    assert isinstance(verdicts, Verdicts)
