"""Recurrent layers against onnxruntime's and Keras's on JAX, which run in an environment of their own.

`make bench` makes that environment, .venv-peers, from peers.txt. Both processes run in turn.

    python benchmarks/peers.py
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Any, final

import numpy
import torch
from cases import Case, Shape
from measuring import in_turn, spread
from results import save, write_section
from torch import Tensor

QUIET_SECONDS = 0.01

HERE = Path(__file__).parent
PYTHON = HERE.parent / ".venv-peers" / "bin" / "python"
SHAPES = [Shape(64, 100, 256), Shape(64, 100, 512), Shape(32, 100, 1024), Shape(1, 256, 256)]
CASES = [
    *(("onnxruntime", cell, "inference") for cell in ("RNN", "GRU", "LSTM")),
    *(("keras", cell, mode) for mode in ("inference", "training") for cell in ("GRU", "LSTM")),
]


@final
class Remote:
    """Something that runs in the other process, which times it itself (`measuring.once`)."""

    def __init__(self, peer: Peer, answer: dict[str, Any]) -> None:
        self.peer, self.number, self.versions = peer, answer["number"], answer["versions"]
        with numpy.load(answer["output"]) as file:
            self.outputs: dict[str, numpy.ndarray] = dict(file)

    def __call__(self) -> None:
        self.seconds()

    def seconds(self, repeat: int = 1, **options: float) -> float:
        """Of a run with those options, as the mean of `repeat`."""
        return self.peer.ask({"time": self.number, "repeat": repeat, **options})["seconds"]


@final
class Peer:
    """The other process, in a `with` statement.

    >>> with Peer() as peer:  # doctest: +SKIP
    ...     decoder = peer.decoder({"embedding.weight": ..., "weight_ih_l0": ...}, int8=True)
    ...     seconds = decoder.seconds(tokens=100)
    """

    def __init__(self) -> None:
        if not PYTHON.exists():
            sys.exit(f"The peers' environment is missing: {PYTHON.parents[1]}. Make it: make .venv-peers")
        self.folder = tempfile.TemporaryDirectory()
        self.asked = 0

    def __enter__(self) -> Peer:
        self.process = subprocess.Popen(
            [PYTHON, HERE / "peer", str(torch.get_num_threads())],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.process.send_signal(signal.SIGCONT)
        self.process.communicate()
        self.folder.cleanup()

    def ask(self, request: dict[str, Any]) -> dict[str, Any]:
        """Send a request and wait for the answer.

        Threads of both sides spin for a while after they have worked, on cores that the other wants: so ours
        get the time to go to sleep, and the other process stands still while it is not asked.
        """
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        time.sleep(QUIET_SECONDS)
        self.process.send_signal(signal.SIGCONT)
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        answer = json.loads(self.process.stdout.readline() or '{"error": "it ended"}')
        self.process.send_signal(signal.SIGSTOP)
        if "error" in answer:
            raise RuntimeError(f"The peers' process: {answer['error']}")
        return answer

    def make(self, name: str, tensors: dict[str, Tensor], **options: object) -> Remote:
        """Something to run, from tensors; `peer/__main__.py` has the names."""
        self.asked += 1
        path = Path(self.folder.name) / f"{self.asked}.npz"
        arrays: dict[str, Any] = {key: value.detach().numpy() for key, value in tensors.items()}
        numpy.savez(path, **arrays)
        return Remote(self, self.ask({"make": name, "arrays": str(path), **options}))

    def layer(self, library: str, case: Case, mode: str) -> Remote:
        """A layer of "onnxruntime" or "keras" with the weights and the input of a case."""
        tensors = {**case.theirs.state_dict(), "input": case.input, "gradient": case.gradient}
        return self.make(library, tensors, cell=case.cell, training=mode == "training")

    def decoder(self, tensors: dict[str, Tensor], layers: int = 2, *, int8: bool = False) -> Remote:
        """onnxruntime's step of embedding, LSTMs and output layer, and a loop around it.

        Args:
            tensors: `embedding.weight` (V, E), the parameters of an nn.LSTM by their names, `output.weight`
                (V, H) and `output.bias` (V).
            layers: of the LSTM.
            int8: quantize dynamically.

        Returns:
            what `seconds(tokens=, temperature=)` times: decoding so many symbols, batch 1. Its `outputs` are
            `logits` (8, V), of the symbols 0 to 7 one after another, and `tokens` (32), the likeliest ones
            from symbol 0.
        """
        return self.make("onnxruntime decoder", tensors, layers=layers, int8=int8)


def same(case: Case, mode: str, remote: Remote) -> None:
    """A peer that computes something else is no peer."""
    x = case.input.clone().requires_grad_()
    output = case.run_theirs(x)
    wanted = torch.autograd.grad(output, x, case.gradient)[0] if mode == "training" else output.detach()
    (got,) = remote.outputs.values()
    # float32 sums in another order, carried over hundreds of steps.
    torch.testing.assert_close(torch.from_numpy(got), wanted, rtol=1e-2, atol=1e-3)


def measure(peer: Peer, library: str, cell: str, shape: Shape, mode: str) -> dict[str, Any]:
    """One figure: what a user of ours gets, against what a user of theirs gets."""
    case = Case(cell, shape, kernel="auto")
    remote = peer.layer(library, case, mode)
    same(case, mode, remote)
    with torch.set_grad_enabled(mode == "training"):
        pairs = in_turn(case.ours_once(mode), remote)
    ours, theirs = pairs.seconds
    return {
        "library": library, "versions": remote.versions, "cell": cell, "shape": str(shape), "mode": mode,
        "ours_seconds": ours, "theirs_seconds": theirs, "ratio": pairs.ratio, "ratios": pairs.ratios,
    }  # fmt: skip


def main() -> None:
    """Measure every case and write the table."""
    lines = [
        "| layer | mode | peer | ours, ms | peer, ms | times as fast |",
        "|---|---|---|---|---|---|",
    ]
    rows: list[dict[str, Any]] = []
    for library, cell, mode in CASES:
        for shape in SHAPES:
            with Peer() as peer:  # a fresh one each: nothing that was made before stays in memory
                row = measure(peer, library, cell, shape, mode)
            rows.append(row)
            ours, theirs = (f"{row[side] * 1e3:.3g}" for side in ("ours_seconds", "theirs_seconds"))
            name, times = f"{cell} {shape}", spread(row["ratios"])
            lines.append(f"| {name} | {mode} | {library} | {ours} | {theirs} | {times} |")
            print(lines[-1], flush=True)
    lines += [
        "",
        'float32; ours is `kernel="auto"`, in turn with the peer, which runs in a process of its own.',
    ]
    versions = ", ".join(dict.fromkeys(row["versions"] for row in rows))
    write_section("Recurrent layers against onnxruntime and Keras on JAX", Path(__file__), lines, versions)
    save(Path(__file__), {"rows": rows})


if __name__ == "__main__":
    main()
