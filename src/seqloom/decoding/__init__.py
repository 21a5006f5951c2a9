"""Decoding: greedy, sampling and beam search over a step callable, independent of model classes."""

from __future__ import annotations

from seqloom.decoding.beam import Hypothesis, beam_search
from seqloom.decoding.constraint import Constraint
from seqloom.decoding.generation import NO_TOKEN, DecodedStep, DecodeOutput, decode, stream
from seqloom.decoding.logits import (
    apply_temperature,
    ban_repeated_ngrams,
    filter_top_k,
    filter_top_p,
    penalize_repetition,
)
from seqloom.decoding.native import decode_native, stream_native
from seqloom.decoding.options import DecodingOptions
from seqloom.decoding.step import Step, prefill

__all__ = [
    "NO_TOKEN",
    "Constraint",
    "DecodeOutput",
    "DecodedStep",
    "DecodingOptions",
    "Hypothesis",
    "Step",
    "apply_temperature",
    "ban_repeated_ngrams",
    "beam_search",
    "decode",
    "decode_native",
    "filter_top_k",
    "filter_top_p",
    "penalize_repetition",
    "prefill",
    "stream",
    "stream_native",
]
