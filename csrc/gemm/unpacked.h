// Products with weights as they lie: for so few steps that laying them out would take longer than the products do.
#pragma once

#include "gemm/pack.h"

namespace seqloom {
namespace SEQLOOM_VARIANT {

// Weights that are read so many times or fewer are read as they lie: to lay them out is to read and to write them.
// Measured with one to four rows: with 8 uses a wide layer takes as little as half the time so, with 64 it gains nothing.
constexpr int64_t FEW = 16;
constexpr int ROWS_AS_THEY_LIE = 4;  // of a tile, taken together

inline bool few(int64_t steps, int64_t rows) { return steps * ((rows + ROWS_AS_THEY_LIE - 1) / ROWS_AS_THEY_LIE) <= FEW; }

// Each vector's sum over its lanes, side by side.
template <int SIZE = W / 2>
SEQLOOM_INLINE Vec sums_of(Vec (&vectors)[W]) {
#pragma GCC unroll 8
  for (int r = 0; r < SIZE; ++r) {
    const Vec a = vectors[r], b = vectors[r + SIZE];
    vectors[r] = groups<SIZE, false>(a, b, std::make_index_sequence<W>()) +
                 groups<SIZE, true>(a, b, std::make_index_sequence<W>());
  }
  if constexpr (SIZE > 1) return sums_of<SIZE / 2>(vectors);
  return vectors[0];
}

// M rows of a tile (BY_ROW, for V vectors) times `lanes` rows of a matrix (rows, K): out[m * V * W + lane].
template <class A, int V, int M>
SEQLOOM_APART void dots(const float* tile, const float* rows, int64_t lanes, int64_t K, float* out) {
  constexpr int SOME = 4;  // rows of the matrix at a time: fewer would give too few sums to work on side by side
  const auto* a = reinterpret_cast<const typename A::T*>(tile);
  Vec all_sums[M][W];
  for (int first = 0; first < W; first += SOME) {
    Vec sum[SOME][M] = {};
    const float* row[SOME];
    for (int j = 0; j < SOME; ++j) row[j] = rows + std::min<int64_t>(first + j, lanes - 1) * K;
    for (int64_t k = 0; k < K; k += W) {
      Vec weight[SOME];
#pragma GCC unroll 4
      for (int j = 0; j < SOME; ++j) weight[j] = factor<A>(load_some(row[j] + k, K - k));
#pragma GCC unroll 4
      for (int m = 0; m < M; ++m) {
        const Vec value = load(a + in_tile<A, V>(k, m));
#pragma GCC unroll 4
        for (int j = 0; j < SOME; ++j) sum[j][m] += weight[j] * value;
      }
    }
#pragma GCC unroll 4
    for (int j = 0; j < SOME; ++j) {
#pragma GCC unroll 4
      for (int m = 0; m < M; ++m) all_sums[m][first + j] = sum[j][m];
    }
  }
  for (int m = 0; m < M; ++m) store(out + m * V * W, first(sums_of(all_sums[m]), lanes));
}

// The same of `count` rows of a tile, as many as it may have.
template <class A, int V>
inline void dots_of(int count, const float* tile, const float* rows, int64_t lanes, int64_t K, float* out) {
  using Dots = void (*)(const float*, const float*, int64_t, int64_t, float*);
  constexpr Dots some[ROWS_AS_THEY_LIE] = {dots<A, V, 1>, dots<A, V, 2>, dots<A, V, 3>, dots<A, V, 4>};
  for (int m = 0; m < count; m += ROWS_AS_THEY_LIE) {
    some[std::min(count - m, ROWS_AS_THEY_LIE) - 1](tile + m * BLOCK, rows, lanes, K, out + m * V * W);
  }
}

// M rows of a tile (BY_ROW, for two vectors), values `from` on, times two vectors of columns of a matrix (K, width), of
// which `left` are there. Adds to out[m * 2 W + column].
template <class A, int M>
SEQLOOM_APART void add_rows(const float* tile, int64_t from, const float* rows, int64_t K, int64_t width, int64_t left,
                            float* out) {
  constexpr int64_t SUMMED = 128;  // terms, for the sake of the error
  const auto* a = reinterpret_cast<const typename A::T*>(tile);
  for (int64_t begin = 0; begin < K; begin += SUMMED) {
    Vec sum[M][2] = {};
    for (int64_t k = begin; k < std::min(K, begin + SUMMED); ++k) {
      const Vec one = factor<A>(load_some(rows + k * width, left)), two = factor<A>(load_some(rows + k * width + W, left - W));
#pragma GCC unroll 4
      for (int m = 0; m < M; ++m) {
        const float value = widen(a[in_tile<A, 2>(from + k, m)]);
        sum[m][0] += one * value;
        sum[m][1] += two * value;
      }
    }
    for (int m = 0; m < M; ++m) {
      for (int v = 0; v < 2; ++v) store(out + (m * 2 + v) * W, load(out + (m * 2 + v) * W) + sum[m][v]);
    }
  }
}

// The same of `count` rows of a tile.
template <class A>
inline void add_rows_of(int count, const float* tile, int64_t from, const float* rows, int64_t K, int64_t width,
                        int64_t left, float* out) {
  using AddRows = void (*)(const float*, int64_t, const float*, int64_t, int64_t, int64_t, float*);
  constexpr AddRows some[ROWS_AS_THEY_LIE] = {add_rows<A, 1>, add_rows<A, 2>, add_rows<A, 3>, add_rows<A, 4>};
  for (int m = 0; m < count; m += ROWS_AS_THEY_LIE) {
    some[std::min(count - m, ROWS_AS_THEY_LIE) - 1](tile + m * BLOCK, from, rows, K, width, left, out + m * 2 * W);
  }
}

}  // namespace SEQLOOM_VARIANT
}  // namespace seqloom
