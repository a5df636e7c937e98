"""Documents and comments that point to files point to files that are there."""

import re
import subprocess
from pathlib import Path

import pytest

from tests.test_architecture import ONE_SEARCH, ONE_TRAINING, SOURCE, of_each

ROOT = Path(__file__).resolve().parents[1]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])
OTHERS = sorted(
    path
    for pattern in ("*.toml", "Makefile", "*/**/*.py", "*/**/*.yaml", "*/**/*.j2")
    for path in ROOT.glob(pattern)
    if not path.relative_to(ROOT).parts[0].startswith((".", "mlruns"))
)
PATH = r"(?:docs|tests|src|conf|sweeps|deploy)/(?:[\w.-]+/)*[\w-]+\.(?:py|md|yaml|toml|csv|png)"
EXAMPLES = {"width", "letters", "VERB", "broken", "utils"}
"""In the names of files that are examples."""


def told(path: Path, pattern: str) -> set[str]:
    found = set(re.findall(pattern, path.read_text(encoding="utf-8")))
    return {name for name in found if not any(example in name for example in EXAMPLES)}


@of_each(DOCUMENTS)
def test_every_relative_link_leads_somewhere(document):
    for link in told(document, r"\]\(([^)#:]+)\)"):
        assert (document.parent / link).exists(), f"{document.name} links to {link}"
    for path in told(document, r"`((?:docs|tests|src|conf|sweeps)/[\w/.]+)`"):
        assert (ROOT / path).exists(), f"{document.name} names {path}"


@of_each(DOCUMENTS)
def test_every_module_that_a_document_names_is_there(document):
    known = {path.name for path in [*SOURCE.rglob("*.py"), *(ROOT / "tests").rglob("*.py")]}
    named = {name.rpartition("/")[2] for name in told(document, r"`([\w/]+\.py)`")}
    assert named <= known, document.name


@of_each(OTHERS)
def test_every_file_that_a_comment_names_is_there(file):
    for path in told(file, PATH):
        assert (ROOT / path).exists(), f"{file.relative_to(ROOT)} names {path}"


@pytest.mark.parametrize(("what", "path"), [("training", ONE_TRAINING), ("search", ONE_SEARCH)])
def test_readme_says_what_there_is_to_read(what, path):
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    said = re.search(rf"One {what}: (\d+) files, ([\d,]+) lines", text)
    assert said
    files = [SOURCE / f"{name.replace('.', '/')}.py" for name in path]
    lines = sum(len(file.read_text(encoding="utf-8").splitlines()) for file in files)
    assert int(said[1]) == len(files)
    assert int(said[2].replace(",", "")) == pytest.approx(lines, rel=0.05)
    for file in files:
        assert file.name in text


def test_what_readme_says_of_make_test_is_what_it_runs():
    told = subprocess.run(["make", "-n", "test"], cwd=ROOT, capture_output=True, text=True).stdout
    readme = (ROOT / "README.md").read_text()
    [command] = re.findall(r"^python (-m pytest .*?) +# as `make test`$", readme, re.MULTILINE)
    assert f".venv/bin/python {command}" in told
