"""The ranges that constructor signatures declare and `src.config.plan` checks."""

from typing import Annotated

from pydantic import Field

_FINITE = {"strict": True, "allow_inf_nan": False}

Probability = Annotated[float, Field(ge=0, lt=1, **_FINITE)]
NonNegative = Annotated[float, Field(ge=0, **_FINITE)]
Positive = Annotated[float, Field(gt=0, **_FINITE)]
PositiveInt = Annotated[int, Field(ge=1, strict=True)]
NonNegativeInt = Annotated[int, Field(ge=0, strict=True)]
Flag = Annotated[bool, Field(strict=True)]
Seed = Annotated[int, Field(ge=0, lt=2**32, strict=True)]
ImageShape = tuple[PositiveInt, PositiveInt, PositiveInt]
"""Channels, height, width."""
Fraction = Annotated[float, Field(gt=0, lt=1, **_FINITE)]
SplitSize = PositiveInt | Fraction
"""A whole number counts images, a fraction below 1 is that share of them (as in scikit-learn)."""
ValidationSize = NonNegativeInt | Fraction
"""The same, or 0: every image that does not test is trained on."""
