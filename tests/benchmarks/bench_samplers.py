"""How a search is to draw and to spend its time: searches of a surrogate of the space.

`FILE ... --seconds 180 230 --searches 60` takes curves that `bench_pruning.py record` has noted. A
Gaussian process learns from them the accuracy on the untouched images after epochs 2, 6 and 10, and
the seconds of an epoch; what a trial reports is that with the noise of its seed and of 5,000
validation images. Two workers search with every sampler for so many seconds; each winner is judged
by what the surrogate knows of it. An optimizer finds where a surrogate is too hopeful: the
differences count, not the values.
"""

import argparse
import heapq
import math
import warnings
from collections.abc import Callable, Sequence
from itertools import count
from pathlib import Path
from statistics import mean, stdev
from typing import Any, final

import numpy as np
import optuna
from optuna.samplers import BaseSampler, RandomSampler, TPESampler
from optuna.trial import TrialState
from scipy.special import expit, logit
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF, ConstantKernel, WhiteKernel
from sklearn.model_selection import KFold, cross_val_predict
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from src.search.halving import SuccessiveHalving
from tests.benchmarks.bench_pruning import START_S, WORKERS, Curve, read_curves
from tests.benchmarks.references import EPOCHS, draw

LOOKS = (2, 6, EPOCHS)
"""Epochs at which a trial is known: the looks of halving, and the end."""
SEED_NOISE = {2: 0.12, 6: 0.06, EPOCHS: 0.03}
"""Standard deviation of the logit over training seeds; the last is about 0.0008 at 0.97."""
LEARNS = 0.5
"""Accuracy from which a configuration has learned something; the surrogate is of those."""


def features(made: dict[str, Any]) -> list[float]:
    """Return the numbers of a configuration that the surrogate sees."""
    widths = [math.log2(size) for size in made["sizes"]]
    weights = sum(a * b for a, b in zip([784, *made["sizes"]], made["sizes"], strict=False))
    return [
        *(len(widths), widths[0], widths[-1], min(widths), mean(widths), math.log2(weights)),
        *(math.log10(made["lr"]), made["dropout"], math.log2(made["batch_size"])),
    ]


@final
class Surrogate:
    """What is known of every configuration, learned from curves."""

    def __init__(self, curves: Sequence[Curve]) -> None:
        self._seconds = _process().fit(*_seconds(curves))
        self._logits = {look: _process().fit(*_logits(curves, look)) for look in LOOKS}
        last = [c for c in curves if c.untouched[-1] > 0.95]
        self.validation_noise = stdev(logit(c.accuracy[-1]) - logit(c.untouched[-1]) for c in last)

    def logit_after(self, epoch: int, made: dict[str, Any]) -> float:
        """Return the logit of the accuracy on untouched images after one of `LOOKS`."""
        return float(self._logits[epoch].predict([features(made)])[0])

    def seconds(self, made: dict[str, Any]) -> float:
        """Return the seconds of an epoch on one thread."""
        return math.exp(self._seconds.predict([features(made)])[0])


def _process() -> Pipeline:
    kernel = ConstantKernel() * RBF(np.full(9, 3.0), (0.5, 100)) + WhiteKernel(0.05)
    process = GaussianProcessRegressor(
        kernel, normalize_y=True, n_restarts_optimizer=1, random_state=0
    )
    return make_pipeline(StandardScaler(), process)


def _logits(curves: Sequence[Curve], epoch: int) -> tuple[np.ndarray, np.ndarray]:
    learned = [c for c in curves if c.untouched[-1] > LEARNS]
    values = [logit(min(c.untouched[epoch - 1], 0.9999)) for c in learned]
    return np.array([features(c.made) for c in learned]), np.array(values)


def _seconds(curves: Sequence[Curve]) -> tuple[np.ndarray, np.ndarray]:
    seconds = [math.log(mean(c.seconds)) for c in curves]
    return np.array([features(c.made) for c in curves]), np.array(seconds)


def search(
    surrogate: Surrogate, sampler: BaseSampler, *, seconds: float, seed: int, fresh: int
) -> tuple[float, int, int]:
    """Search; return the winner's true accuracy, and the trials begun and ended.

    fresh: seeds on which the three best are trained again, beside the time, to choose among them.
    """
    drawn, number = np.random.default_rng(seed), count()
    pruner = SuccessiveHalving()
    study = optuna.create_study(direction="maximize", sampler=sampler, pruner=pruner)
    ended: list[tuple[float, dict[str, Any], float]] = []
    begun = 0
    events: list[tuple[float, int, Any]] = [(0.0, next(number), None) for _ in range(WORKERS)]
    while events:
        now, _, job = heapq.heappop(events)
        if now > seconds:
            continue
        if job is not None:
            trial, made, error, look = job
            noise = error + drawn.normal() * SEED_NOISE[look]
            value = float(expit(surrogate.logit_after(look, made) + noise))
            trial.report(value, look)
            if look == EPOCHS:
                study.tell(trial, value)
                ended.append((value, made, error))
            elif trial.should_prune():
                study.tell(trial, state=TrialState.PRUNED)
            else:
                later = LOOKS[LOOKS.index(look) + 1]
                then = now + surrogate.seconds(made) * (later - look)
                heapq.heappush(events, (then, next(number), (trial, made, error, later)))
                continue
        trial, begun = study.ask(), begun + 1
        made = draw(trial)
        error = drawn.normal() * surrogate.validation_noise
        then = now + START_S + surrogate.seconds(made) * LOOKS[0]
        heapq.heappush(events, (then, next(number), (trial, made, error, LOOKS[0])))
    ended.sort(key=lambda end: -end[0])

    def again(end: tuple[float, dict[str, Any], float]) -> float:
        known = surrogate.logit_after(EPOCHS, end[1]) + end[2]
        return mean(expit(known + drawn.normal() * SEED_NOISE[EPOCHS]) for _ in range(fresh))

    winner = max(ended[:3], key=again) if fresh else ended[0]
    return float(expit(surrogate.logit_after(EPOCHS, winner[1]))), begun, len(ended)


def samplers() -> dict[str, Callable[[int], BaseSampler]]:
    """Return what draws, by name; the first is that of `conf/sampler/tpe.yaml`."""

    def joint(seed: int, *, at_random: int = 4, **others: Any) -> BaseSampler:
        return TPESampler(
            seed=seed, multivariate=True, group=True, n_startup_trials=at_random, **others
        )

    return {
        "tpe, joint, 4 at random": joint,
        "the same, no constant liar": lambda seed: joint(seed, constant_liar=False),
        "the same, 96 candidates": lambda seed: joint(seed, n_ei_candidates=96),
        "tpe, joint, 10 at random": lambda seed: joint(seed, at_random=10),
        "tpe, each by itself, 4": lambda seed: TPESampler(
            seed=seed, multivariate=False, n_startup_trials=4
        ),
        "random": lambda seed: RandomSampler(seed=seed),
    }


def main(*, files: list[Path], seconds: list[float], searches: int) -> None:
    """Say how well the surrogate knows what it was not told, then a line a way to search."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    warnings.simplefilter("ignore")
    curves = [curve for file in files for curve in read_curves(file)]
    inputs, values = _logits(curves, EPOCHS)
    told = cross_val_predict(_process(), inputs, values, cv=KFold(8, shuffle=True, random_state=0))
    known = 1 - ((told - values) ** 2).sum() / ((values - values.mean()) ** 2).sum()
    print(f"{len(curves)} curves; of the last epoch's variance {known:.0%} known in 8 folds")
    surrogate = Surrogate(curves)
    ways = [(name, make, seconds[0], 0) for name, make in samplers().items()]
    first = samplers()["tpe, joint, 4 at random"]
    ways += [("the first, 2 fresh seeds", first, seconds[0], 2)]
    ways += [(f"the first, {longer:.0f} s", first, longer, 0) for longer in seconds[1:]]
    base: np.ndarray | None = None
    for name, make, limit, fresh in ways:
        found = np.array(
            [
                search(surrogate, make(seed), seconds=limit, seed=seed, fresh=fresh)
                for seed in range(searches)
            ]
        )
        base = found[:, 0] if base is None else base
        gain = found[:, 0] - base
        print(
            f"{name:<28}{found[:, 0].mean():.4f}  difference {gain.mean():+.4f} (standard error "
            f"{gain.std() / searches**0.5:.4f})  {found[:, 1].mean():.1f} begun, "
            f"{found[:, 2].mean():.1f} ended",
            flush=True,
        )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("--seconds", type=float, nargs="+", default=[180.0, 230.0])
    parser.add_argument("--searches", type=int, default=60)
    main(**vars(parser.parse_args()))
