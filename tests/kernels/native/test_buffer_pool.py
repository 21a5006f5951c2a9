"""The buffer pool, and the memory of results: it is used again if and only if nobody can still read it."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Callable
from typing import Any, TypeAlias

import numpy
import pytest
import torch
from torch import Tensor, multiprocessing
from torch.utils.data import DataLoader, Dataset

import seqloom
from seqloom.kernels.native import buffer_pool, library

SIZE = 1 << 20
"""Elements of float32"""
MANY = int(os.environ.get("SEQLOOM_FUZZ", "1500"))
"""Runs of layers whose results are held"""

needs_library = pytest.mark.skipif(not library.available(), reason=library.why_unavailable())


@pytest.fixture(autouse=True)
def empty_pool(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(buffer_pool, "_free", {})


def allocate(size: int = SIZE) -> Tensor:
    return buffer_pool.empty(torch.empty(0), (size,), torch.float32)


def test_freed_memory_is_used_again() -> None:
    tensor, other = allocate(), allocate()
    place = tensor.data_ptr()
    assert other.data_ptr() != place
    del tensor
    assert allocate().data_ptr() == place


def test_tensors_are_contiguous_and_no_views() -> None:
    tensor = buffer_pool.empty(torch.empty(0), (3, 2, SIZE), torch.bfloat16)
    assert (tensor.shape, tensor.dtype, tensor.device.type) == ((3, 2, SIZE), torch.bfloat16, "cpu")
    assert tensor.is_contiguous()
    assert not tensor._is_view()


def test_memory_may_be_twice_as_large_as_asked_for_and_no_more() -> None:
    place = allocate(2 * SIZE).data_ptr()
    assert allocate(SIZE).data_ptr() == place
    assert allocate(SIZE - 1).data_ptr() != place


def test_small_tensors_are_not_pooled() -> None:
    allocate(100)
    assert buffer_pool._free == {}


def test_free_memory_is_limited_and_the_longest_unused_goes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(buffer_pool, "MAX_FREE_BYTES", 10 * SIZE)
    first, second, third = allocate(), allocate(SIZE + 1), allocate(SIZE + 2)
    del first
    del second
    assert [len(memory) for memory in buffer_pool._free.values()] == [4 * SIZE, 4 * SIZE + 4]
    del third
    assert [len(memory) for memory in buffer_pool._free.values()] == [4 * SIZE + 4, 4 * SIZE + 8]


HOLDERS: dict[str, Callable[[Tensor], Any]] = {
    "a view": lambda tensor: tensor[5:7],
    "its storage": lambda tensor: tensor.untyped_storage(),
    "numpy": lambda tensor: tensor.numpy(),
    "a view of numpy": lambda tensor: tensor.numpy()[::7],
    "a memoryview": lambda tensor: memoryview(tensor.numpy()),
    "DLPack": lambda tensor: torch.utils.dlpack.to_dlpack(tensor),
    "numpy by DLPack": lambda tensor: numpy.from_dlpack(tensor),
    "a detached tensor": lambda tensor: tensor.detach(),
    "another storage's tensor": lambda tensor: torch.empty(0).set_(tensor.untyped_storage()),
}


@pytest.mark.parametrize("holder", HOLDERS)
def test_memory_is_in_use_while_anything_refers_to_it(holder: str) -> None:
    tensor = allocate()
    place, held = tensor.data_ptr(), HOLDERS[holder](tensor)
    del tensor
    assert buffer_pool._free == {}
    assert allocate().data_ptr() != place
    del held
    assert any(memory.ctypes.data == place for memory in buffer_pool._free.values())


def test_tensors_in_shared_memory_are_copied_out_of_the_pool() -> None:
    tensor = allocate()
    place = tensor.data_ptr()
    tensor.fill_(3).share_memory_()
    assert allocate().fill_(4).data_ptr() == place
    assert bool((tensor == 3).all())


def test_default_devices_are_not_asked() -> None:
    like = torch.empty(0)
    with torch.device("meta"):
        tensor = buffer_pool.empty(like, (SIZE,), torch.float32)
    assert tensor.device.type == "cpu"
    del tensor
    assert allocate().fill_(1).device.type == "cpu"


def test_threads_free_what_others_allocated() -> None:
    tensors: list[Tensor] = [allocate() for _ in range(4)]
    thread = threading.Thread(target=tensors.clear)
    thread.start()
    thread.join()
    assert len(buffer_pool._free) == 4


@needs_library
def test_training_step_reuses_what_the_previous_one_saved() -> None:
    layer, x = seqloom.LSTM(64, 128, kernel="native"), torch.randn(100, 16, 64)

    def step() -> tuple[list[Tensor], int]:
        output = layer(x)[0]
        saved = output.grad_fn.saved_tensors[-1].data_ptr()  # type: ignore[union-attr]
        return [output.detach(), *torch.autograd.grad(output.sum(), list(layer.parameters()))], saved

    first, place = step()
    copies = [tensor.clone() for tensor in first]
    second, place_again = step()
    assert place_again == place
    for old, copy, new in zip(first, copies, second, strict=True):
        assert torch.equal(old, copy)
        assert torch.equal(old, new)


@needs_library
def test_results_and_gradients_can_be_resized_whatever_became_of_earlier_ones() -> None:
    layer, x = seqloom.GRU(64, 128, kernel="native"), torch.randn(100, 64, 64, requires_grad=True)

    def results() -> list[Tensor]:
        output, state = layer(x)
        gradients = torch.autograd.grad(output.sum(), [x, *layer.parameters()])
        return [output.detach(), state.detach(), *gradients]

    for result in results():
        result.numpy()
    for result in results():
        result.resize_(2 * result.numel())


@needs_library
def test_process_that_ends_with_saved_values_ends_quietly() -> None:
    code = (
        "import torch, seqloom; x = torch.randn(100, 64, 64)\n"
        "loss = seqloom.LSTM(64, 128, kernel='native')(x)[0].sum()\n"
        "loop = [loss]; loop.append(loop)"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout + result.stderr == ""


class Encoded(Dataset[Tensor]):
    """Sequences that a layer has run over, in the worker process."""

    def __init__(self) -> None:
        self.layer = seqloom.LSTM(8, 16, kernel="native")
        self.inputs = torch.randn(6, 40, 4, 8)

    def __len__(self) -> int:
        return len(self.inputs)

    def __getitem__(self, index: int) -> Tensor:
        return self.layer(self.inputs[index])[0].detach()


@needs_library
@pytest.mark.parametrize("method", ["fork", pytest.param("spawn", marks=pytest.mark.slow)])
def test_workers_send_results_that_later_ones_leave_alone(
    method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(buffer_pool, "SMALLEST_BYTES", 1)
    data = Encoded()
    loader = DataLoader(data, batch_size=None, num_workers=1, multiprocessing_context=method)
    received = list(loader)
    for index, result in enumerate(received):
        torch.testing.assert_close(result, data[index])


Read: TypeAlias = Callable[[], Tensor]
"""Reads a held result at a later time"""


def _hold_numpy(tensor: Tensor) -> Read:
    array = tensor.contiguous().numpy()
    return lambda: torch.from_numpy(array)


def _hold_dlpack(tensor: Tensor) -> Read:
    capsule = torch.utils.dlpack.to_dlpack(tensor)
    return lambda: torch.utils.dlpack.from_dlpack(capsule)


def _hold_storage(tensor: Tensor) -> Read:
    storage = tensor.untyped_storage()
    layout = tensor.storage_offset(), tensor.shape, tensor.stride()
    return lambda: torch.empty(0).set_(storage, *layout)


def _hold_shared(tensor: Tensor) -> Read:
    tensor.share_memory_()
    return lambda: tensor


def _hold_resized(tensor: Tensor) -> Read:
    shape, resized = tensor.shape, tensor.contiguous()
    resized.resize_(resized.numel() + 100)
    return lambda: resized[: shape.numel()].view(shape)


def _hold_in_thread(tensor: Tensor) -> Read:
    views: list[Tensor] = []
    thread = threading.Thread(target=lambda: views.append(tensor[...]))
    thread.start()
    thread.join()
    return lambda: views[0]


HOLDS: list[Callable[[Tensor], Read]] = [
    lambda tensor: lambda: tensor,
    _hold_numpy,
    _hold_dlpack,
    _hold_storage,
    _hold_shared,
    _hold_resized,
    _hold_in_thread,
]


def _draw_input(rng: numpy.random.Generator) -> Tensor:
    steps, rows = rng.integers(1, 9, 2)
    return torch.from_numpy(rng.standard_normal((steps, rows, 4), numpy.float32)).requires_grad_()


def _postpone_backward(layer: Any, rng: numpy.random.Generator) -> tuple[Read, Tensor]:
    """A backward pass at a later time, and the gradient that it must give."""
    x = _draw_input(rng)
    loss = layer(x)[0].square().sum()
    (expected,) = torch.autograd.grad(loss, x, retain_graph=True)
    return lambda: torch.autograd.grad(loss, x)[0], expected.clone()


def _run(layer: Any, rng: numpy.random.Generator) -> list[Tensor]:
    """Results of one run: outputs, states, gates or gradients."""
    x = _draw_input(rng)
    with torch.device("meta" if rng.random() < 0.2 else "cpu"):
        match rng.integers(4):
            case 0:
                with torch.no_grad():
                    return [layer(x)[0]]
            case 1:
                output, state = layer(x)
                return [output.detach(), (state if isinstance(state, Tensor) else state[0]).detach()]
            case 2:
                with torch.no_grad():
                    # One, as the gates of a run share a storage; of two steps or more, so that those who
                    # resize it resize a copy.
                    return [layer.trace(torch.cat([x, x])).gates[0][0]]
            case _:
                output = layer(x)[0]
                return list(torch.autograd.grad(output.square().sum(), [x, *layer.parameters()]))


def _keep_and_return(queue: Any, answers: Any) -> None:
    """A worker process: what it was sent, as it is after the last one came."""
    tensors = list(iter(queue.get, None))
    for tensor in tensors:
        answers.put(tensor.numpy().copy())


@needs_library
@pytest.mark.parametrize("count", [500, pytest.param(MANY, marks=pytest.mark.slow)])
def test_results_never_change_whatever_is_done_with_them(count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(buffer_pool, "SMALLEST_BYTES", 1)
    monkeypatch.setattr(buffer_pool, "MAX_FREE_BYTES", 1 << 16)
    rng = numpy.random.default_rng(count)
    layers = [
        cell(4, 6, bidirectional=bidirectional, kernel="native")
        for cell in (seqloom.RNN, seqloom.LSTM, seqloom.GRU)
        for bidirectional in (False, True)
    ]
    context = multiprocessing.get_context("fork")
    queue, answers = context.Queue(), context.SimpleQueue()
    worker = context.Process(target=_keep_and_return, args=(queue, answers), daemon=True)
    worker.start()
    held: list[tuple[Read, Tensor]] = []
    sent: list[Tensor] = []

    def check(read: Read, expected: Tensor) -> None:
        assert torch.equal(read(), expected)

    for _ in range(count):
        held.append(_postpone_backward(layers[rng.integers(len(layers))], rng))
        for tensor in _run(layers[rng.integers(len(layers))], rng):
            if rng.random() < 100 / count:
                sent.append(tensor.clone())
                queue.put(tensor)
            else:
                expected = tensor.clone()
                held.append((HOLDS[rng.integers(len(HOLDS))](tensor), expected))
        while len(held) > 40:
            check(*held.pop(rng.integers(len(held))))
    queue.put(None)
    for expected in sent:
        assert torch.equal(torch.from_numpy(answers.get()), expected)
    worker.join(60)
    assert worker.exitcode == 0
    for read, expected in held:
        check(read, expected)
