"""A reader who has gone, and a terminal that cannot show every sign: the work goes on."""

import json
import shlex
import subprocess
import sys

import pytest
from PIL import Image

from tests.conftest import TIMEOUT_S, TRAINING, Store, environment, python
from tests.data.tables import as_text, digit_rows
from tests.preloaded import Command

pytestmark = pytest.mark.long

ONE_TRIAL = "data=digits optimizer.lr=0.001,0.003 trainer.max_epochs=2 n_trials=1 target=null"


def shell(line, *, cwd, **variables):
    """Type a line into a shell where $PIPESTATUS has a name."""
    return subprocess.run(
        ["bash", "-c", line.replace("PYTHON", f"{sys.executable} -m")],
        cwd=cwd,
        env=environment() | variables,
        capture_output=True,
        text=True,
        timeout=3 * TIMEOUT_S,
        errors="surrogateescape",
    )


def hear_a_line(*arguments: str, cwd) -> tuple[str, int]:
    """Return the first line that `python -m ARGUMENTS` prints, and how it ends unheard."""
    command = Command(arguments, cwd=cwd, env=environment())
    with command.stdout as output:
        line = next(output)
    command.stderr.close()
    return line, command.wait(TIMEOUT_S)


def test_a_training_goes_on_when_its_reader_has_gone(tmp_path):
    title, code = hear_a_line("src.train", *TRAINING, cwd=tmp_path)
    assert title.startswith("training dnn")
    assert code == 0
    run = Store(tmp_path).only_run()
    assert run.info.status == "FINISHED"
    assert len(Store(tmp_path).curve(run.info.run_id, "val_accuracy")) == 40


def test_a_search_and_its_workers_go_on_when_their_reader_has_gone(tmp_path):
    line = f"PYTHON src.sweep {ONE_TRIAL} confirm.seeds=1 executor=processes"
    done = shell(f"({line} 2>&1; echo $? >code) | true", cwd=tmp_path)
    assert (done.stdout, done.stderr) == ("", "")
    assert (tmp_path / "code").read_text() == "0\n"
    statuses = {run.info.status for run in Store(tmp_path).runs()}
    assert statuses == {"FINISHED"}


def test_streams_that_were_never_there_are_not_missed(tmp_path):
    done = shell("PYTHON src.explore data=digits >&- 2>&-", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_help_is_cut_off_silently(tmp_path, unbuffered):
    line = "PYTHON src.train --help | true; echo ${PIPESTATUS[0]}"
    done = shell(line, cwd=tmp_path, PYTHONUNBUFFERED=unbuffered)
    assert (done.stdout, done.stderr) == ("0\n", "")


@pytest.fixture(scope="module")
def umlauts(tmp_path_factory):
    """Return a folder with two runs on classes named `ä0` to `ä9`."""
    folder = tmp_path_factory.mktemp("umlauts")
    lines = as_text(digit_rows(600)).splitlines()
    (folder / "zähler.csv").write_text("\n".join(f"ä{line}" for line in lines), encoding="utf-8")
    for model in ("linear", "dnn"):
        overrides = ("data=csv", "data.path=zähler.csv", f"name='{model} ÄÖ'", *TRAINING[2:])
        done = python("-m", "src.train", f"model={model}", *overrides, cwd=folder)
        assert done.returncode == 0, done.stderr
    Image.new("L", (60, 60), 240).save(folder / "größe.png")
    return folder


NO_LOCALE = {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}
ONE_EPOCH = """data=csv data.path=zähler.csv 'name="数字"' trainer.max_epochs=1 trainer.threads=1"""


@pytest.mark.parametrize(
    ("line", "encoding"),
    [
        (f"train {ONE_EPOCH}", "ascii"),
        ("compare", "latin-1"),
        ("predict größe.png", "ascii"),
        ("predict größe.png format=csv", "ascii"),
    ],
)
def test_a_terminal_of_few_signs_is_told_all(umlauts, line, encoding):
    verb, *words = shlex.split(line)
    done = python("-m", f"src.{verb}", *words, cwd=umlauts, encoding=encoding)
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout


def test_a_terminal_without_a_locale_is_told_all(umlauts):
    done = shell("PYTHON src.explore data=csv data.path=zähler.csv", cwd=umlauts, **NO_LOCALE)
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout


def test_json_loses_nothing_on_a_terminal_of_few_signs(umlauts):
    answers = ("src.predict", "größe.png", "format=json")
    done = python("-m", *answers, cwd=umlauts, encoding="ascii")
    [answer] = json.loads(done.stdout)["answers"]
    assert answer["file"] == "größe.png"


def test_an_answer_is_cut_off_silently(umlauts):
    line = f"PYTHON src.predict {'größe.png ' * 500} format=json"
    done = shell(f"{line} | head -1; echo ${{PIPESTATUS[0]}}", cwd=umlauts)
    assert done.stdout == "{\n0\n"
    assert "Traceback" not in done.stderr
    assert "Exception ignored" not in done.stderr


def test_a_comparison_is_made_when_its_reader_has_gone(umlauts):
    _, code = hear_a_line("src.compare", cwd=umlauts)
    assert code == 0
    newest = Store(umlauts).runs()[0]
    assert "comparison" in newest.data.tags
    assert newest.info.status == "FINISHED"
