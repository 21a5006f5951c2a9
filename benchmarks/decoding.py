"""Decoding, batch 1: what `generate` does for each character, against loops over torch.nn and onnxruntime.

The model is an embedding, two LSTMs of 512 units and an output layer over 100 characters; 100 characters are
decoded from zero states, always the likeliest. Both run in turn. The share of bandwidth is what reading the
packed weights alone takes, by as many threads, in turn with decoding, over what a character takes. The loss
is that of a small model trained here, by the same kernels that decode.

    python benchmarks/decoding.py
"""

from __future__ import annotations

import statistics
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, final

import torch
from measuring import Pairs, in_turn, spread
from peers import Peer
from results import save, verdict, write_section
from torch import Tensor, nn

import seqloom
from seqloom.data.read import read
from seqloom.data.text.python_help import python_help
from seqloom.decoding import DecodingOptions, decode_native
from seqloom.models.language_model import LanguageModel
from seqloom.models.recurrent_stack import RecurrentConfig
from seqloom.tasks.generate.native_decoder import pack

HIDDEN, LAYERS, VOCABULARY, TOKENS = 512, 2, 100, 100

# Of each precision, times as fast: as the better of torch's loops, as onnxruntime, float32 and dynamic int8.
FLOORS: dict[str, tuple[float, float | None, float | None]] = {
    "float32": (8, 1.5, None),
    "bfloat16": (16, None, None),
    "int8": (30, None, 2.5),
}
SHARE_OF_BANDWIDTH = 60.0
NATS = 0.005


def make_model(cell_type: Any = "lstm") -> LanguageModel:
    """Ours, untrained: as fast as a trained one."""
    torch.manual_seed(0)
    return LanguageModel(VOCABULARY, HIDDEN, RecurrentConfig(cell_type, HIDDEN, LAYERS)).eval()


@final
class Ours:
    """What is timed of ours: tokens from a state, in one precision."""

    def __init__(self, model: LanguageModel, precision: str, batch: int = 1) -> None:
        self.decoder = pack(model, precision)
        self.logits, self.state = torch.zeros(batch, VOCABULARY), self.decoder.initial_state(batch)
        self.options = DecodingOptions(temperature=0, max_new_tokens=TOKENS)

    def __call__(self) -> object:
        """Decode."""
        return decode_native(self.decoder, self.logits, self.state, self.options)


def nn_loop(model: LanguageModel) -> Callable[[], object]:
    """A loop over nn.LSTM, as one writes it."""
    layers = nn.LSTM(HIDDEN, HIDDEN, LAYERS)
    layers.load_state_dict(stacked(model))

    @torch.inference_mode()
    def run() -> object:
        token, state, written = torch.zeros(1, 1, dtype=torch.int64), None, []
        for _ in range(TOKENS):
            values, state = layers(model.embedding(token), state)
            token = model.output(values).argmax(-1)
            written.append(int(token))
        return written

    return run


def cell_loop(model: LanguageModel) -> Callable[[], object]:
    """A loop over LSTMCells."""
    cells = [nn.LSTMCell(HIDDEN, HIDDEN) for _ in range(LAYERS)]
    for cell, layer in zip(cells, model.layers, strict=True):
        cell.load_state_dict({name.removesuffix("_l0"): value for name, value in layer.state_dict().items()})

    @torch.inference_mode()
    def run() -> object:
        token, written = torch.zeros(1, dtype=torch.int64), []
        states: list[Any] = [None] * LAYERS
        for _ in range(TOKENS):
            values = model.embedding(token)
            for number, cell in enumerate(cells):
                states[number] = cell(values, states[number])
                values = states[number][0]
            token = model.output(values).argmax(-1)
            written.append(int(token))
        return written

    return run


def stacked(model: LanguageModel) -> dict[str, Tensor]:
    """The recurrent layers' weights by the names of one nn.LSTM."""
    return {
        name.replace("_l0", f"_l{number}"): value
        for number, layer in enumerate(model.layers)
        for name, value in layer.state_dict().items()
    }


@final
class Onnx:
    """onnxruntime's step, in a process of its own, which times itself."""

    def __init__(self, peer: Peer, model: LanguageModel, *, int8: bool) -> None:
        others = {name: value for name, value in model.state_dict().items() if not name.startswith("layers.")}
        self.remote = peer.decoder({**others, **stacked(model)}, LAYERS, int8=int8)
        self.versions = self.remote.versions

    def __call__(self) -> None:
        self.seconds()

    def seconds(self, repeat: int = 1) -> float:
        """Of decoding, as the mean of `repeat`."""
        return self.remote.seconds(repeat, tokens=TOKENS, temperature=0)


def same(ours: Ours, onnx: Onnx) -> None:
    """A peer that decodes something else is no peer."""
    written = decode_native(ours.decoder, ours.logits, ours.state, ours.options).tokens[0]
    assert written[1:33].tolist() == onnx.remote.outputs["tokens"].tolist()


def measure(ours: Ours, theirs: Callable[[], object]) -> Pairs:
    """Seconds of a character, ours in turn with a peer."""
    pairs = in_turn(ours, theirs, budget_seconds=3, least=15)
    return Pairs(*([seconds / TOKENS for seconds in side] for side in pairs))


def share_of_bandwidth(ours: Ours) -> list[float]:
    """How much of a character's time reading the weights alone takes, per cent, pair by pair."""

    def read() -> object:
        return ours.decoder.seconds_to_read(TOKENS)

    return [100 * ratio for ratio in in_turn(ours, read, budget_seconds=1, least=31).ratios]


def losses(steps: int = 1000) -> dict[str, float]:
    """Nats a character of a model trained here, on its validation text, by the kernels that decode."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "help.txt"
        path.write_text(python_help(), encoding="utf-8")
        settings = [f"training.max_steps={steps}", "training.seed=0"]
        trained = seqloom.train(path, settings=settings, out=Path(folder) / "run")
        numbers = trained.preparation.tokens(read(path), "validation").ids
        text = torch.from_numpy(numbers[: len(numbers) // 8 * 8].astype("int64")).view(8, -1)
        return {name: float(pack(trained.model, name).nats(text).mean()) for name in FLOORS}


def main() -> None:
    """Measure everything and write the tables."""
    model = make_model()
    numbers: dict[str, Any] = {}
    lines = [
        "| precision | characters a second | peer | peer, characters a second | times as fast | floor | |",
        "|---|---|---|---|---|---|---|",
    ]
    with Peer() as peer:
        onnx = {int8: Onnx(peer, model, int8=int8) for int8 in (False, True)}
        same(Ours(model, "float32"), onnx[False])
        for precision, (torch_floor, onnx_floor, int8_floor) in FLOORS.items():
            ours = Ours(model, precision)
            against = {
                "nn.LSTM loop": (nn_loop(model), torch_floor),
                "LSTMCell loop": (cell_loop(model), torch_floor),
                "onnxruntime, float32": (onnx[False], onnx_floor),
                "onnxruntime, dynamic int8": (onnx[True], int8_floor),
            }
            for name, (theirs, floor) in against.items():
                pairs = measure(ours, theirs)
                mine, other = (f"{1 / seconds:,.0f}" for seconds in pairs.seconds)
                reached = verdict(pairs.ratio, floor)
                cells = (precision, mine, name, other, spread(pairs.ratios, 1), floor or "", reached)
                lines.append(f"| {' | '.join(map(str, cells))} |")
                print(lines[-1], flush=True)
                numbers[f"{precision}, {name}"] = {"ratio": pairs.ratio, "ratios": pairs.ratios}
    versions = onnx[False].versions
    lines += ["", "The better of the two loops over torch.nn counts."]
    write_section("Decoding", Path(__file__), lines, versions)

    lines = [
        "| precision | MB | share of bandwidth | floor | | nats a character | over float32 | floor | |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    nats = losses()
    for precision in FLOORS:
        ours = Ours(model, precision)
        shares = share_of_bandwidth(ours)
        share, worse = statistics.median(shares), nats[precision] - nats["float32"]
        weights = f"{ours.decoder.weight_bytes / 1e6:.2f}"
        first = (precision, weights, f"{spread(shares, 0)} %", f"{SHARE_OF_BANDWIDTH:.0f} %")
        second = (f"{nats[precision]:.4f}", f"{worse:+.5f}", NATS, "met" if worse <= NATS else "**short**")
        cells = (*first, verdict(share, SHARE_OF_BANDWIDTH), *second)
        lines.append(f"| {' | '.join(map(str, cells))} |")
        numbers[precision] = {"share_of_bandwidth": share, "nats": nats[precision]}
    write_section("Decoding: bandwidth and loss", Path(__file__), lines)
    save(Path(__file__), numbers)


if __name__ == "__main__":
    main()
