"""splink, dedupe and GoldenMatch on the files and by the metric of `without_labels.py`.

    python tests/bench/texts/peers_without_labels.py --data DATA [--only er_cora …] [--peers splink]

Each peer runs in a process of its own, in an environment of its own below --out that is made on
first use. splink with comparisons and blocking written by hand once per set after its
documentation, u by random sampling, m by EM; dedupe after 20, 50, 100 and 200 answers of a person
who knows the truth, with the variables of its own examples; GoldenMatch without configuration. All
at their own cut, with fixed seeds. A peer that cannot be installed or fails is told and the next
begins.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path
from typing import Any

from labelled_sets import SETS, Copied, Pair, Truth
from without_labels import REPORTED, told

sys.path.append(str(Path(__file__).parents[1]))
from processes import UnfinishedError, ended, installed
from real_data import Report

HEADER = "| set | peer | precision | recall | F1 | seconds |"
PEERS = ("splink", "dedupe", "goldenmatch")
SCRIPT = Path(__file__).parent / "peer_judges.py"


def measured(
    name: str, peer: str, chosen: argparse.Namespace, folder: Path
) -> Iterator[dict[str, Any]]:
    """Every way of a peer on one set."""
    copied = SETS[name].copied(chosen.data, folder / "files")
    done = completed(name, peer, chosen, folder, copied)
    for way, groups in json.loads((folder / "found.json").read_text()).items():
        joined = across((pair for group in groups for pair in combinations(group, 2)), copied.truth)
        right, true = len(joined & copied.truth.positive), len(copied.truth.positive)
        yield {
            "set": name,
            "peer": f"{peer}, {way}",
            "precision": right / len(joined) if joined else None,
            "recall": right / true,
            "f1": 2 * right / (len(joined) + true),
            "seconds": round(done["seconds"]),
        }


def completed(
    name: str, peer: str, chosen: argparse.Namespace, folder: Path, copied: Copied
) -> dict[str, Any]:
    """Run a peer; the groups that it joins are in `folder`/found.json."""
    python = installed(chosen.out.resolve() / "texts", peer)
    given = [name, copied.folder, folder / "found.json"]
    if peer == "dedupe":
        truth = folder / "truth.json"
        truth.write_text(json.dumps(sorted(copied.truth.positive)))
        given += [truth, ",".join(map(str, chosen.answers))]
    # dedupe orders by hash, so its seed is not enough; -I would ignore the variable.
    command = ["env", "-u", "PYTHONPATH", "PYTHONHASHSEED=0", python, "-s", "-P", SCRIPT, peer]
    return ended([str(word) for word in [*command, *given]])


def across(pairs: Iterator[tuple[str, str]], truth: Truth) -> set[Pair]:
    """Pairs, ordered; of two-source sets those across the sources."""
    side = truth.side
    return {(min(a, b), max(a, b)) for a, b in pairs if side is None or side[a] != side[b]}


def line(row: dict[str, Any]) -> str:
    figures = (told(row[name]) for name in ("precision", "recall", "f1"))
    cells = [row["set"], row["peer"], *figures, row["seconds"]]
    return "| " + " | ".join(map(str, cells)) + " |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--out", type=Path, default=Path("build/bench"))
    parser.add_argument("--only", nargs="+", choices=REPORTED, default=REPORTED)
    parser.add_argument("--peers", nargs="+", choices=PEERS, default=list(PEERS))
    parser.add_argument("--answers", type=int, nargs="+", default=[20, 50, 100, 200])
    chosen = parser.parse_args()
    chosen.out.mkdir(parents=True, exist_ok=True)
    report, rows = Report(HEADER), []
    for name in chosen.only:
        for peer in chosen.peers:
            with tempfile.TemporaryDirectory() as folder:
                try:
                    for row in measured(name, peer, chosen, Path(folder)):
                        rows.append(row)
                        report.add(line(row))
                except UnfinishedError as failed:
                    rows.append({"set": name, "peer": peer, "failed": str(failed)})
                    report.add(f"| {name} | {peer}: {failed} | | | | |")
            report.write(chosen.out / "peers_without_labels", options=vars(chosen), sets=rows)


if __name__ == "__main__":
    main()
