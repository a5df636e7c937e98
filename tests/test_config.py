"""A user's mistakes: all found, each in one line with its fix, before anything heavy is loaded."""

import pytest

from tests.conftest import python
from tests.plans import plan_of, problems_of

# a command line -> for each problem it has, words of the line that tells it
MISTAKES = {
    "modle=linear": ["unknown key `modle`, did you mean `model`?"],
    "modle.hidden_sizes=[3]": ["`modle.hidden_sizes`, did you mean `model.hidden_sizes`?"],
    "model.hiden_sizes=[3]": ["`model.hiden_sizes`, did you mean `model.hidden_sizes`?"],
    "trainer.max_epohs=3": ["`trainer.max_epohs`, did you mean `trainer.max_epochs`?"],
    "sed=3": ["unknown key `sed`, did you mean `seed`?"],
    "model=linear model.hidden_sizes=[3]": ["`model` takes input_dropout, loss"],
    "optimizer=sgd optimizer.betas=[0.1,0.2]": ["`optimizer` takes lr, momentum, nesterov"],
    "model=dmn": ["`model`=dmn: there is no such option, did you mean `dnn`?"],
    "model=forest": ["`model`=forest: there is no such option; choose one of dnn, linear"],
    "tracking=of": ["`tracking`=of: there is no such option, did you mean `off`?"],
    "model=null": ["`model`=null: there is no such option; choose one of dnn, linear"],
    "+model.hiden_sizes=[3]": ["`model.hiden_sizes`, did you mean `model.hidden_sizes`?"],
    "+trainer.gpus=1": ["unknown key `trainer.gpus`; `trainer` takes accelerator, batch_size"],
    "+epochs=1": ["unknown key `epochs`; there are data, model, name"],
    "++regularization.foo=1": ["unknown key `regularization.foo`; `regularization` takes"],
    "+model=dnn": ["`+model=dnn`: the group is there already; leave out the +"],
    "optimizer.lr=abc": ["`optimizer.lr`='abc': should be a valid number; the default is 0.003"],
    "optimizer.lr=null": ["`optimizer.lr`=None: should be a valid number"],
    "seed=1.5": ["`seed`=1.5: should be a valid integer"],
    "seed=true": ["`seed`=True: should be a valid integer"],
    "trainer.batch_size=1e3": ["`trainer.batch_size`=1000.0: should be a valid integer"],
    "model.batch_norm=3": ["`model.batch_norm`=3: should be a valid boolean"],
    "model.hidden_sizes=64": ["`model.hidden_sizes`=64: should be a valid list"],
    "model.hidden_sizes=[64,a]": ["`model.hidden_sizes[1]`='a': should be a valid integer"],
    "tracking.folder=3": ["`tracking.folder`=3: should be a path; the default is 'mlruns'"],
    "optimizer.lr=0": ["`optimizer.lr`=0: should be greater than 0"],
    "optimizer.lr=nan": ["`optimizer.lr`=nan: should be a finite number"],
    "optimizer.lr=inf": ["`optimizer.lr`=inf: should be a finite number"],
    "seed=-1": ["`seed`=-1: should be greater than or equal to 0"],
    "seed=4294967296": ["`seed`=4294967296: should be less than 4294967296"],
    "model.hidden_sizes=[]": ["`model.hidden_sizes`=[]: should not be empty"],
    "model.hidden_sizes=[8,0]": ["`model.hidden_sizes[1]`=0: should be greater than or equal to 1"],
    "optimizer.betas=[0.9]": ["`optimizer.betas[1]` is missing"],
    "optimizer.betas=[0.9,1.0]": ["`optimizer.betas[1]`=1.0: should be less than 1"],
    "regularization.dropout=1.0": ["`regularization.dropout`=1.0: should be less than 1"],
    "model.dropout=1.0": ["`model.dropout`=1.0: should be less than 1"],
    "regularization.l1=-1": ["`regularization.l1`=-1: should be greater than or equal to 0"],
    "regularization.augmentation=3": ["should be less than or equal to 2"],
    "regularization.augmentation=nan": ["`regularization.augmentation`=nan: should be"],
    "regularization.label_smoothing=1": ["should be less than 1"],
    "regularization.patience=0": ["should be greater than or equal to 1"],
    "model=dnn regularization.patience=20": [
        "can never stop a training of `trainer.max_epochs`=20"
    ],
    "trainer.gradient_clip_norm=0": ["should be greater than 0"],
    "trainer.threads=0": ["`trainer.threads`=0: should be greater than or equal to 1"],
    "data.rows=70000": ["`data.rows`=70000: should be less than or equal to 60000"],
    "data=digits data.validation_size=0": ["`data.validation_size`=0: leaves no images to choose"],
    "data=digits data.validation_size=0 trainer.select=last regularization.patience=3": [
        "`data.validation_size`=0: leaves no images to stop early by"
    ],
    "data=digits data.validation_size=-1": ["`data.validation_size`=-1: should be greater than"],
    "model.activation=rellu": ["`model.activation`='rellu': should be", "did you mean `relu`?"],
    "model.loss=softmx": ["`model.loss`='softmx': should be", "did you mean `softmax`?"],
    "trainer.accelerator=tpu": ["`trainer.accelerator`='tpu': should be 'auto', 'cpu'"],
    "tracking.experiment=": ["`tracking.experiment`='': should not be empty"],
    "model._target_=os.system": ["`model._target_`='os.system': may only name one of src.*"],
    "model._target_=builtins.eval": ["may only name one of src.*, torch.optim.*, torch.nn.*"],
    "model._target_=srcx.models": ["may only name one of"],
    "model._target_=src.models.dnn.dnm": ["there is no such function or class"],
    "model._target_=src.cli.overrides": ["is not a function or class"],
    "model._target_=null": ["`model._target_`=None: may only name one of"],
    "model.hidden_sizes=[3": ["cannot read `model.hidden_sizes=[3`; write key=value"],
    "lr": ["cannot read `lr`; write key=value"],
    "=3": ["cannot read `=3`"],
    "seed=1,2": ["`seed=1,2`: several values are run one by one with -m"],
    "model=linear,dnn": ["`model=linear,dnn`: several values are run one by one with -m"],
    "model.dropout=${gone}": ["`model.dropout`: Interpolation key 'gone' not found"],
    "model.dropout=???": ["`model.dropout` is missing; give it as model.dropout=VALUE"],
    "lr=0.01": ["unknown key `lr`, did you mean `optimizer.lr`?"],
    "epochs=5": ["unknown key `epochs`, did you mean `trainer.max_epochs`?"],
    "batch_size=64": ["unknown key `batch_size`, did you mean `trainer.batch_size`?"],
    "dropout=0.1": ["unknown key `dropout`, did you mean `regularization.dropout`?"],
    "trainer.lr=0.1": ["unknown key `trainer.lr`, did you mean `optimizer.lr`?"],
    "sweep=dnn": ["`sweep` belongs to another command: python -m src.sweep sweep=dnn"],
    "target=0.97": ["another command: python -m src.sweep sweep=dnn target=0.97"],
    "promote=0123": ["another command: python -m src.compare promote=0123"],
    "~scheduler": ["`~scheduler`: nothing can be left out; give scheduler=constant instead"],
    "~optimizer.lr": ["`~optimizer.lr`: nothing can be left out; give another value instead"],
    "hydra.run.dir=elsewhere": ["`hydra.run.dir=elsewhere`: Hydra's own settings are not used"],
    "hydra.mode=MULTIRUN": ["not used here; -m runs several values"],
    "hydra/launcher=basic": ["`hydra/launcher=basic`: Hydra's own settings"],
    "+hydra.verbose=true": ["`+hydra.verbose=true`: Hydra's own settings"],
}


@pytest.mark.parametrize("line", MISTAKES)
def test_a_mistake_is_told_in_one_line_with_its_cure(line):
    problems = problems_of(*line.split())
    assert len(problems) == 1, problems
    [told] = problems
    assert "\n" not in told
    for words in MISTAKES[line]:
        assert words in told


SEVERAL = {
    "optimizer.lr=-1 seed=-1 model.activation=x": ["`optimizer.lr`", "`seed`", "`model.activ"],
    "regularization.dropout=2 model.input_dropout=3": [".dropout`=2", "`model.input_dropout`=3"],
}


@pytest.mark.parametrize("line", SEVERAL)
def test_several_wrong_values_are_all_told_at_once(line):
    problems = problems_of(*line.split())
    assert len(problems) == len(SEVERAL[line]), problems
    for words in SEVERAL[line]:
        assert sum(words in told for told in problems) == 1, (words, problems)


FIRST = {
    "modle=linear optimzer.lr=1": "`modle`",
    "trainer.max_epohs=3 optimizer.lr=-1": "`trainer.max_epohs`",
    "sed=1 data=digit model=dmn": "`data`=digit",
    "seed=1,2 model.hidden_sizes=[ trainer.epochs=3": "`seed=1,2`",
    "optimizer.momentum=0.9 optimizer=sgd sed=3": "`sed`",
}


@pytest.mark.parametrize("line", FIRST)
def test_of_what_cannot_be_composed_the_first_is_told(line):
    [told] = problems_of(*line.split())
    assert FIRST[line] in told


def test_a_right_command_line_has_no_problem():
    line = "model=linear model.loss=one_vs_rest optimizer=sgd scheduler=cosine seed=7 name=12"
    assert problems_of(*line.split()) == ()
    plan = plan_of(*line.split())
    assert (plan.seed, plan.name, plan.loss) == (7, "12", "one_vs_rest")


def test_a_value_is_taken_over_as_written():
    assert plan_of("model.hidden_sizes=[8]").model.arguments["hidden_sizes"] == [8]
    assert plan_of("optimizer.lr=1").optimizer.arguments["lr"] == 1.0
    assert plan_of("trainer.gradient_clip_norm=0.5").trainer.gradient_clip_norm == 0.5


WATCHED = "torch pytorch_lightning mlflow optuna sklearn pandas matplotlib"
WATCH = f"""
import atexit, runpy, sys
atexit.register(lambda: print("LOADED", sorted(set({WATCHED.split()!r}) & set(sys.modules))))
sys.argv[0] = "src.train"
runpy.run_module("src.train", run_name="__main__", alter_sys=True)
"""


@pytest.mark.parametrize(
    ("line", "code", "errors"),
    [
        ("trainer.max_epohs=3 optimizer.lr=-1", 2, 1),
        ("optimizer.lr=abc seed=-1 model._target_=os.system", 2, 3),
        ("-m model=linear,dmn", 2, 1),
        ("-m optimizer.lr=0.1,-1 model.dropout=0.1,3", 2, 2),
        ("--cfg job", 0, 0),
        ("--help", 0, 0),
    ],
)
def test_mistakes_and_questions_are_answered_without_loading_what_trains(
    tmp_path, line, code, errors
):
    done = python("-c", WATCH, *line.split(), cwd=tmp_path)
    *said, loaded = done.stdout.splitlines()
    assert loaded == "LOADED []"
    assert done.returncode == code
    told = done.stderr.splitlines()
    assert len(told) == errors, done.stderr
    assert all(line.startswith("error: ") for line in told)
    assert list(tmp_path.iterdir()) == []
    assert bool(said) == (code == 0)


def test_a_mistake_shows_a_traceback_only_when_asked(tmp_path, monkeypatch):
    monkeypatch.setenv("HYDRA_FULL_ERROR", "1")
    script = "import os; os.environ['HYDRA_FULL_ERROR'] = '1'\n" + WATCH
    done = python("-c", script, "seed=-1", cwd=tmp_path)
    assert done.returncode == 2
    assert "Traceback (most recent call last)" in done.stderr
    assert "error: `seed`=-1" in done.stderr


VERB = """
import os, sys
from functools import partial
from src.cli.entry import run_verb
from src.errors import TrainingFailed
from src.config.plan import make_plan

def verb(config):
    print("seed", config.seed)
    if config.seed == 1:
        raise {error}

run_verb(verb, config_name="train", check=partial(make_plan, choices={{}}))
"""


def test_a_bug_shows_where_it_is_and_exits_with_1(tmp_path):
    done = python("-c", VERB.format(error="KeyError('oops')"), cwd=tmp_path)
    assert done.returncode == 1
    assert "Traceback (most recent call last)" in done.stderr
    assert "in verb\nKeyError: 'oops'" in done.stderr


def test_a_value_error_in_a_verb_is_a_bug_and_no_mistake_of_the_user(tmp_path):
    done = python("-c", VERB.format(error="ValueError('oops')"), cwd=tmp_path)
    assert done.returncode == 1
    assert "in verb\nValueError: oops" in done.stderr


def test_a_failed_run_does_not_keep_the_others_of_a_grid_from_running(tmp_path):
    script = VERB.format(error="TrainingFailed('loss is nan in epoch 3')")
    done = python("-c", script, "-m", "seed=1,2", cwd=tmp_path)
    assert done.returncode == 1
    assert done.stdout.splitlines() == ["seed 1", "seed 2"]
    assert done.stderr == "error: loss is nan in epoch 3\n"


def test_ctrl_c_outside_of_a_training_ends_the_program_quietly(tmp_path):
    done = python("-c", VERB.format(error="KeyboardInterrupt"), "-m", "seed=1,2", cwd=tmp_path)
    assert done.returncode == 130
    assert done.stdout.splitlines() == ["seed 1"]
    assert done.stderr == "stopped by SIGINT\n"


TOO_LATE_FOR_THE_PARSER = {
    "data=csv data.path=gone.csv": "gone.csv",
    "data=digits tracking.uri=nowhere": "`tracking.uri`=nowhere",
    "data=digits tracking.uri=http://127.0.0.1:9": "no MLflow server answers there",
    "data=digits tracking.uri=http://me:secret@127.0.0.1:9": "`tracking.uri`=http://127.0.0.1:9:",
    "data=digits tracking.uri=mysql://me:secret@127.0.0.1:9/x": "mysql://127.0.0.1:9/x: cannot be",
    "data=digits tracking=server": "`tracking.uri` is missing; give it as tracking.uri=http://HOST:",
    "data=digits trainer.accelerator=mps": "`trainer.accelerator`=mps: this machine has none",
    "data=digits tracking.folder=taken": "cannot be written",
    "resume=deadbeef": "nothing is tracked there yet; train first",
    "data=digits ++resume=deadbeef": "nothing is tracked there yet; train first",
}


@pytest.mark.long
def test_what_shows_only_later_is_still_told_before_training_and_leaves_nothing(tmp_path):
    (tmp_path / "taken").write_text("a file where a folder should be")
    script = f"""
import os, sys
from functools import partial
from src.cli.entry import run_verb
from src.config.plan import make_plan
from src.cli.arguments import read_said_of_run
from src.train import train_command

for line in {list(TOO_LATE_FOR_THE_PARSER)!r}:
    os.environ.pop("HYDRA_FULL_ERROR", None)
    sys.argv[1:] = line.split()
    try:
        check = partial(make_plan, choices={{}})
        run_verb(train_command, config_name="train", check=check, read=read_said_of_run)
    except SystemExit as leaving:
        print(leaving.code, flush=True)
"""
    done = python("-c", script, cwd=tmp_path)
    assert done.stdout.split() == ["2"] * len(TOO_LATE_FOR_THE_PARSER), done.stderr
    told = done.stderr.splitlines()
    assert len(told) == len(TOO_LATE_FOR_THE_PARSER), done.stderr
    for line, words in zip(told, TOO_LATE_FOR_THE_PARSER.values(), strict=True):
        assert line.startswith("error: ")
        assert words in line
        assert "secret" not in line
    assert [path.name for path in tmp_path.iterdir()] == ["taken"]


LINES = """
import runpy, sys
for line in sys.argv[1:]:
    verb, *sys.argv[1:] = line.split()
    for stream in (sys.stdout, sys.stderr):
        print("LINE", file=stream)
    try:
        runpy.run_module(f"src.{verb}", run_name="__main__", alter_sys=True)
    except SystemExit as leaving:
        print("CODE", leaving.code)
"""


def outcomes(*lines, cwd):
    """Return exit code, output and errors of every `VERB ARGUMENTS`, all run in one process."""
    done = python("-c", LINES, *lines, cwd=cwd)
    assert done.returncode == 0, done.stderr
    said, told = (text.split("LINE\n")[1:] for text in (done.stdout, done.stderr))
    assert len(said) == len(told) == len(lines)
    halves = [each.rpartition("CODE ") for each in said]
    return [
        (int(code), output, errors) for (output, _, code), errors in zip(halves, told, strict=True)
    ]


REFUSED = {
    "train --model dnn": "`--model`: values have no dashes; write model=dnn",
    "train --model=dnn": "`--model`: values have no dashes; write model=dnn",
    "train seed=3 --lr 0.01": "`--lr`: values have no dashes; write optimizer.lr=0.01",
    "train --batch-size 64": "`--batch-size`: values have no dashes; write trainer.batch_size=64",
    "sweep --fresh sweep=dnn": "`--fresh`: values have no dashes; write fresh=true",
    "train -model dnn": "",
    "train --config-name sweep": "`--config-name`: there is no such flag",
    "train --config-path=.": "`--config-path`: there is no such flag",
    "train --config-dir gone": "`--config-dir`=gone: there is no such folder",
    "train --cfg": "--cfg: expected one argument",
    "train -m --cfg hydra": "--cfg: invalid choice: 'hydra'",
    "train -m hydra.sweep.dir=here seed=1,2": "`hydra.sweep.dir=here`: Hydra's own settings",
    "train hydra.mode=MULTIRUN seed=1,-1": "`hydra.mode=MULTIRUN`: Hydra's own settings",
    "train seed=1,-1 -m": "`seed`=-1: should be greater",
    "train -m ~scheduler seed=1,2": "`~scheduler`: nothing can be left out",
    "sweep ~scheduler=constant": "`~scheduler=constant`: nothing can be left out",
    "sweep -m sweep=dnn,linear": "`-m`: a search is no grid; give ranges",
    "sweep ~optimizer.lr=1,2": "`~optimizer.lr=1,2`: nothing can be left out",
    "compare model=dnn": "`model` belongs to another command: python -m src.train model=dnn",
    "compare compare.runs=a,b": "a list is written 'compare.runs=[a,b]'",
    "explore explore.pixl=3": "unknown key `explore.pixl`, did you mean `explore.pixel`?",
    "explore data=digit": "`data`=digit: there is no such option, did you mean `digits`?",
    "explore pixel=72": "unknown key `pixel`, did you mean `explore.pixel`?",
    "app port=8000": "unknown key `port`, did you mean `app.port`?",
    "train --help modle": "`modle`: there is no such group, did you mean `model`?",
    "train --help model=dmn": "`model`=dmn: there is no such option, did you mean `dnn`?",
}


def test_every_slip_is_told_in_one_line_and_leaves_nothing(tmp_path):
    for line, (code, said, told) in zip(REFUSED, outcomes(*REFUSED, cwd=tmp_path), strict=True):
        assert code == 2, (line, code, said, told)
        assert said == "", line
        [only] = told.splitlines()
        assert only.startswith("error: ")
        assert REFUSED[line] in only
    assert list(tmp_path.iterdir()) == []


def test_a_folder_of_options_may_come_before_those_of_conf(tmp_path):
    (tmp_path / "experiment").mkdir()
    (tmp_path / "experiment" / "best.yaml").write_text("# @package _global_\nseed: 7\n")
    lines = ("", " sed=3", " -m trainer.max_epochs=1,-1")
    best = f"train --config-dir {tmp_path} experiment=best --cfg job"
    whole, slip, grid = outcomes(*(best + line for line in lines), cwd=tmp_path)
    assert "seed: 7\n" in whole[1]
    assert "unknown key `sed`" in slip[2]
    assert "`trainer.max_epochs`=-1" in grid[2]


def test_a_grid_shows_all_its_configurations_wherever_its_flag_stands(tmp_path):
    lines = ("-m seed=1,2 --cfg job", "--cfg job seed=1,2 -m", "seed=1,2 --multirun -c job name=x")
    for code, said, told in outcomes(*(f"train {line}" for line in lines), cwd=tmp_path):
        assert (code, told) == (0, "")
        first, second = said.split("---\n")
        assert "seed: 1\n" in first
        assert "seed: 2\n" in second
    assert list(tmp_path.iterdir()) == []


GROUPS_OF = {
    "train": "data model regularization optimizer scheduler trainer tracking experiment",
    "sweep": "data model regularization optimizer scheduler trainer tracking experiment "
    "sampler pruner executor sweep",
    "compare": "tracking",
    "explore": "data",
    "predict": "tracking",
    "app": "tracking",
    "ui": "tracking",
}
VALUES_OF = {"train": "reproduce=null", "sweep": "confirm.seeds=3", "compare": "compare.best=3"}


def test_help_is_a_screen_of_what_the_verb_takes_and_says_how_to_see_more(tmp_path):
    groups = {group for text in GROUPS_OF.values() for group in text.split()}
    shown = outcomes(*(f"{verb} --help" for verb in GROUPS_OF), cwd=tmp_path)
    for verb, (code, said, told) in zip(GROUPS_OF, shown, strict=True):
        assert (code, told) == (0, "")
        assert len(said.splitlines()) <= 44
        assert max(map(len, said.splitlines())) <= 100
        listed = {line.split()[0] for line in said.splitlines() if line.split()} & groups
        assert listed == set(GROUPS_OF[verb].split()), verb
        assert VALUES_OF.get(verb, "") in said
        assert f"python -m src.{verb} --help " in said


def test_help_of_a_group_shows_its_options_and_the_values_of_one(tmp_path):
    lines = ("train --help model", "train --help model=linear", "train --help regularization=l1")
    model, linear, l1 = (said for _, said, _ in outcomes(*lines, cwd=tmp_path))
    assert "model=linear" in model
    assert "one weight image a class" in model
    assert "hidden_sizes: [256, 128]" in model
    assert "hidden_sizes" not in linear
    assert "loss: softmax" in linear
    assert "share of hidden units dropped" in l1
    assert "l1: 1.0e-5" in l1
