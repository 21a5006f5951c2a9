"""The process in which other frameworks run, in an environment of their own (peers.txt), for peers.py.

One JSON object a line: `{"make": NAME, "arrays": FILE.npz, ...}` is answered with `{"number": N, "output":
FILE.npz}`, `{"time": N, "repeat": R, ...}` with `{"seconds": S}`, a mean of R. The file of outputs shows that
a peer computes the same.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import time
from importlib import import_module
from pathlib import Path
from typing import Any

MAKERS = {
    "onnxruntime": "onnx_layer",
    "keras": "keras_layer",
    "onnxruntime decoder": "onnx_decoder",
}


def main() -> None:
    """Answer until nothing more is asked."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # whatever a framework prints is no answer
    logging.disable(logging.WARNING)
    threads = int(sys.argv[1])
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:threads])
    import numpy

    made: list[Any] = []
    for line in sys.stdin:
        request = json.loads(line)
        try:
            answer = _make(request, made, threads, numpy) if "make" in request else _time(request, made)
        except Exception as error:  # the one who asked says what went wrong
            answer = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer), file=answers, flush=True)


def _make(request: dict[str, Any], made: list[Any], threads: int, numpy: Any) -> dict[str, Any]:
    path = Path(request.pop("arrays"))
    with numpy.load(path) as file:
        arrays = dict(file)
    name = request.pop("make")
    run = import_module(MAKERS[name]).make(arrays, threads=threads, **request)
    made.append(run)
    output = path.with_suffix(".output.npz")
    numpy.savez(output, **run.outputs())
    return {"number": len(made) - 1, "output": str(output), "versions": run.versions}


def _time(request: dict[str, Any], made: list[Any]) -> dict[str, Any]:
    run, repeat = made[request.pop("time")], request.pop("repeat")
    started = time.perf_counter()
    for _ in range(repeat):
        run(**request)
    return {"seconds": (time.perf_counter() - started) / repeat}


if __name__ == "__main__":
    main()
