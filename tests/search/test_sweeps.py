"""Every file of `sweeps/` fits the program, and mistakes in a search are told before it starts."""

import shutil
from collections import Counter
from functools import cache

import hydra
import optuna
import pytest
from hydra.core.config_store import ConfigStore
from hydra.core.global_hydra import GlobalHydra
from omegaconf import OmegaConf, open_dict

from src.cli.overrides import CONF, EXTRA_CONFIG_DIRS, SWEEPS, conf_open, resolved
from src.data.digits import Digits
from src.errors import ConfigError
from src.search import composer
from src.search.check import check_first, check_space
from src.search.grammar import split_ranges
from src.search.request import Request, make_request
from src.search.screen import SweepScreen
from src.search.study import trial_seed
from src.sweep import register_sweeps
from src.training.fit import build_classifier
from tests.plans import dataset_of

NAMES = sorted(path.stem for path in SWEEPS.glob("*.yaml"))


@pytest.fixture(autouse=True)
def composition():
    """Compose as inside of `python -m src.sweep`."""
    register_sweeps()
    with hydra.initialize_config_dir(str(CONF), version_base="1.3"):
        yield


def request_of(*arguments: str) -> Request:
    """Return the search that `python -m src.sweep ARGUMENTS` asks for."""
    overrides, ranges = split_ranges(list(arguments))
    config = hydra.compose("sweep", overrides=overrides, return_hydra_config=True)
    sweep = config.hydra.runtime.choices.get("sweep")
    with open_dict(config):
        del config["hydra"]
    return make_request(resolved(config), sweep=sweep, overrides=overrides, ranges=ranges)


@cache
def shipped(name: str) -> Request:
    """Return the search of a file as it is; compose no trial of it twice."""
    return request_of(f"sweep={name}")


def check(request: Request) -> None:
    check_space(request.space, request.settings, request.composer)


def problems_of(*arguments: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        check(request_of(*arguments))
    return list(caught.value.problems)


def sweep_of(name: str, text: str) -> str:
    """Make a search of a YAML text, and return the argument that names it."""
    node = OmegaConf.create(text)
    ConfigStore.instance().store(group="sweep", name=name, node=node, package="_global_")
    return f"sweep={name}"


def first_plans(request: Request, number: int):
    """Return the plans of the first trials."""
    study = optuna.create_study(
        directions=[objective.direction for objective in request.settings.objective],
        sampler=request.sampler.build(seed=1),
        pruner=request.pruner.build(),
    )
    for assignment in request.settings.enqueue:
        study.enqueue_trial(request.space.encode(assignment))
    for place in range(number):
        values = request.space.draw(study.ask(), request.composer.base_values())
        yield request.composer.plan(values, seed=trial_seed(1, place), name="first")


def test_the_searches_of_the_issue_are_there():
    assert {"linear", "dnn", "dnn_best", "regularization", "pareto", "quick"} <= set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_every_search_fits_the_program(name):
    request = shipped(name)
    assert request.name == name
    assert request.space.entries
    check(request)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
def test_the_first_configurations_of_every_search_can_be_built(name):
    digits = Digits().load()
    for plan in first_plans(shipped(name), 10):
        assert sum(p.numel() for p in build_classifier(plan, digits).parameters()) > 600


def test_what_only_building_shows_is_told_before_the_first_trial():
    request = request_of("sweep=quick", "model.batch_norm=true", "trainer.batch_size=1")
    check(request)
    with pytest.raises(ConfigError, match="batch norm needs at least 2"):
        check_first(request.space, request.settings, request.composer, dataset_of(request.plan))


def test_the_mission_is_a_dense_network_of_at_least_95_percent():
    request = request_of("sweep=dnn")
    assert request.settings.target == 0.95
    assert request.settings.objective[0].metric == "val_accuracy"
    assert request.plan.choices["model"] == "dnn"
    assert request.plan.choices["data"] == "mnist_20k"


@pytest.mark.parametrize("name", NAMES)
def test_every_search_says_in_its_first_line_what_it_asks(name):
    first = (SWEEPS / f"{name}.yaml").read_text().splitlines()[0]
    assert first.startswith("# ")
    assert len(first) > 20


SMALL = ("data=digits", "model=dnn")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (
            ("model.hiden_sizes=choice([8],[16])",),
            "unknown key `model.hiden_sizes` in the space, did you mean `model.hidden_sizes`?",
        ),
        (("optimiser.lr=interval(0.1,1)",), "unknown key `optimiser.lr` in the space, did you mea"),
        (("model=lineer,dnn",), "`model`=lineer: there is no such option, did you me"),
        (("regularization=none,zzz",), "`regularization`=zzz: there is no such option"),
        (("optimizer.lr=interval(-1,0.1)",), "`optimizer.lr`=-1.0: should be greater than 0"),
        (("regularization.dropout=interval(0,1)",), "`regularization.dropout`=1.0: should be less"),
        (("trainer.batch_size=interval(8,64)",), "`trainer.batch_size`=8.0: should be a valid int"),
        (("trainer.batch_size=choice(8,many,16)",), "`trainer.batch_size`='many': should be a val"),
        (("model.hidden_sizes=choice([8],[8,0])",), "`model.hidden_sizes[1]`=0: should be greater"),
        (("model.activation=choice(relu,rely)",), "`model.activation`='rely': should be 'relu', "),
        (("optimizer._target_=choice(os.system,src.x)",), "`optimizer._target_`='os.system': may "),
        (("n_trials=interval(1,9)",), "`n_trials` cannot be searched; only values of data, model,"),
        (("seed=interval(1,9)",), "`seed` cannot be searched; only values of data, model,"),
        (("tracking.experiment=choice(a,b)",), "`tracking.experiment` cannot be searched; only "),
        ((), "`space`: nothing to search; name a sweep (sweep=dnn) or give ranges"),
        (
            ("objective.metric=val_loss", "optimizer.lr=interval(0.1,1)", "trainer.select=best"),
            "`trainer.select`=best: keeps the epoch of the best accuracy, which is not that of",
        ),
        (("optimizer.lr=interval(0.1,1)", "name=../up"), "`name`=../up: may have letters, digits"),
        (("optimizer.lr=interval(0.1,1)", "name=.hidden"), "`name`=.hidden: may have letters, "),
        (("optimizer.lr=interval(0.1,1)", "name=dnn.2"), "`name`=dnn.2: may have letters, digits"),
        (("optimizer.lr=interval(0.1,1)", "tracking=off"), "`tracking`=off: a sweep lives in its"),
    ],
)
def test_a_mistake_is_told_in_one_line(arguments, told):
    problems = problems_of(*SMALL, *arguments)
    assert all("\n" not in problem for problem in problems)
    assert problems[0].startswith(told)


SPACE = "defaults:\n- override /data: digits\nspace:\n"


@pytest.mark.parametrize(
    ("entry", "told"),
    [
        (
            "trainer.batch_size: {low: 8, high: 16, when: {modell: dnn}}",
            "`space.trainer.batch_size.when`: unknown key `modell`, did you mean `model`?",
        ),
        (
            "model.batch_norm: {choices: [true, false]}\n  "
            "trainer.batch_size: {low: 8, high: 16, when: {model.batch_norm: 3}}",
            "`space.trainer.batch_size.when`: model.batch_norm is never 3",
        ),
        (
            "model: {choices: [linear, dnn]}\n  model.hidden_sizes: {choices: [[8]]}",
            "unknown key `model.hidden_sizes` in the space",
        ),
        (
            "model.batch_norm: {choices: [true, false]}\n  "
            "regularization.l2: {low: -1, high: 1, when: {model.batch_norm: true}}",
            "`regularization.l2`=-1: should be greater than or equal to 0",
        ),
        ("model.activaton: relu\n  model.batch_norm: {choices: [true]}", "unknown key `model.acti"),
        (
            "model.hidden_sizes: {layers: {low: 1, high: 2}, width: {choices: [8, 0, 16]}}",
            "`model.hidden_sizes[0]`=0: should be greater than or equal to 1",
        ),
        (
            "optimizer.lr: {low: 0.1, high: 1.0}\nenqueue: [{optimizer.lr: 3.0}]",
            "`enqueue`: optimizer.lr=3.0 is not in the space, {'low': 0.1, 'high': 1.0}",
        ),
        (
            "optimizer.lr: {low: 0.1, high: 1.0}\nenqueue: [{optimizer.l: 0.3}]",
            "`enqueue`: optimizer.l is not in the space; it searches optimizer.lr",
        ),
    ],
)
def test_a_mistake_in_a_file_is_told_in_one_line(entry, told):
    problems = problems_of(sweep_of("mistaken", f"{SPACE}  {entry}"))
    assert problems[0].startswith(told)


def test_all_mistakes_are_told_at_once():
    problems = problems_of(
        *SMALL,
        "optimizer.lr=interval(-1,0.1)",
        "model.hiden_sizes=choice([8],[16])",
        "regularization=none,l3",
        "regularization.dropout=interval(0.5,2)",
    )
    named = sorted(problem.split("`")[1] for problem in problems)
    assert named == [
        "model.hiden_sizes",
        "optimizer.lr",
        "regularization",
        "regularization.dropout",
    ]


SEARCHED = ("regularization=none,l1,l2", "optimizer=adam,sgd", "scheduler=constant,cosine")


@pytest.mark.long
@pytest.mark.parametrize(
    ("groups", "compositions", "plans"),
    [((), 0, 5), (SEARCHED[:1], 3, 8), (SEARCHED[:2], 5, 12), (SEARCHED, 7, 14)],
)
def test_each_searched_group_adds_to_the_check_and_does_not_multiply_it(
    monkeypatch, groups, compositions, plans
):
    """The base, two sizes, and two rates under each optimizer; then each option once."""
    ranges = ("model.hidden_sizes=choice([8],[16])", "optimizer.lr=interval(0.01,0.1)")
    request = request_of(*SMALL, "refit.seeds=0", *groups, *ranges)
    counts = Counter()
    for name in ("compose", "make_plan"):
        whole = getattr(composer, name)

        def counted(*args, name=name, whole=whole, **kwargs):
            counts[name] += 1
            return whole(*args, **kwargs)

        monkeypatch.setattr(composer, name, counted)
    check(request)
    assert (counts["compose"], counts["make_plan"]) == (compositions, plans)


@pytest.mark.parametrize(
    "entry",
    [
        "trainer.batch_size: {low: 16, high: 64, when: {model.batch_norm: true}}",
        "model.hidden_sizes: {choices: [[8], [16]], when: {model.batch_norm: true}}",
    ],
)
def test_a_condition_on_a_condition_is_met_where_a_value_is_checked(entry):
    model = "model: {choices: [linear, dnn]}"
    norm = "model.batch_norm: {choices: [true, false], when: {model: dnn}}"
    check(request_of(sweep_of("chained", f"{SPACE}  {model}\n  {norm}\n  {entry}")))


def test_several_objectives_are_a_list_of_metrics():
    space = (*SMALL, "optimizer.lr=interval(0.1,1)")
    two = "objective.metric=[val_loss,seconds]"
    request = request_of(*space, two)
    told = [(o.metric, o.direction) for o in request.settings.objective]
    assert told == [("val_loss", "minimize"), ("seconds", "minimize")]
    assert len(request_of("sweep=pareto").settings.objective) == 2
    [problem] = problems_of(*space, two, "target=0.9")
    assert "`target`: needs a single objective; set target=null" in problem


def test_more_accuracy_is_better_and_less_of_everything_else():
    def direction(metric):
        [only] = request_of("sweep=quick", f"objective.metric={metric}").settings.objective
        return only.direction, only.reaches(0.9, 0.8)

    assert direction("val_accuracy") == ("maximize", True)
    for metric in ("val_loss", "parameters", "seconds"):
        assert direction(metric) == ("minimize", False)


def test_several_networks_together_are_not_handed_over_where_parameters_are_limited():
    limited = ("sweep=quick", "constraints.parameters=9000")
    [problem] = problems_of(*limited, "refit.seeds=3")
    assert problem.startswith("`refit.seeds`=3: that many networks together have more than")
    assert request_of(*limited, "refit.seeds=1").settings.refits == 1


@pytest.mark.parametrize("name", sorted(set(NAMES) - {"regularization"}))
def test_no_search_begins_with_what_is_known(name):
    assert shipped(name).settings.enqueue == []


def test_the_search_for_regularization_tries_every_option_once():
    request = request_of("sweep=regularization")
    options = [first["regularization"] for first in request.settings.enqueue]
    assert sorted(options) == sorted(request.space.entries["regularization"].choices)


def test_a_value_on_the_command_line_takes_its_key_out_of_the_space():
    request = request_of("sweep=dnn_best", "data=digits", "model.batch_norm=true")
    check(request)
    assert "model.batch_norm" not in request.space.entries
    assert request.plan.model.arguments["batch_norm"] is True


FIRST = "enqueue: [{optimizer.lr: 0.002, trainer.batch_size: 64}, {optimizer.lr: 0.01}]"
ENTRIES = "  optimizer.lr: {low: 0.001, high: 0.1}\n  trainer.batch_size: {choices: [32, 64]}"


def test_the_command_line_leaves_of_what_is_tried_first_what_still_fits():
    search = sweep_of("beginning", f"{SPACE}{ENTRIES}\n{FIRST}")
    fixed = request_of(search, "trainer.batch_size=32")
    assert fixed.settings.enqueue == [{"optimizer.lr": 0.002}, {"optimizer.lr": 0.01}]
    narrow = request_of(search, "optimizer.lr=interval(1e-3, 5e-3)")
    assert narrow.settings.enqueue == [{"optimizer.lr": 0.002, "trainer.batch_size": 64}]
    check(narrow)
    own = (search, "optimizer.lr=interval(1e-3, 5e-3)", "enqueue=[{optimizer.lr: 0.1}]")
    with pytest.raises(ConfigError, match=r"optimizer.lr=0.1 is not in the space"):
        check(request_of(*own))  # both from one hand: a mistake


def test_a_range_on_the_command_line_takes_the_place_of_the_one_in_the_file():
    request = request_of("sweep=quick", "optimizer.lr=interval(0.1,0.2)")
    assert list(request.space.entries) == list(request_of("sweep=quick").space.entries)
    assert request.space.entries["optimizer.lr"].extremes() == [0.1, 0.2]
    assert not request.space.entries["optimizer.lr"].log


def test_options_of_a_folder_of_ones_own_can_be_searched(tmp_path):
    (tmp_path / "model").mkdir()
    shutil.copy(CONF / "model" / "dnn.yaml", tmp_path / "model" / "mine.yaml")
    GlobalHydra.instance().clear()
    with conf_open(str(tmp_path)):
        check(request_of(*SMALL, "model=choice(linear,mine)", "optimizer.lr=interval(0.1,1)"))
    EXTRA_CONFIG_DIRS.clear()


def test_names_come_from_the_command_line_the_file_or_the_space():
    ranges = "optimizer.lr=interval(0.1,1)"
    assert request_of("sweep=quick", "name=mine").name == "mine"
    assert request_of("sweep=quick", "name=5").name == "5"
    assert request_of("sweep=quick").name == "quick"
    assert request_of(*SMALL, ranges).name.startswith("adhoc-")
    assert request_of(*SMALL, ranges).name == request_of(*SMALL, ranges).name
    assert request_of(*SMALL, ranges).name != request_of(*SMALL, "optimizer.lr=interval(0,1)").name


def test_a_file_may_write_numbers_as_people_do(tmp_path, monkeypatch):
    monkeypatch.setattr("src.sweep.SWEEPS", tmp_path)
    (tmp_path / "handwritten.yaml").write_text("space:\n  optimizer.lr: {low: 1e-4, high: 1e-1}\n")
    register_sweeps()
    assert request_of("sweep=handwritten").space.entries["optimizer.lr"].extremes() == [1e-4, 1e-1]


def test_a_file_that_is_not_finished_keeps_no_other_search_from_running(tmp_path, monkeypatch):
    monkeypatch.setattr("src.sweep.SWEEPS", tmp_path)
    (tmp_path / "mine.yaml").write_text("space: {a: [")
    (tmp_path / "good.yaml").write_text("space:\n  optimizer.lr: {low: 1e-4, high: 1e-1}\n")
    register_sweeps(asked=["sweep=good"])
    assert request_of("sweep=good").space.entries
    with pytest.raises(ConfigError, match=r"mine.yaml: cannot be read"):
        register_sweeps(asked=["sweep=mine"])


@pytest.mark.parametrize("text", ["space: {a: [", "a: 1\na: 2\n", "\t- x"])
def test_a_file_that_is_no_yaml_is_told_in_one_line(tmp_path, monkeypatch, text):
    monkeypatch.setattr("src.sweep.SWEEPS", tmp_path)
    (tmp_path / "broken.yaml").write_text(text)
    with pytest.raises(ConfigError) as caught:
        register_sweeps(asked=["sweep=broken"])
    [problem] = caught.value.problems
    assert problem.startswith("sweeps/broken.yaml: cannot be read: ")
    assert "\n" not in problem


@pytest.mark.long
@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("sweep=quik",), ["`sweep`=quik: there is no such option, did you mean `quick`?"]),
        (
            ("sweep=quick", "model.hiden_sizes=choice([8],[9])", "optimizer.lr=interval(-1,1)"),
            [
                "unknown key `model.hiden_sizes` in the space, did you mean `model.hidden_sizes`?",
                "`optimizer.lr`=-1.0: should be greater than 0; the default is 0.003",
            ],
        ),
        (
            (
                "sweep=quick",
                "trainer.max_epochs=0",
                "target=x",
                "confirm.seeds=-1",
                "executor=processes",
                "executor.workers=0",
                "objective.metric=val_acuracy",
            ),
            [
                "`trainer.max_epochs`=0",
                "`target`='x'",
                "`confirm`=",
                "`executor.workers`=0",
                "`objective",
            ],
        ),
        (("n_trails=3", "target=x"), ["unknown key `n_trails`, did you mean `n_trials`?"]),
        (("optimizer.lr=tag(lg, interval(1, 2))",), ["`optimizer.lr=tag(lg, interval(1, 2))`: un"]),
        (
            ("sweep=quick", "trainer.accelerator=mps", "executor=processes"),
            ["`trainer.accelerator`=mps: this machine has none that PyTorch can use"],
        ),
        (("data=digits",), ["`space`: nothing to search; name a sweep (sweep=dnn) or give ranges"]),
    ],
)
def test_a_mistake_is_told_before_anything_is_left_behind(run_verb, tmp_path, arguments, told):
    done = run_verb(*arguments, verb="sweep")
    assert done.returncode == 2
    assert done.stdout == ""
    lines = done.stderr.splitlines()
    assert len(lines) == len(told), done.stderr
    for beginning in told:
        assert any(line.startswith(f"error: {beginning}") for line in lines), done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", sorted(set(NAMES) - {"regularization"}))
def test_the_lines_of_trials_do_not_wrap_and_show_every_value(name, capsys):
    request = shipped(name)
    screen = SweepScreen(n_trials=30, space=request.space)
    widest = {key: entry.extremes()[-1] for key, entry in request.space.entries.items()}
    for state, values in (("COMPLETE", [0.9712]), ("PRUNED", None)):
        screen.trial(
            112,
            state=state,
            values=values,
            best=0.9733,
            assignment=widest,
            seconds=12.3,
            epochs=10,
            reason="",
        )
    heading, *lines = capsys.readouterr().out.splitlines()
    assert len({len(line) for line in (heading, *lines)}) == 1
    assert len(heading) <= 100
    assert [line.split()[1] for line in lines] == ["112", "112"]
    assert not any(line.endswith("…") for line in lines)
