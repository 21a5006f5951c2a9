"""Diagnose a run: why it does not learn, what it remembers, and the one change to try first."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from seqloom.errors import RunError
from seqloom.inspection.diagnosis.gradients import MAX_LAG
from seqloom.inspection.diagnosis.history import Curve, History, read_history
from seqloom.inspection.diagnosis.horizon import Horizon, measure_horizon
from seqloom.inspection.diagnosis.measuring import choose_places, measure_module
from seqloom.inspection.diagnosis.place import PlaceDiagnosis
from seqloom.inspection.diagnosis.sample import Sample, draw_sample
from seqloom.inspection.diagnosis.verdicts import Circumstances, Verdict, judge
from seqloom.layers.tracing import places as named_places
from seqloom.progress import phase
from seqloom.runs.model_card import read_verdict

if TYPE_CHECKING:
    from seqloom.inference.predictor import Predictor

NUM_BATCHES = 8
MAX_RANKED = 8
"""Parameters in a view"""


class Diagnosis(NamedTuple):
    """What a diagnosis measured, and what it comes to.

    Fields:
        run: the run folder.
        task: its name.
        data: the path of the sample's data.
        rows: of the sample.
        batches: of the sample.
        places: every direction of every recurrent layer by name.
        horizon: what memory is worth, in one batch of the sample.
        history: of the training.
        circumstances: what else the verdicts took into account.
        verdicts: what is wrong, the first one to mend first; or that nothing is.
    """

    run: str
    task: str
    data: str
    rows: int
    batches: int
    places: Mapping[str, PlaceDiagnosis]
    horizon: Horizon
    history: History
    circumstances: Circumstances
    verdicts: Sequence[Verdict]

    def as_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        history, horizon = self.history, self.horizon
        return {
            "run": self.run,
            "task": self.task,
            "data": self.data,
            "sample": {"batches": self.batches, "rows": self.rows},
            "verdicts": [verdict._asdict() for verdict in self.verdicts],
            "layers": {name: place.as_json() for name, place in self.places.items()},
            "horizon": {
                "reaches": list(horizon.reaches),
                "losses": list(horizon.losses),
                "shares": list(horizon.shares),
                "full": horizon.full,
                "steps": horizon.steps,
            },
            "history": {
                "train": _points(history.train),
                "validation": _points(history.validation),
                "gradient_norm": _points(history.norms),
                "median_norm_by_parameter": dict(history.by_parameter),
                "clipped_share": history.clipped_share,
            },
            "circumstances": self.circumstances._asdict(),
        }


def diagnose(
    run: Predictor | Path | str,
    data: Path | str | None = None,
    *,
    layers: str = "*",
    num_batches: int = NUM_BATCHES,
    seed: int = 0,
    strict: bool = False,
    reading: Mapping[str, Any] | None = None,
    log: Callable[[str], object] = str,
) -> Diagnosis:
    """Measure the recurrent layers of a trained model on a sample of data, and name what is wrong.

    Args:
        run: a loaded model, or its run folder.
        data: a file or folder, as for training; None: what it was trained on.
        layers: which ones, by name or pattern: `layers.0`, `encoder.*`.
        num_batches: of the sample.
        seed: draws rows, steps and units.
        strict: whether one bad row raises; else it is skipped.
        reading: how tables are read, as for `evaluate`.
        log: called with a line about the data.

    Raises:
        RunError: it is no run folder; it has no recurrent layers, or weights that are not finite; its data is
            needed and has moved.
        DataError: the data cannot be read, or is that of another task.
        ConfigError: no layer of that name, of which the nearest is named.

    >>> import seqloom
    >>> seqloom.diagnose("runs/reviews").verdicts[0].name    # doctest: +SKIP
    'healthy'
    """
    from seqloom.inference.predictor import load

    predictor = load(run) if isinstance(run, str | Path) else run
    model = predictor.model
    model.eval()
    if not named_places(model):
        raise RunError(predictor.folder, "expected a model with recurrent layers", got="one without")
    choose_places(model, layers)
    _require_finite(predictor)
    sample = draw_sample(predictor, data, num_batches, strict=strict, reading=reading, log=log)
    with phase("measuring gradients"):
        max_lag = max(MAX_LAG, predictor.config.training.window if sample.carries_state else 0)
        places = measure_module(model, sample.losses, pattern=layers, seed=seed, max_lag=max_lag)
    model.zero_grad(set_to_none=True)
    with phase("measuring memory"):
        horizon = _horizon(model, sample, places)
    history = read_history(predictor.folder)
    training = predictor.config.training
    circumstances = Circumstances(
        read_verdict(predictor.folder),
        sample.carries_state,
        training.window,
        training.learning_rate,
        training.gradient_clip,
        sample.shared,
        getattr(predictor.config.model, "chrono_init", None),
    )
    return Diagnosis(
        str(predictor.folder),
        predictor.config.task.name,
        str(sample.data),
        sample.rows,
        len(sample.losses),
        places,
        horizon,
        history,
        circumstances,
        judge(places, history, horizon, circumstances),
    )


def _require_finite(run: Predictor) -> None:
    for name, parameter in run.model.named_parameters():
        if not bool(parameter.isfinite().all()):
            expected = f"the weights {name} must be finite numbers"
            hint = "Nothing can be measured of it: train again with a tenth of training.learning_rate"
            raise RunError(run.folder, expected, got="NaN or infinity", hint=hint)


def _horizon(model: Any, sample: Sample, places: Mapping[str, PlaceDiagnosis]) -> Horizon:
    """Of few rows: each reach costs two forward passes."""
    longest = max((place.longest for place in places.values()), default=1)
    return measure_horizon(model, lambda: float(sample.few()), longest)


def _points(curve: Curve) -> list[list[float]]:
    return [list(pair) for pair in zip(curve.steps, curve.values, strict=True)]
