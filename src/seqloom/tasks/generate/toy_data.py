"""Made-up text: sentences of a small grammar, whose verbs agree in number with their subjects."""

from __future__ import annotations

import random
from pathlib import Path

from seqloom.files import write_atomically

NOUNS = ["dog", "cat", "bird", "child", "farmer", "river", "engine", "letter", "garden", "teacher"]
VERBS = ["see", "follow", "hear", "carry", "remember", "praise"]
ADJECTIVES = ["old", "small", "quiet", "green", "patient"]
SENTENCES = {"train": 6000, "validation": 600, "test": 600}


def write_toy_data_files(folder: Path, seed: int) -> str:
    """Write train.txt, validation.txt and test.txt."""
    generator = random.Random(seed)
    for split, count in SENTENCES.items():
        text = "".join(f"{_sentence(generator)}\n" for _ in range(count))
        write_atomically(folder / f"{split}.txt", text)
    return "sentences of a small grammar, whose verbs agree with their subjects across a clause"


def _sentence(generator: random.Random) -> str:
    """For example: the old dogs that the child sees follow a bird."""
    is_plural, is_clause_plural = generator.random() < 0.5, generator.random() < 0.5
    clause = ""
    if generator.random() < 0.5:
        clause = f" that {_phrase(generator, is_clause_plural)} {_verb(generator, is_clause_plural)}"
    verb, thing = _verb(generator, is_plural), _phrase(generator, generator.random() < 0.5)
    return f"{_phrase(generator, is_plural)}{clause} {verb} {thing}."


def _phrase(generator: random.Random, is_plural: bool) -> str:
    adjective = f"{generator.choice(ADJECTIVES)} " if generator.random() < 0.4 else ""
    noun = generator.choice(NOUNS)
    if is_plural:
        return f"the {adjective}{'children' if noun == 'child' else noun + 's'}"
    article = generator.choice(("the", "a"))
    first = (adjective or noun)[0]
    return f"{'an' if article == 'a' and first in 'aeiou' else article} {adjective}{noun}"


def _verb(generator: random.Random, is_plural: bool) -> str:
    verb = generator.choice(VERBS)
    if is_plural:
        return verb
    return "carries" if verb == "carry" else f"{verb}s"
