"""The transcribers: any chunks give the whole, padding and company change nothing, refusals say why."""

from __future__ import annotations

import pytest
import torch

from seqloom.errors import ConfigError, DataError
from seqloom.models.attention_transcriber import AttentionTranscriber
from seqloom.models.ctc_transcriber import Transcriber
from seqloom.models.dropout import Dropouts
from seqloom.models.sequence_classifier import Recurrence
from seqloom.state import State, select_rows, tensors_of

CELLS = ("rnn", "lstm", "gru")
INPUT, OUTPUT, HIDDEN = 5, 7, 6
LENGTHS = [9, 4, 1, 0]

# float64: the only difference is the order of additions inside a matrix product
EXACT = {"rtol": 0.0, "atol": 1e-12}


def transcriber(cell_type: str = "lstm", bidirectional: bool = True, **options: object) -> Transcriber:
    recurrence = Recurrence(cell_type, HIDDEN, 2, bidirectional)  # type: ignore[arg-type]
    return Transcriber(INPUT, OUTPUT, recurrence, **options).double()  # type: ignore[arg-type]


def with_attention(cell_type: str = "gru", **options: object) -> AttentionTranscriber:
    recurrence = Recurrence(cell_type, HIDDEN, 1)  # type: ignore[arg-type]
    return AttentionTranscriber(INPUT, OUTPUT, recurrence, **options).double()  # type: ignore[arg-type]


def features(*, rows: int = 4) -> torch.Tensor:
    return torch.randn(rows, 9, INPUT, dtype=torch.float64)


@pytest.mark.parametrize("cell_type", CELLS)
def test_a_stream_in_chunks_gives_what_it_gives_whole(cell_type: str) -> None:
    model, heard = transcriber(cell_type, bidirectional=False), features()
    state: State | None = None
    parts = []
    for chunk in heard.split([1, 0, 5, 3], dim=1):
        logits, state = model.step(chunk, state)
        parts.append(logits)
    torch.testing.assert_close(torch.cat(parts, 1), model(heard), **EXACT)
    again = torch.cat([model.step(heard, model.initial_state(4))[0]], 1)
    torch.testing.assert_close(again, model(heard), **EXACT)


@pytest.mark.parametrize("bidirectional", [False, True])
def test_padding_and_company_change_nothing(bidirectional: bool) -> None:
    model, heard = transcriber(bidirectional=bidirectional), features()
    together = model(heard, LENGTHS)
    for row, length in enumerate(LENGTHS):
        heard[row, length:] = torch.nan
    torch.testing.assert_close(model(heard.nan_to_num(7.0), LENGTHS), together, **EXACT)
    for row, length in enumerate(LENGTHS[:3]):
        torch.testing.assert_close(model(heard[row : row + 1, :length])[0], together[row, :length], **EXACT)


def test_one_direction_knows_nothing_of_what_comes() -> None:
    heard = features(rows=1)
    changed = heard.clone()
    changed[:, 5:] += 1
    for bidirectional in (False, True):
        model = transcriber(bidirectional=bidirectional)
        assert torch.equal(model(heard)[:, :5], model(changed)[:, :5]) is not bidirectional


@pytest.mark.parametrize("place", ["input", "hidden", "output", "weight", "recurrent"])
def test_every_place_drops_in_training_alone(place: str) -> None:
    model, heard = transcriber(dropouts=Dropouts(**{place: 0.5})), features()
    assert not torch.equal(model(heard), model(heard))
    model.eval()
    assert torch.equal(model(heard), model(heard))


def test_a_bidirectional_model_says_why_it_hears_no_stream() -> None:
    message = (
        r"Transcriber: a bidirectional model cannot hear a stream, as its reverse direction starts at the "
        r"end\. Give it whole recordings, or train one with model\.bidirectional=false\."
    )
    with pytest.raises(ConfigError, match=message):
        transcriber().step(features())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((0, 5, Recurrence()), r"Transcriber: input_size must be an int >= 1\. Got 0\."),
        (
            (5, 1, Recurrence()),
            r"output_size must be an int >= 2, the blank and at least one symbol\. Got 1\.",
        ),
        ((5, 5, Recurrence("gru", 0)), r"Transcriber: hidden_size must be an int >= 1\. Got 0\."),
        ((5, 5, Recurrence("gru", 4, 0)), r"Transcriber: num_layers must be an int >= 1\. Got 0\."),
        ((5, 5, Recurrence("gated")), r"Transcriber: cell_type must be one of rnn, lstm, gru\. Got gated\."),  # type: ignore[arg-type]
    ],
)
def test_arguments_out_of_range(arguments: tuple[int, int, Recurrence], message: str) -> None:
    for kind in (Transcriber, AttentionTranscriber):
        with pytest.raises(ConfigError, match=message):
            kind(*arguments)


@pytest.mark.parametrize("shape", [(4, 9), (4, 9, INPUT + 1)])
def test_features_that_do_not_fit(shape: tuple[int, ...]) -> None:
    with pytest.raises(DataError, match=r"Transcriber: features must be \(B, T, 5\)\. Got \(4, 9"):
        transcriber()(torch.zeros(shape, dtype=torch.float64))


@pytest.mark.parametrize("cell_type", CELLS)
@pytest.mark.parametrize("score", ["additive", "multiplicative", "dot"])
def test_a_text_in_steps_gives_what_it_gives_whole(cell_type: str, score: str) -> None:
    model, tokens = with_attention(cell_type, score=score), torch.randint(OUTPUT, (4, 6))
    heard = model.encode(features(), LENGTHS)
    whole, _ = model.step(tokens, heard.start, heard)
    state, parts = heard.start, []
    for chunk in tokens.split([1, 3, 2], dim=1):
        logits, state = model.step(chunk, state, heard)
        parts.append(logits)
    torch.testing.assert_close(torch.cat(parts, 1), whole, **EXACT)


def test_rows_of_a_state_go_on_with_their_own_recording() -> None:
    """What a beam search does: rows change places, are repeated, and left out."""
    model, tokens = with_attention(), torch.randint(OUTPUT, (4, 3))
    heard = model.encode(features(), LENGTHS)
    _, state = model.step(tokens, heard.start, heard)
    whole, _ = model.step(torch.ones(4, 1, dtype=torch.int64), state, heard)
    order = torch.tensor([2, 0, 0, 1, 3, 3])
    moved, after = model.step(torch.ones(6, 1, dtype=torch.int64), select_rows(state, order), heard)
    torch.testing.assert_close(moved, whole[order], **EXACT)
    assert all(tensor.shape[1] == 6 for tensor in tensors_of(after))


def test_padding_of_recordings_changes_no_text() -> None:
    model, tokens, recordings = with_attention(), torch.randint(OUTPUT, (4, 3)), features()
    heard = model.encode(recordings, LENGTHS)
    together, _ = model.step(tokens, heard.start, heard)
    for row, length in enumerate(LENGTHS[:3]):
        alone = model.encode(recordings[row : row + 1, :length])
        logits, _ = model.step(tokens[row : row + 1], alone.start, alone)
        torch.testing.assert_close(logits[0], together[row], **EXACT)
        torch.testing.assert_close(alone.logits[0], heard.logits[row, :length], **EXACT)


def test_attention_drops_in_training_alone() -> None:
    model, tokens = with_attention(dropouts=Dropouts(hidden=0.5)), torch.zeros(4, 3, dtype=torch.int64)
    heard = model.encode(features())
    assert not torch.equal(*(model.step(tokens, heard.start, heard)[0] for _ in range(2)))
    model.eval()
    assert torch.equal(*(model.step(tokens, heard.start, heard)[0] for _ in range(2)))
