"""From finished runs: an ensemble that answers with their mean, and scores on test images."""

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch

from src.config.plan import Plan
from src.data.source import DataSource
from src.models.checkpoints import read_checkpoint
from src.models.ensemble import join_checkpoints
from src.models.predictor import load_predictor
from src.process.machine import available_cores
from src.tracking.connection import Store
from src.tracking.queries import CHECKPOINT
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
        parameters = sum(p.numel() for p in model.parameters())
        run.log_metrics({"model/parameters": parameters, "best/epoch": plan.trainer.max_epochs})
    return run.id


def evaluate_on_test(plan: Plan, run_id: str, *, source: DataSource, store: Store) -> Score:
    """Look at the test images with the best checkpoint of a finished run, and export its model."""
    run = existing_run(store, run_id)
    torch.set_num_threads(plan.trainer.threads or available_cores())
    with tempfile.TemporaryDirectory() as folder:
        checkpoint = run.fetch(CHECKPOINT, Path(folder))
        predictor = load_predictor(checkpoint)
    score = evaluate_test(predictor, source.load_test(), run)
    log_model(predictor, source.load(), run, data=plan.choices["data"])
    return score
