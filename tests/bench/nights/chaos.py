"""Kill a nightly run at seeded random moments, fill its disk, break its files; look what is left.

Every trial starts from the same catalog, which has last night's result, and the same delivery of
tonight. A run is killed with SIGKILL, before one of its steps on the file system or after a random
time, or meets a full disk or an I/O error. Afterwards
- readers see last night's tables whole, or tonight's whole once they are published;
- the same command, given again, ends published, and tonight's tables, row by row and in their
  order, under the same name, are those of a run that nothing stopped;
- no row is lost, no scratch is left, no run has two rows.

    python tests/bench/nights/chaos.py --kills 60 --full 6 --errors 20
"""

from __future__ import annotations

import argparse
import errno
import json
import multiprocessing
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow.compute as pc

from pipeline.nightly import runner as nightly
from pipeline.nightly.resume import Begun

LAST_NIGHT = datetime(2026, 1, 1, 2, tzinfo=UTC)
TONIGHT, AGAIN = LAST_NIGHT + timedelta(days=1), LAST_NIGHT + timedelta(days=1, hours=1)
STAGES = [stage.name for stage in nightly.STAGES]
# What Python does to the file system, by the names of its audit events.
EVENTS = {"open", "os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.truncate", "shutil.rmtree"}
PRELOADED = [
    "pipeline.nightly.runner",
    "pipeline.outputs.report.html",
    "pipeline.outputs.report.build",
    "deltalake",
    "pyarrow.dataset",
    "faiss",
    "rensa",
    "threadpoolctl",
]
NAMES = (
    "alpha bravo charlie delta echo foxtrot golf hotel india juliett kilo lima mike november oscar "
    "papa quebec romeo sierra tango uniform victor whiskey"
)
WORDS = NAMES.split()
ENCODERS = {
    "toy": ({"type": "toy"}, {"type": "toy_image"}),
    "real": ({"type": "minilm"}, {"type": "copy_detection"}),
}


# --- the run that is disturbed -------------------------------------------------------------------


@dataclass
class Steps:
    """Counts the steps a run takes on the file system of its catalog, and disturbs one of them."""

    catalog: str
    at: int | None = None
    error: int | None = None  # an errno; None: the process is killed
    count: int = 0

    def __call__(self, event: str, given: tuple[Any, ...]) -> None:
        """Listen to Python's audit events."""
        if event in EVENTS and self.catalog in str(given[0]):
            self.step()

    def step(self) -> None:
        """Take one step."""
        self.count += 1
        if self.count == self.at and self.error is None:
            os.kill(os.getpid(), signal.SIGKILL)
        if self.count == self.at:
            raise OSError(self.error, os.strerror(self.error or 0))


def one_run(
    settings: dict[str, Any], started: datetime, out: str, disturbed: dict[str, Any]
) -> None:
    """Run once, in a process of its own, and leave the number of steps; the error of a failure."""
    from pipeline.catalog.tables import Tables
    from pipeline.config.run import RunConfig

    limit = disturbed.pop("file_bytes", None)
    steps = Steps(settings["catalog"], **disturbed)
    original = Tables._commit

    def commit(self: Tables, *given: Any, **named: Any) -> int:
        steps.step()
        version = original(self, *given, **named)
        steps.step()
        return version

    Tables._commit = commit  # type: ignore[method-assign]
    sys.addaudithook(steps)
    if limit:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
    said: dict[str, Any] = {}
    try:
        nightly.run(RunConfig.model_validate(settings), started=started)
    except Exception as error:  # noqa: BLE001 - the parent judges it
        said["error"] = f"{type(error).__name__}: {error}"
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    Path(out).write_text(json.dumps({**said, "steps": steps.count}))


# --- the bench -----------------------------------------------------------------------------------


def write_delivery(folder: Path, *, night: int, size: int) -> None:
    """Texts and pictures with copies among them; on the second night some are new or changed."""
    import numpy as np
    from PIL import Image

    generator = random.Random(7)
    (folder / "pictures").mkdir(parents=True, exist_ok=True)
    lines = []
    for number in range(size + 5 * night):
        text = " ".join(generator.choices(WORDS, k=14)) + f" case {number * 7919}"
        if night and number % 10 == 0:
            text += " revised"
        lines.append({"id": f"r{number}", "text": text})
        if number % 3 == 0:
            lines.append({"id": f"n{number}", "text": text.replace("e", "", 1)})
    rows = [json.dumps(line) for line in lines] + ["{broken"]
    (folder / "in.jsonl").write_text("\n".join(rows) + "\n")
    for number in range(size // 5 + 2 * night):
        path = folder / "pictures" / f"{number}.png"
        if not path.exists():
            grid = np.random.default_rng(number // 2).integers(0, 255, (24, 24, 3), dtype=np.uint8)
            side = 64 + number % 2
            Image.fromarray(grid).resize((side, side), Image.Resampling.BICUBIC).save(path)


@dataclass
class Bench:
    """A catalog with last night's result, tonight's delivery, and what tonight has to come to."""

    folder: Path
    encoders: str
    size: int
    steps: int = 0
    seconds: float = 0.0
    last_night: dict[str, Any] = field(default_factory=dict)
    expected: dict[str, Any] = field(default_factory=dict)
    context: Any = None

    def prepare(self) -> None:
        """Run last night, then tonight without disturbance."""
        self.context = multiprocessing.get_context("forkserver")
        self.context.set_forkserver_preload(PRELOADED)
        write_delivery(self.folder / "data", night=0, size=self.size)
        before = self.folder / "before"
        self.run(before, LAST_NIGHT)
        self.last_night = published(before)
        write_delivery(self.folder / "data", night=1, size=self.size)
        whole = self.folder / "whole"
        shutil.copytree(before, whole)
        began = time.perf_counter()
        self.steps = self.run(whole, TONIGHT)["steps"]
        self.seconds = time.perf_counter() - began
        self.expected = published(whole)

    def settings(self, catalog: Path) -> dict[str, Any]:
        """The configuration of a run."""
        data, (text, image) = self.folder / "data", ENCODERS[self.encoders]
        columns = {"id": "id", "text": "text"}
        return {
            "catalog": str(catalog),
            "sources": [
                {"type": "jsonl", "name": "s", "path": str(data / "in.jsonl"), "columns": columns},
                {"type": "image_folder", "name": "p", "path": str(data / "pictures")},
            ],
            "text_encoder": text,
            "image_encoder": image,
            "images": {"workers": 0},
            "shard_rows": max(self.size // 4, 1),
            "candidates": {"lexical": {"min_tokens": 8}},
            "exports": [{"path": str(catalog.with_suffix(".csv"))}],
        }

    def run(
        self, catalog: Path, started: datetime, *, after: float | None = None, **disturbed: Any
    ) -> dict[str, Any]:
        """Run once, disturbed or killed `after` some seconds; what it left is empty when killed."""
        out = self.folder / "said.json"
        out.unlink(missing_ok=True)
        given = (self.settings(catalog), started, str(out), disturbed)
        process = self.context.Process(target=one_run, args=given)
        process.start()
        if after is not None:
            process.join(after)
            process.kill()
        process.join()
        said: dict[str, Any] = json.loads(out.read_text()) if out.exists() else {}
        return said

    def trial(self, catalog: Path, **disturbed: Any) -> str:
        """Disturb tonight's run on a copy of the catalog, give the command again, look; say where.

        Raises:
            AssertionError: something is not as it has to be.
        """
        said = self.run(catalog, TONIGHT, **disturbed)
        where = reached(catalog)
        self.readers_see_one_night(catalog)
        return f"{where}: {said['error']}" if "error" in said else where

    def readers_see_one_night(self, catalog: Path) -> None:
        """What is published is last night's result whole, or tonight's."""
        found = published(catalog)
        expected = self.last_night if found["run"] == self.last_night["run"] else self.expected
        same(found, expected)

    def goes_on(self, catalog: Path) -> None:
        """The same command ends published, and tonight's tables are as if nothing had happened."""
        from pipeline.catalog import Catalog

        begun = any(work.kept(Begun) for work in Catalog(catalog).unfinished())
        never = not begun and published(catalog)["run"] == self.last_night["run"]
        # A run that was killed before it was noted has no name to go on under.
        said = self.run(catalog, TONIGHT if never else AGAIN)
        assert "error" not in said, f"the next run failed: {said}"
        assert said, "the next run died"
        kept = Catalog(catalog)
        # A gate that could not be computed holds the run: nothing unchecked is published.
        unread = [run for run in kept.runs() if _unread(run)]
        runs = [run for run in kept.runs() if run not in unread]
        assert [run.status for run in runs] == ["published"] * len(runs), runs
        assert len({run.run for run in runs}) == len(runs)
        assert kept.unfinished() == [], "scratch was left"
        tonight = next(run for run in runs if run.started == TONIGHT)
        same(published(catalog, tonight.run), self.expected, named=not unread)
        counts = tonight.summary.counts
        assert counts.rows == counts.records + counts.quarantined, "rows were lost"
        assert catalog.with_suffix(".csv").exists(), "tonight's export is missing"


def published(catalog: Path, name: str | None = None) -> dict[str, Any]:
    """The tables that readers see, or those of one run, whole."""
    from pipeline.catalog import Catalog

    kept = Catalog(catalog, create=False)
    run = kept.run(name)
    return {"run": run.run, **{table: kept.read(table, run=run) for table in run.versions}}


def _unread(run: Any) -> bool:
    """Whether a run is held for nothing but what could not be read when its gates were checked."""
    failed = [gate for gate in run.summary.gates if not gate.passed]
    return run.status == "held" and all("not be computed" in gate.message for gate in failed)


def same(found: dict[str, Any], expected: dict[str, Any], *, named: bool = True) -> None:
    """Compare tables row by row, in their order.

    Args:
        named: the run has the same name too.

    Raises:
        AssertionError: they differ.
    """
    assert found.keys() == expected.keys(), (found.keys(), expected.keys())
    for name, table in found.items():
        other = expected[name]
        if name == "run":
            equal = table == other or not named
        elif named or "run" not in table.column_names:
            equal = table.equals(other)
        else:
            if name == "events":  # what the held run told stays in the feed's table
                table = table.filter(pc.equal(table["run"], found["run"]))
                other = other.filter(pc.equal(other["run"], expected["run"]))
            equal = table.drop_columns("run").equals(other.drop_columns("run"))
        assert equal, f"{name} is another table than a run that nothing stopped makes"


def reached(catalog: Path) -> str:
    """The stage that a disturbed run was in."""
    from pipeline.catalog import Catalog

    for work in Catalog(catalog).unfinished():
        return next((s.name for s in nightly.STAGES if not work.kept(s.kind, s.key)), "end")
    return "before" if published(catalog)["run"].startswith("20260101") else "after"


@contextmanager
def copied(bench: Bench, name: str) -> Iterator[Path]:
    """A copy of the catalog with last night's result, removed when the trial went well."""
    catalog = bench.folder / name / "catalog"
    shutil.copytree(bench.folder / "before", catalog)
    yield catalog
    shutil.rmtree(catalog.parent)


def kills(bench: Bench, count: int, generator: random.Random) -> Iterator[str]:
    """Kill runs: by turns before a step, and after a time; both spread over the whole run."""
    for number in range(count):
        share = (number // 2 + generator.random()) / max(count / 2, 1)
        with copied(bench, f"kill-{number}") as catalog:
            if number % 2:
                where = bench.trial(catalog, after=share * bench.seconds)
            else:
                where = bench.trial(catalog, at=1 + int(share * bench.steps))
            bench.goes_on(catalog)
        yield where


def errors(bench: Bench, count: int, generator: random.Random) -> Iterator[str]:
    """Let one step fail with an I/O error."""
    for number in range(count):
        at = 1 + int((number + generator.random()) / count * bench.steps)
        with copied(bench, f"error-{number}") as catalog:
            where = bench.trial(catalog, at=at, error=errno.EIO)
            bench.goes_on(catalog)
        yield where.split(":")[0]


def full_disks(bench: Bench, count: int, generator: random.Random) -> Iterator[str]:
    """Run on a small file system of its own that is full; where none can be mounted, with a limit
    on the size of files."""
    needed = sum(path.stat().st_size for path in (bench.folder / "whole").rglob("*"))
    held = sum(path.stat().st_size for path in (bench.folder / "before").rglob("*"))
    for number in range(count):
        share = (number + generator.random()) / count
        with small_disk(bench.folder / f"full-{number}", needed * 4) as disk:
            catalog = (disk or bench.folder / f"full-{number}") / "catalog"
            shutil.copytree(bench.folder / "before", catalog)
            if disk:
                # Scratch takes about twice what a night adds.
                free = int(share * 3 * (needed - held))
                with filled(disk, free=free):
                    where = bench.trial(catalog)
            else:
                where = bench.trial(catalog, file_bytes=int(200 + share * 20_000))
            bench.goes_on(catalog)
        yield where.split(":")[0]


@contextmanager
def small_disk(folder: Path, size: int) -> Iterator[Path | None]:
    """A tmpfs of its own; None where this user may mount none."""
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
    try:
        mounted = subprocess.run(command, capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        mounted = False
    try:
        yield folder if mounted else None
    finally:
        if mounted:
            # Lazily: tables read here may still be mapped.
            subprocess.run(["umount", "--lazy", str(folder)], check=True)
        shutil.rmtree(folder)


@contextmanager
def filled(disk: Path, *, free: int) -> Iterator[None]:
    """Leave `free` bytes of a disk."""
    ballast = disk / "ballast"
    with ballast.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, max(shutil.disk_usage(disk).free - free, 1))
    yield
    ballast.unlink()


def main() -> None:
    """Run the trials and print where each disturbance hit."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--kills", type=int, default=60)
    parser.add_argument("--errors", type=int, default=0, help="trials with an I/O error")
    parser.add_argument("--full", type=int, default=0, help="trials with a full disk")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--size", type=int, default=60, help="texts, before their copies")
    parser.add_argument("--encoders", choices=sorted(ENCODERS), default="toy")
    given = parser.parse_args()
    generator = random.Random(given.seed)
    with tempfile.TemporaryDirectory(prefix="gemel-chaos-") as folder:
        bench = Bench(Path(folder), given.encoders, given.size)
        bench.prepare()
        print(f"a run of {bench.seconds:.1f} s and {bench.steps} steps; seed {given.seed}")
        for name, trials, count in (
            ("killed", kills, given.kills),
            ("I/O errors", errors, given.errors),
            ("full disks", full_disks, given.full),
        ):
            hit: Counter[str] = Counter()
            for done, where in enumerate(trials(bench, count, generator) if count else (), 1):
                hit[where] += 1
                print(f"{name} {done} of {count}: {where}", flush=True)
            order = ("before", *STAGES, "end", "after")
            by_stage = ", ".join(f"{stage} {hit[stage]}" for stage in order if hit[stage])
            print(f"{name}: {sum(hit.values())} of {count} came through: {by_stage or 'none'}")


if __name__ == "__main__":
    main()
