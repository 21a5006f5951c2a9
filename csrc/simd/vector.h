// One vector of floats, as wide as the instruction set that the file is compiled for, in the vector extensions of GCC
// and Clang, so that one source serves every instruction set.
//
// Everything here is in a namespace named by the instruction set (SEQLOOM_VARIANT): no two variants share a symbol.
#pragma once

#include <cstdint>
#include <cstring>
#include <utility>

#if defined(__AVX2__) || defined(__AVX512F__)
#include <immintrin.h>
#endif

#define SEQLOOM_INLINE inline __attribute__((always_inline))
#define SEQLOOM_NOINLINE __attribute__((noinline))

namespace seqloom {
namespace SEQLOOM_VARIANT {

// Lanes of a vector.
#if defined(__AVX512F__)
constexpr int W = 16;
#elif defined(__AVX2__)
constexpr int W = 8;
#else
constexpr int W = 4;
#endif

typedef float Vec __attribute__((vector_size(W * 4), may_alias));
typedef int32_t IntVec __attribute__((vector_size(W * 4), may_alias));
typedef float UnalignedVec __attribute__((vector_size(W * 4), aligned(4), may_alias));
typedef int32_t UnalignedIntVec __attribute__((vector_size(W * 4), aligned(4), may_alias));

// x - 0, not 0 + x: that equals x to the last bit, -0 included, so it compiles to a broadcast without an addition.
SEQLOOM_INLINE Vec broadcast(float x) { return x - Vec{}; }
SEQLOOM_INLINE IntVec broadcast(int32_t x) { return IntVec{} + x; }

SEQLOOM_INLINE Vec load(const float* from) { return *reinterpret_cast<const UnalignedVec*>(from); }
SEQLOOM_INLINE void store(float* to, Vec x) { *reinterpret_cast<UnalignedVec*>(to) = x; }
SEQLOOM_INLINE IntVec load_int(const void* from) { return *static_cast<const UnalignedIntVec*>(from); }

// The first `count` elements, at most W; the other lanes are 0.
template <class T>
SEQLOOM_INLINE Vec load_n(const T* from, int64_t count) {
  if (count >= W) return load(from);
  if (count <= 0) return Vec{};
  T part[W] = {};
  std::memcpy(part, from, static_cast<std::size_t>(count) * sizeof(T));
  return load(part);
}
// Stores the first `count` lanes, at most W.
template <class T>
SEQLOOM_INLINE void store_n(T* to, Vec x, int64_t count) {
  if (count >= W) {
    store(to, x);
    return;
  }
  T part[W];
  store(part, x);
  std::memcpy(to, part, static_cast<std::size_t>(count > 0 ? count : 0) * sizeof(T));
}

// The first `count` lanes of x; the other lanes are 0, whatever x has there (NaN too).
SEQLOOM_INLINE Vec first_n(Vec x, int64_t count) {
  IntVec lane;
  for (int i = 0; i < W; ++i) lane[i] = i;
  return lane < static_cast<int32_t>(count) ? x : Vec{};
}

// Concatenates a and b and takes, out of every pair of groups of SIZE lanes, the first group of each pair (SECOND: the
// second), alternating between a and b.
template <int SIZE, bool SECOND, std::size_t... LANE>
SEQLOOM_INLINE Vec shuffle_groups(Vec a, Vec b, std::index_sequence<LANE...>) {
#if defined(__clang__) || __GNUC__ >= 12
  return __builtin_shufflevector(a, b, ((LANE & SIZE ? W - SIZE : 0) + LANE + (SECOND ? SIZE : 0))...);
#else
  return __builtin_shuffle(a, b, IntVec{((LANE & SIZE ? W - SIZE : 0) + LANE + (SECOND ? SIZE : 0))...});
#endif
}

// Transposes a W x W matrix in registers: exchanges groups of W / 2 lanes, then of half as many, down to single lanes.
template <int SIZE = W / 2>
SEQLOOM_INLINE void transpose(Vec (&rows)[W]) {
#pragma GCC unroll 16
  for (int r = 0; r < W; ++r) {
    if (r & SIZE) continue;
    const Vec a = rows[r], b = rows[r + SIZE];
    rows[r] = shuffle_groups<SIZE, false>(a, b, std::make_index_sequence<W>());
    rows[r + SIZE] = shuffle_groups<SIZE, true>(a, b, std::make_index_sequence<W>());
  }
  if constexpr (SIZE > 1) transpose<SIZE / 2>(rows);
}

// The horizontal sum of each of W vectors: lane r of the result is the sum over the lanes of vectors[r].
template <int SIZE = W / 2>
SEQLOOM_INLINE Vec horizontal_sums(Vec (&vectors)[W]) {
#pragma GCC unroll 8
  for (int r = 0; r < SIZE; ++r) {
    const Vec a = vectors[r], b = vectors[r + SIZE];
    vectors[r] = shuffle_groups<SIZE, false>(a, b, std::make_index_sequence<W>()) +
                 shuffle_groups<SIZE, true>(a, b, std::make_index_sequence<W>());
  }
  if constexpr (SIZE > 1) return horizontal_sums<SIZE / 2>(vectors);
  return vectors[0];
}

}  // namespace SEQLOOM_VARIANT
}  // namespace seqloom
