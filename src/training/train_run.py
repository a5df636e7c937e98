"""One training, start to end: the only training path, of `src.train` and of every trial."""

import sys
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import MappingProxyType

import torch

from src.config.plan import Plan
from src.data.source import Dataset, DataSource
from src.errors import TrainingFailed, disk_trouble, first_line
from src.models.predictor import confusion_now, count_parameters
from src.process.gc_pause import resume_gc
from src.process.machine import available_cores
from src.process.signals import Halted
from src.tracking.connection import Store, retry_while_unreachable
from src.tracking.queries import StoredRun
from src.tracking.run import Run
from src.tracking.runs import reopen_run, require_same_data, start_run
from src.training.artifacts import picture_words
from src.training.description import (
    data_tags,
    describe_configuration,
    describe_data,
    describe_images,
    describe_params,
    describe_result,
    kept_config,
    run_name,
)
from src.training.device import describe_device, fastest_precision, find_device
from src.training.evaluation import evaluate, evaluate_test, log_model
from src.training.fit import build_classifier, fit, minibatches
from src.training.progress import EpochReporter
from src.training.record import clocks, read_log, usage
from src.training.result import CURVES, Result
from src.training.series import keep_array


def train(
    plan: Plan,
    *,
    source: DataSource,
    store: Store | None,
    reporter: EpochReporter,
    check_stop: Callable[[], None],
    evaluate_on_test_set: bool,
    after_epoch: Callable[[int, dict[str, float]], None] = lambda epoch, metrics: None,
    on_start: Callable[[str, int], None] = lambda run_id, parameters: None,
    parent: str | None = None,
    tags: Mapping[str, str] = MappingProxyType({}),
    repeats: StoredRun | None = None,
) -> Result:
    """Train the plan's model, evaluate the epoch that is kept, and leave all of it in the store.

    source: the plan's, built. store: None where nothing is tracked.
    check_stop and after_epoch may raise Halted to end the training. on_start hears the id of the
    run, and how many parameters the model has. parent: run id of the sweep this is a trial of; a
    trial's model is not exported, and it cannot be resumed by hand.
    repeats: a run on the same data, which this one is to be compared with.
    Raises UserError before a run is started where the plan cannot be carried out, TrainingFailed
    when the loss is NaN; the run then ends as FAILED, or KILLED when halted.
    """
    began = clocks()
    test_digest = source.check_test() if evaluate_on_test_set else None
    dataset = source.load()
    plan = _resolve_auto(plan, dataset)
    data = data_tags(plan, dataset, test=test_digest)
    if repeats is not None:
        require_same_data(repeats.id, repeats.tags, data)
        tags = {**tags, "reproduces": repeats.id}

    images, num_classes = dataset.validation, len(dataset.class_names)

    def keep_snapshot(step: int, weights: torch.Tensor) -> None:
        keep_array(run.folder / "weights", step, weights)
        if run.tracked and len(images):
            counts = confusion_now(classifier.model, images.pixels, images.labels, k=num_classes)
            keep_array(run.folder / "accuracies", step, counts.trace() / counts.sum())
            if step == 0:
                keep_array(run.folder / "confusions", 0, counts)

    classifier = build_classifier(plan, dataset, before_step=check_stop, on_snapshot=keep_snapshot)
    check_stop()

    def log_epoch(epoch: int, metrics: dict[str, float]) -> None:
        run.log_epoch({key: metrics[key] for key in CURVES if key in metrics}, epoch=epoch)
        after_epoch(epoch, metrics)

    tags = {**data, **tags}
    with tracked(plan, dataset, store, parent=parent, tags=tags, check_stop=check_stop) as run:
        on_start(run.id, count_parameters(classifier.model))
        resume_gc()
        try:
            done = fit(
                classifier,
                plan,
                dataset,
                folder=run.folder,
                log_epoch=log_epoch,
                reporter=reporter,
                check_stop=check_stop,
            )
        except Halted:
            run.log_metrics(usage(began, training_seconds=classifier.seconds))
            raise
        validation = evaluate(done, dataset, run, check_stop=check_stop)
        test = (
            evaluate_test(done.predictor, source.load_test(), run) if evaluate_on_test_set else None
        )
        if parent is None and run.tracked:
            log_model(done.predictor, dataset, run, data=plan.choices["data"])
        used = usage(began, training_seconds=classifier.seconds)
        run.log_metrics(used)
        run.log_texts(read_log(run.folder))
        kept = f"epoch {done.best_epoch}, the {done.select}"
        said = describe_result(validation, test, kept=kept, pictures=picture_words(done))
        run.set_tags({"mlflow.note.content": f"{_heading(plan, dataset)}\n\n{said}"})
    return Result(
        run_id=run.id,
        tracked=run.tracked,
        epochs=len(classifier.history),
        best_epoch=done.best_epoch,
        parameters=done.parameters,
        validation=validation,
        test=test,
        train_accuracy=classifier.history[-1]["train_accuracy"],
        training_seconds=classifier.seconds,
        wall_seconds=used["seconds/wall"],
    )


def _resolve_auto(plan: Plan, dataset: Dataset) -> Plan:
    """Return the plan with what machine and data decide of it, so that what is used is kept."""
    device = find_device(plan.trainer.accelerator)
    batch_size, _ = minibatches(plan, dataset)
    precision: str = plan.trainer.precision
    if precision == "auto":
        precision = fastest_precision(lambda: build_classifier(plan, dataset).model, device)
    return plan.with_trainer(
        accelerator="gpu" if device == "cuda" else device,
        threads=plan.trainer.threads or available_cores(),
        batch_size=batch_size,
        precision=precision,
    )


@contextmanager
def tracked(
    plan: Plan,
    dataset: Dataset,
    store: Store | None,
    *,
    parent: str | None,
    tags: Mapping[str, str],
    check_stop: Callable[[], None],
) -> Iterator[Run]:
    """Hold a run open, and end it with the status that the work inside earned."""

    def start() -> Run:
        if plan.resume and store:
            return reopen_run(store, plan.resume, data=tags, config=kept_config(plan))
        return start_run(
            store,
            name=plan.name or run_name(plan),
            params=describe_params(plan),
            tags={
                **describe_configuration(plan, trial="trial.number" in tags),
                "mlflow.source.name": "src.train",
                "mlflow.note.content": _heading(plan, dataset),
                **({"mlflow.parentRunId": parent} if parent else {}),
                **tags,
            },
            data=describe_data(plan, dataset),
            config=kept_config(plan),
            device=describe_device(plan.trainer.accelerator),
        )

    run = start() if parent is None else retry_while_unreachable(start, check_stop)
    try:
        yield run
    except BaseException as error:
        _end_early(run, error, resumable=parent is None)
        raise
    run.finish("FINISHED")


def _end_early(run: Run, error: BaseException, *, resumable: bool) -> None:
    """End a run that did not finish; what keeps it from ending must not hide why it did not."""
    halted = isinstance(error, Halted | KeyboardInterrupt)
    trouble = None if halted else disk_trouble(error)
    try:
        texts = {} if trouble else read_log(run.folder)
        if not halted and not trouble:
            texts["traceback.txt"] = "".join(traceback.format_exception(error))
        if texts:
            run.log_texts(texts)
        run.finish(
            "KILLED" if halted else "FAILED",
            reason=trouble or str(error) or repr(error),
            outcome=error.outcome if isinstance(error, Halted) else None,
            resumable=resumable and not isinstance(error, TrainingFailed),
        )
    except Exception as second:  # noqa: BLE001
        why = first_line(second)
        print(f"run {run.id}: still RUNNING in the store ({why})", file=sys.stderr)
        print("the next start of any command ends it there", file=sys.stderr)


def _heading(plan: Plan, dataset: Dataset) -> str:
    return f"**{plan.choices['model']}** on {describe_images(plan, dataset)}"
