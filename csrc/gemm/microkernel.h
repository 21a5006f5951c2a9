// The microkernel of every matrix product of the recurrences: a tile of a few rows of A times a panel of B, with all sums
// in registers (BLIS: an MR x NR microkernel).
//
//   out[m][v] = sum over k of A[m][k] * B[k][v],   m < M rows, v < V vectors of W columns
//
// Both operands are packed (pack.h) so that the loop reads them contiguously. A packed element has 32 bits: one float, or
// a pair of bfloat16 which are multiplied and added together. k runs in blocks of 16 elements, padded with zeros.
#pragma once

#include <utility>

#include "simd/bfloat16.h"
#include "simd/vector.h"

namespace seqloom {
namespace SEQLOOM_VARIANT {

constexpr int K_BLOCK = 16;  // elements of k: a cache line

// The arithmetic of a product. T: what packed operands are made of; VNNI: how many of them make an element.
struct Float32 {
  using T = float;
  static constexpr int VNNI = 1;
  static SEQLOOM_INLINE Vec multiply_add(Vec sum, float a, Vec b) { return sum + a * b; }
};
struct Bf16Pairs {
  using T = bf16;
  static constexpr int VNNI = 2;
  static SEQLOOM_INLINE Vec multiply_add(Vec sum, float a, Vec b) {
#if defined(__AVX512BF16__)
    return (Vec)_mm512_dpbf16_ps((__m512)sum, (__m512bh)b, (__m512bh)broadcast(a));
#else
    return sum + a * b;  // never run: bfloat16 is refused where the processor has no dpbf16
#endif
  }
};

// How a tile of A is packed within a block of k. ROW_MAJOR: row after row, each a cache line (states and gate gradients
// are written so). K_MAJOR: k after k (operands of the products that sum over time).
enum Layout { ROW_MAJOR, K_MAJOR };

// Rows of a ROW_MAJOR tile for panels of V vectors: as many sums as there are registers for.
constexpr int tile_rows(int V) {
#if defined(__AVX512F__)
  return V <= 2 ? 12 : V == 3 ? 8 : 6;
#elif defined(__AVX2__)
  return V <= 2 ? 6 : V == 3 ? 4 : 3;
#else
  return V <= 2 ? 4 : V == 3 ? 3 : 2;
#endif
}
constexpr int K_MAJOR_ROWS = W == 16 ? 8 : 4;  // so that the rows of one k never straddle a cache line

template <Layout layout, int V>
constexpr int rows_of_layout() {
  return layout == ROW_MAJOR ? tile_rows(V) : K_MAJOR_ROWS;
}
// Where element k of row m is within a block.
template <Layout layout, int V>
constexpr int offset_in_block(int m, int k) {
  return layout == ROW_MAJOR ? m * K_BLOCK + k : k * K_MAJOR_ROWS + m;
}

// Cache lines that are needed soon after a product, prefetched a few per block of k: all at once would stall the loop.
struct PrefetchList {
  static constexpr int CAPACITY = 512;
  const char* lines[CAPACITY];
  int count = 0;

  SEQLOOM_INLINE void add(const void* from, int64_t bytes) {
    const char* line = static_cast<const char*>(from);
    for (const char* end = line + bytes; line < end && count < CAPACITY; line += 64) lines[count++] = line;
  }
};
inline const PrefetchList NO_PREFETCH{};

// Blocks of k that are summed on their own before they are added to the total, which bounds the rounding error of long
// sums.
template <Layout layout>
constexpr int64_t blocks_per_sum() {
  return layout == ROW_MAJOR ? 8 : 4;
}

// Accumulators for each sum. A tile of few rows has too few sums to hide the latency of a multiply-add, so consecutive k
// go to different accumulators. A narrow panel has five sums or six in one of its tiles, enough for one unit that multiplies
// and adds; with twice as many accumulators the compiler spills some.
constexpr int accumulators_per_sum(int sums, int vectors) {
  return sums >= 8 || (vectors == 1 && sums >= 5) ? 1 : sums >= 4 ? 2 : 4;
}

// Never inlined: within a larger function the compiler spills the sums to the stack.
template <class Arithmetic, Layout layout, int M, int V>
SEQLOOM_NOINLINE void gemm_tile(const float* a, const float* b, int64_t blocks, float* out, const PrefetchList& prefetch) {
  const char* const* line = prefetch.lines;
  const char* const* const last_line = line + prefetch.count;
  const int64_t lines_per_block = blocks > 0 ? (prefetch.count + blocks - 1) / blocks : 0;
  constexpr int P = accumulators_per_sum(M * V, V);
  bool first = true;
  do {
    Vec part[P][M][V] = {};
    const int64_t rest = blocks > blocks_per_sum<layout>() ? blocks - blocks_per_sum<layout>() : 0;
    for (; blocks > rest; --blocks) {
      for (int64_t n = lines_per_block; n > 0 && line < last_line; --n) __builtin_prefetch(*line++);
#pragma GCC unroll 16
      for (int k = 0; k < K_BLOCK; ++k) {
        Vec column[V];
#pragma GCC unroll 4
        for (int v = 0; v < V; ++v) column[v] = load(b + (k * V + v) * W);
#pragma GCC unroll 12
        for (int m = 0; m < M; ++m) {
          const float row = a[offset_in_block<layout, V>(m, k)];
#pragma GCC unroll 4
          for (int v = 0; v < V; ++v) part[k % P][m][v] = Arithmetic::multiply_add(part[k % P][m][v], row, column[v]);
        }
      }
      a += rows_of_layout<layout, V>() * K_BLOCK;
      b += V * W * K_BLOCK;
    }
    Vec(&sum)[M][V] = part[0];
#pragma GCC unroll 4
    for (int n = 1; n < P; ++n) {
#pragma GCC unroll 12
      for (int m = 0; m < M; ++m) {
#pragma GCC unroll 4
        for (int v = 0; v < V; ++v) sum[m][v] += part[n][m][v];
      }
    }
    float* to = out;
    if (first) {
#pragma GCC unroll 12
      for (int m = 0; m < M; ++m) {
#pragma GCC unroll 4
        for (int v = 0; v < V; ++v, to += W) store(to, sum[m][v]);
      }
    } else {
#pragma GCC unroll 12
      for (int m = 0; m < M; ++m) {
#pragma GCC unroll 4
        for (int v = 0; v < V; ++v, to += W) store(to, load(to) + sum[m][v]);
      }
    }
    first = false;
  } while (blocks > 0);
}

using GemmTile = void (*)(const float*, const float*, int64_t, float*, const PrefetchList&);

template <class Arithmetic, Layout layout, int V, int... M>
constexpr GemmTile gemm_tile_from_table(int rows, std::integer_sequence<int, M...>) {
  constexpr GemmTile table[] = {gemm_tile<Arithmetic, layout, M + 1, V>...};
  return table[rows - 1];
}

// The microkernel for `rows` rows, 1 to rows_of_layout<layout, V>().
template <class Arithmetic, Layout layout, int V>
inline GemmTile gemm_tile_for(int rows) {
  return gemm_tile_from_table<Arithmetic, layout, V>(rows, std::make_integer_sequence<int, rows_of_layout<layout, V>()>());
}

}  // namespace SEQLOOM_VARIANT
}  // namespace seqloom
