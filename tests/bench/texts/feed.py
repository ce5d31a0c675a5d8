"""A product feed with variants that share a picture and a long description, through a run.

    python tests/bench/texts/feed.py --data DATA [--cases CASES] [--set JSON]

CASES/feed/make.py makes the feed out of DATA's sets: 499 products, 80 of them a second time in the
words and pictures of another shop, 60 variants that differ in one word (colour, memory, size).
Title and description are text beside the picture; with --text Title Description Price the price
too. A confirmed cluster is wrong when it holds records of two products. The feed is made in the
environment of the peers: that needs pandas.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections import Counter
from itertools import combinations
from pathlib import Path
from typing import Any

from outcome import Outcome, completed

sys.path.append(str(Path(__file__).parents[1]))
from processes import installed
from real_data import keep

TEXT = ("Title", "Description")


def source(folder: Path, text: list[str]) -> dict[str, Any]:
    columns = {"id": "SKU", "text": text, "image": "Picture", "attributes": ()}
    return {"type": "csv", "name": "feed", "path": str(folder / "feed.csv"), "columns": columns}


def told(outcome: Outcome, truth: dict[str, Any]) -> dict[str, Any]:
    """What the clusters are worth; `truth` is the product of each record."""
    products = {
        status: [{truth[name] for name in members} for members in outcome.clusters((status,))]
        for status in ("confirmed", "review")
    }
    copies = true_copies(truth)
    decided = Counter(outcome.decisions(copies))
    return {
        "records": len(outcome.cluster),
        "confirmed clusters": len(products["confirmed"]),
        "of them wrong": sum(len(of) > 1 for of in products["confirmed"]),
        "clusters in review": len(products["review"]),
        "of these wrong": sum(len(of) > 1 for of in products["review"]),
        "true copies": len(copies),
        "joined": sum(outcome.together(pair) for pair in copies),
        "joined in confirmed clusters": sum(
            outcome.together(pair, ("confirmed",)) for pair in copies
        ),
        "pairs of copies for review": decided["review"],
        "pairs of copies that were no candidates": decided[None],
    }


def true_copies(truth: dict[str, Any]) -> list[tuple[str, str]]:
    members: dict[Any, list[str]] = {}
    for name, product in truth.items():
        members.setdefault(product, []).append(name)
    return [pair for names in members.values() for pair in combinations(sorted(names), 2)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--cases", type=Path, help="by default beside the folder of the sets")
    parser.add_argument("--out", type=Path, default=Path("build/bench"))
    parser.add_argument("--text", nargs="+", default=list(TEXT), help="columns that are text")
    parser.add_argument("--set", dest="overrides", default="{}", help="JSON over the configuration")
    chosen = parser.parse_args()
    script = (chosen.cases or chosen.data.resolve().parent / "cases") / "feed" / "make.py"
    python = installed(chosen.out.resolve() / "texts", "feed")
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        command = [str(python), "-I", str(script), str(chosen.data.resolve()), str(folder)]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        truth = json.loads((folder / "truth.json").read_text())
        settings = {"sources": [source(folder, chosen.text)], **json.loads(chosen.overrides)}
        found = told(completed(settings, folder / "catalog"), truth)
    for name, value in found.items():
        print(f"{value:6,}  {name}")
    keep(chosen.out / "feed.json", options=vars(chosen), **found)


if __name__ == "__main__":
    main()
