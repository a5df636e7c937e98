"""A user's mistakes: all found, each in one line with its cure, before anything heavy is loaded."""

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
    "regularization.patience=20": ["can never stop a training of `trainer.max_epochs`=20"],
    "trainer.gradient_clip_norm=0": ["should be greater than 0"],
    "trainer.threads=0": ["`trainer.threads`=0: should be greater than or equal to 1"],
    "data.rows=70000": ["`data.rows`=70000: should be less than or equal to 60000"],
    "data=digits data.validation_size=0": ["`data.validation_size`=0: should be greater than"],
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
    "modle=linear optimzer.lr=1": ["`modle`", "`optimzer.lr`"],
    "optimizer.lr=-1 seed=-1 model.activation=x": ["`optimizer.lr`", "`seed`", "`model.activ"],
    "trainer.max_epohs=3 optimizer.lr=-1": ["`trainer.max_epohs`", "`optimizer.lr`"],
    "model=dmn data=digit seed=x": ["`model`=dmn", "`data`=digit", "`seed`='x'"],
    "model.hidden_sizes=[ seed=1,2 trainer.epochs=3": ["cannot read", "`seed=1,2`", ".epochs`"],
    "regularization.dropout=2 model.input_dropout=3": [".dropout`=2", "`model.input_dropout`=3"],
    "model.loss=x model.dropout=2 trainer.foo=1": ["model.loss", "model.dropout", "trainer.foo"],
}


@pytest.mark.parametrize("line", SEVERAL)
def test_several_mistakes_are_all_told_at_once(line):
    problems = problems_of(*line.split())
    assert len(problems) == len(SEVERAL[line]), problems
    for words in SEVERAL[line]:
        assert sum(words in told for told in problems) == 1, (words, problems)


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
        ("trainer.max_epohs=3 optimizer.lr=-1", 2, 2),
        ("optimizer.lr=abc seed=-1 model._target_=os.system", 2, 3),
        ("-m model=linear,dmn", 2, 1),
        ("-m optimizer.lr=0.1,-1 model.dropout=0.1,3", 2, 2),
        ("--cfg job", 0, 0),
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
    "resume=deadbeef": "`resume`=deadbeef: must name one interrupted run",
}


def test_what_shows_only_later_is_still_told_before_training_and_leaves_nothing(tmp_path):
    (tmp_path / "taken").write_text("a file where a folder should be")
    script = f"""
import os, sys
from functools import partial
from src.cli.entry import run_verb
from src.config.plan import make_plan
from src.train import train_command

for line in {list(TOO_LATE_FOR_THE_PARSER)!r}:
    os.environ.pop("HYDRA_FULL_ERROR", None)
    sys.argv[1:] = line.split()
    try:
        run_verb(train_command, config_name="train", check=partial(make_plan, choices={{}}))
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


def test_misspelling_a_key_of_explore_is_told_in_the_same_way(run_verb, tmp_path):
    done = run_verb("explore.pixl=3", "data=digit", verb="explore")
    assert done.returncode == 2
    assert "unknown key `explore.pixl`, did you mean `explore.pixel`?" in done.stderr
    assert "`data`=digit: there is no such option, did you mean `digits`?" in done.stderr
    assert len(done.stderr.splitlines()) == 2
    assert list(tmp_path.iterdir()) == []
