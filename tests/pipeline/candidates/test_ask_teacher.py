"""A run whose texts meet a student first, and the teacher only where the student sees a pair."""

import json
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline import run
from pipeline.candidates.cascade import PROBE
from pipeline.catalog import Catalog
from pipeline.catalog.summary.run_summary import RunSummary
from pipeline.config.run import RunConfig
from pipeline.errors import ConfigError
from tests.worlds.runs import rows_in, run_config, write_texts

pytestmark = pytest.mark.slow

WORDS = [a + b for a in "bdfgklmnprst" for b in ("ado", "eki", "imo", "oru", "usa")]
TEACHER, STUDENT = {"type": "toy"}, {"type": "toy", "dimension": 64, "sample": 100}


def texts(count: int, seed: int = 0) -> list[str]:
    """Texts of twelve words, every third of which has a copy with a letter or a word changed."""
    generator = random.Random(seed)
    out = []
    for number in range(count):
        words = generator.choices(WORDS, k=12)
        out.append(" ".join([*words, str(number)]))
        if number % 3 == 0:
            at = generator.randrange(12)
            words[at] += words[at][-1] if number % 2 else "s"
            out.append(" ".join([*words, str(number)]))
    return out


def write(folder: Path, rows: list[str]) -> None:
    write_texts(folder / "in.jsonl", rows)


def config(folder: Path, catalog: str = "catalog", **changes: Any) -> RunConfig:
    given = {
        "text_encoder": TEACHER, "student": STUDENT, "index": {"type": "exact"},
        "candidates": {"rare_words": {"enabled": False}},  # what the student itself proposes
        **changes,
    }  # fmt: skip
    return run_config(folder / catalog, rows_in(folder / "in.jsonl"), **given)


def duplicates(folder: Path, catalog: str) -> set[tuple[str, str]]:
    kept = Catalog(folder / catalog)
    rows = kept.read("pairs", run=kept.runs()[0]).to_pylist()
    return {(r["left_id"], r["right_id"]) for r in rows if r["decision"] == "duplicate"}


def rows(folder: Path, catalog: str) -> dict[tuple[str, str], dict[str, Any]]:
    kept = Catalog(folder / catalog)
    found = kept.read("pairs", run=kept.runs()[0]).to_pylist()
    left_out = {"model", "run"}
    return {
        (r["left_id"], r["right_id"]): {k: v for k, v in r.items() if k not in left_out}
        for r in found
    }


@pytest.fixture(scope="module")
def nights(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, RunSummary]:
    folder = tmp_path_factory.mktemp("late")
    write(folder, texts(300))
    summary = run(config(folder))
    run(config(folder, "teacher-only", student=None))
    return folder, summary


def test_the_teacher_sees_few_texts_and_finds_its_duplicates(nights: Any) -> None:
    folder, summary = nights
    told = summary.cascade
    found, alone = duplicates(folder, "catalog"), duplicates(folder, "teacher-only")
    assert len(alone) >= 90
    assert found <= alone
    assert len(found) >= 0.97 * len(alone)
    assert told.choice.measured
    assert told.choice.recall >= 0.96
    assert told.choice.low <= told.choice.recall <= told.choice.high
    assert told.choice.floor >= PROBE
    assert told.choice.duplicates >= 30
    assert 0.3 < told.share_asked < 0.7  # half of the texts have a copy
    assert told.asked == round(told.share_asked * 400)
    assert told.proposed >= len(found)


def test_its_scores_are_those_of_the_teacher_alone(nights: Any) -> None:
    folder, summary = nights
    cascade, alone = rows(folder, "catalog"), rows(folder, "teacher-only")
    assert cascade
    for pair, row in cascade.items():
        assert row == alone[pair]
    kept = Catalog(folder / "teacher-only").runs()[0].summary
    assert summary.models.text == kept.models.text
    assert summary.models.student is not None
    assert kept.models.text is not None
    assert summary.models.student.fingerprint != kept.models.text.fingerprint
    assert kept.cascade is None


def test_what_the_wording_sets_apart_never_meets_the_teacher(tmp_path: Path) -> None:
    """One word of twelve is another: the teacher alone leaves the pair to review."""
    generator = random.Random(9)
    pairs = []
    for number in range(40):
        words = generator.sample(WORDS, k=12)
        changed = [*words[:11], "quux" + str(number)]
        pairs += [" ".join(words), " ".join(changed)]
    same = texts(60)
    write(tmp_path, [*same, *pairs])
    told = run(config(tmp_path)).cascade
    run(config(tmp_path, "teacher-only", student=None))
    apart = {(f"s:{n}", f"s:{n + 1}") for n in range(len(same), len(same) + len(pairs), 2)}
    alone = rows(tmp_path, "teacher-only")
    assert {alone[pair]["decision"] for pair in apart} == {"review"}
    assert not apart & set(rows(tmp_path, "catalog"))
    assert told.asked <= len(same)


def test_the_floor_stands_the_next_night_and_only_new_texts_meet_the_teacher(
    nights: Any, tmp_path: Path
) -> None:
    before = texts(300)
    write(tmp_path, before)
    first = run(config(tmp_path))
    write(tmp_path, [*before, *texts(9, seed=5)])
    second = run(config(tmp_path))
    assert second.cascade.choice == first.cascade.choice
    assert second.cascade.measured_in == first.run
    assert 0 < second.cascade.embedded <= 12
    assert second.reused.standing > 0
    tonight = rows(tmp_path, "catalog")
    run(config(tmp_path), full=True)
    assert rows(tmp_path, "catalog") == tonight


def test_another_target_measures_the_floor_again(tmp_path: Path) -> None:
    write(tmp_path, texts(200))
    first = run(config(tmp_path))
    second = run(config(tmp_path, student=STUDENT | {"target_recall": 0.6}))
    assert second.cascade.measured_in == second.run != first.run
    assert second.cascade.choice.floor > first.cascade.choice.floor


def test_a_student_that_loses_too_much_holds_the_run(tmp_path: Path) -> None:
    write(tmp_path, texts(300))
    held = run(config(tmp_path, student=STUDENT | {"target_recall": 0.4}))
    (gate,) = (g for g in held.gates if g.title == "duplicates past the student")
    assert not gate.passed
    assert gate.value == held.cascade.choice.recall < 0.95
    assert held.status == "held"


def test_vectors_of_both_encoders_are_kept_while_a_run_needs_them(tmp_path: Path) -> None:
    write(tmp_path, texts(60))
    settings = config(tmp_path, retention={"runs": 1, "days": 0})
    for _ in range(3):
        summary = run(settings)
    kept = set(Catalog(tmp_path / "catalog").stored_encoders())
    assert {encoder.fingerprint for _, encoder in summary.models.encoders()} <= kept
    assert summary.cascade.embedded == 0


def test_texts_in_pairs_that_pictures_propose_meet_the_teacher_too(tmp_path: Path) -> None:
    from PIL import Image

    generator = np.random.default_rng(1)
    picture = generator.integers(0, 255, (32, 32, 3), np.uint8)
    Image.fromarray(picture).save(tmp_path / "a.png")
    picture[0, 0] ^= 1
    Image.fromarray(picture).save(tmp_path / "b.png")
    said = texts(40)
    lines = [{"id": str(n), "text": text} for n, text in enumerate(said)]
    lines[1]["image"], lines[5]["image"] = "a.png", "b.png"  # of two texts far apart
    (tmp_path / "in.jsonl").write_text("\n".join(map(json.dumps, lines)))
    source = {
        "type": "jsonl", "name": "s", "path": str(tmp_path / "in.jsonl"),
        "image_root": str(tmp_path), "columns": {"id": "id", "text": "text", "image": "image"},
    }  # fmt: skip
    changes: dict[str, Any] = {"sources": [source], "images": {"workers": 0}}
    run(config(tmp_path, **changes))
    run(config(tmp_path, "teacher-only", student=None, **changes))
    pair = ("s:1", "s:5")
    row, alone = rows(tmp_path, "catalog")[pair], rows(tmp_path, "teacher-only")[pair]
    assert row.pop("proposed_by") == "image"
    assert "image" in alone.pop("proposed_by")  # the teacher proposes it too
    assert row == alone
    assert row["text_cosine"] is not None


def test_texts_that_share_a_rare_word_meet_the_teacher_too(nights: Any, tmp_path: Path) -> None:
    folder, summary = nights
    write(tmp_path, texts(300))
    wider = run(config(tmp_path, candidates={"rare_words": {"enabled": True}}))
    assert wider.counts.rare_word_pairs > 0
    assert wider.cascade.asked >= summary.cascade.asked
    found = rows(tmp_path, "catalog")
    worded = [row for row in found.values() if "rare_word" in row["proposed_by"]]
    assert worded
    assert all(row["text_cosine"] for row in worded)  # zero, had it not met them
    assert duplicates(folder, "catalog") <= duplicates(tmp_path, "catalog")


@pytest.mark.parametrize(
    ("encoder", "said"),
    [({"type": "toy"}, "toy cannot be; state another `type`"),
     ({"type": "static"}, "static needs no student before it; leave `student` out")],
)  # fmt: skip
def test_a_student_that_its_teacher_cannot_have_is_refused(
    encoder: dict[str, Any], said: str
) -> None:
    with pytest.raises(ValueError, match=said) as refused:
        config(Path("x"), text_encoder=encoder, student={"type": "static"})
    assert "student" in str(refused.value)


def test_no_texts_no_cascade(tmp_path: Path) -> None:
    from PIL import Image

    Image.linear_gradient("L").save(tmp_path / "a.png")
    source = {"type": "image_folder", "name": "i", "path": str(tmp_path)}
    summary = run(config(tmp_path, sources=[source], images={"workers": 0}))
    assert summary.cascade is None
    assert summary.counts.records == 1


def test_a_missing_student_is_named_before_any_work(tmp_path: Path) -> None:
    write(tmp_path, texts(5))
    student = {"type": "sentence_transformers", "path": str(tmp_path / "none")}
    from pipeline.errors import EncoderError

    with pytest.raises((EncoderError, ConfigError), match=r"student\.path"):
        run(config(tmp_path, student=student))
