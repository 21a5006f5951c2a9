"""Made-up reviews: the last clause decides the label, and a `not` some words before inverts it."""

from __future__ import annotations

import random
from itertools import islice
from pathlib import Path

from seqloom.files import write_atomically

GOOD = ["good", "lovely", "fresh", "warm", "clever", "friendly", "bright", "generous"]
BAD = ["bad", "dull", "stale", "cold", "clumsy", "rude", "dim", "stingy"]
THINGS = ["soup", "service", "room", "music", "story", "ending", "garden", "view", "bread", "host"]
DEGREES = ["very", "really", "quite", "particularly", "all that"]
NOT = ["not", "never", "hardly"]
ROWS = {"train": 3000, "validation": 300, "test": 300}


def write_toy_data_files(folder: Path, seed: int) -> str:
    """Write train.tsv, validation.tsv and test.tsv with the columns text and label; no split has a text of
    one before it."""
    generator = random.Random(seed)
    earlier: set[str] = set()
    for split, count in ROWS.items():
        reviews = iter(lambda: _review(generator), None)
        rows = list(islice((row for row in reviews if row[0] not in earlier), count))
        lines = ["text\tlabel", *("\t".join(row) for row in rows)]
        write_atomically(folder / f"{split}.tsv", "\n".join(lines) + "\n")
        earlier |= {text for text, _ in rows}
    return "short reviews whose label depends on their last clause, and on a `not` some words before"


def _review(generator: random.Random) -> tuple[str, str]:
    """For example: the soup was warm but the host was not really all that friendly . (negative)."""
    first, second = generator.sample(THINGS, 2)
    clause, is_positive = _clause(generator, second)
    form = generator.randrange(3)
    if form == 0:
        text = clause
    elif form == 1:
        text = f"{_clause(generator, first)[0]} but {clause}"
    else:
        text = f"although {_clause(generator, first)[0]} , {clause}"
    return f"{text} .", "positive" if is_positive else "negative"


def _clause(generator: random.Random, thing: str) -> tuple[str, bool]:
    """A clause, and whether it is positive."""
    good, negated = generator.random() < 0.5, generator.random() < 0.4
    degrees = generator.sample(DEGREES, generator.randrange(3))
    words = [*([generator.choice(NOT)] if negated else []), *degrees, generator.choice(GOOD if good else BAD)]
    return f"the {thing} was {' '.join(words)}", good != negated
