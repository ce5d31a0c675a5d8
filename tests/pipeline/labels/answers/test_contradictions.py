"""Contradictions: found where they are, with a chain that explains them; the newest stand."""

from __future__ import annotations

from datetime import UTC, datetime

import networkx
import numpy as np

from pipeline.labels import Answer, AnswerGraph, AnswerLog, overruled_pairs

START = datetime(2026, 1, 1, tzinfo=UTC)


def test_an_answer_contradicts_exactly_when_the_others_say_otherwise() -> None:
    rng = np.random.default_rng(0)
    met = {True: 0, False: 0}
    for _ in range(60):
        log = AnswerLog()
        graph = AnswerGraph(log)
        for _ in range(12):
            left, right = sorted(rng.choice(list("abcdef"), 2, replace=False).tolist())
            label = str(rng.choice(["same", "same", "different", "related"]))
            rows = log.new_step([Answer(left, right, label, "ann", START)])
            log.add(rows)
            graph.update(log, [rows[0].pair])
            found = graph.explain(rows[0])
            others = {one.pair: one.label for one in log.standing() if one.pair != rows[0].pair}
            expected = _against(others, left, right, label)
            assert (found is not None) == expected
            met[expected] += 1
            if found is None:
                continue
            _check_chain(found.chain, left, right, label)
            assert rows[0] not in found.dropped, "the newest stands"
            assert {one.pair for one in found.dropped} <= overruled_pairs(log).keys()
    assert min(met.values()) > 50


def _against(others: dict[tuple[str, str], str], left: str, right: str, label: str) -> bool:
    tied = networkx.Graph()
    tied.add_nodes_from("abcdef")
    tied.add_edges_from(pair for pair, said in others.items() if said == "same")
    if label == "different":
        return bool(networkx.has_path(tied, left, right))
    if label != "same":
        return False
    here, there = (networkx.node_connected_component(tied, end) for end in (left, right))
    return any(
        said == "different" and ((a in here and b in there) or (a in there and b in here))
        for (a, b), said in others.items()
    )


def _check_chain(chain: tuple[Answer, ...], left: str, right: str, label: str) -> None:
    """It leads from the one record to the other, and says the opposite."""
    at = left
    for one in chain:
        assert at in one.pair
        at = one.right if one.left == at else one.left
    assert at == right
    different = sum(one.label == "different" for one in chain)
    assert different == (0 if label == "different" else 1)
    assert sum(one.label == "same" for one in chain) == len(chain) - different
