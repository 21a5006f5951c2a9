// Elementwise functions on vectors: exp, sigmoid, tanh and relu of floats, exp of doubles.
#pragma once

#include "simd/vector.h"

namespace seqloom {
namespace SEQLOOM_VARIANT {

// 1 / x to 1 ulp.
SEQLOOM_INLINE Vec reciprocal(Vec x) {
#if defined(__AVX512F__)
  const Vec guess = (Vec)_mm512_maskz_rcp14_ps(0xffff, (__m512)x);
  const Vec rest = 1.0f - x * guess;  // one Newton step
  return guess + guess * rest;
#else
  return 1.0f / x;
#endif
}

// As torch.clamp: a NaN passes through, because no comparison with it holds. AVX2's maximum and minimum do the same in one
// instruction: of a NaN and a number they give the second operand.
#if defined(__AVX2__) && !defined(__AVX512F__)
SEQLOOM_INLINE Vec clamp_min(Vec x, float low) { return (Vec)_mm256_max_ps((__m256)broadcast(low), (__m256)x); }
SEQLOOM_INLINE Vec clamp_max(Vec x, float high) { return (Vec)_mm256_min_ps((__m256)broadcast(high), (__m256)x); }
#else
SEQLOOM_INLINE Vec clamp_min(Vec x, float low) { return x < low ? broadcast(low) : x; }
SEQLOOM_INLINE Vec clamp_max(Vec x, float high) { return x > high ? broadcast(high) : x; }
#endif

SEQLOOM_INLINE Vec relu(Vec x) { return clamp_min(x, 0.0f); }

// e^x to 2 ulp for x in [-87, 88], to which x is clamped. x = n ln 2 + r with |r| <= ln 2 / 2; e^r is a minimax
// polynomial, 2^n goes into the exponent.
SEQLOOM_INLINE Vec exp(Vec x) {
  x = clamp_max(clamp_min(x, -87.0f), 88.0f);
  const float shift = 12582912.0f;  // 1.5 * 2^23: adding it leaves the nearest integer in the lowest bits
  const Vec shifted = x * 1.44269504f + shift;
  const Vec n = shifted - shift;
  const Vec r = (x - n * 0.693359375f) + n * 2.12194440e-4f;
  Vec p = broadcast(0.001381462556309998f);
  p = p * r + 0.008368710055947304f;
  p = p * r + 0.04166838899254799f;
  p = p * r + 0.1666652113199234f;
  p = p * r + 0.4999999403953552f;
  p = (p * r) * r + (r + 1.0f);
  const IntVec exponent = ((IntVec)shifted << 23) + 0x3f800000;
  return p * (Vec)exponent;
}

SEQLOOM_INLINE Vec sigmoid(Vec x) { return reciprocal(1.0f + exp(-x)); }

// tanh x to 2 ulp: near 0 x + x^3 P(x^2) with a minimax polynomial; else 1 - 2 / (e^2|x| + 1), with the sign of x.
SEQLOOM_INLINE Vec tanh(Vec x) {
  const IntVec sign = (IntVec)x & INT32_MIN;
  const Vec size = (Vec)((IntVec)x & INT32_MAX);
  const Vec far = 1.0f - 2.0f * reciprocal(1.0f + exp(2.0f * size));
  const Vec u = x * x;
  Vec p = broadcast(-0.005717038176953793f);
  p = p * u + 0.020650580525398254f;
  p = p * u - 0.05374349653720856f;
  p = p * u + 0.13331490755081177f;
  p = p * u - 0.3333328366279602f;
  return size < 0.625f ? x + x * (u * p) : (Vec)((IntVec)far | sign);
}

// A vector of doubles, half as many as there are floats in a Vec.
constexpr int DOUBLES = W / 2;
typedef double DoubleVec __attribute__((vector_size(DOUBLES * 8), may_alias));
typedef int64_t LongVec __attribute__((vector_size(DOUBLES * 8), may_alias));
typedef double UnalignedDoubleVec __attribute__((vector_size(DOUBLES * 8), aligned(8), may_alias));
typedef float UnalignedHalfVec __attribute__((vector_size(DOUBLES * 4), aligned(4), may_alias));

// e^x to 1 ulp for x <= 0; 0 where it would be below the smallest normal number.
SEQLOOM_INLINE DoubleVec exp(DoubleVec x) {
  const DoubleVec bounded = x < -708.0 ? DoubleVec{} - 708.0 : x;
  const double shift = 6755399441055744.0;  // 1.5 * 2^52: adding it leaves the nearest integer in the lowest bits
  const DoubleVec shifted = bounded * 1.4426950408889634 + shift;
  const DoubleVec n = shifted - shift;
  const DoubleVec r = (bounded - n * 6.93147180369123816490e-01) - n * 1.90821492927058770002e-10;
  DoubleVec p = DoubleVec{} + 1.0 / 6227020800.0;  // Taylor: with |r| <= ln 2 / 2 thirteen terms are enough
  p = p * r + 1.0 / 479001600.0;
  p = p * r + 1.0 / 39916800.0;
  p = p * r + 1.0 / 3628800.0;
  p = p * r + 1.0 / 362880.0;
  p = p * r + 1.0 / 40320.0;
  p = p * r + 1.0 / 5040.0;
  p = p * r + 1.0 / 720.0;
  p = p * r + 1.0 / 120.0;
  p = p * r + 1.0 / 24.0;
  p = p * r + 1.0 / 6.0;
  p = p * r + 0.5;
  p = (p * r) * r + r + 1.0;
  const LongVec exponent = ((LongVec)shifted << 52) + (int64_t{1023} << 52);
  const DoubleVec result = p * (DoubleVec)exponent;
  return x < -708.0 ? DoubleVec{} : result;
}

}  // namespace SEQLOOM_VARIANT
}  // namespace seqloom
