"""The README tells the truth: its blocks run, and it names what exists, and only that."""

import re
import shlex
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import pytest
import yaml
from pydantic import BaseModel

from pipeline.config import (
    candidates,
    encoders,
    finetune,
    gates,
    labels,
    matching,
    outputs,
    run as config,
    self_supervised,
    sources,
)
from pipeline.config.finetune import TrainConfig
from pipeline.config.run import RunConfig, load_config
from pipeline.storage.schemas import TABLES

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
SAMPLE_RUN = "gemel run configs/sample.yaml --plain"
FINETUNE = "gemel finetune configs/finetune.yaml --plain"


def lines(body: str) -> list[str]:
    return [line for line in body.splitlines() if line.strip()]


SCRIPTS = [lines(body) for kind, body in BLOCKS if kind == "sh"]
SHELL = [line for script in SCRIPTS for line in script]
# The lines of this one build on each other.
(TUNING,) = (script for script in SCRIPTS if FINETUNE in script)
# The lines of this one are about runs that the test makes: RUN stands for their names.
(DECIDING,) = (script for script in SCRIPTS if any(" RUN" in line for line in script))
# The command line is called through its real entry point, with sys.argv set.
pytestmark = pytest.mark.filterwarnings("ignore:Cyclopts application invoked without tokens")


def blocks(kind: str) -> list[str]:
    return [body for name, body in BLOCKS if name == kind]


def section(heading: str) -> str:
    """The text below a heading, down to the next heading of any level."""
    found = re.search(
        rf"^#+ {re.escape(heading)}\n(.*?)(?=^#|\Z)", README, re.MULTILINE | re.DOTALL
    )
    assert found, f"the README has no heading {heading!r}"
    return found[1]


def rows(text: str) -> list[list[str]]:
    """The cells of a Markdown table, header left out."""
    table = [line for line in text.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table[2:]]


def named(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


# --- what is run ---------------------------------------------------------------------------------

Gemel = Callable[[str], int]


@pytest.fixture(scope="module")
def gemel(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Run a `gemel …` line where the sample's data and the configurations are.

    Through the real entry point but in this process, so that the models' libraries load once.
    """
    from flows.cli.main import main
    from pipeline.sample import write_sample

    folder = tmp_path_factory.mktemp("readme")
    write_sample(folder / ".gemel" / "sample-data")
    (folder / "configs").mkdir()
    for path in (ROOT / "configs").glob("*.yaml"):
        shutil.copy(path, folder / "configs")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)

        def call(line: str) -> int:
            patch.setattr(sys, "argv", shlex.split(line))
            with pytest.raises(SystemExit) as ended:
                main()
            return int(ended.value.code or 0)

        yield call


@pytest.fixture(scope="module")
def sample(gemel: Gemel) -> None:
    """One run of the sample, as the README says."""
    assert SAMPLE_RUN in SHELL
    assert gemel(SAMPLE_RUN) == 0


def test_the_fine_tuning_script_works(gemel: Gemel, sample: None) -> None:
    from pipeline.catalog import Catalog

    assert {line: gemel(line) for line in TUNING} == dict.fromkeys(TUNING, 0)
    champion = Catalog(".gemel/sample", create=False).models.champion()
    assert champion is not None
    assert champion.reference == "sample/v0001"
    described = set(
        named(" ".join(row[0] for row in rows(section("Fine-tuning on your own labels"))))
    )
    files = {path.name + "/" * path.is_dir() for path in champion.folder.iterdir()}
    assert files | {"encoder/"} == {name for name in described if re.search(r"\.\w+$|/$", name)}


def test_the_decisions_about_runs_work(gemel: Gemel, sample: None, tmp_path: Path) -> None:
    from pipeline import run
    from pipeline.catalog import Catalog
    from pipeline.config.encoders import ToyImage, ToyText

    toy = {"text_encoder": ToyText(type="toy"), "image_encoder": ToyImage(type="toy_image")}
    quick = load_config("configs/images.yaml", catalog=str(tmp_path / "catalog"))
    quick = quick.model_copy(update={**toy, "exports": ()})
    strict = quick.model_copy(
        update={"gates": quick.gates.model_copy(update={"max_quarantined": 0})}
    )
    first = run(quick)["run"]
    status = {"release": "held", "discard": "held", "rollback RUN": "rolled_back"}
    for line in DECIDING:
        wanted = next((found for word, found in status.items() if word in line), None)
        if wanted == "held":
            assert run(strict)["status"] == "held"
        catalog = Catalog(tmp_path / "catalog")
        name = next((found.run for found in catalog.runs() if found.status == wanted), first)
        called = line.replace(" RUN", f" {name}").replace(".gemel/sample", str(catalog.root))
        assert gemel(called) == 0, called
    assert {found.status for found in catalog.runs()} == {"published", "discarded"}


@pytest.mark.parametrize("line", [line for line in SHELL if line not in [*TUNING, *DECIDING]])
def test_every_command_works(gemel: Gemel, sample: None, line: str) -> None:
    program, word, *_ = line.split()
    if program == "make":
        assert re.search(rf"^{word}:", (ROOT / "Makefile").read_text(), re.MULTILINE)
    elif program in ("export", "prefect"):
        assert line in section("Every night")  # tests/flows/test_schedule_server.py runs these
    elif line != SAMPLE_RUN:
        assert program == "gemel"
        assert gemel(line) == 0


@pytest.mark.parametrize("code", blocks("python"))
def test_every_python_block_runs(sample: None, code: str) -> None:
    exec(compile(code, "README.md", "exec"), {})


@pytest.mark.parametrize("text", blocks("yaml"))
def test_every_yaml_block_is_a_configuration(tmp_path: Path, text: str) -> None:
    """A block without sources is a fragment: it is laid over the README's smallest one."""
    smallest = yaml.safe_load(blocks("yaml")[0])
    (tmp_path / "block.yaml").write_text(yaml.safe_dump({**smallest, **yaml.safe_load(text)}))
    assert load_config(tmp_path / "block.yaml").sources


def test_no_block_is_left_unchecked() -> None:
    fences = re.findall(r"^```(\w*)$", README, re.MULTILINE)
    assert len(fences) == 2 * len(BLOCKS)
    assert {kind for kind, _ in BLOCKS} <= {"sh", "python", "yaml", "text"}


# --- commands ------------------------------------------------------------------------------------


def commands() -> set[str]:
    """Every command there is, groups as 'runs list'."""
    from flows.cli.main import app

    found = set()
    for name in (n for n in app if not n.startswith("-")):
        inner = [n for n in app[name] if not n.startswith("-")]
        found |= {f"{name} {n}" for n in inner} if inner else {name}
    return found


def test_every_command_has_an_example_and_no_other_is_named() -> None:
    existing = commands()
    assert {"run", "runs list", "export"} <= existing
    called = [line.removeprefix("gemel ") for line in SHELL if line.startswith("gemel ")]
    assert not {c for c in existing if not any(f"{line} ".startswith(f"{c} ") for line in called)}
    mentioned = re.findall(r"`gemel (\w+)", README) + [line.split()[0] for line in called]
    assert set(mentioned) <= {command.split()[0] for command in existing}


# --- settings ------------------------------------------------------------------------------------

SETTINGS: dict[str, list[type[BaseModel]]] = {
    "The run": [RunConfig],
    "`sources`": list(get_args(get_args(sources.SourceConfig)[0])),
    "`columns`": [sources.Columns],
    "`text`": [sources.TextSettings],
    "`images`": [sources.ImageSettings],
    "`text_encoder`": list(get_args(get_args(encoders.TextEncodersConfig)[0])),
    "`image_encoder`": list(get_args(get_args(encoders.ImageEncoderConfig)[0])),
    "`index`": list(get_args(get_args(candidates.IndexConfig)[0])),
    "`candidates`": [candidates.CandidateSettings],
    "`candidates.lexical`": [candidates.LexicalSettings],
    "`judge`": [matching.JudgeSettings],
    "`judge.synthetic`": [matching.SelfCalibrationSettings],
    "`judge.text` and `judge.image`": [matching.CosineRule],
    "`clustering`": [config.ClusterSettings],
    "`gates`": [gates.GateSettings],
    "`retention`": [config.RetentionSettings],
    "`exports`": [outputs.ExportSettings],
    "`report`": [outputs.ReportSettings],
    "`notify`": list(get_args(get_args(outputs.Notify)[0])),
    "`metrics`": [outputs.MetricsSettings],
    "The fine-tune": [TrainConfig],
    "`labels` of a fine-tune": list(get_args(get_args(labels.LabelConfig)[0])),
    "`split`": [finetune.SplitSettings],
    "`negatives`": [finetune.NegativeSettings],
    "`encoder`": [finetune.EncoderTraining],
    "`encoder.start`": list(get_args(get_args(encoders.StartConfig)[0])),
    "`encoder.distill`": [encoders.DistillSettings],
    "`judge` of a fine-tune": [finetune.JudgeTraining],
    "`gate`": [finetune.PromotionSettings],
    "Training on views": [self_supervised.ViewTrainConfig],
    "`views`": [self_supervised.PictureViewSettings, self_supervised.TextViewSettings],
    "`learning`": [self_supervised.ViewLearning],
}
Defaults = dict[tuple[str, str], Any]


def kind_of(model: type[BaseModel]) -> str:
    """The `type` that selects a member of a union; empty for other models."""
    field = model.model_fields.get("type")
    return str(get_args(field.annotation)[0]) if field else ""


def defaults(model: type[BaseModel]) -> Defaults:
    """(type, name) → default as YAML has it; 'required', 'below' for a section of its own."""
    found: Defaults = {}
    for name, field in model.model_fields.items():
        value = "required" if field.is_required() else field.get_default(call_default_factory=True)
        value = list(value) if isinstance(value, tuple) else value
        value = "below" if isinstance(value, BaseModel) else value
        if name != "type":
            found[kind_of(model), name] = value
    return found


def written(heading: str, kinds: list[str]) -> Defaults:
    """The same, as the README's table says."""
    found: Defaults = {}
    for row in rows(section(heading)):
        types = row.pop(0) if len(row) == 4 else "all"
        (name,), cell = named(row[0]), named(row[1])
        default = yaml.safe_load(cell[0]) if cell else {"none": None}.get(row[1], row[1])
        for kind in kinds if types == "all" else named(types):
            assert (kind, name) not in found, f"{name} is there twice"
            found[kind, name] = default
    return found


@pytest.mark.parametrize("heading", SETTINGS)
def test_the_settings_and_their_defaults_are_the_code_s(heading: str) -> None:
    models = SETTINGS[heading]
    wanted: Defaults = {}
    for model in models:
        wanted |= defaults(model)
    assert written(heading, [kind_of(model) for model in models]) == wanted
    assert all(f"`{kind_of(model)}`" in section(heading) for model in models if kind_of(model))


def test_no_settings_are_left_out() -> None:
    def models(kind: Any) -> set[type[BaseModel]]:
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            nested = [models(field.annotation) for field in kind.model_fields.values()]
            return {kind}.union(*nested)
        return set().union(*(models(part) for part in get_args(kind)))

    listed = {model for group in SETTINGS.values() for model in group}
    assert (
        models(RunConfig) | models(TrainConfig) | models(self_supervised.ViewTrainConfig) == listed
    )


# --- columns, files, words -----------------------------------------------------------------------


@pytest.mark.parametrize("table", TABLES)
def test_the_columns_are_the_schemas(table: str) -> None:
    assert [name for row in rows(section(f"`{table}`")) for name in named(row[0])] == (
        TABLES[table].names
    )


@pytest.mark.parametrize("what", ["survivors", "removals"])
def test_the_columns_of_the_exports_exist(sample: None, gemel: Gemel, what: str) -> None:
    import pyarrow.parquet as pq

    gemel(f"gemel export --what {what} --out build/columns.parquet --catalog .gemel/sample")
    columns = set(pq.read_schema("build/columns.parquet").names)
    described = re.search(rf"^- \*\*{what}\*\*:(.*?)(?=^- |^$)", README, re.MULTILINE | re.DOTALL)
    assert described
    assert set(named(described[1])) - {"_field", "_attribute"} <= columns


def test_the_diagram_is_the_tree() -> None:
    (tree,) = (body for body in blocks("text") if body.startswith("pipeline/"))
    drawn = set(re.findall(r"\w+\.py|\w+/(?=\s)", tree)) - {
        "pipeline/",
        "configs/",
        "tests/",
        "flows/",
    }
    inside = [path for room in ("pipeline", "flows") for path in (ROOT / room).iterdir()]
    real = {path.name + "/" * path.is_dir() for path in inside if not path.name.startswith("__")}
    assert drawn == real


def test_every_configuration_is_named() -> None:
    assert not {p.name for p in (ROOT / "configs").glob("*.yaml") if p.name not in README}


def test_it_says_what_it_must() -> None:
    for word in ("uncalibrated", "identify people", "PIP_EXTRA_INDEX_URL", "Apache-2.0"):
        assert word in README
    assert not re.search(r"https?:(?!//127\.0\.0\.1)", README)  # no registry, no remote page
