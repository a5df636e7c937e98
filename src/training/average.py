"""From finished runs: an ensemble that answers with their mean; what is handed over of a search."""

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch

from src.config.plan import Plan
from src.data.source import DataSource
from src.models.checkpoints import read_checkpoint
from src.models.ensemble import join_checkpoints
from src.models.pictures import PREPARATION, Preparation, write_answers
from src.models.predictor import count_parameters, load_predictor
from src.process.machine import available_cores
from src.tracking.connection import Store
from src.tracking.queries import CHECKPOINT, REFITTED, REFITTED_FROM, VALIDATED
from src.tracking.run import Run
from src.tracking.runs import existing_run
from src.training.description import data_tags
from src.training.evaluation import evaluate_test, log_model
from src.training.result import Score
from src.training.train_run import tracked


def average_runs(
    plan: Plan,
    run_ids: Sequence[str],
    *,
    source: DataSource,
    store: Store,
    parent: str,
    tags: Mapping[str, str],
) -> str:
    """Leave a run whose checkpoint answers for all of these, and return its id.

    plan: that of the runs but for their seeds; parent: run id of their sweep.
    """
    dataset = source.load()
    members = ", ".join(run_ids)
    with (
        tempfile.TemporaryDirectory() as draft,
        tracked(
            plan,
            dataset,
            store,
            parent=parent,
            tags={**data_tags(plan, dataset), **tags, "ensemble.members": members},
            check_stop=lambda: None,
        ) as run,
    ):
        checkpoints = []
        for run_id in run_ids:
            place = Path(draft) / run_id
            place.mkdir()
            checkpoints.append(
                read_checkpoint(existing_run(store, run_id).fetch(CHECKPOINT, place))
            )
        joined = Path(draft) / "joined"
        (joined / CHECKPOINT).parent.mkdir(parents=True)
        torch.save(join_checkpoints(checkpoints), joined / CHECKPOINT)
        model = load_predictor(joined / CHECKPOINT).model
        run.log_files(joined)
        parameters = count_parameters(model)
        run.log_metrics({"model/parameters": parameters, "best/epoch": plan.trainer.max_epochs})
    return run.id


def evaluate_on_test(plan: Plan, run_id: str, *, source: DataSource, store: Store) -> Score:
    """Look at the test images with the best checkpoint of a finished run, and export its model.

    One that was trained on every row is first given what its winner's validation images say.
    """
    run = existing_run(store, run_id)
    tags = store.client.get_run(run_id).data.tags
    torch.set_num_threads(plan.trainer.threads or available_cores())
    if REFITTED_FROM in tags:
        _keep_calibration(run, tags[REFITTED_FROM], store)
    with tempfile.TemporaryDirectory() as folder:
        checkpoint = run.fetch(CHECKPOINT, Path(folder))
        predictor = load_predictor(checkpoint)
    score = evaluate_test(predictor, source.load_test(), run)
    log_model(predictor, source.load(), run, data=plan.choices["data"])
    return score


def _keep_calibration(run: Run, winner_id: str, store: Store) -> None:
    """Leave on a run how pictures are prepared for its winner, and what that says of them.

    So that it answers by itself, whatever becomes of the winner's run.
    """
    winner = existing_run(store, winner_id)
    accuracy = store.client.get_run(winner_id).data.metrics[VALIDATED]
    with tempfile.TemporaryDirectory() as checkpoint, tempfile.TemporaryDirectory() as folder:
        predictor = load_predictor(winner.fetch(CHECKPOINT, Path(checkpoint)))
        place = Path(folder) / "preparation"
        place.mkdir()
        for name in PREPARATION:
            winner.fetch(name, place)
        write_answers(predictor, Preparation(place), Path(folder))
        run.log_files(Path(folder))
    run.set_tags({REFITTED: repr(accuracy)})
