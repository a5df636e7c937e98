"""The way into every verb and out of it: Hydra's entry, errors as lines, exit codes."""

import os
import signal
import sys
import traceback
from collections.abc import Callable
from tempfile import TemporaryDirectory
from typing import Any, NoReturn, final

import hydra
from omegaconf import DictConfig

from src.commands import quote_files
from src.config import CONF, REFUSALS, check_grid, explain, is_grid
from src.errors import ConfigError, TrainingFailed, Unsuccessful, UserError, disk_trouble
from src.interrupt import Interrupted
from src.loading import begin_loading
from src.settings import take_credentials
from src.streams import outlast_readers


def run_verb(
    task: Callable[[DictConfig], None],
    *,
    config_name: str,
    check: Callable[[dict[str, Any]], object],
) -> None:
    """Let Hydra compose the configuration for `task`, and leave with the exit code it earned.

    check: is given a resolved configuration, and raises ConfigError with all that is wrong in it.

    0: done; 1: a run failed, or what was asked for did not come about; 2: the user's mistake;
    128 + signal number: interrupted. Of several runs (`-m`) a failed one does not keep the others
    from running; a mistake or a signal does.
    """
    begin_loading()
    outlast_readers()
    wants_traceback = os.environ.get("HYDRA_FULL_ERROR") == "1"
    os.environ["HYDRA_FULL_ERROR"] = "1"  # Hydra then lets exceptions through to us
    failures: list[Exception] = []

    def job(config: DictConfig) -> None:
        try:
            task(config)
        except Unsuccessful as error:
            failures.append(error)
            _report(error, with_traceback=wants_traceback)
        except Exception as error:
            raise _Raised(error) from error

    sys.argv[1:] = quote_files(take_credentials(argument) for argument in sys.argv[1:])
    main = hydra.main(config_path=str(CONF), config_name=config_name, version_base="1.3")(job)
    try:
        check_grid(sys.argv[1:], config_name=config_name, check=check)
        with TemporaryDirectory() as folder:  # for the file that Hydra leaves of a grid
            if is_grid(sys.argv):
                sys.argv.append(f"hydra.sweep.dir={folder}")
            main()
    except Interrupted as stop:
        _leave(stop)
    except KeyboardInterrupt:  # before a training listens, or between two of them
        _leave(Interrupted(signal.SIGINT))
    except _Raised as raised:
        mistaken, trouble = isinstance(raised.error, UserError), disk_trouble(raised.error)
        if trouble and not mistaken and not wants_traceback:
            _report(TrainingFailed(trouble), with_traceback=False)
        else:
            _report(raised.error, with_traceback=wants_traceback or not mistaken)
        sys.exit(2 if mistaken else 1)
    except ConfigError as error:
        sys.exit(report_mistake(error))
    except REFUSALS as error:
        shown = explain(error, config_name=config_name, arguments=sys.argv[1:], check=check)
        _report(shown, with_traceback=wants_traceback)
        sys.exit(2)
    sys.exit(1 if failures else 0)


def _leave(stop: Interrupted) -> NoReturn:
    print(stop, file=sys.stderr)
    sys.exit(128 + stop.signum)


@final
class _Raised(BaseException):
    """Carries what a verb raised past Hydra, which would print it in its own way."""

    def __init__(self, error: Exception) -> None:
        super().__init__()
        self.error = error


def report_mistake(error: UserError) -> int:
    """Print the mistake and return the exit code it earns."""
    _report(error, with_traceback=False)
    return 2


def _report(error: Exception, *, with_traceback: bool) -> None:
    if with_traceback:
        traceback.print_exception(error)
    for line in str(error).splitlines():
        print(f"error: {line}", file=sys.stderr)
