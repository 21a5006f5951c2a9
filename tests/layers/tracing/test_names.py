"""Names of values: what there is, by pattern and by unit; those of docs/inspect.md are these."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from torch import nn

from seqloom.cells.spec import CELLS
from seqloom.errors import ConfigError
from seqloom.layers.recurrent import GRU, LSTM, RNN
from seqloom.layers.tracing import match_names, places, value_names
from seqloom.layers.tracing.names import LETTERS

PAGE = Path(__file__).parents[3] / "docs/inspect.md"
SIZES = {"layers.0.forget": 4, "layers.0.cell": 4, "layers.1.forget": 4}


def test_the_page_has_every_value_of_every_cell() -> None:
    section = PAGE.read_text().split("## Names of values")[1].split("| task |")[0]
    rows = re.findall(r"^\| `(\w+)` \| (.+?) \|", section, flags=re.MULTILINE)
    listed = {(name, cell.strip()) for name, cells in rows for cell in cells.split(",")}
    expected = {
        (LETTERS[letter], spec.cell_type.upper()) for spec in CELLS.values() for letter in spec.gates._fields
    }
    hidden = {("hidden", spec.cell_type.upper()) for spec in CELLS.values()}
    assert listed == expected | hidden


def test_names_follow_the_modules() -> None:
    model = nn.ModuleDict(
        {
            "encoder": nn.ModuleList([GRU(3, 4, bidirectional=True), GRU(8, 4)]),
            "decoder": LSTM(3, 4, num_layers=2),
            "layers": nn.ModuleList([RNN(3, 4)]),
            "members": nn.ModuleList([nn.ModuleDict({"layers": nn.ModuleList([RNN(3, 4)])})]),
        }
    )
    assert list(places(model)) == [
        *("encoder.layers.0", "encoder.layers.0.reverse", "encoder.layers.1"),
        *("decoder.layers.0", "decoder.layers.1", "layers.0", "members.0.layers.0"),
    ]
    assert value_names(model["layers"]) == ["layers.0.hidden"]
    assert places(model)["decoder.layers.1"].number == 1


def test_a_projection_has_its_own_width() -> None:
    (place,) = places(LSTM(3, 8, proj_size=2)).values()
    assert (place.sizes["cell"], place.sizes["hidden"]) == (8, 2)


def test_patterns_and_units() -> None:
    assert match_names("trace", "*.forget", SIZES) == [("layers.0.forget", None), ("layers.1.forget", None)]
    assert match_names("trace", "layers.0.cell.3", SIZES) == [("layers.0.cell", 3)]
    assert match_names("trace", "*.forget.0", SIZES) == [("layers.0.forget", 0), ("layers.1.forget", 0)]


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        (
            "layers.0.forgt",
            "expected the name of a value. Got layers.0.forgt. Did you mean `layers.0.forget`?",
        ),
        ("layers.0.cell.4", "layers.0.cell has units 0 to 3. Got 4. Did you mean `layers.0.cell.3`?"),
        (
            "*.sell",
            "expected the name of a value. Got *.sell. "
            "It is one of: layers.0.cell, layers.0.forget, layers.1.forget.",
        ),
    ],
)
def test_an_unknown_name_names_the_nearest(pattern: str, message: str) -> None:
    with pytest.raises(ConfigError) as error:
        match_names("trace", pattern, SIZES)
    assert str(error.value) == f"trace: {message}"


def test_many_unlike_names_are_not_all_listed() -> None:
    with pytest.raises(ConfigError, match=r"There are 36, from `layers\.0\.input` to `layers\.5\.hidden`"):
        match_names("trace", "nothing like it", dict.fromkeys(value_names(LSTM(3, 4, num_layers=6)), 4))
