"""What the configuration of a comparison says, as plain objects."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal, final

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from src.config.plan import ConfigValidator
from src.config.settings import Tracking
from src.config.types import Flag

MAX_CONTENDERS = 8
"""As many colours as can be told apart in one chart."""

Name = Annotated[str, BeforeValidator(lambda value: str(value) if type(value) is int else value)]
"""An id or name; the beginning of an id may look like a whole number."""


@final
class ContenderSelection(BaseModel):
    """Which runs are compared, and on which images.

    runs: ids or names; None: the best of each model. sweep: name of a sweep, whose best trials
    are compared; best: how many of them. data: only runs on this data. split: whose predictions;
    None: test where all runs have looked at the test images, else validation. unpaired: whether
    runs on different splits may be compared. margin: percentage points by which two may differ and
    are called equivalent.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    runs: Annotated[list[Name], Field(min_length=2)] | None = None
    sweep: Name | None = None
    best: Annotated[int, Field(ge=2, le=MAX_CONTENDERS, strict=True)] = 3
    data: str | None = None
    split: Literal["test", "validation"] | None = None
    unpaired: Flag = False
    margin: Annotated[float, Field(ge=0, le=100, allow_inf_nan=False)] = 0.1


class _TopLevel(BaseModel):
    model_config = ConfigDict(extra="forbid")
    compare: Any
    tracking: Any
    name: Annotated[Name, Field(pattern=r"^\w[\w. -]*$")] | None = None
    promote: Name | None = None
    force: Flag = False
    reason: Annotated[Name, Field(min_length=1)] | None = None
    rollback: Flag = False


@final
@dataclass(frozen=True)
class Request:
    """A checked configuration: what `python -m src.compare` is asked to do.

    name: of the report's folder, None for one made from what is compared. promote: id or name of
    the run that is to be champion. force: promote it in any case. reason: why.
    """

    which: ContenderSelection
    tracking: Tracking
    name: str | None
    promote: str | None
    force: bool
    reason: str | None
    rollback: bool


def make_request(config: Mapping[str, Any]) -> Request:
    """Check a resolved configuration; raises ConfigError with every problem found in it."""
    check = ConfigValidator(config)
    top = check.settings(_TopLevel, None)
    which = check.settings(ContenderSelection, "compare")
    tracking = check.tracked()
    if top is not None and which is not None:
        check.problems += _cross_checks(top, which)
    check.finish()
    return Request(
        which=which,
        tracking=tracking,
        name=top.name,
        promote=top.promote,
        force=top.force,
        reason=top.reason,
        rollback=top.rollback,
    )


def _cross_checks(top: _TopLevel, which: ContenderSelection) -> list[str]:
    problems = []
    if which.runs is not None and which.sweep is not None:
        problems.append("`compare.runs` and `compare.sweep`: give one of them")
    if top.promote is not None and top.rollback:
        problems.append("`promote` and `rollback`: give one of them")
    if (top.promote is not None or top.rollback) and which != ContenderSelection():
        problems.append("`compare.*`: has no part in promote or rollback; leave it out")
    if top.force and top.promote is None:
        problems.append("`force`=true: forces a promotion; give it with promote=RUN")
    if top.force and top.reason is None:
        problems.append("`force`=true: needs a reason, which is kept: reason='...'")
    if top.reason is not None and top.promote is None and not top.rollback:
        problems.append("`reason`: belongs to promote=RUN or rollback=true")
    return problems
