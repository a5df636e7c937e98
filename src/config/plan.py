"""A checked configuration as plain objects: what one training is to do."""

import inspect
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from pkgutil import resolve_name
from typing import Any, Literal, final

from pydantic import BaseModel, ConfigDict, Field, ValidationError, create_model

from src.config.settings import Regularization, Tracking, Trainer
from src.config.types import Flag, Seed
from src.errors import ConfigError, nearest

Loss = Literal["softmax", "one_vs_rest"]

ALLOWED_TARGETS = ("src.", "torch.optim.", "torch.nn.", "optuna.")
INJECTED_ARGUMENTS = {
    "data": (),
    "model": ("image_shape", "num_classes"),
    "optimizer": ("params",),
    "scheduler": ("optimizer", "total_steps"),
    "sampler": ("seed",),
    "pruner": (),
    "executor": (),
}
"""Arguments that come from the program, by kind of component."""
PLANNED = ("data", "model", "optimizer", "scheduler")
"""Kinds of components that one training is made of."""
NOT_ARGUMENTS = {"model": {"loss"}}
"""Keys of a group that are not its constructor's."""
RULES = {
    "path_type": "should be a path",
    "too_short": "should not be empty",
    "string_too_short": "should not be empty",
}
"""Rules that pydantic words in its own terms."""


@final
@dataclass(frozen=True)
class Component:
    """A constructor by its dotted name, with the hyperparameters it is to be called with."""

    kind: str
    target: str
    arguments: dict[str, Any]

    def build(self, **provided: Any) -> Any:
        """Call the constructor.

        Raises ConfigError where it refuses its arguments or is none that may be named, as in a
        checkpoint from elsewhere.
        """
        constructor = _allowed(f"{self.kind}._target_", self.target)
        try:
            return constructor(**provided, **self.arguments)
        except (TypeError, ValueError) as error:
            raise ConfigError(f"`{self.kind}` ({self.target}): {error}") from error


@final
@dataclass(frozen=True)
class Plan:
    """Everything one training needs to know; picklable, and loads neither torch nor MLflow."""

    data: Component
    model: Component
    loss: Loss
    optimizer: Component
    scheduler: Component
    regularization: Regularization
    trainer: Trainer
    tracking: Tracking
    seed: int
    name: str | None
    resume: str | None
    test: bool  # whether a training by hand ends with a look at the test images
    choices: dict[str, str]
    """The option chosen of every group, such as `{"model": "dnn"}`."""
    config: dict[str, Any]
    """The whole resolved configuration, as it is kept with the run."""
    searched: tuple[str, ...] = ()
    """Keys that a search varies."""

    def with_trainer(self, **used: Any) -> "Plan":
        """Return the plan with other values of the trainer, which are kept with the run too."""
        trainer = self.trainer.model_copy(update=used)
        config = {**self.config, "trainer": {**self.config["trainer"], **used}}
        return replace(self, trainer=trainer, config=config)


@final
class ConfigValidator:
    """Checks parts of a resolved configuration one by one, and collects every problem."""

    def __init__(self, config: Mapping[str, Any]) -> None:
        self._config = config
        self.problems: list[str] = []

    def finish(self) -> None:
        """Raise ConfigError if there was any problem."""
        if self.problems:
            raise ConfigError(*dict.fromkeys(self.problems))

    def settings(self, model: type[BaseModel], key: str | None) -> Any:
        """Return the group `key` (None: the top level) as an instance of `model`."""
        values = self._config if key is None else self._config[key]
        try:
            return model.model_validate(values)
        except ValidationError as error:
            self.problems += _lines(error, key, model)
            return None

    def tracked(self) -> Any:
        """Return the tracking settings of a verb that reads runs back, so that off is a problem."""
        tracking = self.settings(Tracking, "tracking")
        if tracking is not None and not tracking.enabled:
            self.problems.append("`tracking`=off: cannot be, tracked runs are to be read")
        return tracking

    def component(self, kind: str) -> Any:
        """Return the group `kind` as a Component whose arguments fit its constructor."""
        values = self._config[kind]
        target = values.get("_target_")
        constructor = _constructor(kind, target, self.problems)
        if constructor is None:
            return None
        others = {"_target_", *NOT_ARGUMENTS.get(kind, ())}
        arguments = {k: v for k, v in values.items() if k not in others}
        signature = _signature(constructor, provided=INJECTED_ARGUMENTS[kind])
        try:
            checked = signature.model_validate(arguments)
        except ValidationError as error:
            self.problems += _lines(error, kind, signature)
            return None
        return Component(kind, str(target), {name: getattr(checked, name) for name in arguments})


class _TopLevel(BaseModel):
    model_config = ConfigDict(extra="forbid", coerce_numbers_to_str=True)
    data: Any
    model: Any
    regularization: Any
    optimizer: Any
    scheduler: Any
    trainer: Any
    tracking: Any
    seed: Seed = 1
    name: str | None = None
    resume: str | None = None
    reproduce: str | None = None
    test: Flag = True


class _Loss(BaseModel):
    model_config = ConfigDict(extra="ignore")
    loss: Loss = "softmax"


def make_plan(config: dict[str, Any], *, choices: dict[str, str]) -> Plan:
    """Check a resolved configuration and return it as plain objects.

    choices: the option chosen of every group.
    Raises ConfigError with every problem found in it.
    """
    check = ConfigValidator(config)
    components = {kind: check.component(kind) for kind in PLANNED}
    plan_parts = {
        "regularization": check.settings(Regularization, "regularization"),
        "trainer": check.settings(Trainer, "trainer"),
        "tracking": check.settings(Tracking, "tracking"),
    }
    top = check.settings(_TopLevel, None)
    loss = check.settings(_Loss, "model")
    check.problems = list(_said_once(check.problems))
    if not check.problems:
        settings = plan_parts["regularization"], plan_parts["trainer"]
        check.problems += _cross_checks(*settings, components["data"])
    check.finish()
    return Plan(
        **components,
        **plan_parts,
        loss=loss.loss,
        seed=top.seed,
        name=top.name,
        resume=top.resume,
        test=top.test,
        choices=choices,
        config=config,
    )


def _said_once(problems: list[str]) -> Iterable[str]:
    """Leave out what a model only takes over from the regularization."""
    causes = {p.removeprefix("`regularization.") for p in problems if p.startswith("`regulariz")}
    return (p for p in problems if p.removeprefix("`model.") not in causes)


def _cross_checks(
    regularization: Regularization, trainer: Trainer, data: Component
) -> Iterable[str]:
    patience = regularization.patience
    if data.arguments.get("validation_size") == 0:
        none = "`data.validation_size`=0: leaves no images to"
        if trainer.select == "best":
            yield f"{none} choose the best epoch by; add trainer.select=last"
        if patience is not None:
            yield f"{none} stop early by; add regularization.patience=null"
    if patience is not None and patience >= trainer.max_epochs:
        yield (
            f"`regularization.patience`={patience}: can never stop a training of "
            f"`trainer.max_epochs`={trainer.max_epochs}; lower it, or train longer"
        )


def _constructor(kind: str, target: Any, problems: list[str]) -> Callable | None:
    try:
        return _allowed(f"{kind}._target_", target)
    except ConfigError as error:
        problems.extend(error.problems)
        return None


def _allowed(key: str, target: Any) -> Callable:
    """Return what the target names.

    Raises ConfigError where its own home is not on the list either: `src.cli.entry.os.system` is
    found by way of a module that imports it, and belongs to another.
    """
    allowed = ", ".join(f"{prefix}*" for prefix in ALLOWED_TARGETS)
    refusal = f"`{key}`={target!r}: may only name one of {allowed}"
    if not isinstance(target, str) or not target.startswith(ALLOWED_TARGETS):
        raise ConfigError(refusal)
    try:
        found = resolve_name(target)
    except (ImportError, AttributeError, ValueError) as error:
        raise ConfigError(f"`{key}`={target!r}: there is no such function or class") from error
    if not callable(found):
        raise ConfigError(f"`{key}`={target!r}: is not a function or class")
    if not str(getattr(found, "__module__", "")).startswith(ALLOWED_TARGETS):
        raise ConfigError(refusal)
    return found


def _signature(constructor: Callable, *, provided: tuple[str, ...]) -> type[BaseModel]:
    """Return a pydantic model of the constructor's hyperparameters.

    Only the program's own signatures declare ranges; of others the names are checked here, and
    their values by the constructor itself.
    """
    ours = constructor.__module__.startswith("src.")
    fields: dict[str, Any] = {}
    for name, parameter in inspect.signature(constructor).parameters.items():
        if name in provided:
            continue
        empty = parameter.default is inspect.Parameter.empty
        annotation = parameter.annotation if ours else Any
        fields[name] = (annotation, Field(... if empty else parameter.default))
    return create_model(
        constructor.__name__, __config__=ConfigDict(extra="forbid", frozen=True), **fields
    )


def _lines(error: ValidationError, prefix: str | None, model: type[BaseModel]) -> Iterable[str]:
    """Give one line a key: the value, the rule, the fix."""
    seen = set()
    for problem in error.errors(include_url=False):
        name = str(problem["loc"][0])
        if name not in seen:
            seen.add(name)
            yield _line(problem, f"{prefix}.{name}" if prefix else name, name, prefix, model)


def _line(problem: Any, key: str, name: str, prefix: str | None, model: type[BaseModel]) -> str:
    if problem["type"] == "extra_forbidden":
        hint = nearest(name, model.model_fields, within=prefix) or _takes(prefix, model)
        return f"unknown key `{key}`{hint}"
    place = "".join(f"[{index}]" for index in problem["loc"][1:] if isinstance(index, int))
    if problem["type"] == "missing":
        return f"`{key}{place}` is missing; give it as {key}=VALUE"
    rule = RULES.get(problem["type"]) or problem["msg"].replace("Input should", "should")
    default = model.model_fields[name].default
    default = str(default) if isinstance(default, Path) else default
    fix = _nearest_word(problem) or (f"; the default is {default!r}" if default else "")
    return f"`{key}{place}`={problem['input']!r}: {rule}{fix}"


def _takes(prefix: str | None, model: type[BaseModel]) -> str:
    known = ", ".join(sorted(model.model_fields)) or "no values"
    return f"; `{prefix}` takes {known}" if prefix else f"; there are {known}"


def _nearest_word(problem: Any) -> str:
    """Return a hint at the nearest allowed word, where the rule lists words."""
    if problem["type"] != "literal_error":
        return ""
    words = problem["ctx"]["expected"].replace(" or ", ", ").replace("'", "").split(", ")
    return nearest(str(problem["input"]), words)
