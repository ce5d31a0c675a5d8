"""What geometry found of a shown pair: in words, and both pictures side by side."""

from __future__ import annotations

import base64
import io
import re

import numpy as np
import pyarrow as pa
import pyarrow.dataset as ds
import pytest
from PIL import Image, ImageOps

from pipeline.config.outputs import ReportSettings
from pipeline.outputs.report.build import build_report
from pipeline.outputs.report.html import render_report
from pipeline.outputs.report.overlays import LEFT_OUT
from pipeline.storage.schemas import ALIGNMENTS, PAIRS

MIRRORED = [-1, 0, 1, 0, 1, 0, 0, 0, 1]
LEFT_HALF = [2, 0, 0, 0, 1, 0, 0, 0, 1]  # left's left half is all of right
EDIT, BACK = "cropped to 50 %", "set into a larger picture (50 % of it)"


def picture(*, seed=0, mirror=False, size=(160, 120)):
    grid = np.random.default_rng(seed).integers(0, 256, (12, 16, 3), dtype=np.uint8)
    image = Image.fromarray(grid).resize(size)
    sink = io.BytesIO()
    (ImageOps.mirror(image) if mirror else image).save(sink, "JPEG", quality=80)
    return sink.getvalue()


def flat():
    sink = io.BytesIO()
    Image.new("RGB", (160, 120), "grey").save(sink, "JPEG")
    return sink.getvalue()


GREY = flat()


def aligned(left, right, *, transform=LEFT_HALF, **values):
    row = {"left_hash": left, "right_hash": right, "verified": True, "edit": EDIT, "back": BACK}
    return row | {"transform": transform, "inliers": 40, "agreement": 0.9} | values


def report(summary, tables, found=(), **values):
    return build_report(
        summary=summary,
        settings=ReportSettings(**values),
        seed=0,
        alignments=None if found is None else pa.Table.from_pylist(list(found), ALIGNMENTS),
        **tables,
    )


@pytest.fixture
def made(build):
    """Tables of one cluster of two pictures, `pics:a` the representative; change either side."""

    def make(*, kept=None, other=None, **values):
        records = [
            build["record"]("pics:a", thumbnail=picture(), image_hash="1") | (kept or {}),
            build["record"]("pics:b", thumbnail=picture(mirror=True), image_hash="2")
            | (other or {}),
        ]
        ids = sorted(row["record_id"] for row in records)
        pair = build["pair"](*ids, probability=0.95, **{"image_verified": True} | values)
        head, second = (row["record_id"] for row in records)
        clusters = build["cluster"](head, {second: 0.95}, evidence="image")
        return build["tables_of"](records=records, pairs=[pair], clusters=clusters)

    return make


def of_member(data):
    return data.clusters[0].members[1]


def sizes(html):
    """(width, height) of the pictures of a page that are overlays."""
    found = re.findall(r'<figure class="overlay"><img src="data:image/jpeg;base64,([^"]*)"', html)
    return [Image.open(io.BytesIO(base64.b64decode(data))).size for data in found]


def test_a_member_shows_what_made_it_out_of_the_representative(summary, made):
    data = report(summary, made(), [aligned("1", "2")])
    assert of_member(data).evidence.scores[-2:] == (
        ("geometry", "one picture, edited"),
        ("edit", EDIT),
    )
    overlay = of_member(data).overlay
    assert overlay.image.startswith("data:image/jpeg;base64,")
    assert f"pics:a (left) and pics:b (right): {EDIT}." in overlay.alt
    assert data.clusters[0].members[0].overlay is None


def test_the_edit_is_turned_where_the_representative_is_right(summary, made):
    hashes = {"kept": {"image_hash": "2"}, "other": {"image_hash": "1"}}
    data = report(summary, made(**hashes), [aligned("1", "2")])
    assert ("edit", BACK) in of_member(data).evidence.scores
    assert ("edit", BACK) in data.pairs[0].evidence.scores
    # By ids the representative is the right one: the pair reads the other way than the member.
    ids = {"kept": {"record_id": "pics:z"}}
    data = report(summary, made(**ids), [aligned("1", "2")])
    assert ("edit", EDIT) in of_member(data).evidence.scores
    assert ("edit", BACK) in data.pairs[0].evidence.scores
    assert "pics:z (left) and pics:b (right)" in of_member(data).overlay.alt
    assert "pics:b (left) and pics:z (right)" in data.pairs[0].overlay.alt


@pytest.mark.parametrize("turned", [False, True])
def test_the_outline_follows_the_way_shown(summary, made, turned):
    kept, other = (
        {"image_hash": name, "thumbnail": GREY} for name in (("2", "1") if turned else ("1", "2"))
    )
    overlay = of_member(report(summary, made(kept=kept, other=other), [aligned("1", "2")])).overlay
    sheet = Image.open(io.BytesIO(base64.b64decode(overlay.image.partition(",")[2])))
    pixels = np.asarray(sheet.convert("RGB")).astype(int)
    assert pixels.shape == (120, 326, 3)
    green = (pixels[..., 1] - pixels[..., 0] > 60).mean(axis=0)
    middles = green[77:83].max(), green[166 + 77 : 166 + 83].max()
    assert min(middles) < 0.2
    assert max(middles) > 0.9
    assert (middles[0] < middles[1]) == turned  # the one that is halved is on its own side


def test_pictures_and_words_are_in_the_page(summary, made):
    html = render_report(report(summary, made(), [aligned("1", "2", transform=MIRRORED)]))
    assert sizes(html) == [(326, 120)] * 2
    assert "outlined in green" in html
    assert html.count("one picture, edited") == 2


def test_without_a_pair_row_the_note_names_the_edit(summary, made):
    tables = made() | {"pairs": PAIRS.empty_table()}
    member = of_member(report(summary, tables, [aligned("1", "2")]))
    assert member.note.endswith(f"no scores of its own; edit of the picture: {EDIT}")
    assert member.overlay.image


def test_the_same_things_seen_twice_are_shown_without_an_edit(summary, made):
    data = report(summary, made(image_verified=False), [aligned("1", "2", verified=False)])
    scores = dict(of_member(data).evidence.scores)
    assert scores["geometry"] == "not one picture"
    assert "edit" not in scores
    assert "not one picture" in of_member(data).overlay.caption
    assert EDIT not in of_member(data).overlay.alt


NO_JPEG = {"thumbnail": b"<svg onload='alert(1)'/>"}
CUT_SHORT = {"thumbnail": picture()[:200]}


@pytest.mark.parametrize(
    ("rows", "values"),
    [
        ([], {}),
        (None, {}),
        ([aligned("1", "2", transform=None)], {}),
        ([aligned("1", "2", transform=[0] * 9)], {}),
        ([aligned("1", "2", transform=[1, 0, 3, 0, 1, 0, 0, 0, 1])], {}),
        ([aligned("1", "2", verified=False)], {"image_verified": None}),
        ([aligned("1", "2")], {"other": {"image_hash": "1"}}),
        ([aligned("1", "2")], {"other": {"image_hash": None}}),
        ([aligned("1", "2")], {"other": {"thumbnail": None}}),
        ([aligned("1", "2")], {"other": NO_JPEG}),
        ([aligned("1", "2")], {"kept": CUT_SHORT}),
    ],
)
def test_without_two_pictures_and_a_transform_there_is_no_overlay(summary, made, rows, values):
    data = report(summary, made(**values), rows)
    assert of_member(data).overlay is None
    assert data.pairs[0].overlay is None
    html = render_report(data)
    assert sizes(html) == []
    assert "outlined in green" not in html


def test_runs_from_before_geometry_show_nothing_of_it(summary, made):
    tables = made()
    old = tables["pairs"].drop_columns(["image_verified", "image_edit"])
    text = render_report(report(summary, tables | {"pairs": old}, None))
    assert "geometry" not in text
    assert sizes(text) == []


def test_the_words_of_a_pair_do_without_the_alignment(summary, made):
    data = report(summary, made(image_edit=EDIT), None)
    assert ("edit", EDIT) in data.pairs[0].evidence.scores
    assert ("edit", EDIT) in of_member(data).evidence.scores
    turned = made(kept={"record_id": "pics:z"}, image_edit=EDIT)
    scores = dict(of_member(report(summary, turned, None)).evidence.scores)
    assert "edit" not in scores  # it would be the other way round


def test_overlays_share_the_limit_of_the_previews(summary, made):
    roomy = report(summary, made(), [aligned("1", "2")])
    assert (roomy.thumbnails, roomy.thumbnails_left_out) == (6, 0)
    heavy = {"thumbnail": picture() + bytes(374_000 - len(picture()))}  # decoded all the same
    data = report(summary, made(kept=heavy, other=heavy), [aligned("1", "2")], max_bytes=1_000_000)
    member = of_member(data)
    assert member.image  # every preview comes before any overlay
    assert (member.overlay.image, member.overlay.caption) == (None, LEFT_OUT)
    assert data.thumbnails + data.thumbnails_left_out == 6
    html = render_report(data)
    assert LEFT_OUT.replace("'", "&#39;") in html
    assert sizes(html) == []


def test_previews_come_before_overlays(summary, made):
    # Room for the two members and the two sides of the pair, and for nothing more.
    heavy = {"thumbnail": picture() + bytes(187_000 - len(picture()))}
    tables = made(kept=heavy, other=heavy)
    data = report(summary, tables, [aligned("1", "2")], max_bytes=1_000_000)
    assert data.pairs[0].left.image
    assert data.pairs[0].right.image
    assert of_member(data).overlay.image is None
    assert data.thumbnails == 4


def test_a_dataset_and_any_order_give_the_same_page(summary, made):
    rows = [aligned("1", "2"), aligned("0", "1"), aligned("2", "9")]
    table = pa.Table.from_pylist(rows[::-1], ALIGNMENTS)
    given = {"summary": summary, "settings": ReportSettings(), "seed": 0, **made()}
    pages = {
        render_report(build_report(**given, alignments=alignments))
        for alignments in (ds.dataset(table), table.take([2, 0, 1]), table)
    }
    assert len(pages) == 1


def test_what_geometry_says_cannot_inject(summary, made):
    bad = '"><script>alert(1)</script>\u202e'
    ids = {"kept": {"record_id": f"a{bad}"}, "other": {"record_id": f"b{bad}"}}
    html = render_report(report(summary, made(**ids), [aligned("1", "2", edit=bad, back=bad)]))
    assert html.count("<script") == 2
    assert "\u202e" not in html
    assert len(sizes(html)) == 2
