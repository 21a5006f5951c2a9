// One vector of floats as wide as the instruction set that this file is compiled for, in GCC's and Clang's vector
// extensions, so that one source serves all; and the functions of gates on it.
//
// Included within a namespace of its own for each instruction set (SEQLOOM_VARIANT): no two of them share a symbol.
#pragma once

#include <cstdint>
#include <cstring>
#include <utility>

#if defined(__AVX2__) || defined(__AVX512F__)
#include <immintrin.h>
#endif

#define SEQLOOM_INLINE inline __attribute__((always_inline))
#define SEQLOOM_APART __attribute__((noinline))

namespace seqloom {
namespace SEQLOOM_VARIANT {

#if defined(__AVX512F__)
constexpr int W = 16;
#elif defined(__AVX2__)
constexpr int W = 8;
#else
constexpr int W = 4;
#endif

typedef float Vec __attribute__((vector_size(W * 4), may_alias));
typedef int32_t Int __attribute__((vector_size(W * 4), may_alias));
typedef float LooseVec __attribute__((vector_size(W * 4), aligned(4), may_alias));
typedef uint16_t Half __attribute__((vector_size(W * 2), may_alias));
typedef uint16_t LooseHalf __attribute__((vector_size(W * 2), aligned(2), may_alias));

// bfloat16: the upper half of a float32.
struct bf16 {
  uint16_t bits;
};

// Less zero, not plus: that is x to the last bit, and no instruction.
SEQLOOM_INLINE Vec all(float x) { return x - Vec{}; }

SEQLOOM_INLINE Vec load(const float* from) { return *reinterpret_cast<const LooseVec*>(from); }
SEQLOOM_INLINE void store(float* to, Vec x) { *reinterpret_cast<LooseVec*>(to) = x; }

SEQLOOM_INLINE Vec load(const bf16* from) {
  const Half half = *reinterpret_cast<const LooseHalf*>(from);
  return (Vec)(__builtin_convertvector(half, Int) << 16);
}
// To the nearest, ties to even; a NaN stays one.
SEQLOOM_INLINE Half narrow(Vec x) {
#if defined(__AVX512BF16__)
  return (Half)_mm512_cvtneps_pbh((__m512)x);
#else
  const Int bits = (Int)x;
  const Int rounded = (bits + 0x7fff + ((bits >> 16) & 1)) >> 16;
  const Int nan = (bits >> 16) | 0x40;
  return __builtin_convertvector(x == x ? rounded : nan, Half);
#endif
}
SEQLOOM_INLINE void store(bf16* to, Vec x) { *reinterpret_cast<LooseHalf*>(to) = narrow(x); }

SEQLOOM_INLINE float widen(float x) { return x; }
SEQLOOM_INLINE float widen(bf16 x) {
  const uint32_t bits = static_cast<uint32_t>(x.bits) << 16;
  float value;
  std::memcpy(&value, &bits, 4);
  return value;
}

// The first `count` elements; the others read as 0.
template <class T>
SEQLOOM_INLINE Vec load_some(const T* from, int64_t count) {
  if (count >= W) return load(from);
  if (count <= 0) return Vec{};
  T part[W] = {};
  std::memcpy(part, from, static_cast<std::size_t>(count) * sizeof(T));
  return load(part);
}
template <class T>
SEQLOOM_INLINE void store_some(T* to, Vec x, int64_t count) {
  if (count >= W) {
    store(to, x);
    return;
  }
  T part[W];
  store(part, x);
  std::memcpy(to, part, static_cast<std::size_t>(count > 0 ? count : 0) * sizeof(T));
}

// The first `count` elements of x, 0 in the others, whatever they hold.
SEQLOOM_INLINE Vec first(Vec x, int64_t count) {
  Int lane;
  for (int i = 0; i < W; ++i) lane[i] = i;
  return lane < static_cast<int32_t>(count) ? x : Vec{};
}

// Lanes of a and b, counted through both: of every two groups of `SIZE` lanes the first of a and the first of b (SECOND:
// the second of each).
template <int SIZE, bool SECOND, std::size_t... LANE>
SEQLOOM_INLINE Vec groups(Vec a, Vec b, std::index_sequence<LANE...>) {
#if defined(__clang__) || __GNUC__ >= 12
  return __builtin_shufflevector(a, b, ((LANE & SIZE ? W - SIZE : 0) + LANE + (SECOND ? SIZE : 0))...);
#else
  return __builtin_shuffle(a, b, Int{((LANE & SIZE ? W - SIZE : 0) + LANE + (SECOND ? SIZE : 0))...});
#endif
}

// Row r becomes lane r of every row: groups of W / 2 lanes change places, then of half as many, down to one.
template <int SIZE = W / 2>
SEQLOOM_INLINE void transpose(Vec (&rows)[W]) {
#pragma GCC unroll 16
  for (int r = 0; r < W; ++r) {
    if (r & SIZE) continue;
    const Vec a = rows[r], b = rows[r + SIZE];
    rows[r] = groups<SIZE, false>(a, b, std::make_index_sequence<W>());
    rows[r + SIZE] = groups<SIZE, true>(a, b, std::make_index_sequence<W>());
  }
  if constexpr (SIZE > 1) transpose<SIZE / 2>(rows);
}

// 1 / x to 1 ulp.
SEQLOOM_INLINE Vec reciprocal(Vec x) {
#if defined(__AVX512F__)
  const Vec guess = (Vec)_mm512_maskz_rcp14_ps(0xffff, (__m512)x);
  const Vec rest = 1.0f - x * guess;
  return guess + guess * rest;
#else
  return 1.0f / x;
#endif
}

// A NaN passes through both: no comparison with it holds.
SEQLOOM_INLINE Vec at_least(Vec x, float low) { return x < low ? all(low) : x; }
SEQLOOM_INLINE Vec at_most(Vec x, float high) { return x > high ? all(high) : x; }

// e^x for x from -87 to 88 (beyond, as there), to 2 ulp. x = n ln 2 + r, |r| <= ln 2 / 2; e^r by a polynomial fitted to it.
SEQLOOM_INLINE Vec exponential(Vec x) {
  x = at_most(at_least(x, -87.0f), 88.0f);
  const float shift = 12582912.0f;  // 1.5 * 2^23: adding it leaves the nearest integer in the lowest bits
  const Vec shifted = x * 1.44269504f + shift;
  const Vec n = shifted - shift;
  const Vec r = (x - n * 0.693359375f) + n * 2.12194440e-4f;
  Vec p = all(0.001381462556309998f);
  p = p * r + 0.008368710055947304f;
  p = p * r + 0.04166838899254799f;
  p = p * r + 0.1666652113199234f;
  p = p * r + 0.4999999403953552f;
  p = (p * r) * r + (r + 1.0f);
  const Int exponent = ((Int)shifted << 23) + 0x3f800000;
  return p * (Vec)exponent;
}

SEQLOOM_INLINE Vec sigmoid(Vec x) { return reciprocal(1.0f + exponential(-x)); }

// tanh x to 2 ulp: near 0 x + x^3 P(x^2), a polynomial fitted to it; else 1 - 2 / (e^2|x| + 1), with the sign of x.
SEQLOOM_INLINE Vec tanh(Vec x) {
  const Int sign = (Int)x & INT32_MIN;
  const Vec size = (Vec)((Int)x & INT32_MAX);
  const Vec far = 1.0f - 2.0f * reciprocal(1.0f + exponential(2.0f * size));
  const Vec u = x * x;
  Vec p = all(-0.005717038176953793f);
  p = p * u + 0.020650580525398254f;
  p = p * u - 0.05374349653720856f;
  p = p * u + 0.13331490755081177f;
  p = p * u - 0.3333328366279602f;
  return size < 0.625f ? x + x * (u * p) : (Vec)((Int)far | sign);
}

}  // namespace SEQLOOM_VARIANT
}  // namespace seqloom
