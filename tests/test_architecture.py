"""The layers as docs/architecture.md draws it, read from the imports."""

import ast
import re
import sys
from collections.abc import Callable, Iterable
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Any

import pytest

SOURCE = Path(__file__).resolve().parents[1] / "src"
FILES = sorted(SOURCE.rglob("*.py"))

LAYERS = (
    "errors",
    "stats",
    "process",
    "config",
    "figures",
    "tracking",
    "pictures",
    "data",
    "models",
    "training",
    "cli",
    "inference",
    "comparison",
    "search",
)
"""From the ground up, all that src has: imports go down only, also those inside functions and for
type checkers. Verbs, the files that can be run, are above them all."""

COMPOSES = {"src.cli.entry", "src.cli.arguments", "src.cli.overrides", "src.search.composer"}
MAX_LINES = 300


def module(file: Path) -> str:
    return ".".join(file.relative_to(SOURCE.parent).with_suffix("").parts).removesuffix(".__init__")


TREES = {module(file): ast.parse(file.read_text()) for file in FILES}


def is_verb(name: str) -> bool:
    return any(
        isinstance(node, ast.If) and "__name__" in ast.unparse(node.test)
        for node in TREES[name].body
    )


VERBS = {name for name in TREES if is_verb(name)}


def imports(name: str, *, at_start: bool = False) -> set[str]:
    """Return what a module imports.

    at_start: only what is imported as soon as the module itself is.
    """
    found, left = set(), list(TREES[name].body)
    while left:
        node = left.pop()
        if at_start and isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            left.extend(node.orelse)
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name}: write imports in full"
            within = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= within & TREES.keys() or {str(node.module)}
        elif not (at_start and isinstance(node, ast.FunctionDef)):
            left.extend(ast.iter_child_nodes(node))
    return found


def packages(name: str) -> set[str]:
    """Return the first names of what a module imports from outside of src."""
    return {imported.split(".")[0] for imported in imports(name)} - {"src"}


def inner(name: str) -> set[str]:
    """Return the modules of src that a module imports."""
    return {imported for imported in imports(name) if imported.split(".")[0] == "src"} - {"src"}


def layer(name: str) -> int:
    return len(LAYERS) if name in VERBS else LAYERS.index(name.split(".")[1])


MODULES = sorted(TREES.keys() - {"src"})


def of_each(things: Iterable[Any]) -> Callable[[Callable[[Any], None]], Callable[[], None]]:
    """Make one test of what must hold of each of many things; it names all of which it does not.

    As a test each, two thousand of them would take a minute.
    """

    def of_all(holds: Callable[[Any], None]) -> Callable[[], None]:
        def test() -> None:
            wrong = []
            for thing in things:
                try:
                    holds(thing)
                except AssertionError as error:
                    wrong.append(f"{thing}: {error}")
            assert not wrong, "\n".join(wrong)

        return test

    return of_all


ONE_TRAINING = (
    *("train", "training.train_run", "training.fit", "training.evaluation"),
    *("models.classifier", "models.linear", "models.dnn"),
    *("data.source", "data.split", "data.module"),
)
ONE_SEARCH = (
    *("sweep", "search.request", "search.space", "search.search", "search.session"),
    *("search.driver", "search.worker", "search.messages", "search.study", "search.confirm"),
    *("search.verdict", "search.executors.base", "search.executors.serial"),
    *("search.tasks", "search.refit", "search.executors.processes"),
)
"""What a newcomer reads of one training, and of one search on this machine: README names them."""

WINGS = ("search.executors.ray", "search.storage.postgres", "comparison", "inference")


@pytest.mark.parametrize(("path", "most"), [(ONE_TRAINING, 1400), (ONE_SEARCH, 2200)])
def test_a_path_is_short_and_enters_no_wing(path, most):
    names = [f"src.{name}" for name in path]
    files = [file for file in FILES if module(file) in names]
    assert len(files) == len(path)
    assert sum(len(file.read_text().splitlines()) for file in files) <= most
    for name in names:
        entered = [i for i in inner(name) if i.startswith(tuple(f"src.{wing}" for wing in WINGS))]
        assert not entered, f"{name} imports {entered}"


@of_each(MODULES)
def test_no_private_attribute_of_another_is_used(name):
    for node in ast.walk(TREES[name]):
        if isinstance(node, ast.Attribute) and re.match("_[a-z]", node.attr):
            own = ast.unparse(node.value) in {"self", "cls"} or node.attr == "_exit"
            assert own, ast.unparse(node)
        if isinstance(node, ast.ImportFrom):
            assert not any(re.match("_[a-z]", alias.name) for alias in node.names)


@of_each(MODULES)
def test_the_environment_is_written_and_the_command_line_read_in_one_place(name):
    text = next(file for file in FILES if module(file) == name).read_text()
    writes = re.findall(r"os\.environ(?:\[[^]]+\] = |\.(?:update|setdefault|pop)\()", text)
    assert not writes or name == "src.process.environment"
    assert "sys.argv" not in text or name == "src.cli.entry"


def test_the_verbs_are_found():
    assert {"src.train", "src.explore"} <= VERBS


@of_each(MODULES)
def test_imports_go_one_way(name):
    for imported in inner(name):
        assert imported in TREES, f"{name} imports {imported}, which is not there"
        assert layer(imported) <= layer(name), f"{name} must not import {imported}"


@of_each(MODULES)
def test_nobody_imports_a_verb(name):
    assert not inner(name) & VERBS


def test_the_rooms_are_the_folders_and_nothing_lies_loose():
    assert {module(file).split(".")[1] for file in FILES if file.parent != SOURCE} == {*LAYERS[1:]}
    assert {module(file) for file in SOURCE.glob("*.py")} == {"src", "src.errors"} | VERBS


def test_no_module_needs_itself():
    graph = {name: imports(name) & TREES.keys() for name in TREES}
    assert len(list(TopologicalSorter(graph).static_order())) >= len(TREES)


@of_each(MODULES)
def test_only_tracking_knows_mlflow(name):
    assert name.startswith("src.tracking") or "mlflow" not in packages(name)


@of_each(name for name in MODULES if name.startswith("src.figures"))
def test_figures_are_made_from_arrays_alone(name):
    assert not packages(name) & {"torch", "pytorch_lightning", "mlflow", "omegaconf", "hydra"}
    assert all(i.startswith("src.stats") or i.startswith("src.figures") for i in inner(name))


@pytest.mark.parametrize("name", ["src.stats.intervals", "src.stats.differences"])
def test_statistics_needs_numpy_and_scipy_only(name):
    assert packages(name) <= {"numpy", "scipy"} | sys.stdlib_module_names
    assert inner(name) <= {"src.stats.intervals"}


@of_each(MODULES)
def test_hydras_objects_stay_where_configurations_are_composed(name):
    composes = name in VERBS | COMPOSES
    assert composes or "omegaconf" not in packages(name)


@pytest.mark.parametrize("name", sorted(VERBS))
def test_a_verb_starts_without_loading_what_is_heavy(name):
    heavy = {"torch", "pytorch_lightning", "mlflow", "optuna", "sklearn", "pandas", "matplotlib"}
    seen, left = set(), {name}
    while left:
        here = left.pop()
        seen.add(here)
        needed = imports(here, at_start=True)
        loaded = {imported.split(".")[0] for imported in needed} & heavy
        assert not loaded, f"{name} loads {loaded} by way of {here}"
        left |= (needed & TREES.keys()) - seen


@of_each(FILES)
def test_a_module_says_in_a_sentence_what_it_is_and_is_short(file):
    text = file.read_text()
    assert len(text.splitlines()) <= MAX_LINES
    if text.strip() or file.name != "__init__.py":
        said = ast.get_docstring(TREES[module(file)])
        assert said
        assert said.splitlines()[0].endswith((".", ":"))
    assert not {"utils", "util", "helpers", "common", "misc"} & set(module(file).split("."))


@of_each(MODULES)
def test_texts_are_read_and_written_in_an_encoding_that_is_named(name):
    calls = [node for node in ast.walk(TREES[name]) if isinstance(node, ast.Call)]
    texts = [call for call in calls if ast.unparse(call.func).endswith(("read_text", "write_text"))]
    for call in texts:
        assert any("utf-8" in ast.unparse(k) or "latin-1" in ast.unparse(k) for k in call.keywords)


OLD_WORDS = (
    *("Taken", "StoreAway", "StudiesAway", "Unsuccessful", "lasting_part", "checked_classifier"),
    *(
        "let_go",
        "owner_lives",
        "bring_here",
        "set_aside",
        "as_asked",
        "crown",
        "honesty",
        "stillborn",
    ),
    *(r"\w+_WITHIN_S", r"MOST_\w+", r"LEAST_\w+", r"LONGEST_\w+", r"expect_\w+"),
    *("is away", "cure", "go on with", "no number any more"),
)
"""Words of the project's own; the field's are others."""


@of_each(MODULES)
def test_names_and_sentences_are_the_fields(name):
    [file] = [file for file in FILES if module(file) == name]
    assert not re.findall(rf"\b(?:{'|'.join(OLD_WORDS)})\b", file.read_text(encoding="utf-8"))
