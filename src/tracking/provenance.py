"""Where and with what a run was made: commit and what was not committed, versions, hardware."""

import platform
import subprocess
from collections.abc import Mapping
from functools import cache
from importlib.metadata import version
from pathlib import Path

from src.process.machine import available_cores

COMMIT = "mlflow.source.git.commit"
"""Tag that the UI shows as the version of the program."""

PACKAGES = ("torch", "pytorch-lightning", "hydra-core", "optuna", "mlflow", "numpy")


@cache
def describe_environment() -> Mapping[str, str]:
    """Return git commit and dirty flag, versions of Python and packages, processor.

    As they are when a process asks first, which is also the code it has loaded.
    """
    tags = {f"version.{name}": version(name) for name in PACKAGES}
    tags["version.python"] = platform.python_version()
    tags["hardware.processor"] = _processor()
    tags["hardware.cores"] = str(available_cores())
    tags["hardware.host"] = platform.node()
    commit = _git("rev-parse", "HEAD")
    if commit:
        tags[COMMIT] = commit
        tags["git.dirty"] = str(bool(_git("status", "--porcelain"))).lower()
    return tags


@cache
def uncommitted_changes() -> str:
    """Return the changes to tracked files since the commit, as git's patch; empty without any."""
    return _git("diff", "HEAD") if describe_environment().get("git.dirty") == "true" else ""


def _git(*arguments: str) -> str:
    """Return git's answer about the project's own checkout; empty outside of one."""
    project = Path(__file__).resolve().parent.parent.parent
    if not (project / ".git").exists():
        return ""
    try:
        answer = subprocess.run(
            ["git", "-C", str(project), *arguments], capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return ""
    return answer.stdout.strip()


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()
