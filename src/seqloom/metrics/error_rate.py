"""Word and character error rates by jiwer, from counts of single rows: so they add up, in any batches.

WER = (S + D + I) / N: the fewest words that must be put in the place of others, left out and put in to come
from what was said to what was understood, over the words that were said. CER is the same of characters.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy

from seqloom.optional import import_optional

RATES = {"wer": "words", "cer": "characters"}
WORST = 10


def count_errors(expected: Sequence[str], found: Sequence[str]) -> dict[str, numpy.ndarray]:
    """Of each row substitutions, deletions, insertions, and how many were said: words, characters, (n, 4).

    >>> count_errors(["one two three"], ["one too"])["words"]
    array([[1, 1, 0, 3]])
    """
    jiwer = import_optional("jiwer", "speech")
    outputs = {
        "words": jiwer.process_words(list(expected), list(found)),
        "characters": jiwer.process_characters(list(expected), list(found)),
    }
    return {
        name: numpy.array(
            [
                [*_count(chunks), len(said)]
                for chunks, said in zip(output.alignments, output.references, strict=True)
            ]
        )
        for name, output in outputs.items()
    }


def _count(chunks: Sequence[Any]) -> list[int]:
    counts = dict.fromkeys(("substitute", "delete", "insert", "equal"), 0)
    for chunk in chunks:
        said, understood = chunk.ref_end_idx - chunk.ref_start_idx, chunk.hyp_end_idx - chunk.hyp_start_idx
        counts[chunk.type] += max(said, understood)
    return [counts[name] for name in ("substitute", "delete", "insert")]


def scores(totals: Mapping[str, numpy.ndarray]) -> dict[str, float]:
    """WER and CER, from sums of what `count_errors` gives."""
    return {rate: float(totals[name][:3].sum() / totals[name][3]) for rate, name in RATES.items()}


def worst(outputs: Sequence[Mapping[str, str]]) -> list[str]:
    """The ten rows with the most errors, with jiwer's alignment, as lines to print.

    Args:
        outputs: of each row its `file`, and what was `expected` and `found`.
    """
    jiwer = import_optional("jiwer", "speech")
    if not outputs:
        return []
    counted = count_errors(*([row[name] for row in outputs] for name in ("expected", "found")))
    words, characters = (counted[name][:, :3].sum(1).tolist() for name in ("words", "characters"))
    order = sorted(range(len(outputs)), key=lambda row: (-words[row], -characters[row], outputs[row]["file"]))
    lines: list[str] = []
    for row in order[:WORST]:
        if not characters[row]:
            break
        aligned = jiwer.process_words(outputs[row]["expected"], outputs[row]["found"])
        shown = jiwer.visualize_alignment(aligned, show_measures=False, skip_correct=False).splitlines()[1:]
        lines += [f"{outputs[row]['file']}: {words[row]} of {counted['words'][row, 3]} words"]
        lines += [line.rstrip() for line in shown if line.strip()]
    return lines
