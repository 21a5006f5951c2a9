"""Writing tunes event by event: a step callable and the grammar, from the tokens of a primer on."""

from __future__ import annotations

from collections.abc import Sequence
from math import lcm

import numpy
import torch
from torch import Tensor

from seqloom.baselines.kneser_ney import NGram
from seqloom.data.music.tune import DURATION, ONSET, VELOCITY, Tune
from seqloom.decoding import DecodingOptions, Step, decode, prefill
from seqloom.errors import ConfigError
from seqloom.state import State
from seqloom.tasks.compose.config import DecodingConfig
from seqloom.tasks.compose.events.grammar import Grammar, Limits, TuneState
from seqloom.tasks.compose.events.preparation import Preparation

PREFILL_CHUNK = 1024
"""Tokens of a primer read at once, which bounds memory; the output does not depend on it."""
RARELY = 0.05
"""Share of training tunes that change their metre, below which written tunes do not"""
MAX_TICKS_PER_QUARTER = 30_000
"""A MIDI file can state 32,767."""


def write_tunes(
    step: Step,
    state: State | None,
    preparation: Preparation,
    primers: Sequence[Tune | None],
    config: DecodingConfig,
    seeds: Sequence[int],
    device: torch.device | None = None,
) -> list[Tune]:
    """Write a tune for each primer, all of them in one batch.

    Args:
        step: of the model.
        state: before the first token; None if `step` takes None.
        preparation: of the model.
        primers: the beginning of each tune; None: from nothing.
        config: how many bars are added, and how tokens are sampled.
        seeds: of each tune.
        device: where the model is.

    Returns:
        For each primer the whole tune. The primer's notes are as they were, and what is added ends with its
        last bar.

    Raises:
        ConfigError: the time signature has no token.
        DataError: a primer cannot be encoded.
    """
    tokenizer, events = preparation.tokenizer, preparation.events
    facts = preparation.facts
    limits = Limits(
        config.bars,
        _signature(preparation, config.time_signature),
        facts.changing_metre < RARELY if config.hold_metre is None else config.hold_metre,
        facts.max_bar_tokens,
    )
    rows = [
        [events.bos] if primer is None else tokenizer.encode(primer, "primer").tokens[:-1].tolist()
        for primer in primers
    ]
    states = [TuneState(events, limits) for _ in rows]
    for tune_state, row in zip(states, rows, strict=True):
        tune_state.read(row[1:])
    logits, state = prefill(step, rows, state, chunk=PREFILL_CHUNK, device=device)
    options = DecodingOptions(
        temperature=config.temperature,
        top_k=config.top_k,
        top_p=config.top_p,
        # the rest of the primer's last bar, every bar, and the Bar after the last one
        max_new_tokens=(config.bars + 2) * (limits.max_bar_tokens + 8),
        seed=tuple(seeds),
    )
    output = decode(step, logits, state, options, constraint=Grammar(states, events, config.temperature))
    return [
        _join(preparation, primer, row, new)
        for primer, row, new in zip(primers, rows, output.rows(), strict=True)
    ]


def _signature(preparation: Preparation, name: str | None) -> int | None:
    known = preparation.events.signatures
    if name is not None and name not in known:
        expected = f"decoding.time_signature must be one of {', '.join(known)}"
        raise ConfigError("compose", expected, got=name)
    return None if name is None else known[name]


def _join(preparation: Preparation, primer: Tune | None, row: list[int], new: list[int]) -> Tune:
    """The primer's notes as they were, and those of the new tokens."""
    events, facts = preparation.events, preparation.facts
    if new and new[-1] == events.bar:  # by which the last bar was known to be complete
        new = new[:-1]
    written = preparation.tokenizer.decode([*row, *new])
    if not preparation.tokenizer.has_velocities:
        written.notes[:, VELOCITY] = facts.velocity
    # By onset and pitch, as tokens are: so the first notes are the primer's
    num_primer_notes = int((events.pitch[row] >= 0).sum())
    added = written.notes[num_primer_notes:]
    added[:, DURATION] = numpy.minimum(added[:, DURATION], written.length - added[:, ONSET])
    if primer is None:
        return written._replace(tempo=facts.tempo)
    resolution = lcm(primer.ticks_per_quarter, written.ticks_per_quarter)
    resolution = resolution if resolution <= MAX_TICKS_PER_QUARTER else primer.ticks_per_quarter
    before = primer.with_resolution(resolution)
    after = written._replace(notes=added).with_resolution(resolution)
    notes = numpy.concatenate([before.notes, after.notes])
    primer_end = int(before.notes[:, ONSET].max()) + 1
    return after._replace(notes=notes, tempo=primer.tempo, primer_end=primer_end)


def bigram_step(tokens: numpy.ndarray, vocabulary_size: int) -> Step:
    """A bigram model of tokens as a step callable. Its state is a number that it makes no use of.

    Args:
        tokens: (N,) of the training tunes.
        vocabulary_size: V.
    """
    model = NGram(tokens, vocabulary_size, order=2)
    rows = [model.following([token]) for token in range(vocabulary_size)]
    table = torch.from_numpy(numpy.stack(rows)).float()

    def step(tokens: Tensor, state: State | None) -> tuple[Tensor, State]:
        return table[tokens], torch.zeros(1, len(tokens), device=tokens.device) if state is None else state

    return step
