// Packing of operands as the microkernel reads them (microkernel.h). What is beyond an edge becomes 0.
#pragma once

#include <algorithm>
#include <cstring>

#include "gemm/microkernel.h"

namespace seqloom {
namespace SEQLOOM_VARIANT {

// Blocks of k for `count` values.
template <class A>
constexpr int64_t blocks_for(int64_t count) {
  return (count + K_BLOCK * A::VNNI - 1) / (K_BLOCK * A::VNNI);
}

// The index, in values, of value k of row m in a ROW_MAJOR tile for panels of V vectors.
template <class A, int V>
SEQLOOM_INLINE int64_t tile_index(int64_t k, int64_t m) {
  constexpr int64_t width = K_BLOCK * A::VNNI;
  return k / width * width * tile_rows(V) + m * width + k % width;
}

// The size of such a tile in elements.
template <int V>
constexpr int64_t tile_size(int64_t blocks) {
  return blocks * tile_rows(V) * K_BLOCK;
}

// The vectors of columns in panel q of a matrix of `width` columns, in panels of two vectors: one where no column is left
// for the second. On AVX-512, where this has not been measured, always two.
SEQLOOM_INLINE int panel_vectors(int64_t q, int64_t width) { return W < 16 && width - q * 2 * W <= W ? 1 : 2; }

// A value as the products take it: rounded to bfloat16 where they are of bfloat16.
template <class A>
SEQLOOM_INLINE Vec round_operand(Vec x) {
  return A::VNNI == 1 ? x : round_to_bf16(x);
}

// W packed elements, from value k on of a row of K values.
template <class A, class Value>
SEQLOOM_INLINE Vec load_elements(const Value* row, int64_t k, int64_t K) {
  if constexpr (A::VNNI == 1) {
    return load_n(row + k, K - k);
  } else {
    typename A::T values[W * 2];
    for (int64_t half = 0; half < W * 2; half += W) store(values + half, load_n(row + k + half, K - k - half));
    Vec pairs;
    std::memcpy(&pairs, values, sizeof pairs);
    return pairs;
  }
}

// One vector of columns of a panel of B, transposed from `lanes` rows of a matrix (rows, K): element k goes to
// to[k * stride].
template <class A>
inline void pack_b_transposed(const float* rows, int64_t lanes, int64_t K, int64_t stride, float* to) {
  const int64_t count = blocks_for<A>(K) * K_BLOCK;
  for (int64_t k = 0; k < count; k += W) {
    Vec square[W];
    for (int lane = 0; lane < W; ++lane) {
      square[lane] = lane < lanes ? load_elements<A>(rows + lane * K, k * A::VNNI, K) : Vec{};
    }
    transpose(square);
    for (int64_t j = 0; j < W; ++j) store(to + (k + j) * stride, square[j]);
  }
}

// One vector of columns of a panel of B, from `rows` rows of a matrix of which `left` columns are there: row k becomes
// value k.
template <class A>
inline void pack_b(const float* from, int64_t row_stride, int64_t rows, int64_t left, int64_t stride, float* to) {
  for (int64_t k = 0; k < rows; k += A::VNNI, to += stride) {
    const Vec first = load_n(from + k * row_stride, left);
    if constexpr (A::VNNI == 1) {
      store(to, first);
    } else {
      const Vec second = k + 1 < rows ? load_n(from + (k + 1) * row_stride, left) : Vec{};
      store(to, interleave_bf16(round_to_bf16(first), round_to_bf16(second)));
    }
  }
}

// A row of `count` values becomes row m of a ROW_MAJOR tile for panels of two vectors.
template <class A, class Value>
inline void pack_a_row(const Value* from, int64_t count, int64_t m, float* tile) {
  using T = typename A::T;
  constexpr int64_t width = K_BLOCK * A::VNNI;
  T* to = reinterpret_cast<T*>(tile + m * K_BLOCK);
  for (int64_t k = 0; k < count; k += width, to += tile_rows(2) * width) {
    for (int64_t v = 0; v < width; v += W) store(to + v, load_n(from + k + v, count - k - v));
  }
}

// Up to K_MAJOR_ROWS rows of `count` values become a K_MAJOR tile; missing rows, and the rest of the last block, are 0.
// Writes up to W elements beyond the tile.
template <class A, class Value>
inline void pack_a_k_major(const Value* const* rows, int num_rows, int64_t count, float* to) {
  for (int64_t k = 0; k < blocks_for<A>(count) * K_BLOCK; k += W) {
    Vec square[W] = {};
    for (int m = 0; m < num_rows; ++m) square[m] = load_elements<A>(rows[m], k * A::VNNI, count);
    transpose(square);
    // Each store of W elements overlaps the next one, which overwrites all but the first K_MAJOR_ROWS.
    for (int64_t j = 0; j < W; ++j) store(to + (k + j) * K_MAJOR_ROWS, square[j]);
  }
}

}  // namespace SEQLOOM_VARIANT
}  // namespace seqloom
