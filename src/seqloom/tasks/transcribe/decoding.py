"""Decoding of a transcriber: greedy or beam search over CTC, or an attention decoder; and a stream."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy
import torch
from torch import Tensor

from seqloom.data.audio.features import log_mel_stream
from seqloom.data.padding import lengths_of, pad
from seqloom.decoding.ctc.beam import CTCBeamOptions, ctc_beam_search
from seqloom.decoding.ctc.greedy import BLANK, ctc_greedy_decode, ctc_greedy_decode_step
from seqloom.errors import ConfigError, DataError
from seqloom.models.ctc_transcriber import CTCTranscriber
from seqloom.state import State
from seqloom.tasks.base import Context
from seqloom.tasks.inputs.audio import AudioInput
from seqloom.tasks.seq2seq import decode_encoded, read_target
from seqloom.tasks.tracing import ForwardPass, StepOutputs, refuse_target
from seqloom.tasks.transcribe.language_models import make_scorer
from seqloom.tasks.transcribe.preparation import Preparation
from seqloom.tasks.transcribe.utterances import Recording, single_spaced


def decode_symbols(model: Any, encoded: Any, lengths: Tensor, context: Context) -> list[list[int]]:
    """The symbols of each row, from logits of CTC or from an attention model's `EncoderOutput`.

    Raises:
        ConfigError: a language model without a beam search over CTC, or one of another unit.
        RunError: the language model's run folder cannot be read.
    """
    decoding = context.decoding
    name = decoding.language_model
    is_ctc = context.model.decoder == "ctc"
    if name is not None and (decoding.num_beams == 1 or not is_ctc):
        expected = "a language model helps a search over CTC: num_beams must be above 1, the decoder ctc"
        raise ConfigError("decoding.language_model", expected, got=name)
    if not is_ctc:
        return decode_encoded(model, encoded, lengths, BLANK, decoding.num_beams, decoding.length_penalty)
    if decoding.num_beams == 1:
        return ctc_greedy_decode(encoded, lengths)
    options = CTCBeamOptions(decoding.num_beams, decoding.lm_weight, decoding.length_bonus)
    scorer = None if name is None else make_scorer(name, context.preparation, context.load_run)
    scores = encoded.to(torch.promote_types(encoded.dtype, torch.float32))
    return [row[0].symbols for row in ctc_beam_search(scores.log_softmax(-1), lengths, options, scorer)]


def pass_over(model: Any, value: Any, item: Recording, context: Context, target: str | None) -> ForwardPass:
    """What `Traceable.forward_pass` says, of a transcriber."""
    preparation: Preparation = context.preparation
    normalized = preparation.normalize(item)
    features, lengths = pad([normalized]).to(model.device), lengths_of([normalized]).to(model.device)
    steps = preparation.input.name_steps(value, len(normalized))
    if context.model.decoder == "ctc":
        refuse_target("transcribe", target)

        def run_ctc() -> None:
            model(features, lengths)

        return ForwardPass(steps, run_ctc)
    if target is None:
        greedy = context._replace(decoding=context.decoding.model_copy(update={"num_beams": 1}))
        (row,) = decode_symbols(model, model.encode(features, lengths), lengths, greedy)
    else:
        row = preparation.vocabulary.encode(target)
        if BLANK in row or not row:
            expected = f"the target must be made of the {preparation.unit}s of the training split"
            raise DataError("trace", expected, got=f"{target!r:.60}")

    def run() -> Tensor | None:
        encoded = model.encode(features, lengths)
        return read_target(model, encoded, [BLANK, *row])

    return ForwardPass(steps, run, ["<start>", *map(preparation.symbol, row)])


def symbols_by_step(
    model: CTCTranscriber, item: Recording, context: Context, target: str | None
) -> StepOutputs:
    """What `Expecting.step_outputs` says, of CTC."""
    refuse_target("transcribe", target)
    preparation: Preparation = context.preparation
    normalized = preparation.normalize(item)
    features, lengths = pad([normalized]).to(model.device), lengths_of([normalized]).to(model.device)
    scores = model(features, lengths)[0].float().log_softmax(-1).cpu()
    names = ["<blank>", *map(preparation.symbol, range(1, scores.shape[-1]))]
    steps = [f"frame {number}" for number in range(len(scores))]
    return StepOutputs(steps, names, scores, [-1] * len(scores))


def stream_text(model: CTCTranscriber, chunks: Iterable[numpy.ndarray], context: Context) -> Iterator[str]:
    """The text of a stream of samples, piece by piece.

    Raises:
        ConfigError: the model or the decoding needs the whole recording.
    """
    preparation: Preparation = context.preparation
    if not isinstance(preparation.input, AudioInput):
        raise ConfigError("transcribe", "a stream is of sound", got=f"a model of {preparation.input.nouns}")
    if context.model.decoder != "ctc":
        expected = "an attention decoder cannot transcribe a stream, as it attends to the whole recording"
        raise ConfigError("transcribe", expected, hint="Train one with model.decoder=ctc")
    model.require_one_direction()
    if preparation.input.normalizer.is_by_speaker:
        expected = "a stream cannot be normalized by its speaker, who is not known before the end"
        raise ConfigError("transcribe", expected, hint="Train one with data.normalization=global")
    if context.decoding.num_beams > 1 or context.decoding.language_model:
        expected = "a stream is transcribed greedily, with num_beams 1 and no language model"
        raise ConfigError("transcribe", expected, hint="A search may revise its text until the end")
    return single_spaced(map(preparation.symbol, _stream_symbols(model, chunks, preparation.input)))


def _stream_symbols(
    model: CTCTranscriber, chunks: Iterable[numpy.ndarray], input: AudioInput
) -> Iterator[int]:
    state: State | None = None
    last: Tensor | None = None
    for steps in log_mel_stream(chunks, input.options):
        if not len(steps):
            continue
        features = torch.from_numpy(input.normalize(steps)).unsqueeze(0)
        with torch.inference_mode():
            logits, state = model.step(features.to(model.device), state)
            rows, last = ctc_greedy_decode_step(logits, last)
        yield from rows[0]
