"""What differs between two texts, on self-made pairs of every kind."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from pipeline.matching.differences.describe import (
    DifferenceReader,
    Differences,
    describe_differences,
)
from pipeline.matching.differences.kinds import BARE, Finding, Kind
from pipeline.matching.differences.spans import SpanComparison

PAIRS = [
    (*head.split(), left, right)
    for line in (Path(__file__).parent / "pairs.txt").read_text("utf-8").splitlines()
    if " || " in line and not line.startswith("#")
    for head, left, right in [line.split(" || ")]
]


def describe(*pairs: tuple[str, str]) -> Differences:
    texts = pa.array([text for pair in pairs for text in pair], pa.string())
    left = np.arange(len(pairs)) * 2
    return describe_differences(texts, left, left + 1, frequencies=None)


def describe_records(left: dict[str, str], right: dict[str, str]) -> Differences:
    fields = pa.array([list(left.items()), list(right.items())], pa.map_(pa.string(), pa.string()))
    texts = pa.array([" ".join(left.values()), " ".join(right.values())])
    one = np.zeros(1, np.int64)
    return describe_differences(texts, one, one + 1, frequencies=None, fields=fields)


@pytest.fixture(scope="module")
def verdicts() -> list[int]:
    return list(describe(*((left, right) for _, _, left, right in PAIRS)).verdict)


def test_what_differs_in_meaning_is_never_harmless(verdicts: list[int]) -> None:
    pairs = zip(PAIRS, verdicts, strict=True)
    assert [pair for pair, verdict in pairs if pair[0] == "D" and verdict == 0] == []


def test_what_says_the_same_is_mostly_harmless(verdicts: list[int]) -> None:
    same = [verdict for pair, verdict in zip(PAIRS, verdicts, strict=True) if pair[0] == "S"]
    assert np.mean(np.array(same) == 0) >= 0.9
    assert np.mean(np.array(same) == 2) <= 0.05


def test_both_directions_agree(verdicts: list[int]) -> None:
    turned = describe(*((right, left) for _, _, left, right in PAIRS)).verdict
    assert np.mean(turned == np.array(verdicts)) >= 0.98


def test_a_person_reads_what_differs() -> None:
    found = describe(("Take 5 mg daily", "Take 10 mg daily"))
    assert found.spans.to_pylist() == ["`5 mg` against `10 mg` (number)"]
    assert found.kinds[0] & Kind.NUMBER
    assert 0.5 < found.verbatim[0] < 1


def test_equal_texts_have_nothing_to_tell() -> None:
    found = describe(("One text", "ONE  text."), ("", ""))
    assert found.verdict.tolist() == [0, 0]
    assert found.verbatim.tolist() == [1, 1]
    assert found.spans.to_pylist() == ["", ""]


def test_values_that_change_places_decide() -> None:
    found = describe_records(
        {"from": "Hamburg", "to": "Lisbon"}, {"from": "Lisbon", "to": "Hamburg"}
    )
    assert found.verdict.tolist() == [2]
    assert found.kinds[0] & Kind.MOVED


def test_a_value_in_another_column_is_another_record() -> None:
    buyer, seller = {"buyer": "Alder GmbH", "seller": ""}, {"buyer": "", "seller": "Alder GmbH"}
    assert describe_records(buyer, seller).verdict.tolist() == [2]


def test_a_column_that_one_record_lacks_is_open() -> None:
    found = describe_records({"name": "Rope", "length": "12 m"}, {"name": "Rope"})
    assert found.verdict.tolist() == [1]
    assert found.kinds[0] & Kind.MISSING


def test_the_column_is_named() -> None:
    found = describe_records({"name": "Rope", "length": "12 m"}, {"name": "rope", "length": "21 m"})
    assert found.spans.to_pylist() == ["`12 m` against `21 m` (number) in *length*"]


@pytest.mark.parametrize("count", [1, 40])
def test_portions_do_not_matter(count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    pairs = [(left, right) for _, _, left, right in PAIRS[:40]]
    whole = describe(*pairs)
    monkeypatch.setattr("pipeline.matching.differences.describe.PORTION", count)
    parts = describe(*pairs)
    assert parts.verdict.tolist() == whole.verdict.tolist()
    assert parts.spans.equals(whole.spans)


def test_no_pairs() -> None:
    none = np.zeros(0, np.int64)
    found = describe_differences(pa.array([], pa.string()), none, none, frequencies=None)
    assert len(found.verdict) == len(found.spans) == 0


def test_equal_spans_are_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[object] = []
    compare = SpanComparison.compare

    def counted(self: SpanComparison, *spans: Any, **context: Any) -> Finding:
        read.append(spans)
        return compare(self, *spans, **context)

    monkeypatch.setattr(SpanComparison, "compare", counted)
    monkeypatch.setattr("pipeline.matching.differences.describe.PORTION", 1000)
    changes = [("cedar", "spruce"), ("opened", "closed"), ("40", "60")]
    once = [(f"a b c d {a} e f g h", f"a b c d {b} e f g h") for a, b in changes]
    describe(*once)
    most = len(read)
    read.clear()
    describe(*(
        (f"Title {number} tells {left}", f"Title {number} tells {right}")
        for number in range(40)
        for left, right in once
    ))  # fmt: skip
    assert len(changes) <= len(read) <= most


def test_processes_of_their_own_find_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.matching.differences.describe.PORTION", 1000)
    texts = pa.array([text for _, _, *pair in PAIRS for text in pair], pa.string())
    left = np.arange(len(PAIRS)) * 2
    with DifferenceReader(workers=2, fewest=1) as reader:
        apart = reader.describe(texts, left, left + 1)
        again = reader.describe(texts, left[:0], left[:0])
    here = DifferenceReader().describe(texts, left, left + 1)
    for name in ("verdict", "verbatim", "kinds", "columns", "spans"):
        assert getattr(apart, name).tolist() == getattr(here, name).tolist(), name
    assert len(again.verdict) == 0


def test_a_record_that_says_one_column_is_told_from_one_that_lacks_a_column() -> None:
    full = {"name": "Kim Joon", "born": "1984", "profession": "actor"}
    bare = describe_records(full, {"name": "Kim Joon"})
    some = describe_records(full, {"name": "Kim Joon", "born": "1984"})
    assert bare.kinds[0] & Kind.MISSING
    assert some.kinds[0] & Kind.MISSING
    assert bare.kinds[0] & BARE
    assert not some.kinds[0] & BARE
    assert bare.verdict[0] == some.verdict[0] == 1
