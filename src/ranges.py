"""The ranges that constructor signatures declare and `src.config` checks."""

from typing import Annotated

from pydantic import Field

Probability = Annotated[float, Field(ge=0, lt=1)]
NonNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
PositiveInt = Annotated[int, Field(ge=1)]
NonNegativeInt = Annotated[int, Field(ge=0)]
Seed = Annotated[int, Field(ge=0, lt=2**32)]
ImageShape = tuple[PositiveInt, PositiveInt, PositiveInt]
"""Channels, height, width."""
SplitSize = PositiveInt | Annotated[float, Field(gt=0, lt=1)]
"""A whole number counts images, a fraction below 1 is that share of them (as in scikit-learn)."""
