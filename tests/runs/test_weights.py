"""Weights on disk: each file knows whether it is as it was written."""

from __future__ import annotations

import resource
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import safetensors.torch
import torch
from torch import nn

from seqloom.errors import RunError
from seqloom.files import remove_partial
from seqloom.runs import weights

TENSORS = {"w": torch.arange(6.0).view(2, 3), "n": torch.arange(4, dtype=torch.uint8), "s": torch.tensor(2.5)}


def written(path: Path, tensors: dict[str, torch.Tensor] = TENSORS) -> bytes:
    weights.write(path, tensors, {"format": "pt"})
    return path.read_bytes()


def test_what_is_written_comes_back_and_others_can_read_it(tmp_path: Path) -> None:
    content = written(tmp_path / "a.safetensors")
    tensors, metadata = weights.read(tmp_path / "a.safetensors")
    assert metadata == {"format": "pt"}
    others = safetensors.torch.load(content)
    for read in (tensors, others):
        assert read.keys() == TENSORS.keys()
        assert all(torch.equal(read[name], tensor) for name, tensor in TENSORS.items())


def test_whoever_may_read_other_files_may_read_it(tmp_path: Path) -> None:
    (tmp_path / "other").touch()
    written(tmp_path / "a.safetensors")
    assert (tmp_path / "a.safetensors").stat().st_mode == (tmp_path / "other").stat().st_mode


def test_what_a_killed_writer_leaves_is_removed(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    before = written(path)
    program = (
        "import os, signal, sys, torch\n"
        "from pathlib import Path\n"
        "from seqloom.runs import weights\n"
        "weights._compute_checksum = lambda *_: os.kill(os.getpid(), signal.SIGKILL)\n"
        "weights.write(Path(sys.argv[1]), {'w': torch.zeros(1000)})\n"
    )
    assert subprocess.run([sys.executable, "-c", program, str(path)], check=False).returncode < 0
    assert len(list(tmp_path.iterdir())) == 2
    remove_partial(tmp_path)
    assert [file.name for file in tmp_path.iterdir()] == ["a.safetensors"]
    assert path.read_bytes() == before


def test_on_a_full_disk_the_old_file_stays_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    before = written(path)
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limit[1]))
    try:
        with pytest.raises(RunError, match=r"a\.safetensors: cannot be written\. Got File too large\."):
            written(path, {"w": torch.zeros(10_000)})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
        signal.signal(signal.SIGXFSZ, handler)
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["a.safetensors"]


def test_a_file_of_others_has_no_checksum_and_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    safetensors.torch.save_file(TENSORS, path)
    assert torch.equal(weights.read(path)[0]["w"], TENSORS["w"])


def test_every_flipped_bit_is_noticed_or_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    content = written(path)
    refused = 0
    for bit in range(8 * len(content)):
        damaged = bytearray(content)
        damaged[bit // 8] ^= 1 << bit % 8
        path.write_bytes(damaged)
        try:
            tensors, _ = weights.read(path)
        except RunError:
            refused += 1
            continue
        assert tensors.keys() == TENSORS.keys()
        assert all(torch.equal(tensors[name], tensor) for name, tensor in TENSORS.items())
    assert refused > 8 * len(content) * 0.8


def test_every_truncation_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    content = written(path)
    for length in range(len(content)):
        path.write_bytes(content[:length])
        with pytest.raises(RunError):
            weights.read(path)


def test_damage_is_one_line_with_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    content = bytearray(written(path))
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(RunError) as raised:
        weights.read(path)
    assert str(raised.value) == (
        f"{path}: must be as it was written. Got other content. "
        "The file was damaged on its way or on the disk; copy it again."
    )


def test_a_file_that_is_replaced_while_it_is_read_is_read_whole(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    contents = [{"w": torch.full((200_000,), float(number))} for number in range(2)]
    written(path, contents[0])
    done = threading.Event()

    def replace() -> None:
        number = 0
        while not done.is_set():
            number += 1
            written(path, contents[number % 2])

    writer = threading.Thread(target=replace)
    writer.start()
    try:
        for _ in range(60):
            assert weights.read(path)[0]["w"].unique().numel() == 1
    finally:
        done.set()
        writer.join()


@pytest.mark.parametrize("dtype", [torch.int8, torch.bool])
def test_weights_of_another_kind_of_numbers_are_refused(tmp_path: Path, dtype: torch.dtype) -> None:
    model = nn.Linear(2, 2)
    tensors = {name: tensor.detach().to(dtype) for name, tensor in model.state_dict().items()}
    with pytest.raises(RunError, match=r"must hold the parameters that config\.json describes"):
        weights.load_state(model, tensors, tmp_path / "model.safetensors")
    weights.load_state(model, {name: tensor.half() for name, tensor in model.state_dict().items()}, tmp_path)
