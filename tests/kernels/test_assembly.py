"""The inner loops of csrc/ keep their sums in registers: none is spilled to the stack between multiply-adds.

Whether it is can change with every change of the source and of the compiler, and a spill costs up to half of
the speed, silently. So the loops (`gemm_tile`, `interleaved_gemm` of gemm/, `gemv_panel` of decoder/gemv.h)
are compiled here with the library's own flags, and read.
"""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import NamedTuple

import pytest

from .conftest import ROOT, Build

# Every tile at its full height, which is where all registers are in use.
GEMM_TILES = """
#include "gemm/interleaved.h"
#include "gemm/microkernel.h"
namespace seqloom::SEQLOOM_VARIANT {
template <class A>
void all_of(const void** to) {
  *to++ = (const void*)&gemm_tile<A, ROW_MAJOR, tile_rows(1), 1>;
  *to++ = (const void*)&gemm_tile<A, ROW_MAJOR, tile_rows(2), 2>;
  *to++ = (const void*)&gemm_tile<A, ROW_MAJOR, tile_rows(3), 3>;
  *to++ = (const void*)&gemm_tile<A, ROW_MAJOR, tile_rows(4), 4>;
  *to++ = (const void*)&gemm_tile<A, K_MAJOR, K_MAJOR_ROWS, 1>;
  *to++ = (const void*)&gemm_tile<A, K_MAJOR, K_MAJOR_ROWS, 2>;
  *to++ = (const void*)&interleaved_gemm<A, 2>;
  *to++ = (const void*)&interleaved_gemm<A, 3>;
  *to++ = (const void*)&interleaved_gemm<A, 4>;
}
void every(const void** to) {
  all_of<Float32>(to);
#if defined(__AVX512BF16__)
  all_of<Bf16Pairs>(to + 9);
#endif
}
}
"""

# For one row, the usual batch of decoding; for several where the processor has dpbusd and dpbf16.
GEMV_PANELS = """
#include "decoder/gemv.h"
namespace seqloom::SEQLOOM_VARIANT {
template <class P, int R>
void all_of(const void** to) {
  *to++ = (const void*)&gemv_panel<P, 2, R>;
  *to++ = (const void*)&gemv_panel<P, 3, R>;
  *to++ = (const void*)&gemv_panel<P, 4, R>;
}
template <int R>
void every(const void** to) {
  all_of<Float32Weights, R>(to);
  all_of<Bf16Weights, R>(to + 3);
  all_of<Int8Weights, R>(to + 6);
}
template void every<1>(const void**);
#if defined(__AVX512BF16__)
template void every<MAX_VECTORS>(const void**);
#endif
}
"""

MULTIPLY = ("vfmadd", "vdpbf16ps", "vpdpbusd", "vpmaddwd")


class Loop(NamedTuple):
    """The innermost loop of a function that multiplies."""

    function: str
    products: int
    """Instructions that multiply"""
    spills: list[str]
    """Vector instructions with an operand on the stack"""
    others: list[str]
    """Additions of scalars, which nothing here asks for: `Vec{} + x` is one, and no broadcast"""


def loops(assembly: str) -> list[Loop]:
    """The innermost multiplying loops of the functions in the compiler's output (AT&T syntax)."""
    result = []
    for name, body in re.findall(r"^(_ZN\w+):\n(.*?)\.cfi_endproc", assembly, re.MULTILINE | re.DOTALL):
        lines = [line.strip() for line in body.splitlines()]
        places = {line[:-1]: k for k, line in enumerate(lines) if re.fullmatch(r"\.L\w+:", line)}
        spans = [
            (places[jump[1]], k)
            for k, line in enumerate(lines)
            if (jump := re.fullmatch(r"j\w+\s+(\.L\w+)", line)) and places.get(jump[1], k) < k
        ]
        spans = [(a, z) for a, z in spans if any(line.startswith(MULTIPLY) for line in lines[a:z])]
        inner = [
            span
            for span in spans
            if not any(span != o and span[0] <= o[0] and o[1] <= span[1] for o in spans)
        ]
        # Where a function needs no frame, %rbp is a register like others.
        stack = r"\(%r[sb]p" if re.search(r"movq\s+%rsp, %rbp", body) else r"\(%rsp"
        for a, z in inner:
            vectors = [line for line in lines[a:z] if line.startswith("v")]
            result.append(
                Loop(
                    name,
                    sum(line.startswith(MULTIPLY) for line in vectors),
                    [line for line in vectors if re.search(stack, line)],
                    [line for line in vectors if line.startswith("vaddss")],
                )
            )
    return result


def compiled(build: Build, variant: str, source: str, folder: Path) -> list[Loop]:
    """The loops of a source, compiled as the library is."""
    path = folder / "loops.cpp"
    path.write_text(source)
    flags = [*build.options, f"-DSEQLOOM_VARIANT={variant}", *build.variants[variant], f"-I{ROOT / 'csrc'}"]
    command = [build.compiler, *flags, "-S", str(path), "-o", "-"]
    return loops(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


@pytest.mark.parametrize("variant", ["avx2", "avx512", "avx512_bf16"])
def test_gemm_tiles_stay_in_registers(build: Build, tmp_path: Path, variant: str) -> None:
    tiles = [loop for loop in compiled(build, variant, GEMM_TILES, tmp_path) if "gemm" in loop.function]
    assert len({loop.function for loop in tiles}) == (18 if variant == "avx512_bf16" else 9)
    # No loop has fewer products, that of a narrow panel neither.
    assert min(loop.products for loop in tiles) >= (8 if variant == "avx2" else 16)
    # A few moves where an unrolled block ends cost nothing; a sum without a register moves at each k.
    spilt = {loop.function: loop.spills for loop in tiles if len(loop.spills) > loop.products // 40}
    assert spilt == {}
    assert {loop.function: loop.others for loop in tiles if loop.others} == {}


@pytest.mark.parametrize("variant", ["avx2", "avx512", "avx512_bf16"])
def test_gemv_panels_stay_in_registers(build: Build, tmp_path: Path, variant: str) -> None:
    tiles = [
        loop for loop in compiled(build, variant, GEMV_PANELS, tmp_path) if "gemv_panel" in loop.function
    ]
    assert len({loop.function for loop in tiles}) == (18 if variant == "avx512_bf16" else 9)
    assert {loop.function: loop.spills for loop in tiles if loop.spills} == {}


SPILLING = """
_ZN4loopEv:
	pushq	%rbx
.L2:
	vmovups	(%rsi), %zmm1
	vmovaps	-64(%rsp), %zmm2
	vfmadd231ps	(%rdi){1to16}, %zmm1, %zmm2
	vmovaps	%zmm2, -64(%rsp)
	jne	.L2
	vmovaps	%zmm0, -128(%rsp)
	ret
	.cfi_endproc
"""


def test_a_spill_is_seen() -> None:
    (loop,) = loops(SPILLING)
    assert loop.products == 1
    assert loop.spills == ["vmovaps\t-64(%rsp), %zmm2", "vmovaps\t%zmm2, -64(%rsp)"]
