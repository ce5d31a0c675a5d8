"""Configuration errors: each fault once, in plain words, with what was meant."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.config.run import load_config
from pipeline.errors import ConfigError

SOURCE = "{name: s, type: csv, path: a.csv, columns: {id: id, text: t}}"


def told(folder: Path, text: str) -> list[str]:
    path = folder / "run.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError) as caught:
        load_config(path)
    first, *lines = str(caught.value).splitlines()
    assert f"{len(lines)} wrong setting(s)" in first
    return [line.strip() for line in lines]


@pytest.mark.parametrize(
    ("sources", "more", "line"),
    [
        ("[{name: s, type: csvv, path: a}]", "",
         "sources.0: type must be one of csv, jsonl, parquet, sheet, image_folder; did you mean "
         "csv? (found 'csvv')"),
        ("[{name: s, path: a}]", "", "sources.0: has no `type`; add one"),
        ("[{name: s, type: csv, path: a, columns: {id: id, text: 5}}]", "",
         "sources.0.columns.text: must be text; put it into quotes (found 5)"),
        ("{name: s}", "", "sources: must be a list (found {'name': 's'})"),
        ("[]", "", "sources: needs 1 or more (found [])"),
        (f"[{SOURCE}]", "clustering: {keeper: newest}",
         "clustering.keeper: must be a list, such as [newest] (found 'newest')"),
        (f"[{SOURCE}]", "judge: {acept: 0.9}",
         "judge.acept: no such setting; did you mean accept?"),
        (f"[{SOURCE}]", "keeper: [newest]",
         "keeper: no such setting here; keeper belongs under clustering"),
        (f"[{SOURCE}]", "gates: [1]",
         "gates: must be a mapping of settings, `name: value` (found [1])"),
        (f"[{SOURCE}]", "threads: many", "threads: must be a whole number (found 'many')"),
    ],
)  # fmt: skip
def test_a_fault_is_told_once_and_plainly(
    tmp_path: Path, sources: str, more: str, line: str
) -> None:
    assert told(tmp_path, f"catalog: x\nsources: {sources}\n{more}\n") == [line]


@pytest.mark.parametrize(
    ("clustering", "words"),
    [
        ("{source_priority: [zz]}", "source_priority names 'zz', which is no source"),
        ("{keeper: [source_priority]}", "name the preferred sources first, such as [s]"),
        ("{keeper: [newest]}", "keeper says newest and no source has a time"),
    ],
)
def test_a_keeper_that_cannot_tell_is_refused(tmp_path: Path, clustering: str, words: str) -> None:
    (line,) = told(tmp_path, f"catalog: x\nsources: [{SOURCE}]\nclustering: {clustering}\n")
    assert words in line


@pytest.mark.parametrize(
    ("export", "words"),
    [
        ("{path: x.doc}", "path ends in .doc, and what is written is parquet, csv, jsonl or xlsx"),
        ("{path: x.csv.gz, format: csv}", "path ends in .gz and nothing is packed"),
        ("{path: x.parquet, format: csv}", "path ends in .parquet and format is csv"),
    ],
)
def test_an_export_is_what_its_ending_says(tmp_path: Path, export: str, words: str) -> None:
    (line,) = told(tmp_path, f"catalog: x\nsources: [{SOURCE}]\nexports: [{export}]\n")
    assert words in line
