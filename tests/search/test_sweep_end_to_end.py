"""Whole searches as commands, read back from Optuna's journal and MLflow's store."""

import csv
import json
import re
import shlex
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from markupsafe import escape
from optuna.trial import TrialState

from src.tracking.views import VIEWS
from tests.conftest import python
from tests.sweeping import FAST, Sweep, sweep, two_at_a_time

pytestmark = pytest.mark.long

FIRST = (
    *(f"{{model.hidden_sizes: [64], optimizer.lr: 0.00{n}}}" for n in (3, 4, 5, 6)),
    "{model.hidden_sizes: [16], optimizer.lr: 0.001}",  # too slow: to be pruned
    "{model.hidden_sizes: [128], optimizer.lr: 0.03}",  # reaches the target
)
QUICK = (
    *("sweep=quick", *FAST, "trainer.max_epochs=6", "regularization=none", "confirm.seeds=2"),
    "pruner=median",
)
TARGET = (*QUICK, "target=0.9", "n_trials=12", f"enqueue=[{','.join(FIRST)}]")
BUDGET = (*QUICK, "target=null", "n_trials=8")
OTHER = (
    *QUICK,
    "regularization.l2=0.001",
    "trainer.steps_per_epoch=9",
    "optimizer.lr=interval(0.01,0.1)",
)
FRESH = ("fresh=true", "target=null", "n_trials=500", "timeout_minutes=0.2", "confirm.seeds=0")


@dataclass
class Stage:
    """One command, and the stores just after it."""

    output: str
    errors: str
    code: int
    trials: list
    runs: dict[str, dict]

    def verdict(self) -> str:
        return re.search(r"^verdict +(.*)$", self.output, re.MULTILINE)[1]

    def trial_lines(self) -> list[str]:
        """Return the lines of trials that ended, without the table of the best at the end."""
        searched = self.output.partition("\n\n")[0]
        return re.findall(r"^trial +\d+  .*$", searched, re.MULTILINE)


@dataclass(frozen=True)
class Command:
    """One command that has ended, and what it searched."""

    found: Sweep
    done: subprocess.CompletedProcess[str]


@dataclass
class Story:
    """A search that reaches its target, the same again, then without a target, and others."""

    sweep: Sweep
    stages: dict[str, Stage] = field(default_factory=dict)

    def run(self, stage: str, *arguments: str) -> None:
        done = sweep(*arguments, cwd=self.sweep.folder)
        self.stages[stage] = Stage(
            output=done.stdout,
            errors=done.stderr,
            code=done.returncode,
            trials=self.sweep.trials(),
            runs={run.info.run_id: run.to_dictionary() for run in self.sweep.store.runs()},
        )


def tell_story(folder: Path) -> Story:
    story = Story(Sweep(folder, "quick"))
    story.run("first", *TARGET)
    story.run("again", *TARGET)
    story.run("more", *BUDGET)
    story.run("refused", *OTHER)
    story.run("fresh", *OTHER, *FRESH)
    return story


def command(name: str, *arguments: str) -> Callable[[Path], Command]:
    """Return how to run the search `name` in a folder."""

    def run(folder: Path) -> Command:
        return Command(Sweep(folder, name), sweep(*arguments, cwd=folder))

    return run


TARGETED = (
    *("data=digits", "model=dnn", "trainer.threads=1", "name=targeted"),
    "optimizer.lr=tag(log, interval(1e-3, 3e-2))",
    "trainer.batch_size=choice(1,32)",  # a training of minutes, and one of a second
    "enqueue=[{trainer.batch_size: 1, optimizer.lr: 0.001},{trainer.batch_size: 32}]",
    *("trainer.max_epochs=30", "target=0.9", "n_trials=20", "pruner=none", "confirm.seeds=2"),
    *("refit.seeds=2", "executor=processes", "executor.workers=2"),
)
PARETO = ("sweep=pareto", *FAST, "n_trials=8", "trainer.max_epochs=2", "sampler=random")
FAILING = (
    *("name=failing", "data=digits", "trainer.threads=1", "optimizer=sgd"),
    *("optimizer.lr=interval(1e20, 1e25)", "max_failures=3", "n_trials=9", "target=0.9"),
)
ADHOC = (
    *("data=digits", "trainer.threads=1", "model=dnn", "sampler=random", "name=adhoc"),
    "optimizer.lr=tag(log, interval(1e-4, 1e-1))",
    "model.hidden_sizes=choice([16],[32,16])",
    *("regularization.patience=choice(1,5)", "trainer.max_epochs=choice(7,3)"),
    *("pruner=median", "pruner.n_startup_trials=1", "pruner.n_warmup_steps=7"),
    *("target=0.9999", "n_trials=5", "confirm.seeds=0"),
)
STORIES = {
    "story": tell_story,
    "targeted": command("targeted", *TARGETED),
    "repeated": command("another", *TARGET, "name=another", "confirm.seeds=0", "refit.seeds=0"),
    "adhoc": command("adhoc", *ADHOC),
    "pareto": command("pareto", *PARETO),
    "failing": command("failing", *FAILING),
}


@pytest.fixture(scope="module")
def told(request, tmp_path_factory):
    with two_at_a_time(STORIES, request, tmp_path_factory) as stories:
        yield stories


@pytest.fixture(scope="module")
def story(told) -> Story:
    """Return what `tell_story` has seen."""
    return told["story"].result()


@pytest.fixture(scope="module")
def targeted(told) -> Command:
    """Return a search whose second trial reaches the target while the first one still trains."""
    return told["targeted"].result()


@pytest.fixture(scope="module")
def repeated(told) -> Command:
    """Return the first command of the story, in another place."""
    return told["repeated"].result()


@pytest.fixture(scope="module")
def adhoc(told) -> Command:
    """Return a search without a file."""
    return told["adhoc"].result()


@pytest.fixture(scope="module")
def pareto(told) -> Command:
    """Return a search with two objectives, and with values that exist under a condition only."""
    return told["pareto"].result()


@pytest.fixture(scope="module")
def failing(told) -> Command:
    """Return a search in which every trial fails."""
    return told["failing"].result()


@pytest.mark.parametrize("stage", ["first", "again", "more", "fresh"])
def test_a_search_ends_well_and_says_nothing_on_the_error_stream(story, stage):
    assert story.stages[stage].code == 0
    assert story.stages[stage].errors == ""


def test_it_stops_at_its_target(story):
    first = story.stages["first"]
    assert [trial.number for trial in first.trials] == list(range(6))
    assert [trial.state.name for trial in first.trials] == ["COMPLETE"] * 4 + ["PRUNED", "COMPLETE"]
    assert first.trials[-1].value >= 0.9
    assert all(trial.value < 0.9 for trial in first.trials[:4])
    assert re.search(
        r"^stopped because +trial 5 reached the target 0.9$", first.output, re.MULTILINE
    )
    assert re.search(r"^trials +5 complete, 1 pruned$", first.output, re.MULTILINE)


def test_there_is_a_line_for_every_trial(story):
    first = story.stages["first"]
    assert len(first.trial_lines()) == 6
    for line, trial in zip(first.trial_lines(), first.trials, strict=True):
        pruned = f"pruned@{len(trial.intermediate_values)}"
        value = f"{trial.value:.4f}" if trial.state == TrialState.COMPLETE else pruned
        assert line.startswith(f"trial {trial.number:>3}  {value}")
        assert f"{trial.params['optimizer.lr']:.3g}" in line.split()


def test_its_lines_are_columns_that_do_not_wrap(story):
    lines = story.stages["first"].output.splitlines()
    place = next(n for n, line in enumerate(lines) if line.startswith("trial   0"))
    heading, *rows = lines[place - 1 : place + 6]
    assert heading.split() == ["value", "best", "s", "hidden_sizes", "lr"]
    assert {len(row) for row in rows} == {len(heading)}
    assert len(heading) <= 100


def test_both_stores_agree_on_every_trial(story):
    story.sweep.assert_complete(8)
    assert len(story.sweep.children()) == 8


def test_all_its_runs_are_children_of_one_parent(story):
    parent = story.sweep.parent
    below = story.sweep.below()
    assert parent.info.status == "FINISHED"
    assert parent.info.run_name == "quick"
    everything = {run["info"]["run_id"] for run in story.stages["more"].runs.values()}
    assert {run.info.run_id for run in (*below, parent)} == everything


def test_pruned_trials_keep_their_curves_and_no_pictures(story):
    pruned = story.sweep.trials(TrialState.PRUNED)
    assert pruned, "the search should have pruned something"
    for trial in pruned:
        epochs = len(trial.intermediate_values)
        assert 2 <= epochs < 6
        curve = story.sweep.store.curve(trial.user_attrs["run_id"], "val_loss")
        assert [step for step, _ in curve] == list(range(1, epochs + 1))
        assert trial.user_attrs["end_reason"] == f"after epoch {epochs}"


def test_finished_trials_keep_a_checkpoint_and_pictures(story):
    for trial in story.sweep.trials(TrialState.COMPLETE):
        artifacts = story.sweep.store.artifacts(trial.user_attrs["run_id"])
        assert (artifacts / "checkpoint" / "best.ckpt").stat().st_size > 1000
        assert list((artifacts / "figures").glob("*.png"))


def test_nothing_is_left_in_the_working_folder(story):
    top = {path.name for path in story.sweep.folder.iterdir()}
    assert top == {"mlruns"}
    runs = story.sweep.folder / "mlruns" / "runs"
    assert list(runs.iterdir()) == []


@pytest.fixture(scope="module")
def champion(story) -> int:
    """Return the best trial of the first command."""
    [parent] = [
        run for run in story.stages["first"].runs.values() if "best_trial" in run["data"]["tags"]
    ]
    return int(parent["data"]["tags"]["best_trial"])


def test_the_best_configuration_is_confirmed_on_seeds_of_its_own(story, champion):
    trials, confirmations = story.sweep.children(), story.sweep.confirmations(champion)
    assert confirmations.keys() == {0, 1}
    for number, run in confirmations.items():
        assert run.info.status == "FINISHED"
        assert run.info.run_name == f"#{champion:03} seed {number + 1}/2"
        ours, theirs = run.data.params, trials[champion].data.params
        assert {key for key in theirs if ours[key] != theirs[key]} == {"seed"}
    seeds = [run.data.params["seed"] for run in (*trials.values(), *confirmations.values())]
    assert len(set(seeds)) == len(seeds)


def test_the_verdict_is_that_of_the_confirmations(story, champion):
    runs = story.sweep.confirmations(champion).values()
    values = [run.data.metrics["best/val_accuracy"] for run in runs]
    said = story.stages["first"].verdict()
    assert re.match(rf"target 0.9 (reached|undecided): mean {sum(values) / 2:.4f}, spread", said)
    assert story.sweep.parent.data.tags["verdict"] == "no target"  # the last command had none


def test_the_end_says_how_much_was_luck_and_how_to_search_on(story, champion):
    first, output = story.stages["first"], story.stages["first"].output
    values = [
        r.data.metrics["best/val_accuracy"] for r in story.sweep.confirmations(champion).values()
    ]
    luck = f"{first.trials[champion].value:.4f} in the search, {sum(values) / 2:.4f} on fresh seeds"
    assert re.search(rf"^how much was luck +trial {champion}: {luck}$", output, re.MULTILINE)
    [further] = re.findall(r"^search on with: python -m src.sweep (.*)$", output, re.MULTILINE)
    words = shlex.split(further)
    assert words[:-1] == [word for word in TARGET if not word.startswith("target=")]
    assert words[-1] in {"target=0.95", "target=0.975"}
    assert first.trials[champion].value < float(words[-1].partition("=")[2])


def test_the_winner_is_trained_once_more_on_all_rows(story, champion):
    [refit] = [r for r in story.sweep.below() if r.info.run_name == f"#{champion:03} refit 1/1"]
    trial = story.sweep.children()[champion].data.params
    ours = refit.data.params
    changed = {key: value for key, value in ours.items() if trial.get(key) != value}
    assert changed.pop("seed")
    assert changed == {"data.validation_size": "0"}
    assert refit.data.tags["refit"] == "training and validation rows"
    assert refit.data.tags["validation.run"] == story.sweep.children()[champion].info.run_id
    assert not [key for key in refit.data.metrics if "val_" in key]
    artifacts = story.sweep.store.artifacts(refit.info.run_id)
    assert not (artifacts / "predictions" / "validation.npz").exists()
    assert (artifacts / "predictions" / "test.npz").exists()


@pytest.mark.parametrize("stage", ["first", "again"])
def test_the_test_images_are_looked_at_once_for_what_is_handed_over(story, champion, stage):
    runs = {run_id: run["data"] for run_id, run in story.stages[stage].runs.items()}
    parent = story.sweep.parent.info.run_id
    [best] = [run_id for run_id, data in runs.items() if "refit" in data["tags"]]
    assert f"promote={best}" in story.stages[stage].output
    looks = {run_id: data["tags"].get("test.looks") for run_id, data in runs.items()}
    assert looks == dict.fromkeys(runs) | {best: "1"}
    with_numbers = {run_id for run_id, data in runs.items() if "test/accuracy" in data["metrics"]}
    assert with_numbers == {best, parent}  # the sweep's run repeats what its champion saw
    assert runs[parent]["metrics"]["test/accuracy"] == runs[best]["metrics"]["test/accuracy"]


def test_only_what_is_handed_over_is_exported(story):
    found = story.sweep.store.client.search_logged_models(["1"])
    exported = {model.source_run_id for model in found}
    assert 1 <= len(exported) == len(found) <= 3  # of 6 trials, of 8, and of the fresh start
    everything = {run.info.run_id: run.data.tags for run in story.sweep.store.runs()}
    assert all("refit" in everything[run_id] for run_id in exported)
    assert {model.status for model in found} == {"READY"}


def test_the_parent_sums_the_search_up(story):
    parent, trials = story.sweep.parent, story.stages["more"].trials
    metrics, tags = parent.data.metrics, parent.data.tags
    winner = trials[int(tags["best_trial"])]
    assert metrics["best/val_accuracy"] == winner.value
    assert tags["best.lr"] == str(winner.params["optimizer.lr"])
    note = tags["mlflow.note.content"].splitlines()
    assert note[0].startswith("**No target was set: mean 0.")
    assert note[-5] == "| trial | in the search | on fresh seeds | hidden_sizes | lr |"
    assert sum(f"| **{winner.number}** | {winner.value:.4f}" in line for line in note) == 1
    curve = dict(story.sweep.store.curve(parent.info.run_id, "best_so_far/val_accuracy"))
    assert max(curve) == 8
    assert curve[8] == max(trial.value for trial in trials if trial.value is not None)
    complete = sum(trial.state == TrialState.COMPLETE for trial in trials)
    assert metrics["trials/complete"] == complete
    assert metrics["trials/pruned"] == 8 - complete
    assert 0 < metrics["workers/utilisation"] <= 1
    assert metrics["seconds/wall"] > 1
    assert metrics["confirmed/mean"] == round(metrics["confirmed/mean"], 4)
    assert tags["stop_reason"] == "the budget of 8 trials is used up"
    assert tags["budget"] == "8 of 8 trials"
    artifacts = story.sweep.store.artifacts(parent.info.run_id)
    assert (artifacts / "sweep" / "summary.json").exists()
    assert list((artifacts / "figures").glob("*.png"))


def test_the_same_command_again_trains_nothing_and_says_the_same(story):
    first, again = story.stages["first"], story.stages["again"]
    assert again.trial_lines() == []
    assert again.trials == first.trials
    assert again.runs.keys() == first.runs.keys()
    assert again.verdict() == first.verdict()
    parent = story.sweep.parent.info.run_id
    for run_id, run in first.runs.items():
        assert run_id == parent or again.runs[run_id] == run
    one, other = (stage.runs[parent]["data"]["metrics"] for stage in (first, again))
    assert other["workers/utilisation"] == pytest.approx(one["workers/utilisation"], rel=0.02)
    assert other["seconds/wall"] > one["seconds/wall"]
    looks = "its test accuracy"
    assert [x for x in first.output.splitlines() if x.startswith(looks)] == [
        x for x in again.output.splitlines() if x.startswith(looks)
    ]


def test_without_the_target_it_goes_on_to_exactly_its_budget(story):
    first, more = story.stages["first"], story.stages["more"]
    assert [trial.number for trial in more.trials] == list(range(8))
    assert more.trials[:6] == first.trials
    assert len(more.trial_lines()) == 2


def test_another_definition_under_the_same_name_is_refused_with_every_difference(story):
    refused = story.stages["refused"]
    assert refused.code == 2
    assert refused.output == ""
    named = [line.split("`")[1] for line in refused.errors.splitlines()[:-1]]
    assert named == ["space.optimizer.lr", "regularization.l2", "trainer.steps_per_epoch"]
    assert "fresh=true" in refused.errors.splitlines()[-1]
    assert refused.trials == story.stages["more"].trials
    assert refused.runs == story.stages["more"].runs


def test_a_fresh_start_has_a_name_of_its_own_and_keeps_the_old_search(story):
    fresh = Sweep(story.sweep.folder, "quick.2")
    fresh.assert_agreement()
    assert 1 <= len(fresh.finished) < 500
    assert fresh.parent.data.tags["stop_reason"] == "the time budget of 0.2 minutes is used up"
    after, before = story.stages["fresh"], story.stages["more"]
    assert after.trials == before.trials
    assert before.runs.items() <= after.runs.items()
    assert (story.sweep.report / "summary.json").exists()
    assert (fresh.report / "summary.json").exists()


def test_the_trials_are_left_as_a_table(story):
    with (story.sweep.report / "trials.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [int(row["number"]) for row in rows] == list(range(8))
    for row, trial in zip(rows, story.stages["more"].trials, strict=True):
        assert row["state"] == trial.state.name
        assert float(row["params_optimizer.lr"]) == trial.params["optimizer.lr"]
        if trial.state == TrialState.COMPLETE:
            assert float(row["value"]) == trial.value


def test_the_summary_says_what_the_stores_say(story):
    summary = json.loads((story.sweep.report / "summary.json").read_text())
    parent, best = story.sweep.parent, summary["best"]
    assert summary["parent"] == parent.info.run_id
    assert str(best) == parent.data.tags["best_trial"]
    assert summary["best_run"] == story.sweep.children()[best].info.run_id
    assert summary["best_values"] == [parent.data.metrics["best/val_accuracy"]]
    assert summary["test"]["test/accuracy"] == parent.data.metrics["test/accuracy"]
    assert summary["missing"] == []


def test_its_page_says_what_its_command_said(story):
    page = (story.sweep.report / "report.html").read_text()
    parent, more = story.sweep.parent, story.stages["more"]
    assert page.count("<tr><td>") >= len(more.trials)
    assert f"The winner is trial {parent.data.tags['best_trial']}." in page
    assert f"<strong>{parent.data.metrics['test/accuracy']:.4f}</strong>" in page
    assert f"{more.verdict()[1:]}." in page
    artifact = story.sweep.store.artifacts(parent.info.run_id) / "sweep" / "report.html"
    assert artifact.read_text() == page
    for advice in json.loads((story.sweep.report / "summary.json").read_text())["advice"]:
        assert f"- {advice}." in parent.data.tags["mlflow.note.content"]
        assert str(escape(advice.replace("`", ""))) in page
    printed = re.search(r"^report +(\S+)$", more.output, re.MULTILINE)[1]
    assert (story.sweep.folder / printed).samefile(story.sweep.report / "report.html")


def test_the_best_configuration_gives_the_same_accuracy_again(story):
    done = python(
        "-m",
        "src.train",
        "--config-dir",
        str(story.sweep.report),
        "experiment=best",
        cwd=story.sweep.folder,
    )
    assert done.returncode == 0, done.stderr
    run = story.sweep.store.runs()[0]
    best = story.sweep.children()[int(story.sweep.parent.data.tags["best_trial"])]
    assert "mlflow.parentRunId" not in run.data.tags
    for metric in ("best/val_accuracy", "best/val_loss", "best/epoch"):
        assert run.data.metrics[metric] == best.data.metrics[metric]
    assert run.data.tags["config.digest"] == best.data.tags["config.digest"]
    assert run.data.params["seed"] == best.data.params["seed"]


def test_a_search_with_one_worker_repeats_exactly(story, repeated):
    assert repeated.done.returncode == 0, repeated.done.stderr
    here, there = repeated.found.trials(), story.stages["first"].trials
    for one, other in zip(here, there, strict=True):
        assert one.params == other.params
        assert one.state == other.state
        assert one.values == other.values
        assert one.intermediate_values == other.intermediate_values


def test_the_target_stops_the_search_and_the_trials_that_run(targeted):
    found, done = targeted.found, targeted.done
    assert done.returncode == 0, done.stderr
    assert "stopped because     trial 1 reached the target 0.9" in done.stdout
    first, second, waiting = found.trials()
    assert (first.state, second.state) == (TrialState.FAIL, TrialState.COMPLETE)
    assert second.value >= 0.9
    assert first.user_attrs["end_reason"] == "trial 1 reached the target 0.9"
    assert waiting.state == TrialState.WAITING
    assert waiting.user_attrs["retry_of"] == 0
    found.assert_agreement()
    assert found.children()[0].info.status == "KILLED"
    assert found.children()[0].data.tags["end_reason"] == "trial 1 reached the target 0.9"


def test_verdict_and_stop_reason_are_on_the_parent(targeted):
    found, output = targeted.found, targeted.done.stdout
    tags = found.parent.data.tags
    confirmations = found.confirmations(1)
    assert tags["stop_reason"] == "trial 1 reached the target 0.9"
    assert tags["best_trial"] == "1"
    assert tags["budget"] == "1 of 20 trials"
    assert tags["verdict"] in {"reached", "undecided"}
    assert f"verdict             target 0.9 {tags['verdict']}: mean 0.9" in output
    assert confirmations.keys() == {0, 1}
    assert {run.info.status for run in confirmations.values()} == {"FINISHED"}
    [mean] = [run for run in found.below() if run.info.run_name == "#001 refit, mean of 2"]
    assert mean.data.metrics["test/accuracy"] == found.parent.data.metrics["test/accuracy"]
    assert len([run for run in found.below() if "test.looks" in run.data.tags]) == 1
    shown = found.store.client.search_runs(["1"], VIEWS["Sweeps"]["searchFilter"])
    assert [run.info.run_id for run in shown] == [found.parent.info.run_id]


def test_two_objectives_under_conditions_give_a_front(pareto):
    found, done = pareto.found, pareto.done
    assert done.returncode == 0, done.stderr
    found.assert_agreement()
    assert len(found.trials(TrialState.COMPLETE)) == 8
    models = set()
    for trial in found.trials():
        model = trial.params["model"]
        models.add(model)
        assert ("model.hidden_sizes.layers" in trial.params) == (model == "dnn")
        assert trial.values == [trial.user_attrs["val_accuracy"], trial.user_attrs["parameters"]]
    assert models == {"linear", "dnn"}
    page = (found.report / "report.html").read_text()
    assert page.count("<img ") == 2  # the front and the timeline
    assert "val_accuracy, minimize parameters" in page
    assert len(found.below()) == 8


def test_a_search_in_which_everything_fails_still_ends_with_a_summary(failing):
    found, done = failing.found, failing.done
    assert done.returncode == 1
    [line] = done.stderr.splitlines()
    assert line.startswith("error: sweep failing: no trial was finished; 3 trials in a row failed")
    assert "Traceback" not in done.stdout
    found.assert_agreement()
    assert [trial.state for trial in found.trials()] == [TrialState.FAIL] * 3
    assert found.parent.info.status == "FAILED"
    assert found.parent.data.tags["verdict"] == "not reached"
    assert "train_loss is nan" in found.parent.data.tags["stop_reason"]
    assert json.loads((found.report / "summary.json").read_text())["counts"] == {"FAIL": 3}
    for run in found.children().values():
        traceback = found.store.artifacts(run.info.run_id) / "traceback.txt"
        assert "TrainingFailed" in traceback.read_text()


def test_a_search_without_a_file_in_the_grammar_of_hydra(adhoc):
    found, done = adhoc.found, adhoc.done
    assert done.returncode == 0, done.stderr
    found.assert_complete(5)
    assert found.parent.data.tags["verdict"] == "not reached"
    for trial in found.finished:
        assert 1e-4 <= trial.params["optimizer.lr"] <= 1e-1
        assert trial.user_attrs["assignment"]["model.hidden_sizes"] in ([16], [32, 16])
    assert not found.trials(TrialState.PRUNED), "in the last epoch nothing is saved any more"
    clashing = found.trials(TrialState.FAIL)
    assert clashing, "a patience of 5 does not fit 3 epochs"
    for trial in clashing:
        assert trial.user_attrs["assignment"]["trainer.max_epochs"] == 3
        assert trial.user_attrs["end_reason"].startswith("`regularization.patience`=5: can never")


def test_a_trial_beyond_a_constraint_counts_and_cannot_win(tmp_path):
    widths = ("model.hidden_sizes=choice([8],[64])", "constraints.parameters=1000")
    first = "enqueue=[{model.hidden_sizes: [64]},{model.hidden_sizes: [8]}]"
    short = ("trainer.max_epochs=3", "n_trials=2", "target=0.1", "confirm.seeds=0", "refit.seeds=0")
    done = sweep("name=small", *FAST, "model=dnn", *widths, first, *short, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    large, small = Sweep(tmp_path, "small").trials()
    assert large.constraints == {"parameters": 64 * 65 + 65 * 10 - 1000}
    assert large.user_attrs["end_reason"] == "4,810 parameters, at most 1,000"
    assert large.state == TrialState.PRUNED, "what cannot win is not trained to its end"
    assert len(large.intermediate_values) < 3
    assert "4,810 parameters, at most 1,000" in done.stdout
    assert re.search(r"^winner +trial 1,", done.stdout, re.MULTILINE)
    assert "stopped because     trial 1 reached the target 0.1" in done.stdout
    assert small.constraints["parameters"] < 0


def test_a_refit_alone_has_the_cores_of_idle_workers_too(tmp_path):
    """Unless a number of threads was given, as all other searches here are."""
    line = ("name=alone", "data=digits", "model=linear", "optimizer.lr=choice(0.01)", "n_trials=1")
    workers = ("executor=processes", "executor.workers=2", "confirm.seeds=0")
    command = ("-m", "src.sweep", *line, *workers, "trainer.max_epochs=1")
    done = python(*command, cwd=tmp_path, cores=2)
    assert done.returncode == 0, done.stderr
    found = Sweep(tmp_path, "alone")
    threads = {
        run.data.tags.get("refit", "none"): found.kept_trainer(run)["threads"]
        for run in found.below()
    }
    assert threads == {"none": 1, "training and validation rows": 2}


def test_a_pruner_that_ends_every_trial_is_named(tmp_path):
    own = tmp_path / "own" / "pruner"
    own.mkdir(parents=True)
    (own / "strict.yaml").write_text("_target_: optuna.pruners.ThresholdPruner\nlower: 0.999\n")
    line = ("model=linear", "optimizer.lr=choice(0.01,0.03)", "name=strict", "n_trials=2")
    strict = ("--config-dir", str(own.parent), "pruner=strict", "trainer.max_epochs=3")
    done = sweep(*FAST, *line, *strict, "executor=serial", cwd=tmp_path)
    assert done.returncode == 1
    assert "all 2 trials were pruned, by `pruner`: choose a milder one" in done.stderr
