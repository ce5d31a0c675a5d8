"""The pages tell the truth: their blocks run, and they name what exists, and only that."""

import importlib.util
import re
import shlex
import shutil
import sys
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml
from pydantic import BaseModel

from pipeline.config.finetune import TrainConfig
from pipeline.config.run import RunConfig, load_config
from pipeline.config.self_supervised import ViewTrainConfig
from pipeline.storage.schemas import TABLES

ROOT = Path(__file__).parent.parent
_spec = importlib.util.spec_from_file_location("docs", ROOT / "tests" / "docs.py")
assert _spec
assert _spec.loader
docs = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(docs)

PAGES: dict[str, str] = {
    str(path.relative_to(ROOT)): path.read_text(encoding="utf-8") for path in docs.pages()
}
FRONT = PAGES["README.md"]
SAMPLE_RUN = "gemel run configs/sample.yaml"
FINETUNE = "gemel finetune configs/finetune.yaml"


class Block(NamedTuple):
    """A fenced block of a page."""

    page: str
    kind: str
    body: str

    @property
    def lines(self) -> list[str]:
        return [line for line in self.body.splitlines() if line.strip()]


BLOCKS = [
    Block(page, *found)
    for page, text in PAGES.items()
    for found in re.findall(r"^```(\w+)\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
]


def blocks(kind: str) -> list[Block]:
    return [block for block in BLOCKS if block.kind == kind]


SHELL = list(dict.fromkeys(line for block in blocks("sh") for line in block.lines))
# The lines of this one build on each other.
(TUNING,) = (block.lines for block in blocks("sh") if FINETUNE in block.lines)
# The lines of this one are about runs that the test makes: RUN stands for their names.
(DECIDING,) = (block.lines for block in blocks("sh") if " RUN" in block.body)
# The command line is called through its real entry point, with sys.argv set.
pytestmark = pytest.mark.filterwarnings("ignore:Cyclopts application invoked without tokens")


def section(page: str, heading: str) -> str:
    """The text below a heading, down to the next heading of any level."""
    found = re.search(
        rf"^#+ {re.escape(heading)}\n(.*?)(?=^#|\Z)", PAGES[page], re.MULTILINE | re.DOTALL
    )
    assert found, f"{page} has no heading {heading!r}"
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
def gemel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gemel]:
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
        # The review page is served until somebody stops it: here it ends where that would begin.
        patch.setattr("uvicorn.Server.run", lambda *_, **__: None)

        def call(line: str) -> int:
            patch.setattr(sys, "argv", shlex.split(line))
            with pytest.raises(SystemExit) as ended:
                main()
            return int(ended.value.code or 0)

        yield call


@pytest.fixture(scope="module")
def sample(gemel: Gemel) -> None:
    """One run of the sample, as the pages say."""
    assert SAMPLE_RUN in SHELL
    assert gemel(SAMPLE_RUN) == 0


@pytest.mark.slow
def test_the_fine_tuning_script_works(gemel: Gemel, sample: None) -> None:
    from pipeline.catalog import Catalog

    assert {line: gemel(line) for line in TUNING} == dict.fromkeys(TUNING, 0)
    champion = Catalog(".gemel/sample", create=False).models.champion()
    assert champion is not None
    assert champion.reference == "sample/v0001"
    table = rows(section("pipeline/catalog/README.md", "The registry"))
    described = set(named(" ".join(row[0] for row in table)))
    files = {path.name + "/" * path.is_dir() for path in champion.folder.iterdir()}
    assert files | {"encoder/"} == described


@pytest.mark.slow
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
    first = run(quick).run
    status = {"release": "held", "discard": "held", "rollback RUN": "rolled_back"}
    for line in DECIDING:
        wanted = next((found for word, found in status.items() if word in line), None)
        if wanted == "held":
            assert run(strict).status == "held"
        catalog = Catalog(tmp_path / "catalog")
        name = next((found.run for found in catalog.runs() if found.status == wanted), first)
        called = line.replace(" RUN", f" {name}").replace(".gemel/sample", str(catalog.root))
        assert gemel(called) == 0, called
    assert {found.status for found in catalog.runs()} == {"published", "discarded"}


@pytest.mark.slow
@pytest.mark.parametrize("line", [line for line in SHELL if line not in [*TUNING, *DECIDING]])
def test_every_command_works(gemel: Gemel, sample: None, line: str) -> None:
    program, word, *_ = line.split()
    if program == "make":
        assert re.search(rf"^{word}:", (ROOT / "Makefile").read_text(), re.MULTILINE)
    elif program in ("export", "prefect"):
        # tests/flows/test_schedule_server.py runs these
        assert line in section("flows/README.md", "Every night")
    elif line != SAMPLE_RUN:
        assert program == "gemel"
        assert gemel(line) == 0


@pytest.mark.slow
@pytest.mark.parametrize("code", dict.fromkeys(block.body for block in blocks("python")))
def test_every_python_block_runs(sample: None, code: str) -> None:
    exec(compile(code, "README.md", "exec"), {})


@pytest.mark.parametrize("text", [block.body for block in blocks("yaml")])
def test_every_yaml_block_is_a_configuration(tmp_path: Path, text: str) -> None:
    """A block without sources is a fragment: it is laid over the smallest one."""
    (smallest, *_) = (b.body for b in blocks("yaml") if b.page == "configs/README.md")
    whole = {**yaml.safe_load(smallest), **yaml.safe_load(text)}
    (tmp_path / "block.yaml").write_text(yaml.safe_dump(whole))
    assert load_config(tmp_path / "block.yaml").sources


def test_no_block_is_left_unchecked() -> None:
    fences = [line for text in PAGES.values() for line in re.findall(r"^```\w*$", text, re.M)]
    assert len(fences) == 2 * len(BLOCKS)
    assert {block.kind for block in BLOCKS} <= {"sh", "python", "yaml", "text"}


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
    mentioned = re.findall(r"`gemel (\w+)", "".join(PAGES.values()))
    assert {*mentioned, *(line.split()[0] for line in called)} <= {
        command.split()[0] for command in existing
    }


# --- what is made from the code ------------------------------------------------------------------


@pytest.mark.parametrize("page", PAGES)
def test_what_is_made_from_the_code_is_fresh(page: str) -> None:
    assert docs.rendered(ROOT / page) == PAGES[page], f"{page} is stale: run `make docs`"


def parts(kind: str) -> list[tuple[str, str]]:
    """Argument and text of the generated parts of a kind, over all pages."""
    found = [match for text in PAGES.values() for match in docs.PART.findall(text)]
    return [(argument, body) for _, name, argument, body, _ in found if name == kind]


def models(kind: Any) -> set[type[BaseModel]]:
    """All settings' models that an annotation leads to."""
    found: set[type[BaseModel]] = set()
    for model in docs.models_of(kind):
        found |= {model}.union(*(models(f.annotation) for f in model.model_fields.values()))
    return found


MODELS = models(RunConfig) | models(TrainConfig) | models(ViewTrainConfig)


def test_no_settings_are_left_out() -> None:
    known = docs.config_names()
    named_ones = [known[name] for argument, _ in parts("settings") for name in argument.split()]
    shown = {model for kind in named_ones for model in docs.models_of(kind)}
    assert shown == MODELS


def test_no_table_is_left_out() -> None:
    assert {argument for argument, _ in parts("columns")} == set(TABLES)


@pytest.mark.parametrize("kind", ["settings", "columns", "commands"])
def test_every_setting_column_and_option_is_described(kind: str) -> None:
    tables = [rows(body) for _, body in parts(kind)]
    assert tables
    assert not [row for table in tables for row in table if not row[-1]]


def test_settings_named_in_words_exist() -> None:
    """`gates.max_removed`, and `complete: true`: prose may not keep a name that the code lost."""
    names = {name for model in MODELS for name in model.model_fields}
    inside = {
        f"{name}.{inner}"
        for model in MODELS
        for name, field in model.model_fields.items()
        for section_model in docs.models_of(field.annotation)
        for inner in section_model.model_fields
    }
    sections = {name.split(".")[0] for name in inside}
    files = {"csv", "json", "jsonl", "md", "parquet", "prom", "py", "yaml"}
    for page, text in PAGES.items():
        for chain in re.findall(r"`([a-z_]+(?:\.[a-z_]+)+)\b", text):
            words = chain.split(".")
            for first, second in pairwise(words):
                if first in sections and second not in files:
                    assert f"{first}.{second}" in inside, f"{page}: no setting {chain}"
        for name in re.findall(r"`([a-z_]+): (?:\w+|\{.*?\})`", text):
            assert name in names, f"{page}: no setting {name}"


# --- pages, rooms, links -------------------------------------------------------------------------


def test_every_room_has_a_page_with_its_sentence() -> None:
    rooms = {path.parent.name for path in ROOT.glob("pipeline/*/__init__.py")}
    assert rooms == set(docs.ROOMS)
    for room in docs.ROOMS:
        sentence = docs.room_sentence(room)
        assert PAGES[f"pipeline/{room}/README.md"].startswith(f"# {room}\n\n{sentence}\n")
        assert f"- [`{room}/`](pipeline/{room}/README.md) {sentence}\n" in FRONT


@pytest.mark.parametrize("room", [room for room in docs.ROOMS if room != "sample"])
def test_the_door_on_a_room_s_page_is_the_room_s(room: str) -> None:
    (door,) = re.findall(
        r"\*\*Door\.\*\* (.*?)\n\n", PAGES[f"pipeline/{room}/README.md"], re.DOTALL
    )
    code = "".join(
        path.read_text()
        for path in (ROOT / "pipeline" / room).rglob("*.py*")
        if path.suffix in (".py", ".pyi")
    )
    words = set(re.findall(r"\w+", code))
    missing = [name for name in named(door) if not set(name.split(".")) <= words]
    assert not missing, f"{room} has no {missing}"


def test_the_drawn_floors_are_the_layers() -> None:
    (drawn,) = (b for b in blocks("text") if b.page == "pipeline/README.md" and "arrays" in b.body)
    with (ROOT / "pyproject.toml").open("rb") as file:
        contracts = docs.tomllib.load(file)["tool"]["importlinter"]["contracts"]
    floors = [floor.replace("|", " ").split() for floor in contracts[0]["layers"]]
    assert [line.split() for line in drawn.lines] == [f for f in floors if f != ["errors"]]


@pytest.mark.parametrize("page", PAGES)
def test_no_page_is_long(page: str) -> None:
    assert len(docs.PART.sub("", PAGES[page]).splitlines()) <= 250


def test_the_front_page_is_short_with_all_that_is_made() -> None:
    assert len(FRONT.splitlines()) <= 250


def anchors(page: str) -> set[str]:
    """The anchors that a page's headings have on GitHub."""
    text = re.sub(r"^```.*?^```", "", PAGES[page], flags=re.MULTILINE | re.DOTALL)
    titles = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", PAGES)
def test_no_link_is_dead(page: str) -> None:
    for link in re.findall(r"\]\(([^)]+)\)", PAGES[page]):
        target, _, anchor = link.partition("#")
        path = ((ROOT / page).parent / target).resolve() if target else ROOT / page
        assert path.exists(), f"{page}: {link}"
        if anchor:
            assert anchor in anchors(str(path.relative_to(ROOT))), f"{page}: {link}"


def test_every_configuration_is_named() -> None:
    files = {path.name for path in (ROOT / "configs").glob("*.yaml")}
    assert set(re.findall(r"^\| `(\w+\.yaml)` \|", PAGES["configs/README.md"], re.M)) == files


@pytest.mark.slow
@pytest.mark.parametrize("what", ["survivors", "removals"])
def test_the_columns_of_the_exports_exist(sample: None, gemel: Gemel, what: str) -> None:
    import pyarrow.parquet as pq

    gemel(f"gemel export --what {what} --out build/columns.parquet --catalog .gemel/sample")
    columns = set(pq.read_schema("build/columns.parquet").names)
    text = PAGES["pipeline/outputs/README.md"]
    described = re.search(rf"^- \*\*{what}\*\*:(.*?)(?=^- |^$)", text, re.MULTILINE | re.DOTALL)
    assert described
    assert set(named(described[1])) - {"_field", "_attribute"} <= columns


def test_measured_figures_name_scripts_that_exist() -> None:
    scripts = set(re.findall(r"tests/bench/(?:\w+/)?\w+\.py", "".join(PAGES.values())))
    for page, text in PAGES.items():
        titles = re.findall(r"^## ((?:[\w/]+\.py(?:, )?)+)$", text, re.MULTILINE)
        assert titles or not page.startswith("tests/bench/")
        folder = page.removesuffix("README.md")
        scripts |= {folder + name for title in titles for name in title.split(", ")}
    assert not {name for name in scripts if not (ROOT / name).is_file()}


def test_it_says_what_it_must() -> None:
    for word in ("uncalibrated", "identify people", "PIP_EXTRA_INDEX_URL", "Apache-2.0"):
        assert word in FRONT
    for text in PAGES.values():  # no registry, no remote page
        assert not re.search(r"https?:(?!//127\.0\.0\.1)", text)


def test_the_licence_is_the_whole_text() -> None:
    text = (ROOT / "LICENSE").read_text(encoding="utf-8")
    assert "Version 2.0, January 2004" in text
    assert "9. Accepting Warranty or Additional Liability." in text
    assert len(text.splitlines()) > 190
