"""The mistakes of a user, as one tree of exceptions."""

import difflib
import errno
from collections.abc import Iterable

DISK_TROUBLE = {
    errno.ENOSPC,
    errno.EDQUOT,
    errno.EFBIG,
    errno.EROFS,
    errno.EACCES,
    errno.EPERM,
    errno.EIO,
}
"""Ways in which a disk takes no more: full, quota, size limit, read-only, forbidden, broken."""


class UserError(Exception):
    """Something the user can put right; printed as one line per problem, exit code 2.

    Every problem names the key or file, the value received, the rule, and the fix.
    """

    def __init__(self, *problems: str) -> None:
        if not problems:
            raise ValueError("a UserError needs at least one problem")
        self.problems = tuple(" ".join(problem.splitlines()) for problem in problems)
        super().__init__("\n".join(self.problems))


class ConfigError(UserError):
    """A key, option or value of the configuration is wrong."""


class DataError(UserError):
    """The data cannot be read, or is not what a data source promises."""


class TrackingError(UserError):
    """The tracking store cannot be used as configured."""


class TrackingUnavailable(TrackingError):
    """The server of the tracking store does not answer; it may be back later."""


class RunGone(TrackingError):
    """A run that something refers to was deleted from the store."""


class SweepLockedError(UserError):
    """Another process is working on the sweep."""


class CommandFailed(Exception):
    """What was asked for was tried, and did not come about; exit code 1."""


class TrainingFailed(CommandFailed):
    """A training that started and could not go on."""


class StudyStorageUnavailable(CommandFailed):
    """The storage of Optuna's studies was lost during a search."""


def first_line(error: BaseException) -> str:
    """Return the first line of what an error says, its kind where it says nothing."""
    return (str(error).splitlines() or [type(error).__name__])[0]


def disk_trouble(error: BaseException) -> str | None:
    """Return in one line that a file could not be written, None where that is not what happened."""
    at: BaseException | None = error
    while at is not None and not (isinstance(at, OSError) and at.errno in DISK_TROUBLE):
        at = at.__cause__ or at.__context__
    if at is None:
        return None
    assert isinstance(at, OSError)
    file = at.filename2 or at.filename
    place = f"{file}: " if file else ""
    return (
        f"{place}{at.strerror}; make room, or choose a folder you may write to "
        "(tracking.folder=FOLDER); what was finished before is kept"
    )


def nearest(name: str, candidates: Iterable[str], *, within: str | None = None) -> str:
    """Return ", did you mean `x`?" for the candidate nearest to `name`, or an empty string.

    within: the group that the name and its candidates are in, to be said with the answer.
    """
    found = nearest_name(name, candidates)
    prefix = f"{within}." if within else ""
    return f", did you mean `{prefix}{found}`?" if found else ""


def nearest_name(name: str, candidates: Iterable[str]) -> str | None:
    """Return the candidate nearest to `name` as a whole or in its last part behind a dot."""
    candidates = sorted(candidates)
    named = {candidate.rpartition(".")[2]: candidate for candidate in candidates}
    named |= {candidate: candidate for candidate in candidates}
    matches = difflib.get_close_matches(name, named, n=1, cutoff=0.6)
    return named[matches[0]] if matches else None
