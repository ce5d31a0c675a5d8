"""The governance report: complete, honest about small slices, the same in every format."""

import copy
import json
from html.parser import HTMLParser
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st
from markdown_it import MarkdownIt
from scipy.stats import binomtest

from pipeline.config.base import REFUSED_USES
from pipeline.errors import PipelineError
from pipeline.evaluation.drift import score_drift
from pipeline.outputs.governance.html import render_governance
from pipeline.outputs.governance.report import governance_markdown, governance_report, model_card

EDGES = [0.0, 0.25, 0.5, 0.75, 1.0]
MIN_SLICE = 30


def rate(errors, n):
    low, high = binomtest(errors, n).proportion_ci(method="wilson") if n else (0, 1)
    return {
        "value": errors / n if n else 0.0, "low": low, "high": high, "errors": errors, "n": n,
        "note": "too small to tell" if n < MIN_SLICE else "",
    }  # fmt: skip


def rates(false_matches, different, missed, same):
    return {
        "pairs": different + same,
        "false_match_rate": rate(false_matches, different),
        "false_non_match_rate": rate(missed, same),
    }


def threshold(value, measure, **facts):
    return {
        "value": value, "measure": measure, "precision": 0.978, "precision_low": 0.9512,
        "recall": 0.966, "recall_low": 0.951, "accepted": 184, "positives": 206, "n": 1916,
        "target": 0.95, "confidence": 0.95, "met": True, **facts,
    }  # fmt: skip


FACTS: dict[str, Any] = {
    "model": {
        "name": "products", "version": "v0003", "purpose": "deduplication of products",
        "encoder": "MiniLM, fine-tuned", "judge": "gradient boosting, isotonic",
    },
    "labels": {
        "rows": 9600,
        "unknown_ids": {"rows": 12, "ids": 7, "examples": ["shop:991"]},
        "conflicts": {
            "rule": "the latest verdict wins",
            "direct": {"count": 2, "examples": [{"left": "a:1", "right": "a:2", "kept": None}]},
        },
        "entries": [{"rows": 9600}],
    },
    "pairs": {
        "positives": {"given": 616},
        "negatives": {"given": 5127, "in_batch": 372000, "mined": 8692},
        "excluded": {"known_duplicate": 616, "suspected_duplicate": 77},
    },
    "split": {"parts": {"train": {"pairs": 5743, "positives": 616}}, "given": 9575,
              "valid_taken_from_train": False},
    "leaks": {"records": {"count": 0}, "entities": {"count": 0}, "clean": True},
    "calibration": {
        "model": "products", "accept": threshold(0.8125, "precision"),
        "review": threshold(0.2217, "recall"), "chosen": {"chosen": "isotonic", "unreachable": []},
    },
    "evaluation": {
        "pairs": 1916, "positives": 206,
        "metrics": {"f1": {"value": 0.921, "low": 0.89, "high": 0.946}},
        "errors": {"overall": rates(8, 1710, 23, 206), "slices": {}, "min_slice": MIN_SLICE},
        "calibration": {
            "brier": 0.018, "ece_equal_mass": 0.012,
            "reliability": [{"probability": 0.1, "same": 0.12, "pairs": 90},
                            {"probability": 1, "same": 1, "pairs": 9}],
        },
        "curve": [{"threshold": 0.5, "recall": 0.1 * n, "precision": 1 - 0.04 * n}
                  for n in range(1, 11)],
    },
}  # fmt: skip
LANGUAGES = {
    "values": {
        "en": rates(3, 1100, 8, 120),
        "fr": rates(5, 500, 14, 50),
        "lv": rates(0, 110, 1, 6),
    },
    "worst_to_best": {
        "false_match_rate": {"worst": "fr", "best": "lv", "ratio": None, "gap": 0.01},
        "false_non_match_rate": {"worst": "fr", "best": "en", "ratio": 4.2, "gap": 0.2},
    },
}


def with_slices(**slices):
    errors = {**FACTS["evaluation"]["errors"], "slices": slices}
    return {**FACTS["evaluation"], "errors": errors}


WHOLE = {
    **FACTS,
    "training": {
        "facts": {"objective": "info_nce", "seconds": 1240.2, "versions": {"torch": "2.13.0"}},
        "history": [
            {"epoch": 0, "train_loss": None, "valid_average_precision": 0.8},
            {"epoch": 1, "train_loss": 1.9, "valid_average_precision": 0.9},
            {"epoch": 2, "train_loss": 0.5, "valid_average_precision": 0.88},
        ],
    },
    "evaluation": with_slices(language=LANGUAGES),
    "comparison": {"against": "products/v0002", "metrics": {
        "f1": {"first": 0.9, "second": 0.92, "difference": 0.02, "low": 0.01, "high": 0.03}
    }},
    "gate": [{"passed": False, "name": "gain", "message": "too small"}],
    "errors": {
        "false_matches": [{"left_id": "a:1", "right_id": "b:9", "left_text": "lamp 40",
                           "right_text": "lamp 46", "probability": 0.97}],
        "missed": [{"left_id": "a:7", "right_id": "b:2", "left_text": "w" * 300,
                    "probability": 0.01}],
    },
    "scores": {"edges": EDGES, "same": [0, 3, 9, 90], "different": [1200, 40, 8, 2]},
    "drift": {"train": {"edges": EDGES, "counts": [1200, 40, 20, 90]},
              "tonight": {"edges": EDGES, "counts": [600, 40, 200, 900]}},
    "limits": ["Only two languages have enough labels."],
}  # fmt: skip


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
    for part in report["sections"]:
        yield part["title"]
        for block in part["blocks"]:
            yield from [block[key] for key in ("text", "title") if key in block]
            yield from block.get("items", [])
            yield from block.get("columns", [])
            yield from (cell for row in block.get("rows", []) for cell in row if cell)


def with_facts(**parts):
    return {**copy.deepcopy(WHOLE), **parts}


# --- content -----------------------------------------------------------------------------------


@pytest.mark.parametrize("facts", [FACTS, WHOLE], ids=["mandatory", "whole"])
def test_the_three_formats_say_the_same(facts):
    report = governance_report(facts)
    assert json.loads(json.dumps(report, allow_nan=False)) == report
    markdown, page = in_markdown(report).text, Words(render_governance(report)).text
    for words in strings(report):
        assert words in markdown, words
        assert words in page, words


def test_what_an_auditor_looks_for_is_there():
    text = in_markdown(governance_report(WHOLE)).text
    for words in (
        "the latest verdict wins", "kept none", "372,000", "suspected duplicate",
        "no record, content", "lower bound 0.9512", "184 labelled pairs", "info_nce",
        "20 min 40 s", "paired bootstrap",
        "7.6 % to 16.2 %", "lv (too small to tell)", "worst slice fr, best en, ratio 4.20",
        "lamp 46", "(+100 characters)", "calibrate again", "Only two languages",
    ):  # fmt: skip
        assert words in text, words


def test_uses_out_of_scope_are_refused_by_name_in_report_and_card():
    for text in (governance_markdown(governance_report(FACTS)), model_card(FACTS)):
        for words in ("Identification of persons", "Access control", "Surveillance", "Admission"):
            assert words in text
    from pipeline.outputs.governance.sections import REFUSALS

    assert tuple(REFUSALS) == REFUSED_USES


def test_the_card_is_a_part_of_the_report():
    card, report = model_card(WHOLE), governance_markdown(governance_report(WHOLE))
    assert card.startswith("# Model card: products/v0003")
    assert all(line in report for line in card.splitlines()[1:])
    assert "The worst errors" not in card
    assert "lamp 40" not in card


def test_an_unreachable_target_is_a_warning():
    accept = threshold(0.9, "precision", met=False)
    calibration = {**FACTS["calibration"], "accept": accept}
    warnings = governance_report({**FACTS, "calibration": calibration})["warnings"]
    assert len(warnings) == 1
    assert "target precision of 0.9500 was not shown" in warnings[0]


def test_a_recall_that_too_few_labels_show_is_a_warning():
    review = threshold(0.1, "recall", met=False)
    calibration = {**FACTS["calibration"], "review": review}
    (words,) = governance_report({**FACTS, "calibration": calibration})["warnings"]
    assert "to show the target recall" in words


def test_a_leak_is_a_warning():
    leaks = {"records": {"count": 4}, "entities": {"count": 0}, "clean": False}
    report = governance_report({**FACTS, "leaks": leaks})
    assert report["warnings"] == [
        "Leak check: 4 records in two splits; the held-out figures may be too good."
    ]


def test_drift_is_a_warning_only_when_scores_have_moved():
    calm = {"train": WHOLE["drift"]["train"], "tonight": WHOLE["drift"]["train"]}
    moved, still = governance_report(WHOLE), governance_report(with_facts(drift=calm))
    assert moved["drift"] == score_drift(WHOLE["drift"]["train"], WHOLE["drift"]["tonight"])
    assert moved["drift"]["words"] in moved["warnings"]
    assert still["drift"]["words"] not in still["warnings"]


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
def test_a_warning_for_every_slice_that_is_small_or_fails_more_than_all(slices, less):
    values = {v: rates(a, max(c - less, a), b, max(d - less, b))
              for v, (a, b, c, d) in slices.items()}  # fmt: skip
    part = {"values": values, "worst_to_best": {"false_match_rate": None}}
    report = governance_report({**FACTS, "evaluation": with_slices(group=part)})
    for name, words in (("false_match_rate", "false match"),
                        ("false_non_match_rate", "false non-match")):  # fmt: skip
        said = [w for w in report["warnings"] if f"the {words} rate" in w]
        small = {value for value, both in values.items() if both[name]["n"] < MIN_SLICE}
        general = FACTS["evaluation"]["errors"]["overall"][name]["value"]
        worse = {v for v, both in values.items() if v not in small and both[name]["low"] > general}
        assert {w.split()[1].rstrip(":") for w in said if w.startswith("group ")} == worse
        few = [w for w in said if w.startswith("group:")]
        assert len(few) == bool(small)
        assert all(set(w.split(" ha")[0][7:].split(", ")) == small for w in few)


def test_a_slice_that_fails_more_than_the_rest_is_a_warning():
    warnings = governance_report(WHOLE)["warnings"]
    assert any(w.startswith("language fr: the false non-match rate is 28.0 %") for w in warnings)
    assert not any(w.startswith("language en") for w in warnings)


# --- input -------------------------------------------------------------------------------------


@pytest.mark.parametrize("part", sorted(FACTS))
def test_a_mandatory_part_that_is_missing_is_named(part):
    with pytest.raises(PipelineError, match=f"{part}: Field required"):
        governance_report({name: value for name, value in FACTS.items() if name != part})


@pytest.mark.parametrize(
    ("parts", "words"),
    [
        ({"slice": {}}, "slice: Extra inputs"),
        (
            {
                "calibration": {
                    **FACTS["calibration"],
                    "accept": threshold(float("nan"), "precision"),
                }
            },
            "calibration.accept.value",
        ),
        ({"evaluation": {**FACTS["evaluation"], "errors": {}}}, "evaluation.errors.overall"),
        ({"scores": {"edges": EDGES, "same": [1], "different": [1]}}, "edges must be one more"),
    ],
)
def test_facts_that_do_not_fit_are_named(parts, words):
    with pytest.raises(PipelineError, match=words):
        governance_report({**FACTS, **parts})


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
        with_facts(
            model={**FACTS["model"], "purpose": w, "encoder": w},
            labels={"examples": [w], w: 3},
            limits=[w],
            evaluation=with_slices(**{w: {
                "values": {w: rates(1, 90, 2, 80)},
                "worst_to_best": {"false_match_rate": {"worst": w, "best": w, "ratio": 1.0}},
            }}),
            comparison={**WHOLE["comparison"], "against": w},
            gate=[{"passed": False, "name": w, "message": w}],
            errors={"missed": [
                {"left_id": w, "right_id": w, "left_text": w, "right_text": w, "probability": 0.1}
            ]},
            training={"facts": {w: w, "list": [w]}, "history": []},
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
