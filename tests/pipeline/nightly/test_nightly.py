"""The whole run in a plain loop, with toy encoders: what a user relies on, end to end."""

import random
from pathlib import Path
from typing import Any

import pyarrow.compute as pc
import pytest
from hypothesis import HealthCheck, given, settings, strategies as st
from PIL import Image

from pipeline import run
from pipeline.catalog import Catalog
from pipeline.catalog.summary.run_summary import RunSummary
from pipeline.config.outputs import ExportSettings
from pipeline.config.run import RunConfig
from pipeline.errors import CatalogError, ConfigError, EncoderError, SourceError
from pipeline.nightly import STAGES, checks, deliver
from pipeline.nightly.checks import prepare
from pipeline.nightly.deliver import write_export
from pipeline.nightly.recomputation import plan
from pipeline.nightly.state.pinned_models import pin_models
from tests.worlds.pictures import smooth
from tests.worlds.runs import exported, rows_in, run_config, write_jsonl

NAMES = "alpha bravo charlie delta echo foxtrot golf hotel india juliett kilo lima mike november"
WORDS = NAMES.split()


def rows(count: int = 60, seed: int = 1) -> list[dict[str, Any]]:
    """Distinct texts, every third with a copy that has one comma, every fifth with an exact one."""
    generator = random.Random(seed)
    out = []
    for number in range(count):
        text = " ".join(generator.choices(WORDS, k=14)) + f" case {number * 7919}"
        out.append({"id": f"r{number}", "text": text})
        if number % 3 == 0:
            out.append({"id": f"n{number}", "text": text.replace(" ", ", ", 1)})
        if number % 5 == 0:
            out.append({"id": f"x{number}", "text": "  " + text.replace(" ", "   ", 2)})
    return out


def config(folder: Path, path: Path, *, image: str | None = None, **changes: Any) -> RunConfig:
    columns = {"id": "id", "text": "text", "image": image}
    return run_config(folder / "catalog", rows_in(path, columns=columns), **changes)


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> tuple[RunConfig, RunSummary, bytes]:
    folder = tmp_path_factory.mktemp("first")
    made = config(folder, write_jsonl(folder / "in.jsonl", rows()))
    return made, run(made), exported(made, folder / "clusters.csv")


def test_planted_copies_are_found_and_nothing_else(first: Any) -> None:
    made, summary, _ = first
    clusters = Catalog(made.catalog).read("clusters", run=Catalog(made.catalog).run())
    together: dict[str, set[str]] = {}
    for row in clusters.to_pylist():
        together.setdefault(row["cluster_id"], set()).add(row["record_id"].removeprefix("s:")[1:])
    assert all(len(numbers) == 1 for numbers in together.values())
    assert len(together) == 60
    assert summary.counts.removable == 20 + 12
    assert summary.counts.exact_duplicates == 12
    assert summary.counts.rows == summary.counts.records == 92
    assert summary.status == "published"
    assert not summary.calibrated
    assert Path(summary.report).read_text().lstrip().startswith("<!doctype html>")


def test_every_pair_is_once_and_ordered(first: Any) -> None:
    made, _, _ = first
    pairs = Catalog(made.catalog).read("pairs", run=Catalog(made.catalog).run())
    keys = list(zip(pairs["left_id"].to_pylist(), pairs["right_id"].to_pylist(), strict=True))
    assert len(set(keys)) == len(keys)
    assert all(left < right for left, right in keys)
    assert set(pairs["decision"].to_pylist()) <= {"duplicate", "review", "distinct"}
    accepted = pc.greater_equal(pairs["probability"], pairs["threshold"])
    assert accepted.equals(pc.equal(pairs["decision"], "duplicate"))


def test_a_second_run_embeds_nothing_and_says_the_same(first: Any, tmp_path: Path) -> None:
    made, _, before = first
    again = run(made)
    assert again.counts.texts_embedded == 0
    assert exported(made, tmp_path / "again.csv") == before


@pytest.mark.slow
@given(st.randoms(use_true_random=False), st.integers(1, 40), st.sampled_from([1, 2, 3]))
@settings(
    max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_order_shards_and_threads_change_nothing(
    tmp_path_factory: pytest.TempPathFactory,
    first: Any,
    generator: random.Random,
    shard: int,
    threads: int,
) -> None:
    folder = tmp_path_factory.mktemp("shuffled")
    shuffled = rows()
    generator.shuffle(shuffled)
    made = config(
        folder, write_jsonl(folder / "in.jsonl", shuffled), shard_rows=shard, threads=threads
    )
    summary = run(made)
    assert summary.counts.rows == 92
    assert exported(made, folder / "clusters.csv") == first[2]


bad_lines = st.lists(
    st.sampled_from(
        ['{"id": "a", "text": "one two three"}', '{"id": "a", "text": "one two three"}', "{oops",
         "[1]", '{"text": "no id here"}', '{"id": "b"}', '{"id": "c", "text": "   "}',
         '{"id": "d", "text": "four five six seven"}']
    ),
    min_size=1, max_size=25,
)  # fmt: skip


@pytest.mark.slow
@given(bad_lines)
@settings(max_examples=25, deadline=None)
def test_rows_in_are_records_and_quarantine(
    tmp_path_factory: pytest.TempPathFactory, lines: list[str]
) -> None:
    folder = tmp_path_factory.mktemp("bad")
    path = folder / "in.jsonl"
    path.write_text('{"id": "good", "text": "a text to keep"}\n' + "\n".join(lines) + "\n")
    summary = run(config(folder, path, gates={"max_quarantined": 1}))
    counts = summary.counts
    assert counts.rows == len(lines) + 1
    assert counts.records + counts.quarantined == counts.rows
    assert sum(summary.quarantine_reasons.values()) == counts.quarantined


def test_a_run_that_fails_a_gate_is_held_and_last_night_stays(first: Any, tmp_path: Path) -> None:
    path = write_jsonl(tmp_path / "in.jsonl", rows())
    made = config(tmp_path, path)
    published = run(made)
    path.write_text(path.read_text() + "{broken\n" * 60)
    held = run(made)
    assert held.status == "held"
    assert [g.title for g in held.gates if not g.passed] == ["share of rows quarantined"]
    catalog = Catalog(made.catalog)
    assert catalog.run().run == published.run
    assert catalog.runs()[0].run == held.run


@pytest.mark.slow
@pytest.mark.parametrize(
    ("stage", "error", "said"),
    [
        ("ingest", SourceError("the share is gone; mount it"), "the share is gone; mount it"),
        ("score", ValueError("an odd value"), "ValueError: an odd value"),
        ("publish", KeyboardInterrupt(), "stopped by hand (KeyboardInterrupt)"),
    ],
)
def test_a_run_that_raises_leaves_a_row_and_last_night_stays(
    tmp_path: Path, stage: str, error: BaseException, said: str, broken: Any
) -> None:
    made = config(tmp_path, write_jsonl(tmp_path / "in.jsonl", rows(4)))
    published = run(made)
    with broken(stage, error), pytest.raises(type(error)) as raised:
        run(made)
    assert raised.value is error
    catalog = Catalog(made.catalog)
    failed = catalog.runs()[0]
    assert failed.status == failed.summary.status == "failed"
    assert (failed.summary.stage, failed.summary.error) == (stage, said)
    assert failed.config["catalog"] == made.catalog
    assert failed.started < failed.finished
    assert failed.versions == {}
    done = [stage.name for stage in STAGES]
    assert [row.stage for row in failed.summary.stages] == done[: done.index(stage)]
    assert catalog.run().run == published.run
    assert run(made).status == "published"


def test_a_failure_that_cannot_be_recorded_does_not_hide_the_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, broken: Any
) -> None:
    def full(*_given: Any) -> None:
        raise OSError("disk full")

    made = config(tmp_path, write_jsonl(tmp_path / "in.jsonl", rows(2)))
    monkeypatch.setattr(Catalog, "publish", full)
    with broken("cluster", RuntimeError("first")), pytest.raises(RuntimeError, match="first") as e:
        run(made)
    assert e.value.__notes__ == ["the failed run could not be recorded: disk full"]


def test_what_never_began_leaves_no_row(tmp_path: Path) -> None:
    made = config(tmp_path, write_jsonl(tmp_path / "in.jsonl", rows(2)))
    catalog = Catalog(made.catalog)
    with catalog.writer(), pytest.raises(CatalogError, match="another run"):
        run(made)
    blocked = {"path": str(tmp_path / "in.jsonl" / "out.csv")}
    with pytest.raises(ConfigError, match=r"exports\.0\.path: .*in.jsonl is not a folder"):
        run(config(tmp_path, tmp_path / "in.jsonl", exports=[blocked]))
    assert catalog.runs() == []
    assert not list(tmp_path.glob("catalog/runs/*"))


def test_an_export_that_cannot_be_written_does_not_stop_the_others(tmp_path: Path) -> None:
    # Too long a name: nothing that shows before the file is opened.
    bad = str(tmp_path / ("x" * 300 + ".csv"))
    paths = [str(tmp_path / "first.csv"), bad, str(tmp_path / "last.csv")]
    exports = [{"what": "removals", "path": path} for path in paths]
    made = config(tmp_path, write_jsonl(tmp_path / "in.jsonl", rows(8)), exports=exports)
    summary = run(made)
    assert summary.status == "published"
    assert list(summary.exports) == [paths[0], paths[2]]
    assert summary.exports[paths[0]] == summary.counts.removable > 0
    assert all(Path(path).exists() for path in summary.exports)
    assert list(summary.exports_failed) == [bad]
    assert "File name too long" in summary.exports_failed[bad]
    # What came after the publishing is in the run's row too, for `gemel runs show`.
    assert Catalog(made.catalog).run().summary == summary


def test_a_report_that_cannot_be_written_does_not_stop_the_exports(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_given: Any) -> str:
        raise ValueError("no template")

    monkeypatch.setattr(deliver, "write_report", refuse)
    out = str(tmp_path / "out.csv")
    lines = write_jsonl(tmp_path / "in.jsonl", rows(2))
    summary = run(config(tmp_path, lines, exports=[{"path": out}]))
    assert (summary.status, summary.report) == ("published", None)
    assert summary.report_failed == "ValueError: no template"
    assert list(summary.exports) == [out]


def test_a_run_stopped_after_it_was_published_stays_published(tmp_path: Path, broken: Any) -> None:
    made = config(tmp_path, write_jsonl(tmp_path / "in.jsonl", rows(2)))
    with broken("export", KeyboardInterrupt()), pytest.raises(KeyboardInterrupt):
        run(made)
    (only,) = Catalog(made.catalog).runs()
    assert only.status == "published"
    assert only.summary.error == "stopped by hand (KeyboardInterrupt)"
    assert Catalog(made.catalog).read("clusters", run=only).num_rows


def test_the_counts_are_the_rows_of_the_exports(tmp_path: Path) -> None:
    """Exact copies of tiny texts wait for a person; the others may go."""
    lines = rows(10) + [{"id": f"t{n}", "text": "n/a"} for n in range(5)]
    summary = run(config(tmp_path, write_jsonl(tmp_path / "in.jsonl", lines)))
    counts, catalog = summary.counts, Catalog(tmp_path / "catalog")

    def lines_of(what: str, **options: Any) -> int:
        out = str(tmp_path / "out.csv")
        settings_ = ExportSettings.model_validate({"what": what, "path": out, **options})
        return write_export(catalog, catalog.run(), settings_)

    assert counts.removable_in_review == 4
    assert lines_of("removals") == counts.removable > 0
    assert lines_of("survivors") == counts.records - counts.removable
    every = counts.removable + counts.removable_in_review
    assert lines_of("removals", include_review=True) == every
    assert lines_of("survivors", include_review=True) == counts.clusters
    assert lines_of("clusters") == counts.records
    assert lines_of("clusters", min_size=2) == every + counts.duplicate_clusters


def photograph(seed: int, size: int = 96) -> Image.Image:
    return smooth(seed, (size, size), cells=24)


def test_text_and_pictures_meet_in_one_run(tmp_path: Path) -> None:
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    for number in range(6):
        photograph(number).save(pictures / f"p{number}.png")
    photograph(0).save(pictures / "p0.bmp")
    photograph(1, size=80).save(pictures / "p1-small.png")
    text = "a red bicycle with a basket standing at the wall of an old house number {}"
    lines: list[dict[str, Any]] = [
        {"id": "both-a", "text": text.format(1), "picture": str(pictures / "p2.png")},
        {"id": "both-b", "text": text.format(1) + " ", "picture": str(pictures / "p2.png")},
        {"id": "text-a", "text": "the quick brown fox jumps over the lazy dog near the river"},
        {"id": "text-b", "text": "the quick brown fox jumps over the lazy dog near the river!"},
        {"id": "image-a", "picture": str(pictures / "p1.png")},
        {"id": "image-b", "picture": str(pictures / "p1-small.png")},
        {"id": "exact-a", "picture": str(pictures / "p0.png")},
        {"id": "exact-b", "picture": str(pictures / "p0.bmp")},
        {"id": "near-both-a", "text": "a long description of one blue kettle of steel for tea",
         "picture": str(pictures / "p3.png")},
        {"id": "near-both-b", "text": "a long description of one blue kettle of steel for tea.",
         "picture": str(pictures / "p3.png")},
        {"id": "alone", "text": "something else entirely with words of its own", "picture": None},
    ]  # fmt: skip
    made = config(tmp_path, write_jsonl(tmp_path / "in.jsonl", lines), image="picture")
    run(made)
    table = Catalog(made.catalog).read("clusters", run=Catalog(made.catalog).run())
    by_cluster: dict[str, list[dict[str, Any]]] = {}
    for row in table.to_pylist():
        by_cluster.setdefault(row["cluster_id"], []).append(row)
    evidence = {
        tuple(r["record_id"].removeprefix("s:") for r in rows_): rows_[0]["evidence"]
        for rows_ in by_cluster.values()
    }
    assert evidence == {
        ("alone",): "single",
        ("both-a", "both-b"): "exact",
        ("exact-a", "exact-b"): "exact",
        ("image-a", "image-b"): "image",
        ("near-both-a", "near-both-b"): "text+image",
        ("text-a", "text-b"): "text",
    }


def test_what_two_members_lack_in_the_third_is_a_doubt(tmp_path: Path) -> None:
    """Around one text: two pictures that differ, two colours; and one that only adds."""
    for number in range(2):
        photograph(number).save(tmp_path / f"p{number}.png")
    bicycle = "a red bicycle with a basket standing at the wall of an old house number 17"
    machine = "Espresso Machine EM-5 with 15 bar pump and a milk frother and a tank of 1.2 litres"
    lamp = "a small desk lamp of brass with a warm white light and a switch at the long cable"
    texts = {
        "b": bicycle + "!", "b1": bicycle, "b2": bicycle,
        "m": machine, "m1": machine + " black", "m2": machine + " white",
        "l": lamp, "l1": lamp + "!", "l2": lamp + " .",
    }  # fmt: skip
    pictures = {f"b{n + 1}": str(tmp_path / f"p{n}.png") for n in range(2)}
    lines = [{"id": i, "text": t, "picture": pictures.get(i)} for i, t in texts.items()]
    made = config(tmp_path, write_jsonl(tmp_path / "in.jsonl", lines), image="picture")
    summary = run(made)
    catalog = Catalog(made.catalog)
    clusters = catalog.read("clusters", run=catalog.run()).to_pylist()
    found = {r["record_id"][2:]: (r["representative"][2:], r["status"]) for r in clusters}
    # Two pictures that differ are two bicycles; whose the text alone is, a person must say.
    assert {found[i][1] for i in ("b", "b1", "b2")} == {"review"}
    assert found["b1"][0] != found["b2"][0]
    assert {i: found[i][0] for i in ("m", "m1", "m2")} == {"m": "m", "m1": "m1", "m2": "m2"}
    ((lamp_kept, status),) = {found[i] for i in ("l", "l1", "l2")}
    assert lamp_kept in ("l", "l1", "l2")
    assert status == "confirmed"
    pairs = catalog.read("pairs", run=catalog.run()).to_pylist()
    reasons = {(p["left_id"][2:], p["right_id"][2:]): p["reason"] for p in pairs}
    assert reasons["b1", "b2"] == "texts agree but pictures differ"
    assert reasons["m1", "m2"] == "alike, but a colour, size or other value of one kind differs"
    counts = summary.counts
    assert (counts.removable, counts.removable_in_review) == (2, 1)


def test_wrong_configurations_fail_before_any_work(tmp_path: Path) -> None:
    path = write_jsonl(tmp_path / "in.jsonl", rows(3))
    wrong = config(tmp_path, path, image="no_such_column")
    with pytest.raises(ConfigError, match="no_such_column"):
        run(wrong)
    own = config(tmp_path, path, text_encoder={"type": "sentence_transformers", "path": "/x"})
    with pytest.raises(EncoderError, match=r"text_encoder\.path"):
        run(own)
    with pytest.raises(SourceError, match="absent"):
        run(config(tmp_path, tmp_path / "absent.jsonl"))
    assert not (tmp_path / "catalog" / "tables").exists()


def test_an_empty_delivery_stops_the_run_unless_it_may_be_empty(tmp_path: Path) -> None:
    full = write_jsonl(tmp_path / "full.jsonl", rows(4))
    empty = tmp_path / "empty.csv"
    empty.write_text("id,text\n")
    sources: list[dict[str, Any]] = [
        {"type": "jsonl", "name": "s", "path": str(full), "columns": {"id": "id", "text": "text"}},
        {"type": "csv", "name": "e", "path": str(empty), "columns": {"id": "id", "text": "text"}},
    ]
    with pytest.raises(SourceError, match="'e' has no rows"):
        run(config(tmp_path, full, sources=sources))
    sources[1]["complete"] = False
    assert run(config(tmp_path, full, sources=sources)).counts.records == 7


def test_all_identical_and_tiny_texts_do_not_break_anything(tmp_path: Path) -> None:
    lines = [{"id": str(n), "text": "same"} for n in range(300)]
    lines += [{"id": f"d{n}", "text": chr(97 + n)} for n in range(20)]
    path = write_jsonl(tmp_path / "in.jsonl", lines)
    summary = run(config(tmp_path, path, gates={"max_in_review": 1}))
    assert summary.counts.largest_cluster == 300
    assert summary.counts.duplicate_clusters == 1
    assert summary.counts.short_texts == 320
    catalog = Catalog(str(tmp_path / "catalog"))
    table = catalog.read("clusters", run=catalog.run())
    assert set(table.filter(pc.greater(table["size"], 1))["status"].to_pylist()) == {"review"}
    assert (summary.counts.removable, summary.counts.removable_in_review) == (0, 299)


def test_the_names_of_columns_are_no_words(tmp_path: Path) -> None:
    lines: list[dict[str, Any]]
    lines = [{"id": "a", "title": "red", "brand": "x"}, {"id": "b", "title": "red", "brand": None}]
    path = write_jsonl(tmp_path / "in.jsonl", lines)
    source = {"type": "jsonl", "name": "s", "path": str(path),
              "columns": {"id": "id", "text": ["title", "brand"]}}  # fmt: skip
    made = config(tmp_path, path, sources=[source])
    assert run(made).counts.short_texts == 2
    records = Catalog(made.catalog).read("records", run=Catalog(made.catalog).run())
    assert records["word_count"].to_pylist() == [2, 1]


def test_models_are_pinned_once_a_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[RunConfig] = []

    def counted(config: RunConfig) -> Any:
        calls.append(config)
        return pin_models(config)

    monkeypatch.setattr(checks, "pin_models", counted)
    made = config(tmp_path, write_jsonl(tmp_path / "in.jsonl", rows(4)))
    plan(prepare(made))
    assert len(calls) == 1, "a dry run"
    run(made)
    assert len(calls) == 2
