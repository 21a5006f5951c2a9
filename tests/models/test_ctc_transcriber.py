"""The transcribers: any chunks give the whole, padding and company change nothing, refusals say why."""

from __future__ import annotations

import pytest
import torch

from seqloom.errors import ConfigError, DataError
from seqloom.layers.attention import Score
from seqloom.models.attention_transcriber import AttentionTranscriber
from seqloom.models.ctc_transcriber import CTCTranscriber
from seqloom.models.dropout import Dropouts
from seqloom.models.recurrent_stack import RecurrentConfig
from seqloom.state import State, select_rows, tensors_of

CELLS = ("rnn", "lstm", "gru")
INPUT, OUTPUT, HIDDEN = 5, 7, 6
LENGTHS = [9, 4, 1, 0]

# float64: the only difference is the order of additions inside a matrix product
EXACT = {"rtol": 0.0, "atol": 1e-12}


def transcriber(
    cell_type: str = "lstm", bidirectional: bool = True, dropouts: Dropouts = Dropouts()
) -> CTCTranscriber:
    recurrent = RecurrentConfig(cell_type, HIDDEN, 2, bidirectional, dropouts)
    return CTCTranscriber(INPUT, OUTPUT, recurrent).double()


def with_attention(
    cell_type: str = "gru", dropouts: Dropouts = Dropouts(), score: Score = "additive"
) -> AttentionTranscriber:
    recurrent = RecurrentConfig(cell_type, HIDDEN, bidirectional=True, dropouts=dropouts)
    return AttentionTranscriber(INPUT, OUTPUT, recurrent, score).double()


def features(*, rows: int = 4) -> torch.Tensor:
    return torch.randn(rows, 9, INPUT, dtype=torch.float64)


@pytest.mark.parametrize("cell_type", CELLS)
def test_chunks_equal_the_whole_recording(cell_type: str) -> None:
    model, encoded = transcriber(cell_type, bidirectional=False), features()
    state: State | None = None
    parts = []
    for chunk in encoded.split([1, 0, 5, 3], dim=1):
        logits, state = model.step(chunk, state)
        parts.append(logits)
    torch.testing.assert_close(torch.cat(parts, 1), model(encoded), **EXACT)
    again = torch.cat([model.step(encoded, model.initial_state(4))[0]], 1)
    torch.testing.assert_close(again, model(encoded), **EXACT)


@pytest.mark.parametrize("bidirectional", [False, True])
def test_padding_does_not_change_a_row(bidirectional: bool) -> None:
    model, encoded = transcriber(bidirectional=bidirectional), features()
    together = model(encoded, LENGTHS)
    for row, length in enumerate(LENGTHS):
        encoded[row, length:] = torch.nan
    torch.testing.assert_close(model(encoded.nan_to_num(7.0), LENGTHS), together, **EXACT)
    for row, length in enumerate(LENGTHS[:3]):
        torch.testing.assert_close(model(encoded[row : row + 1, :length])[0], together[row, :length], **EXACT)


def test_one_direction_is_causal() -> None:
    encoded = features(rows=1)
    changed = encoded.clone()
    changed[:, 5:] += 1
    for bidirectional in (False, True):
        model = transcriber(bidirectional=bidirectional)
        assert torch.equal(model(encoded)[:, :5], model(changed)[:, :5]) is not bidirectional


@pytest.mark.parametrize("place", ["input", "hidden", "output", "weight", "recurrent"])
def test_each_kind_of_dropout_is_active_in_training_only(place: str) -> None:
    model, encoded = transcriber(dropouts=Dropouts(**{place: 0.5})), features()
    assert not torch.equal(model(encoded), model(encoded))
    model.eval()
    assert torch.equal(model(encoded), model(encoded))


def test_a_bidirectional_model_refuses_to_stream() -> None:
    message = (
        r"CTCTranscriber: a bidirectional model cannot transcribe a stream, as it also reads from "
        r"the end\. Give it whole recordings, or train one with model\.bidirectional=false\."
    )
    with pytest.raises(ConfigError, match=message):
        transcriber().step(features())


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        ((0, 5), r"CTCTranscriber: input_size must be an int >= 1\. Got 0\."),
        (
            (5, 1),
            r"output_size must be an int >= 2, the blank and at least one symbol\. Got 1\.",
        ),
    ],
)
def test_arguments_out_of_range(sizes: tuple[int, int], message: str) -> None:
    for kind in (CTCTranscriber, AttentionTranscriber):
        with pytest.raises(ConfigError, match=message):
            kind(*sizes, RecurrentConfig("gru", 4))


@pytest.mark.parametrize("shape", [(4, 9), (4, 9, INPUT + 1)])
def test_features_that_do_not_fit(shape: tuple[int, ...]) -> None:
    with pytest.raises(DataError, match=r"CTCTranscriber: features must be \(B, T, 5\)\. Got \(4, 9"):
        transcriber()(torch.zeros(shape, dtype=torch.float64))


@pytest.mark.parametrize("cell_type", CELLS)
@pytest.mark.parametrize("score", ["additive", "multiplicative", "dot"])
def test_decoder_steps_equal_the_whole_text(cell_type: str, score: Score) -> None:
    model, tokens = with_attention(cell_type, score=score), torch.randint(OUTPUT, (4, 6))
    encoded = model.encode(features(), LENGTHS)
    whole, _ = model.step(tokens, encoded.start, encoded)
    state, parts = encoded.start, []
    for chunk in tokens.split([1, 3, 2], dim=1):
        logits, state = model.step(chunk, state, encoded)
        parts.append(logits)
    torch.testing.assert_close(torch.cat(parts, 1), whole, **EXACT)


def test_reordered_rows_attend_to_their_own_recording() -> None:
    """What a beam search does: rows change places, are repeated, and left out."""
    model, tokens = with_attention(), torch.randint(OUTPUT, (4, 3))
    encoded = model.encode(features(), LENGTHS)
    _, state = model.step(tokens, encoded.start, encoded)
    whole, _ = model.step(torch.ones(4, 1, dtype=torch.int64), state, encoded)
    order = torch.tensor([2, 0, 0, 1, 3, 3])
    moved, after = model.step(torch.ones(6, 1, dtype=torch.int64), select_rows(state, order), encoded)
    torch.testing.assert_close(moved, whole[order], **EXACT)
    assert all(tensor.shape[1] == 6 for tensor in tensors_of(after))


def test_padding_of_recordings_does_not_change_the_decoder() -> None:
    model, tokens, recordings = with_attention(), torch.randint(OUTPUT, (4, 3)), features()
    encoded = model.encode(recordings, LENGTHS)
    together, _ = model.step(tokens, encoded.start, encoded)
    for row, length in enumerate(LENGTHS[:3]):
        alone = model.encode(recordings[row : row + 1, :length])
        logits, _ = model.step(tokens[row : row + 1], alone.start, alone)
        torch.testing.assert_close(logits[0], together[row], **EXACT)
        torch.testing.assert_close(alone.logits[0], encoded.logits[row, :length], **EXACT)


def test_the_decoder_has_dropout_in_training_only() -> None:
    model, tokens = with_attention(dropouts=Dropouts(hidden=0.5)), torch.zeros(4, 3, dtype=torch.int64)
    encoded = model.encode(features())
    assert not torch.equal(*(model.step(tokens, encoded.start, encoded)[0] for _ in range(2)))
    model.eval()
    assert torch.equal(*(model.step(tokens, encoded.start, encoded)[0] for _ in range(2)))
