"""Night after night of changes: what a night publishes is what computing all anew would publish."""

import atexit
import json
import random
import shutil
import tempfile
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, Phase, settings, strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from PIL import Image

from pipeline import run
from pipeline.catalog import Catalog
from pipeline.config.finetune import TrainConfig
from pipeline.config.run import RunConfig
from pipeline.storage.schemas import LABELS
from pipeline.training.finetuning import finetune
from tests.worlds.runs import rows_in, run_config, write_jsonl

pytestmark = pytest.mark.slow

NAMES = "amber basin cedar delta ember fjord grove haven inlet jetty knoll ledge"
WORDS = NAMES.split()
# When a row was made or seen, and by which run, is not what is compared.
LEFT_OUT = {"run", "first_seen", "last_seen"}
TABLES = ("records", "quarantine", "pairs", "clusters", "cut_links", "near_pairs")
PICTURES = 6


def sentence(seed: int) -> str:
    generator = random.Random(seed)
    count = generator.choice([3, 12, 12, 30])
    return " ".join(generator.choices(WORDS, k=count)) + f" {seed % 5}"


def draw(folder: Path) -> None:
    """Pictures in pairs that are near copies, and one without any detail."""
    for number in range(PICTURES):
        generator = random.Random(number // 2)
        picture = Image.new("RGB", (32, 32))
        colours = [tuple(generator.randrange(256) for _ in range(3)) for _ in range(1024)]
        picture.putdata(colours)
        picture.putpixel((0, 0), (number, 0, 0))
        picture.save(folder / f"p{number}.png")
    Image.new("RGB", (32, 32), (9, 9, 9)).save(folder / "blank.png")


def config(folder: Path, catalog: Path, *, complete: bool = False, **changes: Any) -> RunConfig:
    columns = {"id": "id", "text": "text", "image": "image"}
    source = rows_in(
        folder / "in.jsonl", columns=columns, image_root=str(folder), complete=complete
    )
    given = {
        "index": {"type": "exact"},
        "candidates": {"lexical": {"min_tokens": 20}},
        "gates": {"max_quarantined": 1.0},
        **changes,
    }
    return run_config(catalog, source, **given)


def published(catalog: Path) -> dict[str, list[dict[str, Any]]]:
    kept = Catalog(catalog)
    newest = kept.runs()[0]
    assert newest.status in ("published", "held")
    out = {}
    for name in TABLES:
        table: pa.Table = kept.read(name, run=newest)
        table = table.drop_columns([c for c in table.column_names if c in LEFT_OUT])
        out[name] = sorted(table.to_pylist(), key=lambda row: json.dumps(row, default=str))
    return out


@lru_cache
def models() -> Path:
    """A registry of two fine-tuned models, each with an encoder and a head of its own."""
    folder = Path(tempfile.mkdtemp(prefix="gemel-models-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    rows = ["left,right,label"]
    for number in range(80):
        text, other = sentence(number), sentence(number + 1000)
        rows += [f"{text},{text.replace('e', '', 1)},1", f"{text},{other},0"]
    (folder / "pairs.csv").write_text("\n".join(rows) + "\n")
    path = str(folder / "pairs.csv")
    inline = {"type": "inline", "path": path, "left_text": ["left"], "right_text": ["right"]}
    for name, dimension, kind in (("one", 256, "linear"), ("two", 128, "similarity")):
        finetune(
            TrainConfig.model_validate(
                {
                    "name": name,
                    "catalog": str(folder / "catalog"),
                    "labels": [inline],
                    "encoder": {"train": False, "start": {"type": "toy", "dimension": dimension}},
                    "judge": {"kind": kind},
                    "threads": 1,
                    "images": {"workers": 0},
                }
            )
        )
    return folder / "catalog" / "models"


class Nights(RuleBasedStateMachine):
    """Records come, change and go, verdicts, thresholds and models too; each night is run twice."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="gemel-nights-"))
        draw(self.folder)
        self.records: dict[str, dict[str, Any]] = {}
        self.accept = 0.9
        self.crowd = 1000
        self.dimension = 256
        self.student = False
        self.model = "none"
        self.said = 0
        self.changed = False
        self.nights = 0

    def teardown(self) -> None:
        shutil.rmtree(self.folder)

    @initialize()
    def begin(self) -> None:
        shutil.copytree(models(), self.folder / "catalog" / "models")
        for number in range(12):
            self.add(number, number % 5, None)

    @rule(
        number=st.integers(0, 30),
        seed=st.integers(0, 9),
        picture=st.sampled_from([None, None, "blank.png", *(f"p{n}.png" for n in range(PICTURES))]),
    )
    def add(self, number: int, seed: int, picture: str | None) -> None:
        """A new record, or another content under a known id."""
        row = {"id": f"r{number}", "text": sentence(seed), "image": picture}
        self.records[str(row["id"])] = row
        self.changed = True

    @rule(number=st.integers(0, 30), seed=st.integers(0, 9))
    def nearly(self, number: int, seed: int) -> None:
        """A near copy of a text that others may have too."""
        row = {"id": f"n{number}", "text": sentence(seed).replace("e", "", 1), "image": None}
        self.records[str(row["id"])] = row
        self.changed = True

    @rule(number=st.integers(0, 30), kind=st.sampled_from("rn"))
    def delete(self, number: int, kind: str) -> None:
        self.changed |= self.records.pop(f"{kind}{number}", None) is not None

    @rule(accept=st.sampled_from([0.8, 0.9, 0.95]))
    def move_threshold(self, accept: float) -> None:
        self.changed |= accept != self.accept
        self.accept = accept

    @rule(crowd=st.sampled_from([3, 1000]))
    def change_crowds(self, crowd: int) -> None:
        self.changed |= crowd != self.crowd
        self.crowd = crowd

    @rule(dimension=st.sampled_from([64, 256]))
    def change_encoder(self, dimension: int) -> None:
        self.changed |= dimension != self.dimension
        self.dimension = dimension

    @rule(student=st.booleans())
    def put_a_student_before_it(self, student: bool) -> None:
        self.changed |= student != self.student
        self.student = student

    @rule(model=st.sampled_from(["none", "one", "two"]))
    def change_model(self, model: str) -> None:
        """Another registered model, its encoder with it, or the stated defaults."""
        self.changed |= model != self.model
        self.model = model

    @rule(
        left=st.integers(0, 30), right=st.integers(0, 30),
        label=st.sampled_from(["same", "different", "related", "unsure"]),
    )  # fmt: skip
    def say(self, left: int, right: int, label: str) -> None:
        """A person's verdict, on records that may not exist."""
        if left == right or not self.nights:
            return
        self.said += 1
        row = {
            "left_id": f"s:r{min(left, right)}", "right_id": f"s:r{max(left, right)}",
            "label": label, "by": "ann", "origin": "import", "note": None,
            "at": datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=self.said),
        }  # fmt: skip
        tables = Catalog(self.folder / "catalog").tables
        tables.append("labels", pa.Table.from_pylist([row], schema=LABELS))
        self.changed = True

    def _encoders(self) -> dict[str, Any]:
        teacher = {"type": "toy", "dimension": self.dimension}
        student = {"type": "toy", "dimension": 32, "sample": 100}
        return {"text_encoder": teacher, "student": student if self.student else None}

    @invariant()
    def tonight_equals_a_rebuild(self) -> None:
        if not self.changed or not self.records:
            return
        self.changed = False
        self.nights += 1
        lines = (json.dumps(row) + "\n" for row in self.records.values())
        (self.folder / "in.jsonl").write_text("".join(lines))
        catalog, copy = self.folder / "catalog", self.folder / "copy"
        changes: dict[str, Any] = {
            "judge": {"accept": self.accept},
            "candidates": {"lexical": {"min_tokens": 20}, "max_neighbours": self.crowd},
            "complete": True,
            **self._encoders(),
            "model": self.model,
        }
        shutil.rmtree(copy, ignore_errors=True)
        if catalog.exists():
            shutil.copytree(catalog, copy)
        run(config(self.folder, catalog, **changes))
        run(config(self.folder, copy, **changes), full=True)
        tonight, rebuilt = published(catalog), published(copy)
        for name in TABLES:
            assert tonight[name] == rebuilt[name], name


Nights.TestCase.settings = settings(
    max_examples=3,
    stateful_step_count=8,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    derandomize=True,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],  # shrinking runs hundreds of nights
)
TestNights = Nights.TestCase


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    draw(tmp_path)
    return tmp_path


def test_only_what_changed_is_searched_and_judged(folder: Path) -> None:
    rows = [{"id": f"r{n}", "text": sentence(n * 7), "image": None} for n in range(60)]
    rows += [{"id": f"n{n}", "text": sentence(n * 7).replace("e", "", 1)} for n in range(20)]
    write_jsonl(folder / "in.jsonl", rows)
    first = run(config(folder, folder / "catalog"))
    assert first.reused.standing == 0
    rows[0]["text"] = sentence(7).replace("a", "", 1)
    write_jsonl(folder / "in.jsonl", rows)
    second = run(config(folder, folder / "catalog"))
    assert second.reused.searched.text == 1
    assert second.reused.searched_all == {}
    assert second.reused.judged_all is None
    assert 0 < second.reused.judged < second.reused.standing
    assert second.counts.texts_embedded == 1


def proposals(catalog: Path) -> dict[tuple[str, str], str]:
    return {
        (row["left_id"], row["right_id"]): row["proposed_by"]
        for row in published(catalog)["pairs"]
        if row["proposed_by"] != "exact"
    }


def test_a_rare_word_that_becomes_common_proposes_no_longer(folder: Path) -> None:
    """And one that two known records shared with too many proposes once it is rare."""
    changes: dict[str, Any] = {
        "text_encoder": {"type": "toy", "dimension": 256},
        "candidates": {"text_floor": 0.99, "rare_words": {"max_texts": 3}},
        "complete": True,
        "gates": {"max_quarantined": 1.0, "max_in_review": 1.0},
    }

    def row(number: int, word: str) -> dict[str, Any]:
        own = " ".join(f"{letters}{number}" for letters in ("ka", "lo", "mi", "nu"))
        return {"id": f"r{number}", "text": f"{word} {own}", "image": None}

    def night(rows: list[dict[str, Any]]) -> Any:
        write_jsonl(folder / "in.jsonl", rows)
        summary = run(config(folder, folder / "catalog", **changes))
        shutil.copytree(folder / "catalog", folder / "copy", dirs_exist_ok=True)
        run(config(folder, folder / "copy", **changes), full=True)
        for name in TABLES:
            assert published(folder / "catalog")[name] == published(folder / "copy")[name], name
        shutil.rmtree(folder / "copy")
        return summary

    rows = [row(0, "vespucci"), row(1, "vespucci"), *(row(n, "lantern") for n in range(2, 6))]
    first = night(rows)
    assert proposals(folder / "catalog") == {("s:r0", "s:r1"): "rare_word"}
    assert (first.counts.rare_word_pairs, first.counts.common_words) == (1, 1)
    second = night([*rows[:-1], row(6, "vespucci"), row(7, "vespucci")])
    assert set(proposals(folder / "catalog")) == {
        (f"s:r{a}", f"s:r{b}") for a, b in ((2, 3), (2, 4), (3, 4))
    }
    assert (second.reused.judged, second.reused.standing) == (3, 0)
    third = night([*rows[:-1], row(6, "vespucci"), row(7, "vespucci"), row(8, "other")])
    assert (third.reused.judged, third.reused.standing) == (0, 3)


def test_another_judge_judges_all_and_says_why(folder: Path) -> None:
    rows = [{"id": f"r{n}", "text": sentence(n), "image": None} for n in range(30)]
    write_jsonl(folder / "in.jsonl", rows)
    run(config(folder, folder / "catalog"))
    summary = run(config(folder, folder / "catalog", judge={"accept": 0.8}))
    assert summary.reused.standing == 0
    assert "judge" in summary.reused.judged_all
    assert summary.reused.searched_all == {}


def test_another_measure_of_a_picture_alone_names_another_keeper(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [{"id": f"r{n}", "text": sentence(2), "image": f"p{n}.png"} for n in range(2)]
    write_jsonl(folder / "in.jsonl", rows)
    judge = {"accept": 0.9, "image": {"accept": 0.9, "review": 0.5}}
    clustering = {"keeper": ["highest_resolution"]}

    def kept(*, sharp: int) -> set[str]:
        def measure(image: Image.Image) -> float:
            pixel = image.getpixel((0, 0))
            return 32.0 if pixel == (sharp, 0, 0) else 8.0

        monkeypatch.setattr("pipeline.ingestion.decoding.effective_resolution", measure)
        monkeypatch.setattr(
            "pipeline.ingestion.file_stamps.decoding_rules", lambda _settings: f"rules {sharp}"
        )
        run(config(folder, folder / "catalog", judge=judge, clustering=clustering))
        return {row["representative"] for row in published(folder / "catalog")["clusters"]}

    assert kept(sharp=0) == {"s:r0"}
    assert kept(sharp=1) == {"s:r1"}


def near_texts(catalog: Path) -> set[tuple[int, int]]:
    kept = Catalog(catalog)
    rows = kept.read("near_pairs", run=kept.runs()[0]).to_pylist()
    return {(row["left"], row["right"]) for row in rows if row["kind"] == "text"}


def test_an_approximate_index_misses_no_more_than_its_recall_says(folder: Path) -> None:
    lists: dict[str, Any] = {
        "index": {"type": "faiss", "exact_below": 0, "target_recall": 0.9},
        "candidates": {"recall_sample": 1000, "lexical": {"enabled": False}},
        "gates": {"max_quarantined": 1.0, "min_candidate_recall": 0.0, "max_in_review": 1.0},
    }
    rows: list[dict[str, Any]]
    rows = [{"id": f"r{n}", "text": sentence(n * 7), "image": None} for n in range(900)]
    rows += [{**row, "id": f"n{row['id']}", "text": row["text"][1:]} for row in rows[:300]]
    write_jsonl(folder / "in.jsonl", rows)
    run(config(folder, folder / "catalog", **lists))
    for row in rows[:50]:
        row["text"] = row["text"][:-3]
    write_jsonl(folder / "in.jsonl", rows)
    shutil.copytree(folder / "catalog", folder / "copy")
    tonight = run(config(folder, folder / "catalog", **lists))
    rebuilt = run(config(folder, folder / "copy", **lists), full=True)
    assert tonight.reused.searched_all == {}
    found, again = near_texts(folder / "catalog"), near_texts(folder / "copy")
    # Every content is in the sample, so the recall is that of all true pairs.
    true = len(again) / rebuilt.recall.text.recall
    for one, other, summary in ((found, again, tonight), (again, found, rebuilt)):
        missed = 1 - summary.recall.text.recall
        assert len(other - one) <= missed * true + 1
