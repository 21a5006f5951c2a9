"""What every part of a configuration is made of: strict keys, and the types of their values."""

from __future__ import annotations

from typing import Annotated, TypeAlias

from pydantic import BaseModel, ConfigDict, Field

PositiveInt: TypeAlias = Annotated[int, Field(ge=1)]
LayerCount: TypeAlias = Annotated[int, Field(ge=1, le=100)]
BeamCount: TypeAlias = Annotated[int, Field(ge=1, le=1000)]
LengthPenalty: TypeAlias = Annotated[float, Field(ge=-10, le=10)]
VocabularySize: TypeAlias = Annotated[int, Field(ge=2)]
Probability: TypeAlias = Annotated[float, Field(ge=0, lt=1)]


class StrictConfig(BaseModel):
    """The keys of one part, such as `training.*`. A value of another type, or an unknown key, is an error."""

    # Validators are built when they are first used: a program uses the configurations of one task.
    model_config = ConfigDict(strict=True, extra="forbid", defer_build=True)
