"""What a person types is read as meant; what is printed for pasting works when it is pasted."""

import re
import shlex
import signal
import subprocess
from pathlib import Path

import pytest
import yaml
from PIL import Image

from src.comparison.champion import promote
from src.comparison.settings import make_request
from src.config.commands import argument, command, quote_files
from tests.conftest import TIMEOUT_S, TRAINING, python, start_training
from tests.data.tables import as_text, digit_rows
from tests.plans import plan_of, problems_of, stored_runs

pytestmark = pytest.mark.long

NAMES = (
    "train (1).csv",
    "zähler=1.csv",
    "a,b.csv",
    " a b .csv",
    "[1].csv",
    "{a:1}.csv",
    "it's.csv",
    '"quoted".csv',
    "'a'.csv",
    "c:d.csv",
    "$HOME.csv",
    "${gone}.csv",
    "a#b.csv",
    "a&b;c!.csv",
    "back\\slash\\,.csv",
    "choice(a,b).csv",
    "数字\t日.csv",
)


@pytest.mark.parametrize("name", NAMES)
def test_a_file_is_found_under_the_name_that_was_typed(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    Path(name).touch()
    overrides = quote_files(["data=csv", f"data.path={name}"])
    assert plan_of(*overrides).data.arguments["path"] == name


@pytest.mark.parametrize("name", NAMES)
def test_a_name_that_cannot_be_read_is_told_as_it_has_to_be_typed(name):
    told = problems_of("data=csv", f"data.path={name}")
    typed = [line.partition("such a text as ")[2] for line in told if line.startswith("cannot")]
    typed = typed or [shlex.quote(argument("data.path", name))]
    [[override]] = [shlex.split(line) for line in typed]
    assert plan_of("data=csv", override).data.arguments["path"] == name


def test_a_value_that_is_no_text_stays_what_it_is_beside_a_file_of_that_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    typed = ["seed=3", "model.hidden_sizes=[3]", "-m", "data.test_path=null"]
    for value in ("3", "[3]", "null"):
        Path(value).touch()
    assert quote_files(typed) == typed


@pytest.mark.parametrize("name", NAMES[:2])
def test_a_command_finds_the_file_too(tmp_path, name):
    (tmp_path / name).write_text(as_text(digit_rows(200)))
    for path in (name, str(tmp_path / name)):
        done = python("-m", "src.explore", "data=csv", f"data.path={path}", cwd=tmp_path)
        assert done.returncode == 0, done.stderr


MEASURING = "measuring how this model reads pictures, once ...\n"


class Terminal:
    """Types commands into a shell, and finds in their output those to be pasted."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.said = ""

    def paste(self, words: str, more: str = "") -> subprocess.CompletedProcess[str]:
        """Type the command that was printed last behind these words."""
        line = re.findall(rf"{words}: +(.+)", self.said)[-1]
        return self.type(f"{line} {more}")

    def type(self, line: str) -> subprocess.CompletedProcess[str]:
        """Let a shell read the line, and run what it makes of it."""
        read = 'python() { printf "%s\\0" "$@"; }\n' + line
        words = subprocess.run(["bash", "-c", read], capture_output=True, text=True, check=True)
        done = python(*words.stdout.split("\0")[:-1], cwd=self._folder)
        assert done.returncode == 0, f"{line}\n{done.stderr}"
        assert done.stderr in {"", MEASURING}, line
        self.said += done.stdout
        return done


def test_every_printed_command_works_when_it_is_pasted(tmp_path):
    store = tmp_path / "it's mine" / "runs (1), new"
    at = argument("tracking.folder", str(store))
    terminal = Terminal(tmp_path)

    training = start_training(*TRAINING, "trainer.max_epochs=4000", at, cwd=tmp_path)
    assert any(line.startswith("epoch 2/") for line in training.stdout)
    training.send_signal(signal.SIGINT)
    terminal.said = training.communicate(TIMEOUT_S)[0]
    [run_id] = re.findall("resume=(\\w+)", terminal.said)
    config = store / "runs" / run_id / "config.json"
    config.write_text(config.read_text().replace("4000", "9"))  # else it would take long
    terminal.paste("resume")
    shown = yaml.safe_load(terminal.paste("look at it with", "--cfg job").stdout)
    assert shown["tracking"]["folder"] == str(store)

    budget = "trainer.max_epochs=2 n_trials=1 target=null confirm.seeds=1 executor=serial"
    line = f"optimizer.lr=0.001,0.003 data=digits {budget} {shlex.quote(at)}"
    terminal.type(f"python -m src.sweep {line}")
    terminal.paste("train it again with")
    assert not (tmp_path / "mlruns").exists()  # all is in the one store
    terminal.paste("make it champion with")

    asked = {"compare": {}, "tracking": {"folder": str(store)}, "promote": run_id}
    forced = make_request({**asked, "force": True, "reason": "to go back"})
    promote(stored_runs(forced.tracking), forced, named=run_id, say=lambda text: None)
    Image.new("L", (60, 60), 240).save(tmp_path / "digit.png")
    assert "no ink" in terminal.paste("use it with").stdout
    assert "champion is again version 1" in terminal.paste("go back with").stdout


def test_a_command_needs_no_quotes_where_all_is_plain():
    values = {"resume": "4f1c2a", "tracking.uri": "http://host:5000"}
    printed = "python -m src.train a.png resume=4f1c2a tracking.uri=http://host:5000"
    assert command("train", values, "a.png") == printed
    assert command("train", {"resume": "12e4"}) == "python -m src.train 'resume=\"12e4\"'"
