// Products with unpacked weights, for so few steps that packing would take longer than the products.
#pragma once

#include "gemm/pack.h"

namespace seqloom {
namespace SEQLOOM_VARIANT {

// Weights are not packed where they are read this many times or fewer: packing reads and writes them once. Measured with
// one to four rows: at 8 uses a wide layer takes as little as half the time unpacked, at 64 there is nothing to gain.
constexpr int64_t MAX_UNPACKED_USES = 16;
constexpr int UNPACKED_ROWS = 4;  // rows of a tile for each read of the weights

inline bool use_unpacked(int64_t steps, int64_t rows) {
  return steps * ((rows + UNPACKED_ROWS - 1) / UNPACKED_ROWS) <= MAX_UNPACKED_USES;
}

// A B^T: M rows of a ROW_MAJOR tile (for panels of V vectors) times `lanes` rows of a matrix (rows, K):
// out[m * V * W + lane].
template <class A, int V, int M>
SEQLOOM_NOINLINE void unpacked_nt_tile(const float* tile, const float* rows, int64_t lanes, int64_t K, float* out) {
  constexpr int AT_ONCE = 4;  // rows of the matrix: fewer would give too few independent sums
  const auto* a = reinterpret_cast<const typename A::T*>(tile);
  Vec lane_sums[M][W];
  for (int first = 0; first < W; first += AT_ONCE) {
    Vec sum[AT_ONCE][M] = {};
    const float* row[AT_ONCE];
    for (int j = 0; j < AT_ONCE; ++j) row[j] = rows + std::min<int64_t>(first + j, lanes - 1) * K;
    for (int64_t k = 0; k < K; k += W) {
      Vec weight[AT_ONCE];
#pragma GCC unroll 4
      for (int j = 0; j < AT_ONCE; ++j) weight[j] = round_operand<A>(load_n(row[j] + k, K - k));
#pragma GCC unroll 4
      for (int m = 0; m < M; ++m) {
        const Vec value = load(a + tile_index<A, V>(k, m));
#pragma GCC unroll 4
        for (int j = 0; j < AT_ONCE; ++j) sum[j][m] += weight[j] * value;
      }
    }
#pragma GCC unroll 4
    for (int j = 0; j < AT_ONCE; ++j) {
#pragma GCC unroll 4
      for (int m = 0; m < M; ++m) lane_sums[m][first + j] = sum[j][m];
    }
  }
  for (int m = 0; m < M; ++m) store(out + m * V * W, first_n(horizontal_sums(lane_sums[m]), lanes));
}

// The same for `count` rows of a tile.
template <class A, int V>
inline void unpacked_gemm_nt(int count, const float* tile, const float* rows, int64_t lanes, int64_t K, float* out) {
  using Kernel = void (*)(const float*, const float*, int64_t, int64_t, float*);
  constexpr Kernel table[UNPACKED_ROWS] = {unpacked_nt_tile<A, V, 1>, unpacked_nt_tile<A, V, 2>, unpacked_nt_tile<A, V, 3>,
                                           unpacked_nt_tile<A, V, 4>};
  for (int m = 0; m < count; m += UNPACKED_ROWS) {
    table[std::min(count - m, UNPACKED_ROWS) - 1](tile + m * K_BLOCK, rows, lanes, K, out + m * V * W);
  }
}

// A B: M rows of a ROW_MAJOR tile (for panels of two vectors), values `from` on, times two vectors of columns of a matrix
// (K, width), of which `left` columns are there. Adds to out[m * 2 W + column].
template <class A, int M>
SEQLOOM_NOINLINE void unpacked_nn_tile(const float* tile, int64_t from, const float* rows, int64_t K, int64_t width,
                                       int64_t left, float* out) {
  constexpr int64_t TERMS_PER_SUM = 128;  // bounds the rounding error of long sums
  const auto* a = reinterpret_cast<const typename A::T*>(tile);
  for (int64_t begin = 0; begin < K; begin += TERMS_PER_SUM) {
    Vec sum[M][2] = {};
    for (int64_t k = begin; k < std::min(K, begin + TERMS_PER_SUM); ++k) {
      const Vec column_0 = round_operand<A>(load_n(rows + k * width, left));
      const Vec column_1 = round_operand<A>(load_n(rows + k * width + W, left - W));
#pragma GCC unroll 4
      for (int m = 0; m < M; ++m) {
        const float value = to_float(a[tile_index<A, 2>(from + k, m)]);
        sum[m][0] += column_0 * value;
        sum[m][1] += column_1 * value;
      }
    }
    for (int m = 0; m < M; ++m) {
      for (int v = 0; v < 2; ++v) store(out + (m * 2 + v) * W, load(out + (m * 2 + v) * W) + sum[m][v]);
    }
  }
}

// The same for `count` rows of a tile.
template <class A>
inline void unpacked_gemm_nn(int count, const float* tile, int64_t from, const float* rows, int64_t K, int64_t width,
                             int64_t left, float* out) {
  using Kernel = void (*)(const float*, int64_t, const float*, int64_t, int64_t, int64_t, float*);
  constexpr Kernel table[UNPACKED_ROWS] = {unpacked_nn_tile<A, 1>, unpacked_nn_tile<A, 2>, unpacked_nn_tile<A, 3>,
                                           unpacked_nn_tile<A, 4>};
  for (int m = 0; m < count; m += UNPACKED_ROWS) {
    table[std::min(count - m, UNPACKED_ROWS) - 1](tile + m * K_BLOCK, from, rows, K, width, left, out + m * 2 * W);
  }
}

}  // namespace SEQLOOM_VARIANT
}  // namespace seqloom
