"""What is compared: a cell and a direction each, of equal parameters or equal width."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from torch import nn

from seqloom.cells.spec import CELL_TYPES, GATED_CELL_TYPES
from seqloom.errors import ConfigError, nearest
from seqloom.runs.config import PARTS, RunConfig, resolve
from seqloom.runs.run_folder import build_without_memory
from seqloom.training.job import Job

DIRECTIONS = ("one", "both")
EQUAL = ("parameters", "width")
WIDEST = 1 << 14


class Variant(NamedTuple):
    """A cell, a direction and a size."""

    cell_type: str
    direction: str
    hidden_size: int
    parameters: int
    """Of the whole model, those that are trained"""
    width_setting: str = "hidden_size"
    """Which setting of the model its size is"""
    without_chrono_init: bool = False
    """Whether the settings have `model.chrono_init`, which this cell cannot have"""

    @property
    def name(self) -> str:
        """As `lstm-both`, of which run folders are named."""
        return f"{self.cell_type}-{self.direction}"

    def config(self, config: RunConfig, seed: int = 0) -> RunConfig:
        """The configuration of a run, of which cell, direction, width and seed are replaced."""
        width = {self.width_setting: self.hidden_size}
        return _with_cell(config, self.cell_type, self.direction, width, seed)


def choose_variants(job: Job, cells: Sequence[str], directions: Sequence[str], equal: str) -> list[Variant]:
    """Every cell in every direction, as large as the first one, which has the width of the settings.

    Args:
        job: configuration and preparation.
        cells: cell types.
        directions: `one`, `both`.
        equal: `parameters`, of the whole model, as nearly as a width in whole units allows; or `width`.

    Raises:
        ConfigError: a name that does not exist, or a direction that the task does not have.
    """
    _check(job, cells, directions, equal)
    setting = _width_setting(job)
    width: int = getattr(job.config.model, setting)
    variants: list[Variant] = []
    for cell in dict.fromkeys(cells):
        for direction in dict.fromkeys(directions):

            def count(hidden_size: int, cell: str = cell, direction: str = direction) -> int:
                config = _with_cell(job.config, cell, direction, {setting: hidden_size}, 0)
                return count_parameters(build_without_memory(config, job.preparation))

            size = width
            if equal == "parameters" and variants:
                size = nearest_width(count, variants[0].parameters)
            without = without_chrono_init(job.config, cell)
            variants.append(Variant(cell, direction, size, count(size), setting, without))
    return variants


def _width_setting(job: Job) -> str:
    """The setting by which a model grows: `hidden_size`, or what takes its place, as for piano rolls."""

    def count(**model: int) -> int:
        config = resolve(job.config.task, [_parts(job.config), {"model": model}])
        return count_parameters(build_without_memory(config, job.preparation))

    names = [name for name in type(job.config.model).model_fields if name.endswith("hidden_size")]
    for name in names:
        width: int = getattr(job.config.model, name)
        if count(**{name: width + 1}) != count():
            return name
    expected = f"the parameters of a model must grow with one of {', '.join(names)}"
    raise ConfigError("compare", expected, got=f"{count():,} parameters whatever they are")


def count_parameters(model: nn.Module) -> int:
    """Those that are trained."""
    return sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)


def nearest_width(count: Callable[[int], int], target: int) -> int:
    """The width whose parameters are nearest to a target.

    Args:
        count: parameters of a width, which grow with it.
        target: parameters.

    >>> nearest_width(lambda width: 4 * width * width, 1000)
    16
    """
    low, high = 1, 2
    while count(high) < target and high < WIDEST:
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if count(middle) < target else (low, middle)
    return min((low, high), key=lambda width: abs(count(width) - target))


def _with_cell(config: RunConfig, cell: str, direction: str, width: dict[str, int], seed: int) -> RunConfig:
    model: dict[str, object] = {"cell_type": cell, **width}
    if without_chrono_init(config, cell):
        model["chrono_init"] = None
    if "bidirectional" in type(config.model).model_fields:
        model["bidirectional"] = direction == "both"
    return resolve(config.task, [_parts(config), {"model": model, "training": {"seed": seed}}])


def without_chrono_init(config: RunConfig, cell: str) -> bool:
    """Whether the settings have a `model.chrono_init` that a cell cannot have, since it has no gates."""
    return cell not in GATED_CELL_TYPES and getattr(config.model, "chrono_init", None) is not None


def _parts(config: RunConfig) -> dict[str, object]:
    values = config.to_dict()
    return {part: values[part] for part in PARTS}


def _check(job: Job, cells: Sequence[str], directions: Sequence[str], equal: str) -> None:
    for option, values, known in (
        ("--cells", cells, CELL_TYPES),
        ("--directions", directions, DIRECTIONS),
        ("--equal", [equal], EQUAL),
    ):
        if not values:
            raise ConfigError(f"compare {option}", f"expected some of {', '.join(known)}", got="none")
        for value in values:
            if value not in known:
                raise ConfigError(f"compare {option}", f"unknown `{value}`", hint=nearest(value, known))
    if "both" in directions and "bidirectional" not in type(job.config.model).model_fields:
        raise ConfigError(
            "compare --directions",
            f"must be one for the task {job.config.task.name}, whose models write what they read on",
            got="both",
        )
