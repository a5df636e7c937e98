"""Documents that point to files point to files that are there."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda p: p.name)
def test_every_relative_link_leads_somewhere(document):
    text = document.read_text()
    links = re.findall(r"\]\(([^)#:]+)\)", text)
    named = re.findall(r"`((?:docs|tests|src|conf|sweeps)/[\w/.]+)`", text)
    for link in links:
        assert (document.parent / link).exists(), f"{document.name} links to {link}"
    for path in named:
        if "width" not in path and "letters" not in path:  # the examples one is to write
            assert (ROOT / path).exists(), f"{document.name} names {path}"
