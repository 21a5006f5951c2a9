"""Frames a second that a model of piano rolls writes, against drawing its keys one by one.

The model is that of the recipe for the JSB chorales, trained for a moment on toy tunes of four voices, so
that its frames have as many notes as chorales have. Both ways draw the same frames from the same seed.

    python benchmarks/rolls.py
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any, final

import torch
from measuring import in_turn, spread
from results import save, verdict, write_section
from torch import Tensor

import seqloom
from seqloom.models.rolls.roll_model import RollModel
from seqloom.models.rolls.sampling import AS_PROBABLE, KeySampling
from seqloom.state import State
from seqloom.tasks import task_named
from seqloom.tasks.compose.frames.composing import sample_rolls

RECIPE = Path(__file__).parents[1] / "recipes" / "jsb-joint.yaml"
STEPS, FRAMES = 150, 256
ROLLS = (1, 16)
FLOOR = 200
BUDGET = 20.0


@final
class KeyByKey:
    """The same model, whose every key takes a pass over its frame."""

    def __init__(self, model: RollModel) -> None:
        self.model, self.device = model, model.device

    def initial_state(self, batch_size: int) -> State:
        """As the model's."""
        return self.model.initial_state(batch_size)

    def step(self, *arguments: Any, **named: Any) -> tuple[Tensor, State]:
        """As the model's."""
        return self.model.step(*arguments, **named)

    def sample(self, context: Tensor, uniforms: Tensor, options: KeySampling = AS_PROBABLE) -> Tensor:
        """Decide each key by the logits of the frame below it."""
        thresholds, frames = options.thresholds(uniforms), torch.zeros_like(uniforms, dtype=torch.float32)
        for key in range(frames.shape[1]):
            frames[:, key] = self.model.key_logits(context, frames)[:, key] > thresholds[:, key]
        return frames.bool()


def measure(model: RollModel, rolls: int) -> dict[str, Any]:
    """Write so many rolls side by side, both ways in turn."""
    drawn: dict[str, Tensor] = {}

    def write(name: str, sampled: Any) -> None:
        drawn[name] = sample_rolls(sampled, None, FRAMES, AS_PROBABLE, range(rolls))

    one_by_one = KeyByKey(model)
    pairs = in_turn(
        lambda: write("ours", model), lambda: write("theirs", one_by_one), budget_seconds=BUDGET, least=3
    )
    assert torch.equal(drawn["ours"], drawn["theirs"])
    notes = float(drawn["ours"].float().sum(-1).mean())
    ours, theirs = (rolls * FRAMES / seconds for seconds in pairs.seconds)
    return {"rolls": rolls, "notes": notes, "ours": ours, "theirs": theirs, "ratios": pairs.ratios}


def main() -> None:
    """Measure, and write the table."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "tunes").mkdir()
        task_named("compose").write_toy_data(Path(folder) / "tunes", seed=0)
        settings = {"data.music": "frames", "training.max_steps": STEPS, "decoding.report_tunes": 0}
        run = seqloom.train(
            Path(folder) / "tunes", config=RECIPE, settings=settings, out=Path(folder) / "run"
        )
        assert isinstance(run.model, RollModel)
        rows = [measure(run.model.eval(), rolls) for rolls in ROLLS]
    lines = [
        "| rolls | notes a frame | ours, frames a second | key by key | times as fast | floor | |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        floor = FLOOR if row["rolls"] == 1 else None
        lines.append(
            f"| {row['rolls']} | {row['notes']:.1f} | {row['ours']:,.0f} | {row['theirs']:,.0f} "
            f"| {spread(row['ratios'])} | {floor or ''} | {verdict(row['ours'], floor)} |"
        )
    write_section("Writing piano rolls", Path(__file__), lines)
    save(Path(__file__), {"rows": rows})


if __name__ == "__main__":
    main()
