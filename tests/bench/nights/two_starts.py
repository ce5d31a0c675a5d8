"""Start two runs on one catalog at the same moment, again and again.

Each time exactly one of them works, or they work one after the other; who is refused says so in
one line with the exit code 2; afterwards the catalog is whole.

    python tests/bench/nights/two_starts.py --tries 50
    python tests/bench/nights/two_starts.py --tries 50 --catalog s3://bucket/prefix
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

TEXTS = 40


def config(folder: Path, catalog: str, *, texts: int = TEXTS) -> Path:
    """Write a configuration over a few texts, and return its path."""
    lines = [
        {"id": str(n), "text": f"the {n * 37} red bicycles of house number {n // 2} are for sale"}
        for n in range(texts)
    ]
    (folder / "in.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    settings = {
        "catalog": catalog,
        "sources": [
            {
                "type": "jsonl",
                "name": "s",
                "path": str(folder / "in.jsonl"),
                "columns": {"id": "id", "text": "text"},
            }
        ],
        "text_encoder": {"type": "toy"},
        "image_encoder": {"type": "toy_image"},
    }
    path = folder / "config.yaml"
    path.write_text(json.dumps(settings))  # JSON is YAML
    return path


def start(path: Path) -> subprocess.Popen[str]:
    """Start a run as a process of its own."""
    command = [sys.executable, "-m", "flows.cli.main", "run", str(path), "--no-prefect", "--json"]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def race(path: Path, processes: int = 2) -> list[tuple[int, str]]:
    """Start several runs at once; return the exit code and the last words of each."""
    started = [start(path) for _ in range(processes)]
    ended = [(process, *process.communicate()) for process in started]
    return [
        (process.returncode, (out if process.returncode == 0 else error).strip())
        for process, out, error in ended
    ]


def judged(results: list[tuple[int, str]]) -> int:
    """How many runs worked.

    Raises:
        RuntimeError: none did, or one ended in another way than it may.
    """
    worked = 0
    for code, said in results:
        if code == 0 and json.loads(said)["status"] == "published":
            worked += 1
        elif code != 2 or "another run is writing to" not in said:
            raise RuntimeError(f"exit code {code}: {said}")
    if not worked:
        raise RuntimeError(f"no run worked: {results}")
    return worked


def repeat(folder: Path, catalog: str, *, tries: int) -> dict[str, int]:
    """Race again and again on one catalog, and look at it after each; return what happened."""
    from pipeline.catalog import Catalog
    from pipeline.catalog.health import check_catalog

    path, found = config(folder, catalog), {"alone": 0, "one after the other": 0}
    for _ in range(tries):
        worked = judged(race(path))
        found["alone" if worked == 1 else "one after the other"] += 1
        kept = Catalog(catalog, create=False)
        problems = [str(finding) for finding in check_catalog(kept) if not finding.ok]
        runs = kept.runs()
        if problems or len(runs) != found["alone"] + 2 * found["one after the other"]:
            raise RuntimeError(f"damage: {problems or [run.run for run in runs]}")
    return found


def main() -> None:
    """Parse, race, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tries", type=int, default=50)
    parser.add_argument("--catalog", help="Default: a new local folder.")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        catalog = chosen.catalog or f"{folder}/catalog"
        print(json.dumps(repeat(Path(folder), catalog, tries=chosen.tries)))


if __name__ == "__main__":
    main()
