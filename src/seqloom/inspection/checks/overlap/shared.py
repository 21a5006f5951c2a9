"""Training and the split that is measured share no example, nor many that are nearly equal."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from itertools import islice

from seqloom.inspection.checks.finding import Finding, NotApplicableError
from seqloom.inspection.checks.overlap.near_duplicates import SIMILARITY, find_near
from seqloom.inspection.checks.overlap.pieces import read_pieces
from seqloom.inspection.checks.sampling.subject import Subject

ALLOWED_SHARED = 0.01
"""Of the examples: short texts occur twice by themselves"""
ALLOWED_NEAR = 0.1
"""Of the examples: sentences of one kind are alike by themselves"""
MOST_LEARNT, MOST_MEASURED = 200_000, 20_000
"""Examples that are compared: more would take minutes"""
TOO_SHORT = "no example is long enough to be compared"


def check_shared_examples(subject: Subject) -> Finding:
    """Equal inputs in training and in the split that is measured."""
    known, learnt = _learnt(subject)
    measured = _measured(subject)
    shared = [piece for piece in measured if _key(piece) in known]
    share = len(shared) / len(measured)
    shown = next((f", such as {piece[:50]!r}" for piece in shared if isinstance(piece, str)), "")
    evidence = (
        f"{len(shared):,} of {len(measured):,} examples of {subject.split} are among {learnt:,} of "
        f"training ({share:.1%}; allowed {ALLOWED_SHARED:.0%}){shown}"
    )
    numbers = {"shared": len(shared), "measured": len(measured), "learnt": learnt, "share": share}
    return Finding(share <= ALLOWED_SHARED, evidence, numbers)


def check_near_duplicates(subject: Subject) -> Finding:
    """Texts of the split that is measured which nearly equal one of training."""
    _require_other_split(subject)
    first = next(_read(subject, subject.split, 1), None)
    if first is not None and not isinstance(first, str):
        raise NotApplicableError("its inputs are no texts")
    known, _ = _learnt(subject)
    texts = [piece for piece in _measured(subject) if isinstance(piece, str)]
    new = [piece for piece in texts if _key(piece) not in known]
    near = find_near(new, lambda: (p for p in _read(subject, "train", MOST_LEARNT) if isinstance(p, str)))
    share = len(near) / len(texts)
    shown = f", such as {new[near[0].number][:50]!r}" if near else ""
    evidence = (
        f"{len(near):,} of {len(texts):,} examples of {subject.split} nearly equal one of training "
        f"(similarity from {SIMILARITY}; {share:.1%}; allowed {ALLOWED_NEAR:.0%}){shown}"
    )
    return Finding(
        share <= ALLOWED_NEAR, evidence, {"near": len(near), "measured": len(texts), "share": share}
    )


def _learnt(subject: Subject) -> tuple[set[bytes], int]:
    """The keys of the examples of training, and how many those are; the examples themselves are not held."""
    _require_other_split(subject)
    known, count = set[bytes](), 0
    for piece in _read(subject, "train", MOST_LEARNT):
        known.add(_key(piece))
        count += 1
    if not count:
        raise NotApplicableError(TOO_SHORT)
    return known, count


def _measured(subject: Subject) -> list[str | bytes]:
    measured = list(_read(subject, subject.split, MOST_MEASURED))
    if not measured:
        raise NotApplicableError(TOO_SHORT)
    return measured


def _require_other_split(subject: Subject) -> None:
    if subject.split in ("train", "all"):
        raise NotApplicableError(f"the split {subject.split} has what training has")


def _read(subject: Subject, split: str, most: int) -> Iterator[str | bytes]:
    return islice(read_pieces(subject.data, split, subject.preparation.column), most)


def _key(piece: str | bytes) -> bytes:
    """16 bytes. Texts are equal whatever white space is between their words."""
    if isinstance(piece, bytes):
        return hashlib.blake2b(piece, digest_size=16).digest()
    words = " ".join(piece.split()).encode("utf-8", "surrogatepass")
    return hashlib.blake2b(words, digest_size=16, person=b"text").digest()
