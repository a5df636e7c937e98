"""The report: complete, self-contained, readable on a phone, and never written over."""

import re
from pathlib import Path

import pytest
from markupsafe import escape

from src.comparison.champion import promote
from src.comparison.contenders import select
from src.comparison.report import test_set_disclosure as disclosure
from src.comparison.screen import print_promote_command, print_selection
from src.comparison.session import compare
from src.comparison.settings import ContenderSelection, make_request
from src.tracking.store import open_store
from tests.comparison.conftest import copy_of, train_into
from tests.conftest import Store, python
from tests.data.tables import as_text, digit_rows, write
from tests.plans import stored_runs

HOSTILE = "<script>alert(1)</script> | \"quoted\" & 'more'"


def compared(contest, *names, name=None):
    stored = stored_runs(contest.tracking)
    runs = [contest.ids[n] for n in names] or None
    selection = select(stored, ContenderSelection(runs=runs))
    return compare(stored, selection, name=name, say=lambda text: None)


@pytest.fixture(scope="module")
def harmed(contest, tmp_path_factory):
    """Return a store in which a run has a name that means harm."""
    own = copy_of(contest, tmp_path_factory.mktemp("harmed"))
    own.store.client.update_run(own.ids["poor"], name=HOSTILE)
    return own


@pytest.fixture(scope="module")
def outcome(harmed):
    return compared(harmed, "dnn 1", "poor", "linear")


@pytest.fixture(scope="module")
def html(outcome):
    return (outcome.folder / "report.html").read_text()


def test_it_says_everything_once_and_the_answer_first(outcome, html):
    for said in outcome.comparison.sentences:
        assert html.count(str(escape(said))) == 1
    assert f"<h1>{escape(outcome.comparison.sentences[0])}.</h1>" in html
    assert html.count("says nothing about other seeds") == 1
    looks = "These test images have been looked at 5 times, by 5 runs; no champion was chosen by"
    assert looks in html
    assert "Warning" not in html
    for heading in (
        "Confusion matrices",
        "First-layer weights",
        "What only one of them gets right",
        "What differs in their configuration",
        "Pair by pair",
    ):
        assert html.count(f"<details><summary>{heading}</summary>") == 1
    assert html.index("<table") < html.index('class="intervals"') < html.index("<details")
    assert html.count("data:image/png;base64,") == 3 + 3 + 4
    differing = re.search(r"What differs.*?</table>", html, re.DOTALL)
    assert differing
    assert "<code>model.hidden_sizes</code>" in differing[0]
    assert "data.split_seed" not in differing[0]


def test_it_needs_nothing_else_and_runs_nothing(html):
    assert "<script" not in html
    assert "&lt;script&gt;alert(1)" in html
    assert not re.findall(r"(?:src|href)=\"(?!data:image/png)", html)
    assert not re.findall(r"https?://|@import|url\(", html)


def test_the_markdown_holds_whole_tables_whatever_a_run_is_called(outcome):
    text = (outcome.folder / "report.md").read_text()
    rows = [line for line in text.splitlines() if line.startswith("|")]
    plain = [re.sub(r"\\\|", "", row).count("|") for row in rows]
    assert plain[:5] == [7] * 5
    assert plain[5:10] == [9] * 5


def test_all_of_it_is_on_a_run_of_its_own(harmed, outcome):
    run = harmed.store.client.get_run(outcome.run_id)
    assert run.info.status == "FINISHED"
    assert run.data.tags["comparison"] == outcome.folder.name
    assert run.data.tags["verdict"] == "; ".join(outcome.comparison.sentences)
    pair = outcome.comparison.pairs[0]
    assert run.data.metrics["compared/difference_1_less_2"] == pair.difference
    files = {f.path for f in harmed.store.client.list_artifacts(outcome.run_id)}
    assert {"report.html", "report.md", "figures", "config.yaml"} <= files


def test_an_older_report_is_never_written_over(own_contest):
    first = compared(own_contest, "dnn 1", "linear", name="mine")
    before = (first.folder / "report.html").read_bytes()
    second = compared(own_contest, "dnn 1", "linear", name="mine")
    assert (first.folder.name, second.folder.name) == ("mine", "mine.2")
    assert (first.folder / "report.html").read_bytes() == before
    left = {p.name for p in (own_contest.tracking.folder / "comparisons").iterdir()}
    assert left == {"mine", "mine.2"}


def test_it_is_made_without_the_data_and_says_what_is_left_out(tmp_path, own_contest):
    """The images of a table that is gone cannot be shown; all that is stored still can."""
    table = tmp_path / "digits.csv"
    write(table, as_text(digit_rows(600)))
    ids = [
        train_into(own_contest.tracking, "data=csv", f"data.path={table}", f"model={model}")
        for model in ("linear", "dnn")
    ]
    table.unlink()
    stored = stored_runs(own_contest.tracking)
    selection = select(stored, ContenderSelection(runs=ids))
    outcome = compare(stored, selection, name=None, say=lambda text: None)
    html = (outcome.folder / "report.html").read_text()
    assert "Left out: pictures of linear" in html
    assert "Confusion matrices" in html
    assert "What only one of them gets right" not in html


def test_looks_of_any_seed_are_told(own_contest):
    """The lowest, which is shown, has not looked at the test images."""
    lowest = train_into(own_contest.tracking, "seed=0", evaluate_on_test_set=False)
    own_contest.ids["dnn 0"] = lowest
    outcome = compared(own_contest, "dnn 0", "dnn 1", "unseen")
    assert outcome.comparison.selection.split == "validation"
    assert disclosure(outcome.comparison).startswith(
        "These test images have been looked at 5 times, by 5 runs"
    )


@pytest.mark.parametrize("width", [390, 1280])
def test_a_browser_shows_it_whole_without_asking_anyone(outcome, chromium, width):
    asked, said = [], []
    page = chromium.new_page(viewport={"width": width, "height": 900})
    page.on("request", lambda r: asked.append(r.url))
    page.on("console", lambda m: said.append(m.text))
    page.on("dialog", lambda d: said.append(d.message))
    page.goto((outcome.folder / "report.html").resolve().as_uri())
    assert page.evaluate("document.documentElement.scrollHeight") < 2.5 * 900
    assert not page.get_by_text("Rows are true classes").is_visible()
    lines, means = (
        [box.bounding_box() for box in page.locator(part).all()] for part in (".line", ".mean")
    )
    assert [box["x"] for box in means] == sorted((box["x"] for box in means), reverse=True)
    for line, mean in zip(lines, means, strict=True):
        assert line["x"] < mean["x"] + mean["width"] / 2 < line["x"] + line["width"]
    page.emulate_media(media="print")
    assert page.get_by_text("Rows are true classes").is_visible()
    page.emulate_media(media="screen")
    page.evaluate("document.querySelectorAll('details').forEach(part => { part.open = true })")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    pictures = page.evaluate(
        "[...document.images].map(i => [i.naturalWidth, i.getBoundingClientRect().right])"
    )
    page.close()
    assert [url for url in asked if not url.startswith(("file:", "data:"))] == []
    assert said == []
    assert all(natural > 0 and right <= width for natural, right in pictures)


def test_the_command_prints_the_answer_and_where_to_look(own_contest):
    done = python("-m", "src.compare", cwd=own_contest.folder)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    lines = done.stdout.splitlines()
    assert lines[0] == "comparing dnn (2 seeds), linear on the test images of digits"
    assert re.match(r"dnn \(2 seeds\) beats linear by \d\.\d points \(95 % interval ", lines[1])
    assert lines[3].split() == ["accuracy", "95", "%", "interval", "log", "loss", "parameters"]
    reckoned = [line.partition(": ")[2] for line in lines if line.startswith("reckoned: ")]
    assert reckoned[-1].endswith("docs/statistics.md")
    assert sum("seeds and images together" in line for line in reckoned) == 1
    [report] = [Path(line.split()[-1]) for line in lines if line.startswith("report")]
    assert (own_contest.folder / report).exists()
    assert {p.name for p in own_contest.folder.iterdir()} == {"mlruns"}
    assert lines[-1].endswith(f"python -m src.compare promote={own_contest.ids['dnn 1 again']}")
    made = Store(own_contest.folder).client.search_runs(["1"], "tags.comparison = 'dnn-linear'")
    assert [run.info.status for run in made] == ["FINISHED"]


def test_the_first_line_names_the_data_and_the_others_to_choose(own_contest, tmp_path, capsys):
    tables = [write(tmp_path / f"{n}.csv", as_text(digit_rows(n))) for n in (600, 700)]
    for table in tables:
        for model in ("linear", "dnn"):
            data = ("data=csv", f"data.path={table}", "data.test_size=100", f"model={model}")
            train_into(own_contest.tracking, *data, "trainer.max_epochs=2")

    def said(data):
        print_selection(select(stored_runs(own_contest.tracking), ContenderSelection(data=data)))
        return capsys.readouterr().out

    assert said(None) == (
        f"comparing dnn, linear on the test images of csv {tables[1]} (the newest with two models; "
        f"compare.data=NAME chooses another: csv {tables[0]}, digits)\n"
    )
    assert said("digits").endswith(" images of digits\n")
    assert said(tables[0]).endswith(f" images of csv {tables[0]}\n")


def test_who_wins_may_be_promoted_unless_champion_already(own_contest, capsys):
    def told(*names):
        print_promote_command(compared(own_contest, *names), open_store(own_contest.tracking))
        return capsys.readouterr().out

    elsewhere = f"tracking.folder={own_contest.tracking.folder}"
    assert told("poor", "linear", "dnn 1").endswith(
        f"src.compare promote={own_contest.ids['dnn 1']} {elsewhere}\n"
    )
    assert told("dnn 1", "dnn 1 again") == ""
    asked = {"compare": {}, "tracking": own_contest.tracking.model_dump()}
    run = own_contest.ids["dnn 1"]
    request = make_request({**asked, "promote": run})
    promote(stored_runs(own_contest.tracking), request, named=run, say=lambda text: None)
    assert told("poor", "linear", "dnn 1") == ""


def test_a_mistake_is_answered_at_once(tmp_path):
    done = python("-m", "src.compare", "compare.rnus=[a,b]", cwd=tmp_path)
    assert done.returncode == 2
    assert "did you mean `compare.runs`" in done.stderr
    done = python("-m", "src.compare", "force=true", cwd=tmp_path)
    assert done.returncode == 2
    told = [line.split(": ")[1] for line in done.stderr.splitlines()]
    assert told == ["`force`=true", "`force`=true"]
    assert not (tmp_path / "mlruns").exists()
