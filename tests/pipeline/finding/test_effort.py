"""What a first look costs, counted instead of timed: what it loads, opens, starts and embeds."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

ROWS = 400  # more than MiniLM is asked about
HEAVY = {
    "torch", "transformers", "sentence_transformers", "pytorch_lightning", "prefect", "model2vec",
    "onnxruntime", "openpyxl", "fastapi", "sqlalchemy",
}  # fmt: skip
LOOK = """
import contextlib, io, json, sys
from collections import Counter
from pipeline.arrays import parallel
from pipeline.encoders import opening
from pipeline.encoders.text import distilled, static

counts = Counter()

def counted(room, name, amount=lambda *given, **named: 1):
    work = getattr(room, name)
    def count(*given, **named):
        counts[name] += amount(*given, **named)
        return work(*given, **named)
    setattr(room, name, count)

counted(parallel, "start_processes")
counted(distilled, "open_static")
counted(distilled, "_distil")
counted(static.StaticTextEncoder, "_looked_up", lambda self, texts: len(texts))
from flows.cli.main import main

def look():
    sys.argv = ["gemel", "find", "rows.csv", "--json"]
    told = io.StringIO()
    with contextlib.redirect_stdout(told), contextlib.suppress(SystemExit):
        main()
    return json.loads(told.getvalue())

first = look()
once = dict(counts)
again = look()
print(json.dumps([first, once, dict(counts), again["fresh"], sorted(sys.modules)]))
"""


def test_a_look_loads_opens_and_starts_only_what_it_needs(tmp_path: Path) -> None:
    words = ["red", "blue", "oak", "steel", "table", "lamp", "chair", "desk", "small", "round"]
    rows = [
        f"{n},{words[n % 10]} {words[n // 10 % 10]} {words[n // 40]} no {n * 7919}"
        for n in range(ROWS - 2)
    ]
    rows += [f"{n},{rows[n - ROWS].partition(',')[2]}" for n in (ROWS, ROWS + 1)]  # two copies
    (tmp_path / "rows.csv").write_text("id,title\n" + "\n".join(rows) + "\n")
    done = subprocess.run(
        [sys.executable, "-c", LOOK], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    first, once, twice, fresh, modules = json.loads(done.stdout)
    assert first["counts"]["records"] == ROWS
    assert once == {"open_static": 1, "_looked_up": ROWS - 2}  # nothing distilled, no process
    assert not HEAVY & set(modules)
    assert fresh is False
    assert twice == once
    assert [Path(path).suffix for path in first["tables"]] == [".csv"]
