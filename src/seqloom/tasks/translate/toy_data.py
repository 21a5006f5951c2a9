"""Toy pairs: sentences of a small grammar, translated into a made-up language of another word order."""

from __future__ import annotations

import random
from pathlib import Path

from seqloom.files import write_atomically

NOUNS = {"dog": "vako", "cat": "miru", "child": "teno", "farmer": "golba", "teacher": "suli", "bird": "pefa"}
THINGS = {"house": "dorni", "letter": "kasu", "boat": "lumo", "garden": "hezi", "song": "wita"}
ADJECTIVES = {"old": "ur", "small": "ip", "green": "oza", "quiet": "ame", "red": "ek", "heavy": "bun"}
VERBS = {"sees": "nalat", "carries": "porut", "follows": "sefit", "hears": "riket", "paints": "dovat"}
PLACES = {"today": "jel", "in the morning": "jel mopi", "at night": "jel taro", "by the river": "ho zebu"}
ARTICLES = {"the": "ka", "a": "o"}
PAIRS = {"train": 2000, "validation": 200, "test": 200}

TextPair = tuple[str, str]


def write_toy_data_files(folder: Path, seed: int) -> str:
    """Write train.tsv, validation.tsv and test.tsv."""
    generator = random.Random(seed)
    seen: set[TextPair] = set()
    for split, count in PAIRS.items():
        rows: list[TextPair] = []
        while len(rows) < count:
            if (pair := _sentence(generator)) not in seen:
                seen.add(pair)
                rows.append(pair)
        lines = ["source\ttarget", *("\t".join(row) for row in rows)]
        write_atomically(folder / f"{split}.tsv", "".join(f"{line}\n" for line in lines))
    return (
        "sentences of a small grammar, translated into a language with verbs last and adjectives after nouns"
    )


def _sentence(generator: random.Random) -> TextPair:
    """For example: `today the old dog sees a boat` and `ka vako ur o lumo jel nalat`"""
    subject, subject_there = _phrase(generator, NOUNS)
    thing, thing_there = _phrase(generator, {**NOUNS, **THINGS})
    verb, verb_there = _word(generator, VERBS)
    here, there = f"{subject} {verb} {thing}", f"{subject_there} {thing_there} {verb_there}"
    if generator.random() < 0.5:
        place, place_there = _word(generator, PLACES)
        here, there = f"{place} {here}", f"{subject_there} {thing_there} {place_there} {verb_there}"
    return here, there


def _phrase(generator: random.Random, nouns: dict[str, str]) -> TextPair:
    article, article_there = _word(generator, ARTICLES)
    noun, noun_there = _word(generator, nouns)
    if generator.random() < 0.5:
        adjective, adjective_there = _word(generator, ADJECTIVES)
        an = "an" if article == "a" and adjective[0] in "aeiou" else article
        return f"{an} {adjective} {noun}", f"{article_there} {noun_there} {adjective_there}"
    return f"{article} {noun}", f"{article_there} {noun_there}"


def _word(generator: random.Random, words: dict[str, str]) -> TextPair:
    return generator.choice(list(words.items()))
