"""The `model.*` keys of the recurrent layers, which every task has."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from pydantic import AfterValidator, Field, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

from seqloom.cells.spec import CELL_TYPES, GATED_CELL_TYPES
from seqloom.errors import nearest
from seqloom.layers.recurrent.options import MAX_STEPS
from seqloom.models.dropout import Dropouts
from seqloom.models.recurrent_stack import RecurrentConfig
from seqloom.settings import LayerCount, PositiveInt, Probability, StrictConfig


def _check_cell_type(name: str) -> str:
    if name not in CELL_TYPES:
        hint = nearest(name, CELL_TYPES)
        raise PydanticCustomError("cell_type", "must be the name of a cell", {"hint": hint})
    return name


CellType: TypeAlias = Annotated[str, AfterValidator(_check_cell_type)]
"""A name in `seqloom.layers.recurrent.CELL_TYPES`."""


class RecurrentModelConfig(StrictConfig):
    """The `model.*` keys that every task has; a task may have defaults of its own."""

    cell_type: CellType = "lstm"
    """The recurrent cell: `rnn`, `lstm`, `gru`."""
    hidden_size: PositiveInt = 128
    """Hidden units of a layer and direction."""
    num_layers: LayerCount = 1
    """Recurrent layers on top of one another."""
    dropout: Probability = 0.0
    """Of units at the input, between layers and at the output."""
    locked_dropout: bool = False
    """One mask for all steps of a sequence (variational dropout)."""
    weight_dropout: Probability = 0.0
    """Of recurrent weights (DropConnect)."""
    recurrent_dropout: Probability = 0.0
    """Of units of the recurrent state, one mask for a sequence."""
    layer_norm: bool = False
    """Normalize the products at every step."""
    zoneout: Probability = 0.0
    """Probability that a unit keeps its value."""
    chrono_init: Annotated[int, Field(ge=2, le=MAX_STEPS)] | None = None
    """The longest dependency of the data in steps, such as the length of its sequences: units of an `lstm` or
    `gru` keep their state for up to that long when training begins. None: a few steps."""
    kernel: Literal["auto", "reference", "torch", "native"] = "auto"
    """What runs the recurrence; `auto` is the fastest that can."""

    @field_validator("chrono_init")
    @classmethod
    def _check_chrono_init(cls, steps: int | None, info: ValidationInfo) -> int | None:
        cell = info.data.get("cell_type")
        if steps is not None and cell is not None and cell not in GATED_CELL_TYPES:
            gated = {"gated": " or ".join(GATED_CELL_TYPES)}
            raise PydanticCustomError("chrono_init", "must be null unless model.cell_type is {gated}", gated)
        return steps

    def recurrent_config(self, dropouts: Dropouts, bidirectional: bool = False) -> RecurrentConfig:
        """The layers as a model takes them, dropped at the input, between layers and at the output."""
        return RecurrentConfig(
            self.cell_type,
            self.hidden_size,
            self.num_layers,
            bidirectional,
            dropouts._replace(
                weight=self.weight_dropout, recurrent=self.recurrent_dropout, locked=self.locked_dropout
            ),
            self.layer_norm,
            self.zoneout,
            self.kernel,
            self.chrono_init,
        )
