"""The buffer pool: buffers are reused if and only if no tensor uses them."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

import seqloom
from seqloom.kernels.native import buffer_pool, library

SIZE = 1 << 20
"""Elements of float32"""


@pytest.fixture(autouse=True)
def empty_pool(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(buffer_pool, "_buffers", [])


def allocate(size: int = SIZE, *, spare: bool = False) -> Tensor:
    return buffer_pool.empty(torch.empty(0), (size,), (1,), torch.float32, spare=spare)


def test_free_buffers_are_reused() -> None:
    tensor, other = allocate(), allocate()
    place = tensor.data_ptr()
    assert other.data_ptr() != place
    del tensor
    assert allocate().data_ptr() == place


def test_buffer_with_a_view_is_not_free() -> None:
    tensor = allocate()
    place, part = tensor.data_ptr(), tensor[5:7]
    del tensor
    assert allocate().data_ptr() != place
    assert part.data_ptr() == place + 20


def test_tensors_are_no_views() -> None:
    tensor = buffer_pool.empty(torch.empty(0), (2, SIZE), (SIZE, 1), torch.bfloat16)
    assert (tensor.shape, tensor.stride(), tensor.dtype) == ((2, SIZE), (SIZE, 1), torch.bfloat16)
    assert not tensor._is_view()
    assert tensor.untyped_storage().nbytes() == 2 * SIZE * 2


def test_only_spare_tensors_have_larger_storage() -> None:
    place = allocate(2 * SIZE).data_ptr()
    assert allocate(SIZE).data_ptr() != place
    assert allocate(SIZE, spare=True).untyped_storage().nbytes() in (4 * SIZE, 8 * SIZE)
    assert allocate(SIZE // 2, spare=True).untyped_storage().nbytes() < 8 * SIZE


def test_resized_buffers_are_not_reused() -> None:
    tensor = allocate()
    tensor.untyped_storage().resize_(8 * SIZE)
    place = tensor.data_ptr()
    del tensor
    assert allocate().data_ptr() != place


def test_small_tensors_are_not_pooled() -> None:
    allocate(100)
    assert buffer_pool._buffers == []


def test_pool_size_is_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(buffer_pool, "MAX_BYTES", 10 * SIZE)
    first, second = allocate(), allocate()
    third = allocate()
    assert [len(buffer) for buffer in buffer_pool._buffers] == [4 * SIZE] * 2
    del first, second
    fourth = allocate(SIZE + 1)
    assert [len(buffer) for buffer in buffer_pool._buffers] == [4 * SIZE, 4 * SIZE + 4]
    assert allocate(3 * SIZE).numel() == 3 * SIZE, "larger requests are allocated outside the pool"
    assert third.data_ptr() != fourth.data_ptr()


@pytest.mark.skipif(not library.available(), reason=library.why_unavailable())
def test_training_step_reuses_buffers_of_the_previous() -> None:
    layer, x = seqloom.LSTM(64, 128, kernel="native"), torch.randn(100, 16, 64)

    def step() -> list[Tensor]:
        output = layer(x)[0]
        return [output.detach(), *torch.autograd.grad(output.sum(), list(layer.parameters()))]

    first = step()
    places, copies = [tensor.data_ptr() for tensor in first], [tensor.clone() for tensor in first]
    second = step()
    assert not set(places) & {tensor.data_ptr() for tensor in second}
    for old, copy, new in zip(first, copies, second, strict=True):
        assert torch.equal(old, copy)
        assert torch.equal(old, new)
    del first, old
    assert step()[0].data_ptr() == places[0]
