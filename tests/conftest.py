"""A labelled corpus small enough to fine-tune on in a second, and an object store on loopback."""

from __future__ import annotations

import json
import logging
import random
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

BRANDS = ("Acme", "Borealis", "Corvo", "Delphi", "Elara")
KINDS = ("kettle", "toaster", "blender", "speaker", "camera", "drill")
WORDS = ("steel", "black", "compact", "cordless", "portable", "digital", "silent", "robust")


def offers(models: int, seed: int = 0) -> list[dict[str, str]]:
    """Two offers of each model; models come in twos that differ in their code alone.

    The second offer has its words in another order and two letters of one word exchanged, so that
    an offer is about as near to its twin's as to its own.
    """
    rng = random.Random(seed)
    rows = []
    for number in range(models):
        if number % 2 == 0:
            brand, kind = rng.choice(BRANDS), rng.choice(KINDS)
            words = rng.sample(WORDS, 3)
        code = f"{kind[:2].upper()}{rng.randint(100, 999)}"
        first = f"{brand} {code} {' '.join(words)} {kind}"
        typo = words[1][0] + words[1][2] + words[1][1] + words[1][3:]
        second = f"{kind} {brand} {code} {words[2]} {typo} {words[0]} new"
        for side, title in (("a", first), ("b", second)):
            rows.append({"id": f"{side}{number}", "title": title, "brand": brand, "model": code})
    return rows


@pytest.fixture(scope="session")
def write_offers() -> Callable[[Path], Path]:
    """Write offers.jsonl, pairs.csv (by id), inline.csv and clusters.csv into a folder."""

    def write(folder: Path, models: int = 50) -> Path:
        folder.mkdir(parents=True, exist_ok=True)
        rows = offers(models)
        title = {row["id"]: row["title"] for row in rows}
        pairs = []
        for number in range(models):
            twin = number ^ 1
            pairs.append((f"a{number}", f"b{number}", 1))
            pairs.append((f"a{number}", f"b{twin}", 0))
            pairs.append((f"a{number}", f"a{twin}", 0))
        lines = [json.dumps(row) for row in rows]
        (folder / "offers.jsonl").write_text("\n".join(lines) + "\n")
        by_id = [f"{left},{right},{label}" for left, right, label in pairs]
        (folder / "pairs.csv").write_text("\n".join(["left_id,right_id,label", *by_id]) + "\n")
        inline = [f"{title[left]},{title[right]},{label}" for left, right, label in pairs]
        (folder / "inline.csv").write_text("\n".join(["left,right,label", *inline]) + "\n")
        clusters = [f"{row['id']},{row['id'][1:]}" for row in rows]
        (folder / "clusters.csv").write_text("\n".join(["record_id,cluster_id", *clusters]) + "\n")
        return folder

    return write


@pytest.fixture(scope="session")
def endpoint() -> Iterator[str]:
    """Moto's server, without an account of this machine's."""
    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()
