"""Every task keeps the contract: a preparation in JSON, a loss that can be learnt, independent rows."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, NamedTuple

import numpy
import pytest
import torch

from seqloom.baselines.budget import Budget
from seqloom.data.batching import Batching
from seqloom.data.read import read
from seqloom.data.series.table import SeriesTable
from seqloom.errors import ConfigError
from seqloom.evaluation.measure import measure
from seqloom.evaluation.pairing import pair_rows
from seqloom.inference.predictor import Predictor
from seqloom.inspection.diagnosis import diagnose
from seqloom.inspection.diagnosis.text import describe
from seqloom.layers.tracing import places
from seqloom.models.recurrent_stack import RecurrentStack
from seqloom.runs.config import RunConfig, resolve
from seqloom.tasks import TASKS, infer, task_named
from seqloom.tasks.base import Baseline, Context, Rows, Task

SHAPES = {"one-to-one", "one-to-many", "many-to-one", "many-to-many"}
REFERENCE_COUNTS = {"words": 3, "bleu": 1, "actual": slice(None)}
"""Columns of counts that depend on what is expected alone, not on what a model answers"""
CPU = torch.device("cpu")


class Case(NamedTuple):
    """A task with its own made-up data, prepared."""

    task: Task
    config: RunConfig
    data: Any
    preparation: Any
    write: Callable[[Path, int], str]
    kind: str | None

    @property
    def context(self) -> Context:
        return self.config.context(self.preparation)

    def model(self, dtype: torch.dtype = torch.float32) -> Any:
        torch.manual_seed(0)
        return self.task.build(self.preparation, self.config.model).to(dtype).eval()


ROWS = {"image_as": "rows"}
VIDEO = {"downsampling": 2, "components": 24}
MORE = (("classify", "image", ROWS), ("classify", "video", VIDEO), ("transcribe", "video", VIDEO))
VALUES: dict[str, dict[str, object]] = {"forecast": {"exogenous": []}}
"""What makes a task's items of its inputs alone: a list of numbers has no promotions beside it"""
CASES = [*((name, None, VALUES.get(name, {})) for name in TASKS), *MORE]
"""Tasks, the kind of their made-up data where it is not the usual one, and `data.*` keys"""


@pytest.fixture(scope="module", params=CASES, ids=lambda case: "-".join(filter(None, case[:2])))
def case(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Case:
    name, kind, settings = request.param
    task = task_named(name)
    if kind is not None:
        pytest.importorskip({"image": "PIL", "video": "av"}[kind])
    folder = tmp_path_factory.mktemp(task.name)
    write = task.write_toy_data if kind is None else task.more_toy_data[kind]
    assert write(folder, 0)
    data = read(folder, strict=True)
    model = {"hidden_size": 48, "num_layers": 1, "dropout": 0.0}
    config = resolve(task, [{"data": settings, "model": model}])
    return Case(task, config, data, task.prepare(data, config.data), write, kind)


@pytest.fixture(scope="module")
def rows(case: Case) -> Rows:
    """What a new model scores on the test split."""
    source = case.preparation.source(case.data, "test", Batching(7, training=False))
    return measure(case.task, case.model(), source, CPU, case.context)


@pytest.fixture(scope="module")
def baseline(case: Case) -> Baseline:
    """The baseline on the test split."""
    whole = case.task.baseline(case.preparation, case.data, "test")
    assert whole is not None
    return whole


@pytest.fixture(scope="module")
def hasty_baseline(case: Case) -> Baseline:
    """The baseline without time."""
    cut = case.task.baseline(case.preparation, case.data, "test", Budget(0.0))
    assert cut is not None
    return cut


def test_it_has_a_name_and_a_shape(case: Case) -> None:
    assert task_named(case.task.name) is case.task
    assert case.task.shape in SHAPES
    assert case.task.data_description


def test_it_has_the_recurrent_settings_of_every_task(case: Case) -> None:
    """Each one reaches the layers of the model that is built."""
    options = {"cell_type": "gru", "kernel": "reference", "weight_dropout": 0.2, "recurrent_dropout": 0.3}
    options |= {"layer_norm": True, "zoneout": 0.1}
    config = resolve(case.task, [{"model": {"hidden_size": 8, **options}}])
    model = case.task.build(case.preparation, config.model)
    stacks = [module for module in model.modules() if isinstance(module, RecurrentStack)]
    assert stacks
    for layer in (layer for stack in stacks for layer in stack):
        assert type(layer).__name__ == "GRU"
        assert all(getattr(layer, name) == value for name, value in options.items() if name != "cell_type")


def test_its_toy_data_is_accepted_by_it_alone(case: Case) -> None:
    assert [task for task, _ in infer(case.data)] == [case.task]
    assert set(case.data.splits) - {"future"} == {"train", "validation", "test"}


def test_toy_data_depends_on_its_seed_only(case: Case, tmp_path: Path) -> None:
    before = case.data.path
    case.write(tmp_path, 0)
    files = [file.relative_to(tmp_path) for file in tmp_path.rglob("*") if file.is_file()]
    assert files
    assert all((tmp_path / file).read_bytes() == (before / file).read_bytes() for file in files)


def test_its_preparation_is_json(case: Case, tmp_path: Path) -> None:
    for name, content in case.preparation.files().items():
        json.loads(content)
        (tmp_path / name).write_text(content)
    restored = case.task.restore(tmp_path, case.config.data)
    assert restored.files() == case.preparation.files()
    assert restored.unit == case.preparation.unit
    assert restored.column == case.preparation.column


def test_its_training_defaults_are_settings(case: Case) -> None:
    assert set(case.task.training_defaults) <= set(type(case.config.training).model_fields)


def test_one_batch_can_be_memorized(case: Case) -> None:
    """Of two rows: an output that cannot be learnt has no path from the input."""
    model = case.model().train()
    source = case.preparation.source(case.data, "train", Batching(batch_size=2, window=40))
    batch = next(source.batches(0))
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)
    for _ in range(300):
        loss = case.task.loss(model, batch, None, case.context)
        (loss.nats.sum() / loss.units.sum()).backward()
        optimizer.step()
        optimizer.zero_grad()
        with torch.no_grad():
            evaluated = case.task.evaluate_batch(model.eval(), batch, None, case.context)
        model.train()
        if (mean := evaluated.nats.sum() / evaluated.units.sum()) < 0.1:
            break
    assert mean < 0.1


def test_metrics_do_not_depend_on_the_batch(case: Case) -> None:
    if case.preparation.source(case.data, "test", Batching(7, training=False)).carries_state:
        pytest.skip("its rows are streams, whose number decides on the warm-up of each")
    model = case.model(torch.float64)
    data = case.data
    if hasattr(data, "_replace"):  # series are few as they are
        rows = data.splits["test"][: _rows_of_inputs(case, 70)]
        data = data._replace(splits={**data.splits, "test": rows})
    measured = []
    for size in (1, 7, 64):
        source = case.preparation.source(data, "test", Batching(size, training=False))
        measured.append(measure(case.task, model, source, CPU, case.context))
    alone = measured[0]
    assert len(alone.nats) > 64
    for together in measured[1:]:
        assert _sorted(together.outputs) == _sorted(alone.outputs)
        assert together.units.sum() == alone.units.sum()
        # losses are float32 sums of some dozen terms
        assert together.nats.sum() == pytest.approx(alone.nats.sum(), rel=1e-6)
        for name, counts in alone.counts.items():
            # sums of float64 depend on the order of the rows, by their last digits
            rtol = 1e-9 if numpy.issubdtype(counts.dtype, numpy.floating) else 0.0
            numpy.testing.assert_allclose(together.total(name), counts.sum(0), rtol=rtol)
        scores = case.task.score(together, case.preparation.unit)
        assert scores == pytest.approx(case.task.score(alone, case.preparation.unit), rel=1e-6)


def _rows_of_inputs(case: Case, count: int) -> int:
    """How many rows of the test split have the first `count` inputs, which several rows may share."""
    inputs: set[str] = set()
    for row, example in enumerate(case.data.examples("test")):
        inputs.add(str(example.fields[case.preparation.column]))
        if len(inputs) > count:
            return row
    return len(case.data.examples("test"))


def _inputs(case: Case) -> list[Any]:
    """Some inputs of different lengths."""
    if isinstance(case.data, SeriesTable):
        series = case.task.divide(case.preparation, case.data)
        return [series.series(number).y[: 40 + 13 * number].tolist() for number in range(9)]  # type: ignore[attr-defined]
    return [example.fields[case.preparation.column] for example in case.data.examples("test")[:9]]


def _sorted(outputs: Any) -> list[str]:
    return sorted(json.dumps(output, sort_keys=True) for output in outputs)


def test_its_scores_start_with_the_loss_and_have_the_primary_metric(case: Case) -> None:
    source = case.preparation.source(case.data, "validation", Batching(64, training=False))
    rows = measure(case.task, case.model(), source, CPU, case.context)
    unit = case.preparation.unit
    scores = case.task.score(rows, unit)
    assert next(iter(scores)) == f"loss_nats_per_{unit}"
    assert case.task.primary_metric(scores).name in scores
    json.dumps(dict(case.task.details(rows)))


def test_training_losses_can_be_scored(case: Case) -> None:
    source = case.preparation.source(case.data, "train", Batching(batch_size=4, window=16))
    loss = case.task.loss(case.model().train(), next(source.batches(0)), None, case.context)
    counts = {name: values.detach().double().numpy() for name, values in loss.counts.items()}
    rows = Rows(loss.nats.detach().double().numpy(), loss.units.numpy(), counts)
    scores = case.task.score(rows, case.preparation.unit)
    assert next(iter(scores)) == f"loss_nats_per_{case.preparation.unit}"


def test_its_baseline_has_the_primary_metric(case: Case, baseline: Baseline) -> None:
    assert baseline.name
    scores = case.task.score(baseline.rows, case.preparation.unit)
    assert case.task.primary_metric(scores).name in scores


def test_its_baseline_is_measured_on_the_same_rows(rows: Rows, baseline: Baseline) -> None:
    """Each row of the model's is matched with the baseline's: what both count of the reference is equal."""
    paired = pair_rows(baseline.rows, rows.spans)
    assert paired is not None
    names = REFERENCE_COUNTS.keys() & paired.counts.keys() & rows.counts.keys()
    if not names:
        numpy.testing.assert_array_equal(paired.units, rows.units)
    for name in names:
        columns = numpy.s_[:, REFERENCE_COUNTS[name]]
        numpy.testing.assert_array_equal(paired.counts[name][columns], rows.counts[name][columns])


def test_without_time_its_baseline_is_fitted_on_less_and_says_so(
    case: Case, baseline: Baseline, hasty_baseline: Baseline
) -> None:
    whole, cut = baseline, hasty_baseline
    assert whole.fitted_on == ""
    assert len(cut.rows.units) == len(whole.rows.units)
    scores = [case.task.score(result.rows, case.preparation.unit) for result in (whole, cut)]
    if not cut.fitted_on:  # it only counts, or there is little data
        assert scores[0] == scores[1]
        return
    fitted, size = (int(number.replace(",", "")) for number in re.findall(r"[\d,]+", cut.fitted_on))
    assert 0 < fitted < size
    assert re.fullmatch(r"[\d,]+ of [\d,]+ (rows|characters)", cut.fitted_on)
    assert scores[0] != scores[1]


def test_its_baseline_is_bounded(case: Case, hasty_baseline: Baseline) -> None:
    """Those that are more than counting are cut; toy data has enough rows to see it."""
    if case.kind is not None:
        pytest.skip("its pictures or clips are too few to be cut")
    assert bool(hasty_baseline.fitted_on) == (case.task.name in ("generate", "classify", "translate"))


def test_batches_have_little_padding(case: Case) -> None:
    """At most 1.15 times the sum of the valid lengths."""
    source = case.preparation.source(case.data, "train", Batching(batch_size=16, window=40))
    if source.carries_state:
        pytest.skip("its windows have no padding")
    assert source.padding_ratio() <= 1.15


def test_an_answer_depends_on_its_own_input_only(case: Case) -> None:
    """Single or in a batch of other lengths: the same answer, in the order of the inputs."""
    if case.preparation.source(case.data, "test", Batching(7, training=False)).carries_state:
        pytest.skip("its outputs are sampled; tests/tasks tests this")
    model = case.model()
    items = [case.preparation.encode(value) for value in _inputs(case)]
    together = case.task.predict(model, items, case.context)
    for item, answer in zip(items, together, strict=True):
        (alone,) = case.task.predict(model, [item], case.context)
        assert alone.text == answer.text
        assert "\n" not in answer.text
        json.dumps(dict(answer.details))


def test_its_model_can_be_traced_and_clamped(case: Case) -> None:
    """Its steps have names, its values the names of docs/inspect.md, and an answer is the same as before."""
    folder, model = case.data.path, case.model()
    predictor = Predictor(folder, case.config, "", case.preparation, model)
    value = _traced_input(case)
    (before,) = predictor.predict([value])
    trace = predictor.trace(value)
    assert all(isinstance(step, str) and step for step in [*trace.steps, *trace.written])
    for name, tensor in trace.items():
        assert tensor.dtype == torch.float32
        assert tensor.device.type == "cpu"
        assert tensor.isfinite().all()
        if not name.startswith("speller."):
            assert len(tensor) == len(trace.steps_of(name)) > 1, name
    if NAMES_OF_VALUES.exists():  # a task of one's own, elsewhere, has no page to be on
        _, row = next(line for line in _documented_layers() if line[0] == case.task.name)
        patterns = [f"{name}.*".replace(".N", ".*").replace(".M", ".*") for name in row]
        for name in set(trace) - {"attention"}:
            assert any(fnmatchcase(name, pattern) for pattern in patterns), (
                f"{name} is not in docs/inspect.md"
            )
    if "attention" in trace:
        assert trace["attention"].shape == (len(trace.written), len(trace.steps))
        torch.testing.assert_close(trace["attention"].sum(1), torch.ones(len(trace.written)))
    hidden = next(name for name in trace if name.endswith(".hidden"))
    with predictor.clamp({hidden: 0.0}):
        # the least that the compiled kernel's sigmoid can be is 1e-38
        assert predictor.trace(value, [hidden])[hidden].abs().max() < 1e-37
    assert predictor.predict([value])[0].text == before.text
    with pytest.raises(ConfigError, match=re.escape(f"Did you mean `{hidden}`?")):
        predictor.trace(value, [hidden[:-1]])
    if not trace.written:
        with pytest.raises(ConfigError, match="a target is for a model with a decoder"):
            predictor.trace(value, target="a")


@pytest.mark.parametrize("fault", ["forget gates shut", "dead layers"])
def test_faults_planted_in_its_layers_are_named(case: Case, fault: str) -> None:
    """By a diagnosis on a batch of its own data."""
    if fault == "dead layers" and case.task.name == "caption":
        pytest.skip("its layers start from the picture, which goes on through them")
    config = resolve(case.task, [{"data": case.config.data.model_dump()}, {"model": {"hidden_size": 12}}])
    config = resolve(case.task, [config.to_dict(), {"model": {"cell_type": "lstm", "num_layers": 1}}])
    model = case.task.build(case.preparation, config.model)
    with torch.no_grad():
        for place in places(model).values():
            for name, parameter in place.layer.named_parameters():
                if fault == "dead layers":
                    parameter.zero_()
                elif name.startswith("bias_ih"):
                    size = place.layer.hidden_size
                    parameter[size : 2 * size] = -8.0
    predictor = Predictor(case.data.path, config, "", case.preparation, model)
    diagnosis = diagnose(predictor, case.data.path, num_batches=1)
    verdict = "dead" if fault == "dead layers" else "saturated"
    assert verdict in [found.name for found in diagnosis.verdicts]
    json.dumps(diagnosis.as_json())
    assert max(map(len, describe(diagnosis).splitlines())) <= 80


def _traced_input(case: Case) -> Any:
    if case.task.name == "generate":
        return "a text that is read"
    if case.task.name == "compose":
        return next(iter(case.data.path.rglob("*.mid")))
    return _inputs(case)[0]


NAMES_OF_VALUES = Path(__file__).parents[2] / "docs/inspect.md"


def _documented_layers() -> list[tuple[str, list[str]]]:
    """The second table of docs/inspect.md: tasks, and the names of their layers."""
    text = NAMES_OF_VALUES.read_text().split("| task | layers |")[1]
    rows = re.findall(r"^\| `(\w+)` \| (.+) \|$", text, flags=re.MULTILINE)
    return [(task, re.findall(r"`([\w.]+)`", names)) for task, names in rows]


def test_answers_do_not_depend_on_torch_default_device(case: Case) -> None:
    """Another default device, on which nothing can be computed, is not where anything is made by chance."""
    model = case.model()
    rows = case.data.examples("test")[:3] if hasattr(case.data, "examples") else ()
    items = [case.preparation.encode(example.fields[case.preparation.column]) for example in rows]
    if not items:
        pytest.skip("its data has no rows; tests/tasks tests this")
    answers = case.task.predict(model, items, case.context)
    with torch.device("meta"):
        assert case.task.predict(model, items, case.context) == answers


def test_measures_do_not_depend_on_torch_default_device(case: Case, rows: Rows) -> None:
    model = case.model()
    source = case.preparation.source(case.data, "test", Batching(7, training=False))
    with torch.device("meta"):
        again = measure(case.task, model, source, CPU, case.context)
    numpy.testing.assert_array_equal(again.nats, rows.nats)
    for name, counts in rows.counts.items():
        numpy.testing.assert_array_equal(again.counts[name], counts)
