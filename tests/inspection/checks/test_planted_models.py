"""Faults planted in one's own modules and tasks: each is named by the check that is for it, and only by those
that it must break too."""

# ruff: noqa: ARG002  faulty modules ignore what they are given

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar, final

import pytest
import torch
from torch import Tensor, nn

import seqloom
from seqloom.data.batching import Batching, Source
from seqloom.errors import ConfigError, RunError
from seqloom.inference.predictor import Predictor
from seqloom.runs import run_folder
from seqloom.tasks.base import Context, Loss, Output
from seqloom.tasks.labeled_text import LabeledTextTask

from .conftest import answers, failed, replaced, untrained

OF_THE_MODEL = ("repeats", "padding", "batch-mates", "batch-size", "empty-rows", "kernels", "precisions")


class Reader(nn.Module):
    """One's own classifier, correct: the mean of a GRU's outputs over the valid steps."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(1)
        self.embedding = nn.Embedding(40, 5)
        self.layer = nn.GRU(5, 6, batch_first=True)
        self.output = nn.Linear(6, 2)

    @property
    def device(self) -> torch.device:
        return self.output.weight.device

    def forward(self, values: Tensor, lengths: Tensor) -> Tensor:
        h, _ = self.layer(self.embedding(values))
        return self.output(3 * self.pool(h, lengths))

    def pool(self, h: Tensor, lengths: Tensor) -> Tensor:
        mask = torch.arange(h.shape[1]) < lengths[:, None]
        return (h * mask[..., None]).sum(1) / lengths.clamp(min=1)[:, None]


class PaddedMean(Reader):
    def pool(self, h: Tensor, lengths: Tensor) -> Tensor:
        return h.mean(1)


class LastStep(Reader):
    def pool(self, h: Tensor, lengths: Tensor) -> Tensor:
        return h[:, -1]


class CenteredOverBatch(Reader):
    def pool(self, h: Tensor, lengths: Tensor) -> Tensor:
        pooled = super().pool(h, lengths)
        return pooled - 0.5 * pooled.mean(0)


class BatchNorm(Reader):
    def pool(self, h: Tensor, lengths: Tensor) -> Tensor:
        pooled = super().pool(h, lengths)
        return nn.functional.batch_norm(pooled, None, None, training=True)


class ScaledByBatch(Reader):
    def pool(self, h: Tensor, lengths: Tensor) -> Tensor:
        return super().pool(h, lengths) * len(h) ** 0.5


class Dropped(Reader):
    def pool(self, h: Tensor, lengths: Tensor) -> Tensor:
        return nn.functional.dropout(super().pool(h, lengths), 0.5, training=True)


class DroppedAlike(Reader):
    def pool(self, h: Tensor, lengths: Tensor) -> Tensor:
        with torch.random.fork_rng():
            torch.manual_seed(0)
            return nn.functional.dropout(super().pool(h, lengths), 0.5, training=True)


class DividedByLength(Reader):
    def pool(self, h: Tensor, lengths: Tensor) -> Tensor:
        mask = torch.arange(h.shape[1]) < lengths[:, None]
        return (h * mask[..., None]).sum(1) / lengths[:, None]


class Overflowing(Reader):
    """The logarithm of a sum of exponentials of large numbers, as it is written on paper."""

    def pool(self, h: Tensor, lengths: Tensor) -> Tensor:
        pooled = super().pool(h, lengths)
        return pooled + (300 * pooled.abs() + 60).exp().sum(1, keepdim=True).log() / 1000


class NotANumber(Reader):
    """Of some rows, in every precision."""

    def pool(self, h: Tensor, lengths: Tensor) -> Tensor:
        is_odd = (lengths % 2 == 1)[:, None]
        return super().pool(h, lengths).masked_fill(is_odd, torch.nan)


class WrongKernel(nn.Module):
    """A layer whose fast kernel is another function."""

    def __init__(self) -> None:
        super().__init__()
        self.kernel = "auto"
        self.layer = seqloom.GRU(5, 6, batch_first=True)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        h, state = self.layer(x)
        return (h * 1.1 if self.kernel == "torch" else h), state


class WithWrongKernel(Reader):
    def __init__(self) -> None:
        super().__init__()
        self.layer = WrongKernel()  # type: ignore[assignment]


def test_a_correct_module_fails_no_check(classifier: Predictor, texts: Path) -> None:
    only = ("repeats", "padding", "batch-mates", "batch-size", "chunks", "empty-rows", "precisions")
    report = seqloom.check(replaced(classifier, Reader()), texts, only=only)
    assert report.passed
    assert all(check.result == "pass" for check in report.checks)


@pytest.mark.parametrize(
    ("module", "names"),
    [
        (PaddedMean, {"padding"}),
        (LastStep, {"padding"}),
        (CenteredOverBatch, {"batch-mates", "empty-rows"}),
        (BatchNorm, {"padding", "batch-mates", "batch-size", "empty-rows"}),
        (ScaledByBatch, {"batch-size"}),
        (Dropped, {"repeats"}),
        (DroppedAlike, {"batch-size"}),
        (DividedByLength, {"empty-rows"}),
        (Overflowing, {"precisions"}),
        (NotANumber, {"precisions"}),
        (WithWrongKernel, {"kernels"}),
    ],
    ids=lambda value: value.__name__ if isinstance(value, type) else "",
)
def test_a_fault_in_a_module_is_named(
    classifier: Predictor, texts: Path, module: type[Reader], names: set[str]
) -> None:
    results = answers(replaced(classifier, module()), texts, *OF_THE_MODEL)
    failures = {name: result for name, result in results.items() if result.result == "fail"}
    assert failures.keys() == names
    for result in failures.values():
        assert result.advice
        assert any(digit.isdigit() for digit in result.evidence)


class Limited:
    """A preparation whose batches have few steps, whatever is asked for."""

    def __init__(self, preparation: Any, max_units: int) -> None:
        self._preparation, self._max_units = preparation, max_units

    def __getattr__(self, name: str) -> Any:
        return getattr(self._preparation, name)

    def source(self, data: Any, split: str, batching: Batching) -> Source:
        return self._preparation.source(data, split, batching._replace(max_units=self._max_units))


@pytest.mark.parametrize("max_units", [400, 200, 80])
def test_rows_of_smaller_batches_are_checked_too(classifier: Predictor, texts: Path, max_units: int) -> None:
    preparation = Limited(classifier.preparation, max_units)
    for module, result in ((Reader(), "pass"), (PaddedMean(), "fail")):
        predictor = Predictor(classifier.folder, classifier.config, "", preparation, module.eval())
        assert answers(predictor, texts, "padding")["padding"].result == result


def test_a_module_in_training_mode_is_named(classifier: Predictor, texts: Path) -> None:
    class Stubborn(Reader):
        def __init__(self) -> None:
            super().__init__()
            self.dropout = nn.Dropout(0.0)

        def train(self, mode: bool = True) -> Stubborn:
            super().train(mode)
            self.dropout.training = True
            return self

    report = seqloom.check(replaced(classifier, Stubborn()), texts, only=["repeats"])
    assert report.failed == ("repeats",)
    assert report["repeats"].evidence.endswith("in training mode: dropout")


def test_what_a_module_raises_is_named(classifier: Predictor, texts: Path) -> None:
    class OneRowOnly(Reader):
        def pool(self, h: Tensor, lengths: Tensor) -> Tensor:
            if len(h) == 1:
                raise IndexError("no second row")
            return super().pool(h, lengths)

    report = seqloom.check(replaced(classifier, OneRowOnly()), texts, only=["padding"])
    assert report.failed == ("padding",)
    assert report["padding"].evidence == "it raises IndexError: no second row"


class Writer(nn.Module):
    """One's own language model, correct."""

    def __init__(self, vocabulary: int) -> None:
        super().__init__()
        torch.manual_seed(1)
        self.embedding = nn.Embedding(vocabulary, 5)
        self.layer = nn.GRU(5, 6, batch_first=True)
        self.output = nn.Linear(6, vocabulary)

    @property
    def device(self) -> torch.device:
        return self.output.weight.device

    def forward(self, tokens: Tensor, state: Any = None) -> tuple[Tensor, Any]:
        h, state = self.layer(self.read(tokens), state)
        return self.output(3 * h), state

    def read(self, tokens: Tensor) -> Tensor:
        return self.embedding(tokens)


class StateDropped(Writer):
    def forward(self, tokens: Tensor, state: Any = None) -> tuple[Tensor, Any]:
        logits, _ = super().forward(tokens, None)
        return logits, None


class StateOfTheFirstRow(Writer):
    def forward(self, tokens: Tensor, state: Any = None) -> tuple[Tensor, Any]:
        logits, state = super().forward(tokens, state)
        return logits, state[:, :1].expand_as(state).contiguous()


class ShiftedByOne(Writer):
    """It reads the token that it is to predict."""

    def read(self, tokens: Tensor) -> Tensor:
        return self.embedding(tokens.roll(-1, 1))


class MeanOfAll(Writer):
    def read(self, tokens: Tensor) -> Tensor:
        x = self.embedding(tokens)
        return x + x.mean(1, keepdim=True)


class Centered(nn.Module):
    """A convolution over the steps before and after."""

    def __init__(self) -> None:
        super().__init__()
        self.convolution = nn.Conv1d(5, 5, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return self.convolution(x.mT).mT


class Convolved(Writer):
    def __init__(self, vocabulary: int) -> None:
        super().__init__(vocabulary)
        self.around = Centered()

    def read(self, tokens: Tensor) -> Tensor:
        return self.around(self.embedding(tokens))


OF_STREAMS = ("repeats", "batch-mates", "batch-size", "chunks", "causality")


@pytest.mark.parametrize(
    ("module", "names"),
    [
        (Writer, set()),
        (StateDropped, {"chunks"}),
        (StateOfTheFirstRow, {"chunks"}),
        (ShiftedByOne, {"causality", "chunks"}),
        (MeanOfAll, {"causality", "chunks"}),
        (Convolved, {"causality", "chunks"}),
    ],
    ids=lambda value: value.__name__ if isinstance(value, type) else "",
)
def test_a_fault_in_a_language_model_is_named(
    writer: Predictor, novel: Path, module: type[Writer], names: set[str]
) -> None:
    predictor = replaced(writer, module(len(writer.preparation.vocabulary)))
    assert failed(predictor, novel, *OF_STREAMS) == names


def test_the_module_that_sees_the_future_is_named(writer: Predictor, novel: Path) -> None:
    predictor = replaced(writer, ShiftedByOne(len(writer.preparation.vocabulary)))
    evidence = seqloom.check(predictor, novel, only=["causality"])["causality"].evidence
    assert evidence.startswith("embedding at step 30 depends on step 31 or a later one: its output changes ")


@final
class Stars(LabeledTextTask):
    """One's own task: a share of stars."""

    name = "stars"
    target_column = "label"
    is_faulty: ClassVar[bool] = False

    def read_target(self, example: Any) -> Any:
        return example.text("label")

    def build(self, preparation: Any, config: Any) -> nn.Module:
        return self.classifier(preparation, config, len(preparation.targets.values))

    def compute_loss(self, outputs: Tensor, targets: Tensor) -> Loss:
        nats = nn.functional.cross_entropy(outputs, targets, reduction="none")
        correct = (outputs.argmax(1) == targets).long()
        return Loss(nats, torch.ones_like(targets), counts={"correct": correct})

    def answer(self, outputs: Tensor, values: Any) -> Output:
        return Output(values[int(outputs.argmax())])

    def write_toy_data(self, folder: Path, seed: int) -> str:
        return ""


class LossOverPadding(type(Stars())):  # type: ignore[misc]
    """The loss of a row grows with the padding behind it."""

    def loss(self, model: Any, batch: Any, state: Any, context: Context) -> Loss:
        loss = super().loss(model, batch, state, context)
        return loss._replace(nats=loss.nats * batch.values.shape[1] / batch.lengths)


class UnitsOfPadding(type(Stars())):  # type: ignore[misc]
    """A row counts as many units as the batch has steps."""

    def loss(self, model: Any, batch: Any, state: Any, context: Context) -> Loss:
        loss = super().loss(model, batch, state, context)
        return loss._replace(units=torch.full_like(loss.units, batch.values.shape[1]))


class KeptElsewhere(type(Stars())):  # type: ignore[misc]
    """A part of the model is no parameter and no buffer, so that it is not saved."""

    def build(self, preparation: Any, config: Any) -> nn.Module:
        model = super().build(preparation, config)
        shift = torch.randn(2)
        model.register_forward_hook(lambda _, __, output: output + shift)
        return model


SMALL = {"hidden_size": 6, "embedding_size": 5}


@pytest.mark.parametrize(
    ("task", "names"),
    [
        (Stars, set()),
        (LossOverPadding, {"padding"}),
        (UnitsOfPadding, {"batch-size"}),
        (KeptElsewhere, {"save-and-load"}),
    ],
    ids=lambda value: value.__name__ if isinstance(value, type) else "",
)
def test_a_fault_in_a_task_of_ones_own_is_named(
    texts: Path, tmp_path: Path, task: type[LabeledTextTask], names: set[str]
) -> None:
    predictor = untrained(task(), texts, tmp_path, model=SMALL)
    assert failed(predictor, texts, *OF_THE_MODEL, "save-and-load") == names


def test_weights_that_were_changed_after_saving_are_named(texts: Path, tmp_path: Path) -> None:
    predictor = untrained("classify", texts, tmp_path, model=SMALL)
    run_folder.save_model(tmp_path, predictor.model)
    assert failed(predictor, texts, "save-and-load") == set()
    with torch.no_grad():
        predictor.model.output.bias += 1
    result = answers(predictor, texts, "save-and-load")["save-and-load"]
    assert result.result == "fail"
    assert result.evidence == "1 tensors are not those of model.safetensors: output.bias"


def test_a_model_of_both_directions_has_no_causality(classifier: Predictor, texts: Path) -> None:
    result = answers(classifier, texts, "causality")["causality"]
    assert (result.result, result.evidence) == ("not applicable", "layers.0 reads both ways")
    expected = r"the check causality must be applicable\. Got layers\.0 reads both ways\.$"
    with pytest.raises(RunError, match=expected):
        seqloom.check(classifier, texts, only=["causality"])


def test_an_unknown_check_names_the_nearest(classifier: Predictor, texts: Path) -> None:
    with pytest.raises(ConfigError, match=r"^check: unknown check `pading`\. Did you mean `padding`\?$"):
        seqloom.check(classifier, texts, only=["pading"])
