"""The mistakes of a user, as one tree of exceptions."""

import difflib
from collections.abc import Iterable


class UserError(Exception):
    """Something the user can put right; printed as one line per problem, exit code 2.

    Every problem names the key or file, the value received, the rule, and the cure.
    """

    def __init__(self, *problems: str) -> None:
        if not problems:
            raise ValueError("a UserError needs at least one problem")
        super().__init__("\n".join(problems))
        self.problems = problems


class ConfigError(UserError):
    """A key, option or value of the configuration is wrong."""


class DataError(UserError):
    """The data cannot be read, or is not what a data source promises."""


class TrackingError(UserError):
    """The tracking store cannot be used as configured."""


class Unsuccessful(Exception):
    """What was asked for was tried, and did not come about; exit code 1."""


class TrainingFailed(Unsuccessful):
    """A training that started and could not go on."""


class NotPromoted(Unsuccessful):
    """A run that does not beat the champion."""


class NotReproduced(Unsuccessful):
    """A run that came out different when it was trained again."""


def nearest(name: str, candidates: Iterable[str], *, within: str | None = None) -> str:
    """Return ", did you mean `x`?" for the candidate nearest to `name`, or an empty string.

    within: the group that the name and its candidates are in, to be said with the answer.
    """
    matches = difflib.get_close_matches(name, list(candidates), n=1, cutoff=0.6)
    prefix = f"{within}." if within else ""
    return f", did you mean `{prefix}{matches[0]}`?" if matches else ""
