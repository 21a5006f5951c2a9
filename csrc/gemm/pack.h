// Operands laid out as the inner loop (product.h) reads them. What lies beyond an edge becomes 0.
#pragma once

#include <algorithm>
#include <cstring>

#include "gemm/microkernel.h"

namespace seqloom {
namespace SEQLOOM_VARIANT {

// Blocks of k that hold `count` values.
template <class A>
constexpr int64_t blocks_of(int64_t count) {
  return (count + BLOCK * A::PER - 1) / (BLOCK * A::PER);
}

// Where value k of row m lies in a tile laid out BY_ROW, counted in values.
template <class A, int V>
SEQLOOM_INLINE int64_t in_tile(int64_t k, int64_t m) {
  constexpr int64_t width = BLOCK * A::PER;
  return k / width * width * rows_for(V) + m * width + k % width;
}

// The size of such a tile in elements of 32 bits.
template <int V>
constexpr int64_t tile_size(int64_t blocks) {
  return blocks * rows_for(V) * BLOCK;
}

SEQLOOM_INLINE Vec rounded(Vec x) { return (Vec)(__builtin_convertvector(narrow(x), Int) << 16); }

// Pairs of bfloat16 from two vectors of values that are bfloat16 already: `low` is the one that comes first.
SEQLOOM_INLINE Vec paired(Vec low, Vec high) {
  return (Vec)(((Int)low >> 16 & 0xffff) | ((Int)high & static_cast<int32_t>(0xffff0000)));
}

// W elements of 32 bits, from value k on of a row of K.
template <class A, class Value>
SEQLOOM_INLINE Vec elements(const Value* row, int64_t k, int64_t K) {
  if constexpr (A::PER == 1) {
    return load_some(row + k, K - k);
  } else {
    typename A::T values[W * 2];
    for (int64_t half = 0; half < W * 2; half += W) store(values + half, load_some(row + k + half, K - k - half));
    Vec pairs;
    std::memcpy(&pairs, values, sizeof pairs);
    return pairs;
  }
}

// One vector of columns of a panel, from `lanes` rows of a matrix (rows, K): element k goes to[k * stride].
template <class A>
inline void pack_transposed(const float* rows, int64_t lanes, int64_t K, int64_t stride, float* to) {
  const int64_t count = blocks_of<A>(K) * BLOCK;
  for (int64_t k = 0; k < count; k += W) {
    Vec square[W];
    for (int lane = 0; lane < W; ++lane) {
      square[lane] = lane < lanes ? elements<A>(rows + lane * K, k * A::PER, K) : Vec{};
    }
    transpose(square);
    for (int64_t j = 0; j < W; ++j) store(to + (k + j) * stride, square[j]);
  }
}

// One vector of columns of a panel, from `rows` rows of which it is `left` values wide: row k goes to element k.
template <class A>
inline void pack_straight(const float* from, int64_t row_stride, int64_t rows, int64_t left, int64_t stride, float* to) {
  for (int64_t k = 0; k < rows; k += A::PER, to += stride) {
    const Vec first = load_some(from + k * row_stride, left);
    if constexpr (A::PER == 1) {
      store(to, first);
    } else {
      const Vec second = k + 1 < rows ? load_some(from + (k + 1) * row_stride, left) : Vec{};
      store(to, paired(rounded(first), rounded(second)));
    }
  }
}

// A value as the products take it.
template <class A>
SEQLOOM_INLINE Vec factor(Vec x) {
  return A::PER == 1 ? x : rounded(x);
}

// A row of `count` values into row m of a tile laid out BY_ROW.
template <class A, class Value>
inline void pack_row(const Value* from, int64_t count, int64_t m, float* tile) {
  using T = typename A::T;
  constexpr int64_t width = BLOCK * A::PER;
  T* to = reinterpret_cast<T*>(tile + m * BLOCK);
  for (int64_t k = 0; k < count; k += width, to += rows_for(2) * width) {
    for (int64_t v = 0; v < width; v += W) store(to + v, load_some(from + k + v, count - k - v));
  }
}

// Up to ROWS_BY_K rows of `count` values, laid out BY_K; what is missing of them, and of the last block, is 0. Writes
// W elements more than that.
template <class A, class Value>
inline void pack_by_k(const Value* const* rows, int have, int64_t count, float* to) {
  for (int64_t k = 0; k < blocks_of<A>(count) * BLOCK; k += W) {
    Vec square[W] = {};
    for (int m = 0; m < have; ++m) square[m] = elements<A>(rows[m], k * A::PER, count);
    transpose(square);
    for (int64_t j = 0; j < W; ++j) store(to + (k + j) * ROWS_BY_K, square[j]);  // of which the next has the rest
  }
}

}  // namespace SEQLOOM_VARIANT
}  // namespace seqloom
