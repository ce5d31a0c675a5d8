"""What every encoder promises, tried on every member of both configuration unions."""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

from pipeline.config import encoders as settings
from pipeline.config.sources import ImageSettings
from pipeline.encoders import ImageRef
from pipeline.encoders.opening import open_encoder

# Per member: its folder or file, other arguments, and a change that must change the fingerprint.
MEMBERS: dict[str, tuple[str | None, dict[str, Any], dict[str, Any]]] = {
    "MiniLmEncoder": (None, {"dtype": "float32"}, {"dtype": "bfloat16"}),
    "SentenceTransformersText": ("bert_folder", {}, {"dtype": "bfloat16"}),
    "StaticText": (None, {"dimension": 16}, {"dimension": 8}),
    "ToyText": (None, {}, {"dimension": 64}),
    "CopyDetection": ("copy_folder", {}, {"backend": "float32"}),
    "SentenceTransformersImage": ("vit_folder", {}, {"path": "router_folder"}),
    "TorchScriptImage": ("torchscript_file", {"image_size": 32}, {"image_size": 40}),
    "OnnxImage": ("onnx_file", {"image_size": 32}, {"mean": (0.0, 0.0, 0.0), "image_size": 32}),
    "ToyImage": (None, {}, {"grid": 4}),
}


def members(union: Any) -> list[type[Any]]:
    return list(typing.get_args(typing.get_args(union)[0]))


TEXT, IMAGE = members(settings.TextEncoderConfig), members(settings.ImageEncoderConfig)


def build(kind: type[Any], request: pytest.FixtureRequest, **changes: Any) -> Any:
    fixture, arguments, _ = MEMBERS[kind.__name__]
    if fixture:
        arguments = {**arguments, "path": str(request.getfixturevalue(fixture))}
    if kind is settings.StaticText:
        folder = str(request.getfixturevalue("bert_folder"))
        teacher = settings.SentenceTransformersText(type="sentence_transformers", path=folder)
        arguments = {**arguments, "teacher": teacher}
    name = typing.get_args(kind.model_fields["type"].annotation)[0]
    return kind(type=name, **{**arguments, **changes})


@pytest.fixture(params=[*TEXT, *IMAGE], ids=lambda kind: kind.__name__)
def kind(request: pytest.FixtureRequest) -> type[Any]:
    return typing.cast("type[Any]", request.param)


@pytest.fixture
def encoder(kind: type[Any], request: pytest.FixtureRequest, opened: Callable[[Any], Any]) -> Any:
    return opened(build(kind, request))


@pytest.fixture
def items(kind: type[Any], texts: list[str], pictures: list[ImageRef]) -> Sequence[Any]:
    return texts if kind in TEXT else pictures


def embed(encoder: Any, items: Sequence[Any]) -> np.ndarray:
    """Embed `items`, check that each came out once, and return rows in their order."""
    out = np.full((len(items), encoder.dimension), np.nan, np.float32)
    seen: list[int] = []
    for part in encoder.encode(iter(items)):
        assert part.positions.dtype == np.int64
        assert part.vectors.dtype == np.float32
        assert part.chunks.dtype == np.int32
        assert (part.chunks >= 1).all()
        out[part.positions] = part.vectors
        seen += [*part.positions.tolist(), *(position for position, _ in part.failed)]
    assert sorted(seen) == list(range(len(items)))
    return out


def test_every_member_is_tried() -> None:
    assert {kind.__name__ for kind in [*TEXT, *IMAGE]} == set(MEMBERS)


@pytest.mark.slow
def test_vectors_are_unit_and_every_item_comes_once(encoder: Any, items: Sequence[Any]) -> None:
    vectors = embed(encoder, items)
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)
    assert encoder.modality in ("text", "image")
    assert encoder.name
    assert list(encoder.encode([])) == []


@pytest.mark.slow
def test_vectors_ignore_order_company_and_batch(encoder: Any, items: Sequence[Any]) -> None:
    vectors = embed(encoder, items)
    order = np.random.default_rng(1).permutation(len(items))
    np.testing.assert_array_equal(embed(encoder, [items[at] for at in order]), vectors[order])
    np.testing.assert_array_equal(embed(encoder, items[:1]), vectors[:1])
    if hasattr(encoder, "batch_size"):
        other = dataclasses.replace(encoder, batch_size=3, threads=1)
        np.testing.assert_array_equal(embed(other, items), vectors)


@pytest.mark.slow
def test_fingerprint_follows_what_changes_vectors(
    kind: type[Any], request: pytest.FixtureRequest, opened: Callable[[Any], Any]
) -> None:
    own = opened(build(kind, request)).fingerprint
    assert len(own) == 16
    assert int(own, 16) >= 0
    change = dict(MEMBERS[kind.__name__][2])
    if "path" in change:
        change["path"] = str(request.getfixturevalue(change["path"]))
    assert opened(build(kind, request, **change)).fingerprint != own
    if "batch_size" in kind.model_fields:
        assert opened(build(kind, request, batch_size=5)).fingerprint == own


def test_what_cannot_be_embedded_fails_with_a_reason(encoder: Any, items: Sequence[Any]) -> None:
    bad = "" if encoder.modality == "text" else ImageRef(data=b"no picture")
    mixed = [bad, items[0], bad, items[1]]
    vectors = embed(encoder, mixed)
    np.testing.assert_array_equal(vectors[[1, 3]], embed(encoder, items[:2]))
    failed = [failure for part in encoder.encode(mixed) for failure in part.failed]
    assert sorted(position for position, _ in failed) == [0, 2]
    assert all(reason for _, reason in failed)


def test_importing_the_room_loads_nothing_heavy() -> None:
    import subprocess
    import sys

    heavy = "torch sentence_transformers transformers faiss PIL sklearn"
    code = (
        f"import sys, pipeline.encoders; print([m for m in '{heavy}'.split() if m in sys.modules])"
    )
    answer = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert answer.stdout.strip() == "[]"


def test_missing_files_are_named() -> None:
    from pipeline.errors import EncoderError

    for broken in (
        settings.SentenceTransformersText(type="sentence_transformers", path="/none"),
        settings.SentenceTransformersImage(type="sentence_transformers_image", path="/none"),
        settings.TorchScriptImage(type="torchscript", path="/none"),
        settings.OnnxImage(type="onnx", path="/none"),
    ):
        with pytest.raises(EncoderError, match="/none"):
            open_encoder(broken, images=ImageSettings(workers=0), threads=1)
