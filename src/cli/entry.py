"""What every verb begins and ends with: compose, run, errors as lines, exit codes."""

import os
import signal
import sys
import traceback
from argparse import Namespace
from collections.abc import Callable
from functools import partial
from typing import Any, NoReturn

from omegaconf import OmegaConf

from src.cli.arguments import configuration, read_flags, runs_of
from src.cli.help import help_of, help_of_group
from src.cli.overrides import conf_open
from src.config.commands import quote_files
from src.config.settings import hide_credentials
from src.errors import CommandFailed, TrainingFailed, UserError, disk_trouble
from src.process.gc_pause import pause_gc
from src.process.signals import Interrupted
from src.process.streams import outlast_readers

Task = Callable[..., Any]
"""What a verb does with its configuration, and with what it read of the command line itself."""

Runs = list[tuple[list[str], Any]]
"""Of a grid: the overrides of each run, and what its task returned, None where it failed."""


def run_verb(
    task: Task,
    *,
    config_name: str,
    check: Callable[[dict[str, Any]], object],
    read: Callable[[list[str]], tuple[list[str], dict[str, Any]]] = lambda words: (words, {}),
    sum_up: Callable[[Runs], None] = lambda runs: None,
) -> None:
    """Compose the configuration for `task`, and leave with the exit code it earned.

    check: is given a resolved configuration, and raises ConfigError with all that is wrong in it.
    read: is given the words of the command line; returns those that are for Hydra, and what else
    they say, as keyword arguments of the task.
    sum_up: is given the runs of a grid at its end.

    0: done; 1: a run failed, or what was asked for did not come about; 2: the user's mistake;
    128 + signal number: interrupted. Of several runs (`-m`) a failed one does not keep the others
    from running; a mistake or a signal does.
    """
    pause_gc()
    outlast_readers()
    wants_traceback = os.environ.get("HYDRA_FULL_ERROR") == "1"
    try:
        words, said = read(hide_credentials(sys.argv[1:]))
        line = read_flags(quote_files(words), verb=config_name)
        task = partial(task, **said)
        with conf_open(*line.config_dir):
            done = _do(
                task,
                line,
                verb=config_name,
                check=check,
                sum_up=sum_up,
                with_traceback=wants_traceback,
            )
    except Interrupted as stop:
        _leave(stop)
    except KeyboardInterrupt:  # before a training listens, or between two of them
        _leave(Interrupted(signal.SIGINT))
    except UserError as error:
        _report(error, with_traceback=wants_traceback)
        sys.exit(2)
    except Exception as error:
        trouble = disk_trouble(error)
        if trouble is None or wants_traceback:
            raise
        _report(TrainingFailed(trouble), with_traceback=False)
        sys.exit(1)
    sys.exit(0 if done else 1)


def _do(
    task: Task,
    line: Namespace,
    *,
    verb: str,
    check: Callable[[dict[str, Any]], object],
    sum_up: Callable[[Runs], None],
    with_traceback: bool,
) -> bool:
    """Show or run what the command line asks for; tell whether every run came about."""
    if line.help is not None:
        print(help_of_group(verb, line.help) if line.help else help_of(verb))
        return True
    runs = runs_of(line, verb=verb, check=check)
    if line.cfg:
        shown = [OmegaConf.to_yaml(configuration(verb, run)) for run in runs]
        print("---\n".join(shown), end="")
        return True
    ended: Runs = []
    failed = False
    for run in runs:
        result = None
        try:
            result = task(configuration(verb, run))
        except CommandFailed as error:
            failed = True
            _report(error, with_traceback=with_traceback)
        ended.append((run, result))
    if len(runs) > 1:
        sum_up(ended)
    return not failed


def _leave(stop: Interrupted) -> NoReturn:
    print(stop, file=sys.stderr)
    sys.exit(128 + stop.signum)


def _report(error: Exception, *, with_traceback: bool) -> None:
    if with_traceback:
        traceback.print_exception(error)
    for line in str(error).splitlines():
        print(f"error: {line}", file=sys.stderr)
