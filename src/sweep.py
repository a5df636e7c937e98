"""`python -m src.sweep`: search hyperparameters until a target or a budget is reached."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hydra.core.config_store import ConfigStore
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from src.cli.entry import run_verb
from src.cli.overrides import SWEEPS, resolved, task_overrides
from src.config.commands import quote_files
from src.errors import ConfigError, TrainingFailed
from src.process.signals import stop_on_signals
from src.search.grammar import split_ranges


def sweep_command(config: DictConfig, *, ranges: dict[str, Any], said: list[str]) -> None:
    """Check the search, run it, print the verdict and where to look; said: the command line."""
    from src.search.request import make_request

    request = make_request(
        resolved(config),
        sweep=HydraConfig.get().runtime.choices.get("sweep"),
        overrides=task_overrides(),
        ranges=ranges,
    )
    # loaded only now, so that a mistake on the command line is answered at once
    from src.search.ending import print_outcome
    from src.search.screen import SweepScreen
    from src.search.search import search

    with stop_on_signals() as stop:
        screen = SweepScreen(n_trials=request.settings.n_trials, space=request.space)
        outcome = search(request, stop=stop, screen=screen)
    print_outcome(outcome, request, screen, said=said)
    if stop.interrupted:
        but = " without fresh=true" if request.settings.fresh else ""
        print(f"the same command{but} goes on from here")
    stop.check()
    if outcome.best is None:
        none = "no trial was finished"
        if outcome.finished:
            none = f"none of {outcome.finished} trials may win"
        constrained = request.settings.constraints.parameters is not None
        if outcome.counts.get("PRUNED") == outcome.finished and not constrained:
            none = f"all {outcome.finished} trials were pruned, by `pruner`: choose a milder one"
        raise TrainingFailed(f"sweep {outcome.name}: {none}; {outcome.stop_reason}")


def read_command_line(words: list[str]) -> tuple[list[str], dict[str, Any]]:
    """Make sweeps/ options of `sweep`; return the words for Hydra, and the ranges among them."""
    if {"-m", "--multirun"} & set(words):
        raise ConfigError(
            "`-m`: a search is no grid; give ranges, as in optimizer.lr=1e-3,1e-2, or run one "
            "search after the other"
        )
    register_sweeps(asked=words)
    others, ranges = split_ranges(quote_files(words))
    return others, {"ranges": ranges, "said": words}


def register_sweeps(asked: Sequence[str] = ()) -> None:
    """Make the files of sweeps/ options of the group `sweep`.

    asked: the command line, which one that cannot be read keeps from running where it is named.
    """
    for path in sorted(SWEEPS.glob("*.yaml")):
        try:
            node = read_search(path)
        except ConfigError:
            if any(path.stem in word for word in asked if "sweep=" in word):
                raise
            continue
        ConfigStore.instance().store(group="sweep", name=path.stem, node=node, package="_global_")


def read_search(path: Path) -> DictConfig:
    """Read a file of sweeps/; raises ConfigError where it is no mapping."""
    unreadable = (OmegaConfBaseException, YAMLError, UnicodeDecodeError, OSError, RecursionError)
    try:
        node = OmegaConf.load(path)  # which takes 1e-4 for a number
    except unreadable as error:
        said = " ".join(str(error).split())
        raise ConfigError(f"sweeps/{path.name}: cannot be read: {said}") from error
    if not isinstance(node, DictConfig):
        raise ConfigError(f"sweeps/{path.name}: must be a mapping of keys and values")
    return node


if __name__ == "__main__":
    run_verb(
        sweep_command,
        config_name="sweep",
        check=lambda config: None,  # make_request does
        read=read_command_line,
    )
