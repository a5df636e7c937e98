"""Commands of a document, run as written but for a few quick settings added at their end."""

import os
import re
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import urlopen

from tests.conftest import REPOSITORY, environment
from tests.serving import free_port

QUICK = {
    "src.train": "trainer.max_epochs=1",
    "src.sweep": "trainer.max_epochs=1 n_trials=2 confirm.top=1 confirm.seeds=2",
    "seed=range": "seed=1",
    "make ui": "PORT=PORTNUMBER",
    "make serve": "SERVE_PORT=PORTNUMBER",
}
"""Added to a command that has these words, so that it takes seconds; all else is as written.

The last value of a key counts. A run that is gone on with or made again is as it is.
"""
AS_IT_IS = ("resume=", "reproduce=")

SERVERS = ("make ui", "make app", "make serve")
ANSWER_TIMEOUT_S = 90
SHUTDOWN_TIMEOUT_S = 30
TRAINED = re.compile(r"^run +([0-9a-f]{32})$", re.MULTILINE)
TO_PROMOTE = re.compile(r"promote=([0-9a-f]{32})\b")


def commands_of(document: Path) -> list[str]:
    """Return the lines of all ```bash blocks, without comments."""
    blocks = re.findall(r"^```bash\n(.*?)^```", document.read_text(), re.DOTALL | re.MULTILINE)
    lines = "".join(blocks).replace("\\\n", " ").splitlines()
    found = [re.sub(r"(^|\s+)#.*$", "", line).strip() for line in lines]
    return [command for command in found if command]


def quick(command: str) -> str:
    """Return the command with the quick settings that it can have."""
    if any(key in command for key in AS_IT_IS):
        return command
    more = [settings for words, settings in QUICK.items() if words in command]
    return " ".join([command, *more]).replace("PORTNUMBER", str(free_port()))


@dataclass
class Checkout:
    """A checkout of the project in a folder of its own, with an empty store and `.venv` set up.

    run_id: what RUN_ID stands for, the training that was done last; in `promote=RUN_ID`
    proposed, the run whose promotion was proposed last.
    """

    folder: Path
    run_id: str = field(default="RUN_ID", init=False)
    proposed: str = field(default="RUN_ID", init=False)

    def __post_init__(self) -> None:
        venv = self.folder / ".venv"
        venv.mkdir()
        _link(REPOSITORY, self.folder, but={".git", ".venv", "mlruns"})
        _link(Path(sys.prefix), venv, but={".ready"})
        (venv / ".ready").touch()  # for make: it is set up

    def run(self, command: str) -> str:
        """Run a command to its end, a server until it answers; return what it said.

        Fails where the command does, or says what looks like a bug.
        """
        run_id = self.proposed if "promote=" in command else self.run_id
        line = quick(command).replace("RUN_ID", run_id)
        said = self._serve(line) if command.startswith(SERVERS) else self._finish(line)
        self.run_id = [self.run_id, *TRAINED.findall(said)][-1]
        self.proposed = [self.proposed, *TO_PROMOTE.findall(said)][-1]
        assert "Traceback" not in said, said
        return said

    def _finish(self, line: str) -> str:
        done = subprocess.run(
            ["bash", "-c", line],
            cwd=self.folder,
            env=self._environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=300,
        )
        assert done.returncode == 0, f"{line}\nexit code {done.returncode}\n{done.stdout}"
        return done.stdout

    def _serve(self, line: str) -> str:
        """Start a server, ask it at the address it prints, and end it as Ctrl-C does.

        A page's last word is a line at the most, and nothing of it goes on.
        """
        log = self.folder / "server.log"
        with log.open("w") as output:
            process = subprocess.Popen(
                ["bash", "-c", line],
                cwd=self.folder,
                env=self._environment(),
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        try:
            end = time.monotonic() + ANSWER_TIMEOUT_S
            while not _answers(log.read_text()):
                assert process.poll() is None, f"{line}: ended\n{log.read_text()}"
                assert time.monotonic() < end, f"{line}: does not answer\n{log.read_text()}"
                time.sleep(0.3)
            said = log.read_text()
            os.killpg(process.pid, signal.SIGINT)
            process.wait(SHUTDOWN_TIMEOUT_S)
            if not line.startswith("make serve"):  # MLflow's own server has more to say of its end
                ending = log.read_text().removeprefix(said)
                assert len(ending.splitlines()) <= 1, f"{line}: ended with\n{ending}"
                assert not _answers(said), f"{line}: goes on"
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
        return said

    def _environment(self) -> dict[str, str]:
        own = {
            k: v for k, v in environment().items() if not k.startswith(("MAKE", "MFLAGS", "ARGS"))
        }
        own.pop("PYTHONPATH")  # src is found in the folder, as for a user
        return own | {"PATH": f"{self.folder}/.venv/bin:{own['PATH']}"}


def _link(source: Path, target: Path, *, but: set[str]) -> None:
    for item in source.iterdir():
        if item.name not in but:
            (target / item.name).symlink_to(item)


def _answers(said: str) -> bool:
    """Tell whether a page answers at the first address of what a server has said."""
    address = re.search(r"http://127\.0\.0\.1:\d+[\w/]*", said)
    if address is None:
        return False
    try:
        urlopen(address[0], timeout=2).close()
    except HTTPError as error:
        return error.code < 500  # it wants another method
    except OSError:
        return False
    return True
