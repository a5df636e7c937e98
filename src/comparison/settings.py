"""What the configuration of a comparison says, as plain objects."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal, final

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from src.config.plan import ConfigValidator
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
    are called equivalent. splits: on how many other splits of the same rows the contenders are
    trained anew; None: on none.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    runs: Annotated[list[Name], Field(min_length=2)] | None = None
    sweep: Name | None = None
    best: Annotated[int, Field(ge=2, le=MAX_CONTENDERS, strict=True)] = 3
    data: str | None = None
    split: Literal["test", "validation"] | None = None
    unpaired: Flag = False
    margin: Annotated[float, Field(ge=0, le=100, allow_inf_nan=False)] = 0.1
    splits: Annotated[int, Field(ge=2, le=100, strict=True)] | None = None


@final
class Request(BaseModel):
    """What `python -m src.compare` is asked to do.

    name: of the report's folder, None for one made from what is compared. promote: id or name of
    the run that is to be champion. force: also if it does not win, or nothing can be compared.
    reason: why.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    compare: Any
    tracking: Any
    name: Annotated[Name, Field(pattern=r"^\w[\w. -]*$")] | None = None
    promote: Name | None = None
    force: Flag = False
    reason: Annotated[Name, Field(min_length=1)] | None = None
    rollback: Flag = False

    @property
    def which(self) -> ContenderSelection:
        """Who is compared."""
        found: ContenderSelection = self.compare
        return found


def make_request(config: Mapping[str, Any]) -> Request:
    """Check a resolved configuration; raises ConfigError with every problem found in it."""
    check = ConfigValidator(config)
    request = check.settings(Request, None)
    which = check.settings(ContenderSelection, "compare")
    tracking = check.tracked()
    if request is not None and which is not None:
        check.problems += _cross_checks(request, which)
    check.finish()
    made: Request = request.model_copy(update={"compare": which, "tracking": tracking})
    return made


def _cross_checks(request: Request, which: ContenderSelection) -> list[str]:
    problems = []
    if which.runs is not None and which.sweep is not None:
        problems.append("`compare.runs` and `compare.sweep`: give one of them")
    if request.promote is not None and request.rollback:
        problems.append("`promote` and `rollback`: give one of them")
    if (request.promote is not None or request.rollback) and which != ContenderSelection():
        problems.append("`compare.*`: has no part in promote or rollback; leave it out")
    if request.force and request.promote is None:
        problems.append("`force`=true: forces a promotion; give it with promote=RUN")
    if request.force and request.reason is None:
        problems.append("`force`=true: needs a reason, which is kept: reason='...'")
    if request.reason is not None and request.promote is None and not request.rollback:
        problems.append("`reason`: belongs to promote=RUN or rollback=true")
    return problems
