"""Splits without leaks: whole entities go to train, valid or test, and a check that says so.

An entity is a component of the labelled duplicates, records of equal content counted as one.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipeline.arrays import Flags, Rows, components
from pipeline.config import SplitSettings
from pipeline.ingestion import exact_groups
from pipeline.labels import SPLITS, LabelledPairs, Leak, LeakExample, Leaks, SplitFacts
from pipeline.training.data.split_assignment import NONE, SEVERAL, PairGraph, Shares, assign_splits

EXAMPLES = 10


def entities(pairs: LabelledPairs) -> Rows:
    """(n,) entity number of each record; see `entities_of`."""
    return entities_of(pairs.records, pairs.left[pairs.same], pairs.right[pairs.same])


def entities_of(records: pa.Table, left: Rows, right: Rows) -> Rows:
    """(n,) entity number of each record: components of duplicates, equal contents together."""
    leader = exact_groups(records)
    rows = np.arange(len(leader))
    return components(len(leader), np.append(rows, left), np.append(leader, right))


def split_pairs(pairs: LabelledPairs, settings: SplitSettings, *, seed: int) -> LabelledPairs:
    """Give every pair a split so that no entity is in two; nothing depends on the pairs' order.

    Given splits are kept. Pairs without one follow the given split of their entities; those that
    touch an entity with two given splits are dropped. Where every pair has a split and none is
    'valid', 'valid' is taken out of 'train'. Free entities are assigned by seed so that each
    split's share of the duplicates and of all pairs is near the wanted one; entities that
    negatives join stay together while their group is small, larger groups are grown apart greedily.
    Negatives whose sides fall in different splits are dropped. `facts.split` counts it all.
    """
    place = np.full(len(pairs.split), NONE)
    for number, name in enumerate(SPLITS):
        place[pairs.split == name] = number
    wanted = np.array([1 - settings.valid - settings.test, settings.valid, settings.test])
    carved = len(place) > 0 and not (place == NONE).any() and not (place == 1).any()
    if carved:
        place[place == 0] = NONE
        wanted = np.array([1 - settings.valid, settings.valid, 0.0])
    free = place == NONE
    if not free.any():
        return _stated(pairs, pairs, given=len(place), carved=False, wanted=wanted)
    entity = entities(pairs)
    sides = entity[pairs.left], entity[pairs.right]
    # What is carved out of train stays clear of the rest of train; leaks to test are as given.
    given = np.full(len(place), NONE) if carved else place
    fixed = _stated_splits(sides, given, count=int(entity.max()) + 1)
    assigned = assign_splits(
        PairGraph.of(sides[0][free], sides[1][free], pairs.same[free], count=len(fixed)),
        fixed,
        wanted,
        seed=seed,
    )
    left, right = assigned[sides[0]], assigned[sides[1]]
    place = np.where(free, np.where((left == right) & (left >= 0), left, NONE), place)
    names = np.append(np.array(SPLITS), "")
    done = _kept(replace(pairs, split=names[place]), place >= 0)
    touching = (fixed[sides[0]] == SEVERAL) | (fixed[sides[1]] == SEVERAL)
    return _stated(
        pairs,
        done,
        given=int((~free).sum()),
        carved=carved,
        wanted=wanted,
        ambiguous=int((free & touching & (place < 0)).sum()),
        dropped=int((place < 0).sum()),
    )


def undivided(pairs: LabelledPairs) -> LabelledPairs:
    """Every pair in 'train'."""
    done = replace(pairs, split=np.full(len(pairs.split), SPLITS[0]))
    return _stated(done, done, given=0, carved=False, wanted=np.array([1.0, 0.0, 0.0]))


def record_splits(pairs: LabelledPairs, settings: SplitSettings, *, seed: int) -> dict[str, Rows]:
    """Rows of the records that may be used in each split, ascending.

    Those of its pairs; records in no pair (single members of clusters) are shared out by entity,
    or go where their entity is.
    """
    entity = entities(pairs)
    home = np.full(int(entity.max(initial=-1)) + 1, NONE)
    found = {}
    for place, name in enumerate(SPLITS):
        part = pairs.part(name)
        found[name] = np.union1d(pairs.left[part], pairs.right[part])
        home[entity[found[name]]] = place
    wanted = [1 - settings.valid - settings.test, settings.valid, settings.test]
    drawn = np.random.default_rng(seed).choice(len(SPLITS), size=len(home), p=wanted)
    home = np.where(home == NONE, drawn, home)
    idle = np.setdiff1d(np.arange(len(entity)), np.union1d(pairs.left, pairs.right))
    return {
        name: np.union1d(found[name], idle[home[entity[idle]] == place])
        for place, name in enumerate(SPLITS)
    }


def check_leaks(pairs: LabelledPairs) -> Leaks:
    """Count the records, contents and entities that occur in two splits, with examples.

    Public benchmarks leak records across their official splits: reported, not refused.
    """
    ids = pairs.records["record_id"]
    rows = np.arange(len(ids))
    numbers = rows, exact_groups(pairs.records), entities(pairs)
    member = np.zeros((len(rows), len(SPLITS)), bool)
    for place, name in enumerate(SPLITS):
        part = pairs.part(name)
        member[pairs.left[part], place] = member[pairs.right[part], place] = True
    return Leaks(*(_leak(number, member, ids) for number in numbers))


def _leak(number: Rows, member: Flags, ids: pa.ChunkedArray) -> Leak:
    """What of one kind is in two splits.

    Args:
        number: (n,) of each record's content, entity, or itself. member: (n, 3) its splits.
    """
    held = np.zeros((int(number.max(initial=-1)) + 1, len(SPLITS)), bool)
    np.logical_or.at(held, number, member)
    leaking = np.flatnonzero(held.sum(axis=1) > 1)
    between = {
        f"{SPLITS[i]}/{SPLITS[j]}": int((held[:, i] & held[:, j]).sum())
        for i in range(len(SPLITS))
        for j in range(i + 1, len(SPLITS))
    }
    shown = np.unique(number, return_index=True)
    first = dict(zip(shown[0].tolist(), shown[1].tolist(), strict=True))
    examples = tuple(
        LeakExample(
            ids[first[int(item)]].as_py(),
            tuple(name for name, here in zip(SPLITS, held[item], strict=True) if here),
        )
        for item in leaking[:EXAMPLES]
    )
    return Leak(len(leaking), int(held.any(axis=1).sum()), between, examples)


def _stated_splits(sides: tuple[Rows, Rows], place: Rows, *, count: int) -> Rows:
    """(e,) the given split of each entity, NONE, or SEVERAL."""
    held = np.zeros((count, len(SPLITS)), bool)
    for split in range(len(SPLITS)):
        for side in sides:
            held[side[place == split], split] = True
    number = held.sum(axis=1)
    return np.where(number > 1, SEVERAL, np.where(number == 1, held.argmax(axis=1), NONE))


# --- facts -------------------------------------------------------------------------------------


def _kept(pairs: LabelledPairs, keep: npt.NDArray[np.bool_]) -> LabelledPairs:
    return replace(
        pairs,
        slices={name: values[keep] for name, values in pairs.slices.items()},
        **{
            name: getattr(pairs, name)[keep]
            for name in ("left", "right", "grade", "origin", "split")
        },
    )


def _stated(
    before: LabelledPairs,
    after: LabelledPairs,
    *,
    given: int,
    carved: bool,
    wanted: Shares,
    ambiguous: int = 0,
    dropped: int = 0,
) -> LabelledPairs:
    facts = SplitFacts(
        given=given,
        valid_taken_from_train=carved,
        wanted=dict(zip(SPLITS, wanted.round(6).tolist(), strict=True)),
        dropped=dropped,
        dropped_positives=int(before.same.sum() - after.same.sum()),
        dropped_of_leaking_entities=ambiguous,
        dropped_across=dropped - ambiguous,
        parts=after.sizes(),
    )
    return replace(after, facts=replace(before.facts, split=facts))
