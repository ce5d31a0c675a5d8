"""What the report says of thresholds that no label set."""

from dataclasses import replace

from pipeline.catalog import GeometryCounts, NightState, RunCounts, RunSummary, SelfCalibration
from pipeline.evaluation import SyntheticRule
from pipeline.outputs import decided_by

RULE = SyntheticRule(
    level=(2, 4), share=0.75, accept=0.59, review=0.2, floor=0.3, target=0.99, precision=0.995,
    precision_low=0.93, recall=0.41, copies=0.1, records=500, made=1000, gain=(0.2, 0.41),
)  # fmt: skip
PLAIN = RunSummary(run="r", name="n", status="published")


def summary(rule, why=None):
    found = {"image": SelfCalibration("key", 500, "r", rule, why)}
    return replace(PLAIN, state=NightState(self_calibrations=found))


def test_a_threshold_from_edited_copies_is_told_with_its_gain() -> None:
    (found,) = decided_by.synthetic_words(summary(RULE))
    assert found.label == "Threshold of images, from edited copies"
    assert found.value == "cosine above both sides' neighbourhoods from 0.590"
    assert "41.0 % of 1,000 copies" in found.note
    assert "by the plain cosine 20.0 %, by this score 41.0 %" in found.note
    (plain,) = decided_by.synthetic_words(summary(replace(RULE, level=None)))
    assert plain.value == "cosine from 0.590"


def test_where_copies_gave_none_the_reason_is_told() -> None:
    told = summary(None, "4 distinct images, it takes 100")
    (found,) = decided_by.synthetic_words(told)
    assert found.value == "the stated default"
    assert found.note == "4 distinct images, it takes 100"
    assert decided_by.threshold_words(told) == "stated defaults"


def test_the_sentence_on_uncalibrated_runs_says_where_thresholds_are_from() -> None:
    assert "edited copies of the corpus' own records for images" in decided_by.uncalibrated_words(
        summary(RULE)
    )
    assert "stated defaults" in decided_by.uncalibrated_words(PLAIN)


def test_what_has_too_little_in_it_is_counted() -> None:
    counts = RunCounts(low_detail_images=1200, short_texts=3)
    (found,) = decided_by.low_information_words(replace(PLAIN, counts=counts))
    assert found.value == "1,200 pictures, 3 texts"
    assert decided_by.low_information_words(PLAIN) == []


def test_geometry_is_told_only_where_it_looked() -> None:
    assert decided_by.geometry_words(PLAIN) == ""
    found = replace(PLAIN, geometry=GeometryCounts(1660, 1660, 104))
    assert decided_by.geometry_words(found).startswith(
        "1,660 pairs of pictures laid upon each other: 104"
    )
