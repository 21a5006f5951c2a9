// bfloat16, the upper half of a float32: conversions, loads and stores of W of them as a vector of floats.
#pragma once

#include "simd/vector.h"

namespace seqloom {
namespace SEQLOOM_VARIANT {

struct bf16 {
  uint16_t bits;
};

typedef uint16_t Bf16Vec __attribute__((vector_size(W * 2), may_alias));
typedef uint16_t UnalignedBf16Vec __attribute__((vector_size(W * 2), aligned(2), may_alias));

SEQLOOM_INLINE Vec to_float(Bf16Vec x) { return (Vec)(__builtin_convertvector(x, IntVec) << 16); }

// Rounds to nearest, ties to even; a NaN stays a NaN.
SEQLOOM_INLINE Bf16Vec to_bf16(Vec x) {
#if defined(__AVX512BF16__)
  return (Bf16Vec)_mm512_cvtneps_pbh((__m512)x);
#else
  const IntVec bits = (IntVec)x;
  const IntVec rounded = (bits + 0x7fff + ((bits >> 16) & 1)) >> 16;
  const IntVec nan = (bits >> 16) | 0x40;
  return __builtin_convertvector(x == x ? rounded : nan, Bf16Vec);
#endif
}

SEQLOOM_INLINE Vec load(const bf16* from) { return to_float(*reinterpret_cast<const UnalignedBf16Vec*>(from)); }
SEQLOOM_INLINE void store(bf16* to, Vec x) { *reinterpret_cast<UnalignedBf16Vec*>(to) = to_bf16(x); }

SEQLOOM_INLINE float to_float(float x) { return x; }
SEQLOOM_INLINE float to_float(bf16 x) {
  const uint32_t bits = static_cast<uint32_t>(x.bits) << 16;
  float value;
  std::memcpy(&value, &bits, 4);
  return value;
}

SEQLOOM_INLINE Vec round_to_bf16(Vec x) { return to_float(to_bf16(x)); }

// Interleaves two vectors whose values are bfloat16 already into pairs, as dpbf16 reads them: `low` is the first of each.
SEQLOOM_INLINE Vec interleave_bf16(Vec low, Vec high) {
  return (Vec)(((IntVec)low >> 16 & 0xffff) | ((IntVec)high & static_cast<int32_t>(0xffff0000)));
}

}  // namespace SEQLOOM_VARIANT
}  // namespace seqloom
