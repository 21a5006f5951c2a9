"""The names of what recurrent layers compute: `layers.0.forget`, `layers.1.reverse.update`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase
from typing import NamedTuple

from torch import nn

from seqloom.cells.spec import CELLS
from seqloom.errors import ConfigError, nearest
from seqloom.layers.recurrent.generic import LAYER_CLASSES
from seqloom.layers.recurrent.parameters import Layer

HIDDEN, CELL = "hidden", "cell"
LETTERS = {
    "i": "input",
    "f": "forget",
    "g": "candidate",
    "o": "output",
    "c": CELL,
    "r": "reset",
    "z": "update",
    "n": "candidate",
    "h": HIDDEN,
}
"""The letters of equations, in full; a cell whose letter is not here keeps it as the name"""


class Place(NamedTuple):
    """One direction of one layer.

    Fields:
        layer: the module, which may have several layers.
        number: of the direction among those of the module, as in the first dimension of its state.
        is_reverse: whether it reads from the end to the start.
    """

    layer: Layer
    number: int
    is_reverse: bool

    @property
    def gates(self) -> dict[str, str]:
        """The letters of its gate values by their names; `hidden` is not among them, unless it is all."""
        letters: tuple[str, ...] = CELLS[self.layer.cell].gates._fields
        return {LETTERS.get(letter, letter): letter for letter in letters}

    @property
    def sizes(self) -> dict[str, int]:
        """The units of each of its values by name."""
        units: int = self.layer.hidden_size
        return {**dict.fromkeys(self.gates, units), HIDDEN: self.layer.proj_size or units}


def places(module: nn.Module) -> dict[str, Place]:
    """The recurrent layers of a module by name, in the order of the module, both directions of each.

    The items of a list or a stack are `layers.0`, `layers.1` … below the name of what has them; so are the
    layers of one `LSTM(…, num_layers=2)`.

    >>> from seqloom.layers.recurrent import GRU
    >>> list(places(GRU(3, 4, num_layers=2, bidirectional=True)))
    ['layers.0', 'layers.0.reverse', 'layers.1', 'layers.1.reverse']
    >>> list(places(nn.ModuleDict({"encoder": nn.ModuleList([GRU(3, 4)]), "decoder": GRU(3, 4)})))
    ['encoder.layers.0', 'decoder.layers.0']
    """
    named: dict[str, Place] = {}
    for path, part in module.named_modules():
        if not isinstance(part, LAYER_CLASSES):
            continue
        layer: Layer = part
        directions = 1 + layer.bidirectional
        for number in range(layer.num_layers * directions):
            name = f"{_stack_of(path, layer.num_layers)}.{_number_of(path, layer, number // directions)}"
            is_reverse = bool(number % directions)
            named[f"{name}.reverse" if is_reverse else name] = Place(layer, number, is_reverse)
    return named


def value_names(module: nn.Module) -> list[str]:
    """The names of all values of a module's recurrent layers.

    >>> from seqloom.layers.recurrent import LSTM
    >>> print(*value_names(LSTM(3, 4)), sep=", ")
    layers.0.input, layers.0.forget, layers.0.candidate, layers.0.output, layers.0.cell, layers.0.hidden
    """
    return [f"{name}.{value}" for name, place in places(module).items() for value in place.sizes]


def match_names(who: str, pattern: str, sizes: dict[str, int]) -> list[tuple[str, int | None]]:
    """The names that a name or a pattern stands for, each with the number of a unit; None: all units.

    Args:
        who: what a message begins with.
        pattern: a name, `*.forget`, or either with the number of a unit at its end: `layers.0.cell.12`.
        sizes: the names that there are, and how many units each has.

    Raises:
        ConfigError: there is none, or it has no such unit; the nearest is named.

    >>> match_names("trace", "layers.*.cell.3", {"layers.0.cell": 4, "layers.1.cell": 4})
    [('layers.0.cell', 3), ('layers.1.cell', 3)]
    """
    stem, _, last = pattern.rpartition(".")
    unit = int(last) if last.isdecimal() else None
    if names := [name for name in sizes if fnmatchcase(name, pattern)]:
        return [(name, None) for name in names]
    if unit is None or not (names := [name for name in sizes if fnmatchcase(name, stem)]):
        raise ConfigError(who, "expected the name of a value", got=pattern, hint=nearest_name(pattern, sizes))
    for name in names:
        if unit >= sizes[name]:
            hint = f"Did you mean `{name}.{sizes[name] - 1}`?"
            raise ConfigError(who, f"{name} has units 0 to {sizes[name] - 1}", got=unit, hint=hint)
    return [(name, unit) for name in names]


def nearest_name(name: str, names: Iterable[str]) -> str:
    """A hint for a name that does not exist; of many names that are unlike it, the first and the last."""
    ordered: Sequence[str] = list(names)
    if not ordered:
        return "There are no recurrent layers"
    hint = nearest(name, ordered)
    if hint.startswith("Did") or len(ordered) <= 12:
        return hint
    return f"There are {len(ordered):,}, from `{ordered[0]}` to `{ordered[-1]}`"


def _stack_of(path: str, num_layers: int) -> str:
    """`encoder.layers`: what the numbers of layers follow, for a layer at `encoder.0` or at `encoder`."""
    parts = path.split(".") if path else []
    if parts and parts[-1].isdecimal() and num_layers == 1:
        parts = parts[:-1]
    return ".".join(parts if parts and parts[-1] == "layers" else [*parts, "layers"])


def _number_of(path: str, layer: Layer, number: int) -> int:
    last = path.rpartition(".")[2]
    return int(last) if layer.num_layers == 1 and last.isdecimal() else number
