"""What is printed at the end of a training: its scores, a grid's table, how to resume."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from src.config.commands import command, tracking_overrides, ui_command
from src.config.plan import Plan

if TYPE_CHECKING:
    from src.tracking.queries import StoredRun
    from src.training.reproduce import Reproduction
    from src.training.result import Result


def print_result(result: "Result", plan: Plan) -> None:
    """Print the short table at the end of a training, and where to look next."""
    validation = "none: every row was trained on"
    if result.validation is not None:
        validation = f"{result.validation.describe()}, epoch {result.best_epoch}"
    rows = {
        f"{plan.trainer.select} validation accuracy": validation,
        "test accuracy": result.test.describe() if result.test else "not looked at",
        "seconds": f"{result.training_seconds:.1f} in epochs, {result.wall_seconds:.1f} since "
        "the data were loaded",
        "run": result.run_id if result.tracked else "not tracked",
    }
    print()
    for name, value in rows.items():
        print(f"{name:<26}{value}")
    if result.tracked:
        print(f"\nlook at it with: {ui_command(plan.tracking)}")


def print_grid(runs: "Sequence[tuple[list[str], Result | None]]") -> None:
    """Print the runs of a grid, the best on the validation images first, by what differs."""
    same = set.intersection(*(set(overrides) for overrides, _ in runs))
    rows = []
    for overrides, result in runs:
        words = " ".join(word for word in overrides if word not in same)
        scores = (result.validation, result.test) if result else (None, None)
        numbers = [f"{score.accuracy:.4f}" if score else "" for score in scores]
        seconds = f"{result.training_seconds:.1f}" if result else "failed"
        run_id = result.run_id[:8] if result and result.tracked else ""
        rows.append((words, *numbers, seconds, run_id))
    width = max(len(words) for words, *_ in rows)
    line = f"{{:<{width}}}  {{:>10}}  {{:>6}}  {{:>7}}  {{}}"
    print(f"\n{line.format('', 'validation', 'test', 'seconds', 'run')}".rstrip())
    for row in sorted(rows, key=lambda row: row[1], reverse=True):
        print(line.format(*row).rstrip())


def print_reproduction(reproduction: "Reproduction", old: "StoredRun") -> None:
    """Print whether a run came out the same, what differs, and why it may."""
    print(f"\n{reproduction.verdict}: compared with run {old.id} ({old.name})")
    for line in reproduction.differences:
        print(f"  {line}")
    if reproduction.causes:
        print("what may be why:")
    for line in reproduction.causes:
        print(f"  {line}")


def print_resume_command(started: Sequence[str], plan: Plan) -> None:
    """Print how to resume a training that was stopped, where it can be."""
    for run_id in started:
        if (plan.tracking.folder / "runs" / run_id / "last.ckpt").exists():
            values = {"resume": run_id, **tracking_overrides(plan.tracking)}
            print(f"\nresume: {command('train', values)}")
