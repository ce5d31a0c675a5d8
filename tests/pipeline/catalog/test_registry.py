"""The registry: immutable versions, verified; one champion per purpose, whatever is killed when."""

import json
import os
import signal
import sys
from dataclasses import dataclass

import pytest

from pipeline.catalog.registry.champions import GateCheck
from pipeline.catalog.registry.registry import Registry
from pipeline.catalog.registry.version import ModelFacts, digest
from pipeline.config.encoders import SentenceTransformersText, ToyText
from pipeline.errors import ModelError
from pipeline.storage import atomic

TOY = ToyText(type="toy", dimension=16)


@dataclass(frozen=True)
class Measured:
    average_precision: float


def trained(path):
    return SentenceTransformersText(type="sentence_transformers", path=path)


CHECK = GateCheck("gain", True, 0.1, 0.0, "better")


def filler(text="weights", **facts):
    def fill(folder):
        (folder / "encoder").mkdir()
        (folder / "encoder" / "model.safetensors").write_text(text)
        (folder / "metrics.json").write_text(json.dumps({"average_precision": 0.9}))
        encoder = SentenceTransformersText(type="sentence_transformers", path="encoder")
        return ModelFacts(**{"purpose": "deduplication", "encoder": encoder, **facts})

    return fill


@pytest.fixture
def registry(tmp_path):
    return Registry(tmp_path / "models")


def promoted(registry, text):
    model = registry.register("products", filler(text))
    return registry.promote("products", model.version, by="ann", reason=f"better: {text}")


# --- versions ----------------------------------------------------------------------------------


def test_a_version_comes_back_as_it_was_registered(registry):
    model = registry.register("products", filler(parent="minilm", modality="image"))
    again = registry.open("products")
    assert again == model
    assert again.reference == "products/v0001"
    assert (again.facts.parent, again.facts.modality) == ("minilm", "image")
    assert set(again.facts.files) == {"encoder/model.safetensors", "metrics.json"}
    assert again.read("metrics.json", Measured) == Measured(0.9)
    assert isinstance(again.encoder, SentenceTransformersText)
    assert again.encoder.path == str((model.folder / "encoder").resolve())


def test_what_tells_of_a_version_is_told_its_number_and_sealed_with_it(registry):
    def tell(folder, version):
        (folder / "card.md").write_text(f"card of {version}")

    registry.register("products", filler("a"))
    model = registry.register("products", filler("b"), tell=tell)
    assert (model.folder / "card.md").read_text() == "card of v0002"
    (model.folder / "card.md").write_text("card of v0003")
    with pytest.raises(ModelError, match=r"card.md was altered"):
        registry.open("products")


def test_a_version_of_another_format_is_refused_in_one_sentence(registry):
    path = registry.register("products", filler()).folder / "model.json"
    facts = json.loads(path.read_text())
    del facts["sha256"]
    for other, words in ((facts | {"format": 2}, "has the format 2"), ({}, "the format None")):
        path.write_text(json.dumps({**other, "sha256": digest(other)}))
        with pytest.raises(ModelError, match=f"{words}, .* reads 1; fine-tune again"):
            registry.open("products")


def test_numbers_go_up_and_the_newest_is_the_default(registry):
    for text in "abc":
        registry.register("products", filler(text))
    assert registry.open("products").version == "v0003"
    assert registry.find("products/v0002").version == "v0002"
    known = [model.reference for model in registry.list()]
    assert known == ["products/v0001", "products/v0002", "products/v0003"]
    assert len({model.fingerprint for model in registry.list()}) == 3


def test_the_fingerprint_says_the_files_not_the_place(registry):
    first, second = (registry.register(name, filler("same")) for name in ("one", "two"))
    assert first.fingerprint == second.fingerprint
    assert len(first.fingerprint) == 16


def test_a_packaged_encoder_needs_no_folder(registry):
    model = registry.register("tiny", lambda folder: ModelFacts(purpose="search", encoder=TOY))
    assert model.encoder == TOY


def alter(folder):
    (folder / "encoder" / "model.safetensors").write_text("other!!")


def lose(folder):
    (folder / "metrics.json").unlink()


def add(folder):
    (folder / "encoder" / "extra.py").write_text("import os")


def link(folder):
    (folder / "encoder" / "link").symlink_to("/etc/passwd")


def reseal(folder):
    facts = json.loads((folder / "model.json").read_text())
    (folder / "model.json").write_text(json.dumps({**facts, "purpose": "other"}))


def rename(folder):
    folder.rename(folder.with_name("v0007"))


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (alter, "encoder/model.safetensors was altered"),
        (lose, "metrics.json is missing"),
        (add, "encoder/extra.py does not belong to it"),
        (link, "is a link"),
        (reseal, "model.json was altered"),
        (rename, "holds the model products/v0001"),
    ],
)
def test_a_damaged_version_is_refused_by_the_name_of_the_file(registry, damage, words):
    model = promoted(registry, "a")
    damage(model.folder)
    with pytest.raises(ModelError, match=words):
        registry.open("products")
    if damage is not rename:
        with pytest.raises(ModelError, match=words):
            registry.champion()
    assert any(words in problem for problem in registry.problems().values())


def test_a_champion_whose_folder_was_exchanged_is_refused(registry):
    model = promoted(registry, "a")
    other = Registry(registry.root.parent / "elsewhere").register("products", filler("b"))
    model.folder.rename(model.folder.with_name("old"))
    other.folder.rename(model.folder)
    assert registry.open("products").read("metrics.json", Measured)
    with pytest.raises(ModelError, match="was exchanged"):
        registry.champion()


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        ({"encoder": TOY, "purpose": "Face identification"}, "none of deduplication"),
        ({"encoder": trained("/etc"), "purpose": "search"}, "leaves"),
        ({"encoder": trained("../x"), "purpose": "search"}, "leaves"),
        ({"encoder": trained("e"), "purpose": "search"}, "not exist"),
        ({"encoder": TOY, "image_encoder": trained("e"), "purpose": "search"}, "not exist"),
    ],
)
def test_facts_that_cannot_be_used_register_nothing(registry, facts, words):
    with pytest.raises(ModelError, match=words):
        registry.register("products", lambda folder: ModelFacts(**facts))
    assert registry.list() == []
    assert not list((registry.root / ".staging").iterdir())


def test_a_filler_that_fails_registers_nothing(registry):
    def fill(folder):
        (folder / "half").write_text("x")
        raise RuntimeError("out of memory")

    with pytest.raises(RuntimeError, match="out of memory"):
        registry.register("products", fill)
    assert registry.list() == []
    assert not list((registry.root / ".staging").iterdir())


@pytest.mark.parametrize("name", ["../x", "", "A b", ".staging", "/etc"])
def test_names_stay_below_the_registry(registry, name):
    for use in (lambda: registry.register(name, filler()), lambda: registry.open(name)):
        with pytest.raises(ModelError, match="no name of a model"):
            use()


def test_what_is_not_there_is_said_with_what_is(registry):
    with pytest.raises(ModelError, match="has no model products; it has: none"):
        registry.open("products")
    registry.register("products", filler())
    with pytest.raises(ModelError, match="products/v0009; it has: products/v0001"):
        registry.open("products", "v0009")
    with pytest.raises(ModelError, match=r"products/\.\./\.\./x"):
        registry.find("products/../../x")


# --- champions ---------------------------------------------------------------------------------


def test_promotions_stack_and_each_rollback_goes_one_step_back(registry):
    assert registry.champion() is None
    for text in "abc":
        promoted(registry, text)
    assert registry.champion().version == "v0003"
    assert registry.rollback(by="bob", reason="worse at night").version == "v0002"
    registry.promote("products", "v0003", by="ann", reason="fixed", gate=[CHECK])
    for version in ("v0002", "v0001"):
        assert registry.rollback().version == version
        assert registry.champion().version == version
    assert registry.rollback() is None
    assert registry.champion() is None
    with pytest.raises(ModelError, match="no champion for 'deduplication'"):
        registry.rollback()
    history = registry.history("deduplication")
    assert [change.action for change in history] == [
        *["promote"] * 3, "rollback", "promote", *["rollback"] * 3,
    ]  # fmt: skip
    assert (history[3].by, history[3].reason) == ("bob", "worse at night")
    assert (history[3].before, history[3].after) == ("products/v0003", "products/v0002")
    assert history[4].gate == (CHECK,)


def test_promoting_the_champion_again_changes_nothing(registry):
    promoted(registry, "a")
    registry.promote("products", "v0001", by="bob", reason="again")
    assert len(registry.history()) == 1


def test_each_purpose_has_its_own_champion(registry):
    promoted(registry, "a")
    registry.register("photos", filler(purpose="data_quality"))
    with pytest.raises(ModelError, match="registered for 'data_quality', not for 'deduplication'"):
        registry.promote("photos", "v0001", purpose="deduplication", by="ann", reason="")
    registry.promote("photos", "v0001", by="ann", reason="first")
    assert registry.champion().name == "products"
    assert registry.champion("data_quality").name == "photos"


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", None])
def test_a_damaged_registry_says_what_is_intact_and_how_to_repair_it(registry, content):
    promoted(registry, "a")
    promoted(registry, "b")
    current = registry.root / "registry.json"
    if content is None:
        current.unlink()
    else:
        current.write_text(content)
    with pytest.raises(ModelError) as caught:
        registry.champion()
    for words in ("registry.json", "2 versions", "products/v0001 for deduplication", "copy it"):
        assert words in str(caught.value)
    with pytest.raises(ModelError, match="copy it"):
        registry.promote("products", "v0001", by="ann", reason="")
    (registry.root / "registry.previous.json").replace(current)
    assert registry.champion().version == "v0001"


def test_a_registry_without_an_intact_copy_says_so(registry):
    promoted(registry, "a")
    (registry.root / "registry.json").write_text('{"format": 1}')
    with pytest.raises(ModelError, match=r"altered.*cannot be read either.*promote"):
        registry.champion()


def test_a_registry_edited_by_hand_is_refused(registry):
    promoted(registry, "a")
    path = registry.root / "registry.json"
    path.write_text(path.read_text().replace("ann", "eve"))
    with pytest.raises(ModelError, match="was altered"):
        registry.history()


# --- kill -9 -----------------------------------------------------------------------------------

STEPS = {"open", "os.rename", "os.mkdir", "os.remove", "os.rmdir", "fcntl.flock"}


def killed_at(step, action):
    """Run `action` in a fork that kills itself at its step-th touch of the disk; was it killed?

    A touch is a call that changes the disk, before it happens and, for fsync, after it; and every
    line of the module that writes files, so that half-written ones are met.
    """
    child = os.fork()
    if child == 0:
        left = step

        def touch():
            nonlocal left
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)

        plain = os.fsync

        def fsync(descriptor):
            touch()
            plain(descriptor)
            touch()

        def trace(frame, event, _):
            if frame.f_code.co_filename != atomic.__file__:
                return None
            if event == "line":
                touch()
            return trace

        os.fsync = fsync
        sys.settrace(trace)
        sys.addaudithook(lambda event, _: touch() if event in STEPS else None)
        try:
            action()
        finally:
            os._exit(0)
    _, status = os.waitpid(child, 0)
    return os.WIFSIGNALED(status)


def every_kill(action, check):
    """Kill `action` at each step in turn, checking after each; return how many steps it has."""
    step = 1
    while killed_at(step, action):
        check()
        step += 1
    check()
    return step


@pytest.mark.slow
def test_a_kill_during_promotion_leaves_the_old_or_the_new_champion(registry):
    promoted(registry, "a")
    promoted(registry, "b")
    registry.register("products", filler("c"))
    seen = []

    def promote():
        Registry(registry.root).promote("products", "v0003", by="ann", reason="better")

    def check():
        champion = Registry(registry.root).champion()
        assert champion is not None
        assert champion.version in ("v0002", "v0003")
        seen.append(champion.version)
        if champion.version == "v0003":
            registry.rollback()
        assert registry.champion().version == "v0002"

    steps = every_kill(promote, check)
    assert steps > 12
    assert set(seen) == {"v0002", "v0003"}


@pytest.mark.slow
def test_a_kill_during_the_first_promotion_leaves_none_or_it(registry):
    registry.register("products", filler("a"))
    seen = []

    def promote():
        Registry(registry.root).promote("products", "v0001", by="ann", reason="first")

    def check():
        champion = Registry(registry.root).champion()
        seen.append(champion and champion.version)
        for name in ("registry.json", "registry.previous.json"):
            (registry.root / name).unlink(missing_ok=True)

    every_kill(promote, check)
    assert set(seen) == {None, "v0001"}


@pytest.mark.slow
def test_a_kill_during_rollback_leaves_the_old_or_the_new_champion(registry):
    promoted(registry, "a")
    promoted(registry, "b")

    def check():
        champion = Registry(registry.root).champion()
        assert champion is not None
        assert champion.version in ("v0001", "v0002")
        registry.promote("products", "v0002", by="ann", reason="again")

    assert every_kill(lambda: Registry(registry.root).rollback(), check) > 8


@pytest.mark.slow
def test_a_kill_during_registration_leaves_a_whole_version_or_none(registry):
    first = promoted(registry, "a")
    counts = []

    def check():
        fresh = Registry(registry.root)
        assert fresh.problems() == {}
        assert fresh.champion() == first
        counts.append(len(fresh.list()))

    steps = every_kill(lambda: Registry(registry.root).register("products", filler("b")), check)
    assert steps > 20
    assert counts == sorted(counts)
    assert counts[0] == 1
    # What the killed ones left is swept by the next registration, and numbers have no gaps.
    model = registry.register("products", filler("c"))
    assert not list((registry.root / ".staging").iterdir())
    assert int(model.version[1:]) == len(registry.list())


def test_two_processes_never_share_a_number(registry):
    def five():
        for _ in range(5):
            Registry(registry.root).register("products", filler())

    children = []
    for _ in range(2):
        if (child := os.fork()) == 0:
            try:
                five()
                os._exit(0)
            finally:
                os._exit(1)
        children.append(child)
    assert [os.waitpid(child, 0)[1] for child in children] == [0, 0]
    assert [model.version for model in registry.list()] == [f"v{n:04d}" for n in range(1, 11)]
    assert registry.problems() == {}


def test_the_staging_of_a_living_process_is_left_alone(registry):
    def fill(folder):
        (folder / "mine").write_text("x")
        Registry(registry.root).register("other", filler())
        assert (folder / "mine").exists()
        return ModelFacts(purpose="search", encoder=TOY)

    assert registry.register("products", fill).version == "v0001"
