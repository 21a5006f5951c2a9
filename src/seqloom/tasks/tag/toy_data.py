"""Toy sentences of a harbor's log, in which the tag of a name follows from a word before it and one after it.

The title (`captain` or `steamer`) and the verb (`arrives` or `departs`) decide on the tag, with up to six
words between. A name with the title `pilot`, or with the verb `waits`, is not tagged. So a model that reads
in one direction can only guess.
"""

from __future__ import annotations

import itertools
import random
from pathlib import Path

from seqloom.files import write_atomically

TYPES = {
    ("captain", "arrives"): "GUEST",
    ("captain", "departs"): "TRAVELLER",
    ("steamer", "arrives"): "ARRIVAL",
    ("steamer", "departs"): "DEPARTURE",
}
TITLES, TITLE_WEIGHTS = ("captain", "steamer", "pilot"), (2, 2, 1)
VERBS, VERB_WEIGHTS = ("arrives", "departs", "waits"), (2, 2, 1)
FILLERS = (
    "the", "in", "at", "of", "with", "from", "for", "so", "late", "early", "again", "fog", "rain", "night",
    "noon", "morning", "quay", "coal", "mail", "salt",
)  # fmt: skip
SYLLABLES = (
    "ba", "dor", "el", "fi", "gar", "hol", "in", "ka", "lu", "mor", "na", "or", "pe", "ri", "sul", "ta",
    "ul", "vek", "wi", "zan",
)  # fmt: skip
NAMES = 5000
MAX_FILLERS, MAX_NAMES, MAX_CLAUSES = 6, 3, 3
SENTENCES = {"train": 4000, "validation": 500, "test": 500}

Tokens = list[tuple[str, str]]


def write_toy_data_files(folder: Path, seed: int) -> str:
    """Write train.conll, validation.conll and test.conll."""
    generator = random.Random(seed)
    names = ["".join(generator.choices(SYLLABLES, k=generator.randint(2, 4))).title() for _ in range(NAMES)]
    # Few names are frequent and many are rare, so that the test split has new ones.
    weights = list(itertools.accumulate(1 / rank for rank in range(1, NAMES + 1)))
    seen: set[str] = set()
    for split, count in SENTENCES.items():
        sentences: list[str] = []
        while len(sentences) < count:
            lines = "".join(f"{token} {tag}\n" for token, tag in _sentence(generator, names, weights))
            if lines not in seen:
                seen.add(lines)
                sentences.append(lines)
        made_up = f"# Made up by `seqloom toy-data tag`: a token and its tag a line ({split}).\n\n"
        write_atomically(folder / f"{split}.conll", made_up + "\n".join(sentences))
    return "sentences of a harbor's log, in which a name's tag follows from a word before it and one after it"


def _sentence(generator: random.Random, names: list[str], weights: list[float]) -> Tokens:
    """For example: captain in fog Zanel Dorta of the night departs ."""
    tokens: Tokens = []
    for number in range(generator.randint(1, MAX_CLAUSES)):
        title, verb = (
            generator.choices(words, chances)[0]
            for words, chances in ((TITLES, TITLE_WEIGHTS), (VERBS, VERB_WEIGHTS))
        )
        kind = TYPES.get((title, verb))
        named = generator.choices(names, cum_weights=weights, k=generator.randint(1, MAX_NAMES))
        tags = ["O"] * len(named) if kind is None else [f"B-{kind}", *[f"I-{kind}"] * (len(named) - 1)]
        tokens += [(",", "O")] if number else []
        tokens += [(title, "O"), *_fillers(generator), *zip(named, tags, strict=True)]
        tokens += [*_fillers(generator), (verb, "O")]
    return [*tokens, (".", "O")]


def _fillers(generator: random.Random) -> Tokens:
    return [(word, "O") for word in generator.choices(FILLERS, k=generator.randint(0, MAX_FILLERS))]
