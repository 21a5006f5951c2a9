"""Word and character error rates by jiwer, from counts by row that add up however rows were batched.

WER = (S + D + I) / N: the fewest substitutions, deletions and insertions of words that turn the reference
into the transcript, over the words of the reference. CER is the same of characters.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy

from seqloom.optional import import_optional

RATES = {"wer": "words", "cer": "characters"}
MAX_WORST = 10


def count_errors(references: Sequence[str], transcripts: Sequence[str]) -> dict[str, numpy.ndarray]:
    """Count substitutions, deletions, insertions and reference units of each row, of words and characters.

    Returns:
        `words` and `characters`, (n, 4) each.

    >>> count_errors(["one two three"], ["one too"])["words"]
    array([[1, 1, 0, 3]])
    """
    jiwer = import_optional("jiwer", "speech")
    outputs = {
        "words": jiwer.process_words(list(references), list(transcripts)),
        "characters": jiwer.process_characters(list(references), list(transcripts)),
    }
    return {
        name: numpy.array(
            [
                [*_count(alignment), len(reference)]
                for alignment, reference in zip(output.alignments, output.references, strict=True)
            ]
        )
        for name, output in outputs.items()
    }


def _count(alignment: Sequence[Any]) -> list[int]:
    counts = dict.fromkeys(("substitute", "delete", "insert", "equal"), 0)
    for chunk in alignment:
        reference, transcript = (
            chunk.ref_end_idx - chunk.ref_start_idx,
            chunk.hyp_end_idx - chunk.hyp_start_idx,
        )
        counts[chunk.type] += max(reference, transcript)
    return [counts[name] for name in ("substitute", "delete", "insert")]


def scores(totals: Mapping[str, numpy.ndarray]) -> dict[str, float]:
    """WER and CER, from the sums over rows of the counts of `count_errors`."""
    return {rate: float(totals[name][:3].sum() / totals[name][3]) for rate, name in RATES.items()}


def worst_rows(outputs: Sequence[Mapping[str, str]]) -> list[str]:
    """The ten rows with the most errors, with jiwer's alignment, as lines to print.

    Args:
        outputs: the `file`, the `expected` and the `predicted` text of each row.
    """
    jiwer = import_optional("jiwer", "speech")
    if not outputs:
        return []
    counts = count_errors(*([row[name] for row in outputs] for name in ("expected", "predicted")))
    words, characters = (counts[name][:, :3].sum(1).tolist() for name in ("words", "characters"))
    order = sorted(range(len(outputs)), key=lambda row: (-words[row], -characters[row], outputs[row]["file"]))
    lines: list[str] = []
    for row in order[:MAX_WORST]:
        if not characters[row]:
            break
        aligned = jiwer.process_words(outputs[row]["expected"], outputs[row]["predicted"])
        shown = jiwer.visualize_alignment(aligned, show_measures=False, skip_correct=False).splitlines()[1:]
        lines += [f"{outputs[row]['file']}: {words[row]} of {counts['words'][row, 3]} words"]
        lines += [line.rstrip() for line in shown if line.strip()]
    return lines
