"""One training, start to end: the only training path, of `src.train` and of every trial."""

import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from time import perf_counter
from typing import final

from src.console import EpochReporter
from src.data.source import Dataset
from src.evaluation import Score, evaluate, evaluate_test
from src.fit import build_classifier, check_accelerator, fit
from src.interrupt import Interrupted, StopRequest, stop_on_signals
from src.plan import Plan
from src.tracking.environment import describe_environment
from src.tracking.run import DataDescription, Run, reopen_run, start_run


@final
@dataclass(frozen=True)
class Result:
    """What a finished training reached; `test` is None where the test images were not looked at."""

    run_id: str
    tracked: bool
    epochs: int
    best_epoch: int
    validation: Score
    test: Score | None
    training_seconds: float
    wall_seconds: float


def train(plan: Plan, *, reporter: EpochReporter, look_at_test: bool) -> Result:
    """Train the plan's model, evaluate its best epoch, and leave all of it in the plan's store.

    Raises UserError before a run is started where the plan cannot be carried out, TrainingFailed
    when the loss is no number any more, Interrupted after SIGINT or SIGTERM; the run then ends as
    FAILED or KILLED, with the best checkpoint so far.
    """
    began = perf_counter()
    check_accelerator(plan.trainer.accelerator)
    source = plan.data.build()
    dataset = source.load()
    classifier = build_classifier(plan, dataset)
    with stop_on_signals() as stop, _tracked(plan, dataset, stop) as run:
        done = fit(
            classifier,
            plan,
            dataset,
            folder=run.folder,
            log_epoch=lambda epoch, metrics: run.log_metrics(metrics, step=epoch),
            reporter=reporter,
            check_stop=stop.check,
        )
        validation = evaluate(done, dataset, run, check_stop=stop.check)
        test = evaluate_test(done, source.load_test(), dataset, run) if look_at_test else None
        wall_seconds = perf_counter() - began
        run.log_metrics({"seconds/training": done.seconds, "seconds/wall": wall_seconds})
    return Result(
        run_id=run.id,
        tracked=run.tracked,
        epochs=len(classifier.history),
        best_epoch=done.best_epoch,
        validation=validation,
        test=test,
        training_seconds=done.seconds,
        wall_seconds=wall_seconds,
    )


@contextmanager
def _tracked(plan: Plan, dataset: Dataset, stop: StopRequest) -> Iterator[Run]:
    """Hold a run open, and end it with the status that the work inside earned."""
    run = reopen_run(plan.tracking, plan.resume) if plan.resume else _start(plan, dataset)
    try:
        yield run
        stop.check()
    except BaseException as error:
        interrupted = isinstance(error, Interrupted | KeyboardInterrupt)
        if not interrupted:
            run.log_text(traceback.format_exc(), "traceback.txt")
        run.finish("KILLED" if interrupted else "FAILED", reason=str(error) or repr(error))
        raise
    run.finish("FINISHED")


def _start(plan: Plan, dataset: Dataset) -> Run:
    choices = plan.choices
    shape = dataset.train.pixels.shape[1:]
    return start_run(
        plan.tracking,
        name=plan.name or f"{choices['model']} {choices['data']} seed={plan.seed}",
        params=_params(plan),
        tags={
            "data": choices["data"],
            "model": choices["model"],
            "digest.data": dataset.data_digest,
            "digest.split": dataset.split_digest,
            "mlflow.source.name": "src.train",
            "mlflow.note.content": _note(plan, dataset),
            **describe_environment(),
        },
        data=DataDescription(
            name=choices["data"],
            digest=dataset.data_digest,
            source=str(plan.data.arguments.get("path") or plan.data.target),
            profile={
                "train": len(dataset.train),
                "validation": len(dataset.validation),
                "image_shape": list(shape),
                "classes": len(dataset.class_names),
            },
        ),
        config={"choices": choices, **plan.config},
    )


def _params(plan: Plan) -> dict[str, object]:
    """Return the chosen options and every hyperparameter, by dotted name."""
    params: dict[str, object] = {"seed": plan.seed, "model.loss": plan.loss, **plan.choices}
    for component in (plan.data, plan.model, plan.optimizer, plan.scheduler):
        params |= {f"{component.kind}.{k}": v for k, v in component.arguments.items()}
    for group in ("regularization", "trainer"):
        params |= {f"{group}.{k}": v for k, v in plan.config[group].items()}
    return params


def _note(plan: Plan, dataset: Dataset) -> str:
    shape = " x ".join(str(side) for side in dataset.train.pixels.shape[1:])
    return (
        f"**{plan.choices['model']}** on **{plan.choices['data']}**: {len(dataset.train):,} images "
        f"to train, {len(dataset.validation):,} to validate, {shape} pixels, "
        f"{len(dataset.class_names)} classes."
    )
