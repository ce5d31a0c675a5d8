"""The governance report: complete, honest about small slices, the same in every format."""

import json
from dataclasses import replace
from html.parser import HTMLParser

import pytest
from hypothesis import given, settings, strategies as st
from markdown_it import MarkdownIt
from scipy.stats import binomtest

from pipeline.catalog.registry.champions import GateCheck
from pipeline.config.base import REFUSED_USES
from pipeline.evaluation.calibration.calibration import Calibration
from pipeline.evaluation.calibration.calibrator import Calibrator, CalibratorChoice
from pipeline.evaluation.calibration.thresholds import Threshold
from pipeline.evaluation.drift import ScoreHistogram, score_drift
from pipeline.evaluation.error_rates import (
    RATES,
    ErrorRate,
    ErrorRates,
    GroupRates,
    SliceRates,
    WorstToBest,
)
from pipeline.evaluation.intervals import Estimate
from pipeline.evaluation.pair_metrics import Difference, ModelMetrics, PairMetrics
from pipeline.evaluation.ranking import CurvePoint
from pipeline.evaluation.reliability import CalibrationError, ReliabilityBin
from pipeline.labels.labelled_pairs import (
    Conflict,
    ConflictFacts,
    DirectConflicts,
    LabelFacts,
    Leak,
    Leaks,
    QuarantineFacts,
    SplitFacts,
    SplitSize,
    UnknownIds,
)
from pipeline.outputs.governance.facts import (
    ErrorFacts,
    ErrorPair,
    GovernanceFacts,
    ModelDescription,
    PairFacts,
    ScoreFacts,
    TrainingFacts,
)
from pipeline.outputs.governance.html import render_governance
from pipeline.outputs.governance.report import (
    GovernanceReport,
    governance_markdown,
    governance_report,
    model_card,
)
from pipeline.outputs.model_results import EncoderTrainingFacts, Epoch, ModelComparison
from pipeline.storage import from_json, to_json, to_plain

EDGES = (0.0, 0.25, 0.5, 0.75, 1.0)
MIN_SLICE = 30


def rate(errors, n):
    low, high = binomtest(errors, n).proportion_ci(method="wilson") if n else (0, 1)
    note = "too small to tell" if n < MIN_SLICE else ""
    return ErrorRate(errors / n if n else 0.0, low, high, errors, n, note)


def rates(false_matches, different, missed, same):
    return GroupRates(different + same, same, rate(false_matches, different), rate(missed, same))


def threshold(value, measure, **facts):
    given = {
        "precision": 0.978, "precision_low": 0.9512, "recall": 0.966, "recall_low": 0.951,
        "accepted": 184, "positives": 206, "n": 1916, "target": 0.95, "confidence": 0.95, **facts,
    }  # fmt: skip
    return Threshold(value, measure, **given)


def leaks(records=0):
    none = Leak(0, 9600, {}, ())
    return Leaks(Leak(records, 9600, {}, ()), none, none)


def errors(**slices):
    return ErrorRates(rates(8, 1710, 23, 206), slices, MIN_SLICE)


def slices(values, worst="a", best="b", ratio=None):
    pair = WorstToBest(ratio, worst, best, 0.1)
    return SliceRates(values, dict.fromkeys(RATES, pair), ())


LABELS = LabelFacts(
    rows=9600, entries=(), unknown_ids=UnknownIds(12, 7, 0, ("shop:991",)), self_pairs=0,
    self_pairs_different=0, left_out={"related": 1, "unsure": 2},
    quarantined=QuarantineFacts(0, ()),
    conflicts=ConflictFacts(
        "the latest verdict wins", DirectConflicts(2, 1, (Conflict("a:1", "a:2", "same"),))
    ),
    repeated_pairs=3, split_twice=0, pairs=9575, positives=616, negatives=8959, graded=0,
    origins={"given": 9575}, equal_content_different=0, records=4000, contents=3900,
)  # fmt: skip
SOME = Estimate(0.921, 0.89, 0.946)
NONE = CalibrationError(0.018, 0.1, 0.012, 0.013)
METRICS = ModelMetrics(
    pairs=1916, positives=206, negatives=1710, entities=900, accept=0.8125,
    metrics=PairMetrics(*[SOME] * 7), errors=errors(), calibration=NONE,
    reliability=(ReliabilityBin(90, 0.1, 0.12), ReliabilityBin(9, 1.0, 1.0)),
    curve=tuple(CurvePoint(0.5, 1 - 0.04 * n, 0.1 * n) for n in range(1, 11)),
    confidence=0.95, resamples=1000, seed=0, split="test",
    histogram=ScoreHistogram(EDGES, (1200, 40, 20, 90)),
)  # fmt: skip
CALIBRATION = Calibration(
    "products", "1", "f", Calibrator("platt"), threshold(0.8125, "precision"),
    threshold(0.2217, "recall"), CalibratorChoice("isotonic", "loss", 5, {}), "target_precision",
    (),
)  # fmt: skip
FACTS = GovernanceFacts(
    model=ModelDescription(
        name="products", version="v0003", purpose="deduplication of products",
        encoder="MiniLM, fine-tuned", judge="gradient boosting, isotonic",
    ),
    labels=LABELS,
    pairs=PairFacts(
        positives={"given": 616}, negatives={"given": 5127, "in_batch": 372000, "mined": 8692},
        excluded={"known_duplicate": 616, "suspected_duplicate": 77},
    ),
    split=SplitFacts(9575, False, {"train": 1.0}, 0, 0, 0, 0, {"train": SplitSize(5743, 616, 900)}),
    leaks=leaks(),
    calibration=CALIBRATION,
    evaluation=METRICS,
)  # fmt: skip
LANGUAGES = SliceRates(
    {
        "en": rates(3, 1100, 8, 120),
        "fr": rates(5, 500, 14, 50),
        "lv": rates(0, 110, 1, 6),
    },
    {
        "false_match_rate": WorstToBest(None, "fr", "lv", 0.01),
        "false_non_match_rate": WorstToBest(4.2, "fr", "en", 0.2),
    },
    ("lv",),
)


def epoch(number, loss, precision):
    return Epoch(number, 9, loss, precision, None, 0.1, 1.0, 9, 1.0, None, 3, 1, 1, 0, 0, 9)


TRAINED = EncoderTrainingFacts(
    objective="info_nce", start={"type": "minilm"}, monitor="valid_average_precision", epochs=2,
    best_epoch=1, steps=90, stopped="epochs", seconds=1240.2, texts_per_second=None,
    in_batch_negatives=None, mined=(3, 3), pairs={"train_given": 9}, versions={"torch": "2.13.0"},
    device="cpu", precision="32-true", seed=0, threads=1,
)  # fmt: skip


def with_slices(**named):
    return replace(METRICS, errors=errors(**named))


def change(facts, **parts):
    return facts.model_copy(update=parts)


WHOLE = change(
    FACTS,
    training=TrainingFacts(
        encoder=TRAINED, history=(epoch(0, None, 0.8), epoch(1, 1.9, 0.9), epoch(2, 0.5, 0.88))
    ),
    evaluation=with_slices(language=LANGUAGES),
    comparison=ModelComparison(
        "products/v0002", {"f1": Difference(0.9, 0.92, 0.02, 0.01, 0.03, 1.0)}
    ),
    gate=(GateCheck("gain", False, 0.0, 0.1, "too small"),),
    errors=ErrorFacts(
        false_matches=(
            ErrorPair.of(("a:1", "b:9"), ("lamp 40", "lamp 46"), probability=0.97),
        ),
        missed=(ErrorPair.of(("a:7", "b:2"), ("w" * 300, ""), probability=0.01),),
    ),
    scores=ScoreFacts(edges=EDGES, same=(0, 3, 9, 90), different=(1200, 40, 8, 2)),
    tonight=ScoreHistogram(EDGES, (600, 40, 200, 900)),
    limits=("Only two languages have enough labels.",),
)  # fmt: skip


class Words(HTMLParser):
    """The page's words, and its tags with their attributes."""

    def __init__(self, page):
        super().__init__()
        self.tags, self.words, self.inside = [], [], ""
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        self.inside = tag

    def handle_endtag(self, tag):
        self.inside = ""

    def handle_data(self, data):
        if self.inside not in ("style", "script"):
            self.words.append(data)

    @property
    def text(self):
        return " ".join("".join(self.words).split())


def in_markdown(report):
    page = MarkdownIt("commonmark").enable("table").render(governance_markdown(report))
    return Words(page)


def strings(report):
    for part in report.sections:
        yield part.title
        for block in part.blocks:
            yield from [getattr(block, key) for key in ("text", "title") if hasattr(block, key)]
            yield from getattr(block, "items", ())
            yield from getattr(block, "columns", ())
            yield from (cell for row in getattr(block, "rows", ()) for cell in row if cell)


# --- content -----------------------------------------------------------------------------------


@pytest.mark.parametrize("facts", [FACTS, WHOLE], ids=["mandatory", "whole"])
def test_the_three_formats_say_the_same(facts):
    report = governance_report(facts)
    assert from_json(GovernanceReport, to_json(report)) == report
    markdown, page = in_markdown(report).text, Words(render_governance(report)).text
    for words in strings(report):
        assert words in markdown, words
        assert words in page, words


def test_what_an_auditor_looks_for_is_there():
    text = in_markdown(governance_report(WHOLE)).text
    for words in (
        "the latest verdict wins", "kept same", "372,000", "suspected duplicate",
        "no record, content", "lower bound 0.9512", "184 labelled pairs", "info_nce",
        "20 min 40 s", "paired bootstrap",
        "7.6 % to 16.2 %", "lv (too small to tell)", "worst slice fr, best en, ratio 4.20",
        "lamp 46", "(+100 characters)", "calibrate again", "Only two languages",
    ):  # fmt: skip
        assert words in text, words


def test_uses_out_of_scope_are_refused_by_name_in_report_and_card():
    for text in (
        governance_markdown(governance_report(FACTS)),
        model_card(governance_report(FACTS)),
    ):
        for words in ("Identification of persons", "Access control", "Surveillance", "Admission"):
            assert words in text
    from pipeline.outputs.governance.sections import REFUSALS

    assert tuple(REFUSALS) == REFUSED_USES


def test_the_card_is_a_part_of_the_report():
    card, report = (
        model_card(governance_report(WHOLE)),
        governance_markdown(governance_report(WHOLE)),
    )
    assert card.startswith("# Model card: products/v0003")
    assert all(line in report for line in card.splitlines()[1:])
    assert "The worst errors" not in card
    assert "lamp 40" not in card


def test_an_unreachable_target_is_a_warning():
    calibration = replace(CALIBRATION, accept=threshold(0.9, "precision", met=False))
    warnings = governance_report(change(FACTS, calibration=calibration)).warnings
    assert len(warnings) == 1
    assert "target precision of 0.9500 was not shown" in warnings[0]


def test_a_recall_that_too_few_labels_show_is_a_warning():
    calibration = replace(CALIBRATION, review=threshold(0.1, "recall", met=False))
    (words,) = governance_report(change(FACTS, calibration=calibration)).warnings
    assert "to show the target recall" in words


def test_a_leak_is_a_warning():
    report = governance_report(change(FACTS, leaks=leaks(records=4)))
    assert report.warnings == (
        "Leak check: 4 records in two splits; the held-out figures may be too good.",
    )


def test_drift_is_a_warning_only_when_scores_have_moved():
    calm = change(WHOLE, tonight=METRICS.histogram)
    moved, still = governance_report(WHOLE), governance_report(calm)
    assert moved.drift == score_drift(METRICS.histogram, WHOLE.tonight)
    assert moved.drift is not None
    assert still.drift is not None
    assert moved.drift.words in moved.warnings
    assert still.drift.words not in still.warnings


# --- failures ----------------------------------------------------------------------------------


@settings(deadline=None)
@given(
    st.dictionaries(
        st.sampled_from("abcde"),
        st.tuples(*[st.integers(0, 40)] * 2, *[st.integers(41, 200)] * 2),
        min_size=1,
    ),
    st.integers(0, 60),
)
def test_a_warning_for_every_slice_that_is_small_or_fails_more_than_all(counts, less):
    values = {v: rates(a, max(c - less, a), b, max(d - less, b))
              for v, (a, b, c, d) in counts.items()}  # fmt: skip
    report = governance_report(change(FACTS, evaluation=with_slices(group=slices(values))))
    for name, words in zip(RATES, ("false match", "false non-match"), strict=True):
        said = [w for w in report.warnings if f"the {words} rate" in w]
        small = {value for value, both in values.items() if both.rate(name).n < MIN_SLICE}
        general = METRICS.errors.overall.rate(name).value
        worse = {
            v for v, both in values.items() if v not in small and both.rate(name).low > general
        }
        assert {w.split()[1].rstrip(":") for w in said if w.startswith("group ")} == worse
        few = [w for w in said if w.startswith("group:")]
        assert len(few) == bool(small)
        assert all(set(w.split(" ha")[0][7:].split(", ")) == small for w in few)


def test_a_slice_that_fails_more_than_the_rest_is_a_warning():
    warnings = governance_report(WHOLE).warnings
    assert any(w.startswith("language fr: the false non-match rate is 28.0 %") for w in warnings)
    assert not any(w.startswith("language en") for w in warnings)


# --- input -------------------------------------------------------------------------------------


@pytest.mark.parametrize("part", ["model", "labels", "leaks", "calibration", "evaluation"])
def test_a_mandatory_part_that_is_missing_is_named(part):
    facts = {name: value for name, value in to_plain(FACTS).items() if name != part}
    with pytest.raises(ValueError, match=f"{part}: Field required"):
        from_json(GovernanceFacts, json.dumps(facts))


def test_counts_that_do_not_fit_their_edges_are_refused():
    with pytest.raises(ValueError, match="edges must be one more"):
        ScoreFacts(edges=EDGES, same=(1,), different=(1,))


# --- hostile texts -----------------------------------------------------------------------------

HOSTILE = [
    "</script><script>alert(1)</script>", "<img src=x onerror=alert(1)>", '" onmouseover="alert(1)',
    "</style><style>*{display:none}", "{{ 7*7 }}{% raw %}", "-->]]><svg onload=alert(1)>",
    "[x](javascript:alert(1)) ![y](http://evil/z.png)", "a | b\n\n# heading\n- item `code`",
    "abc\u202egpj.exe\x00\x1b[31m\u2066",
]  # fmt: skip


@pytest.mark.parametrize("words", HOSTILE)
def test_no_text_becomes_markup(words):
    calm, hostile = (
        change(WHOLE, 
            model=FACTS.model.model_copy(update={"purpose": w, "encoder": w}),
            labels=replace(LABELS, origins={w: 3}, unknown_ids=UnknownIds(1, 1, 0, (w,))),
            limits=(w,),
            evaluation=with_slices(**{w: slices({w: rates(1, 90, 2, 80)}, w, w, 1.0)}),
            comparison=replace(WHOLE.comparison, against=w),
            gate=(GateCheck(w, False, 0.0, 0.0, w),),
            errors=ErrorFacts(missed=(
                ErrorPair.of((w, w), (w, w), probability=0.1),
            )),
            training=TrainingFacts(encoder=replace(TRAINED, objective=w, versions={w: w})),
        )
        for w in ("calm", words)
    )  # fmt: skip
    for render in (lambda f: Words(render_governance(governance_report(f))),
                   lambda f: in_markdown(governance_report(f))):  # fmt: skip
        expected, found = render(calm), render(hostile)
        assert [tag for tag, _ in found.tags] == [tag for tag, _ in expected.tags]
        assert [set(attrs) for _, attrs in found.tags] == [set(attrs) for _, attrs in expected.tags]
        assert "\u202e" not in found.text
        assert "\x1b" not in found.text


def test_the_page_fetches_and_runs_nothing():
    page = render_governance(governance_report(WHOLE))
    tags = Words(page).tags
    assert not {tag for tag, _ in tags} & {"script", "img", "link", "iframe", "object", "base"}
    assert not [value for _, attrs in tags for key, value in attrs.items()
                if key in ("src", "href") and not value.startswith("#")]  # fmt: skip
    assert "default-src 'none'" in page
    assert "url(" not in page
    assert page == render_governance(governance_report(WHOLE))


def test_every_figure_is_drawn():
    page = Words(render_governance(governance_report(WHOLE)))
    drawn = [attrs["aria-label"] for tag, attrs in page.tags if tag == "svg" and "role" in attrs]
    assert drawn == [
        "Training: train loss", "Training: valid average precision",
        "Reliability of the probabilities", "Precision and recall", "Scores by class",
    ]  # fmt: skip
    shapes = [tag for tag, _ in page.tags]
    assert shapes.count("polyline") == 5
    assert shapes.count("circle") == 2 + 3 + 2
