// A packed matrix (include/decoder_api.h) times a small batch of vectors. Each weight is read once, in the order of
// memory, and used for up to MAX_VECTORS vectors while it is in a register. A vector's result does not depend on the
// others of its batch.
#pragma once

#include "include/decoder_api.h"
#include "runtime/threads.h"
#include "simd/bfloat16.h"

namespace seqloom {
namespace SEQLOOM_VARIANT {
namespace {

constexpr int MAX_VECTORS = W == 16 ? 4 : 2;  // for which there are registers besides four vectors of weights

typedef int8_t ByteVec __attribute__((vector_size(W), may_alias));
typedef int8_t UnalignedByteVec __attribute__((vector_size(W), aligned(1), may_alias));

// The precisions of weights. GROUP: columns in 4 bytes of a row; BEFORE and AFTER: vectors of a panel before and after
// its weights (include/decoder_api.h); `prepare` converts a vector for the products and returns its scale; `weight` loads
// a group of columns of W rows, `add` adds its products with one vector to W sums.

struct Float32Weights {
  static constexpr int GROUP = 1, BEFORE = 0, AFTER = 1;
  typedef float Value;
  typedef Vec Sum;
  struct Weight {
    Vec w;
  };
  static float prepare(const float* x, int64_t depth, float* to) {
    std::memcpy(to, x, static_cast<std::size_t>(depth) * 4);
    return 1.0f;
  }
  static SEQLOOM_INLINE Weight weight(const char* from) { return {load(reinterpret_cast<const float*>(from))}; }
  static SEQLOOM_INLINE void add(Sum& sum, Weight weight, const float* x) { sum += weight.w * x[0]; }
  static SEQLOOM_INLINE Sum start(const char*) { return Sum{}; }
};

// Where the processor has dpbf16, vectors are rounded to bfloat16; elsewhere weights are widened to float32.
struct Bf16Weights {
  static constexpr int GROUP = 2, BEFORE = 0, AFTER = 1;
  typedef Vec Sum;
  static SEQLOOM_INLINE Sum start(const char*) { return Sum{}; }
#if defined(__AVX512BF16__)
  typedef bf16 Value;
  struct Weight {
    IntVec pairs;
  };
  static float prepare(const float* x, int64_t depth, bf16* to) {
    for (int64_t k = 0; k < depth; k += W) store(to + k, load(x + k));
    return 1.0f;
  }
  static SEQLOOM_INLINE Weight weight(const char* from) { return {load_int(from)}; }
  static SEQLOOM_INLINE void add(Sum& sum, Weight weight, const bf16* x) {
    int32_t pair;
    std::memcpy(&pair, x, 4);
    sum = (Vec)_mm512_dpbf16_ps((__m512)sum, (__m512bh)weight.pairs, (__m512bh)_mm512_set1_epi32(pair));
  }
#else
  typedef float Value;
  struct Weight {
    Vec even, odd;
  };
  static float prepare(const float* x, int64_t depth, float* to) { return Float32Weights::prepare(x, depth, to); }
  static SEQLOOM_INLINE Weight weight(const char* from) {
    const IntVec pair = load_int(from);
    return {(Vec)(pair << 16), (Vec)(pair & static_cast<int32_t>(0xffff0000))};
  }
  static SEQLOOM_INLINE void add(Sum& sum, Weight weight, const float* x) {
    sum += weight.even * x[0];
    sum += weight.odd * x[1];
  }
#endif
};

// A vector is quantised to -127 to 127 with one scale of its own; the integer sums are exact, so the same on every machine.
struct Int8Weights {
  static constexpr int GROUP = 4, BEFORE = 1, AFTER = 2;
  typedef int8_t Value;
  typedef IntVec Sum;
  static float prepare(const float* x, int64_t depth, int8_t* to) {
    Vec largest = {}, zero_or_nan = {};  // NaN where a value is NaN or infinite
    for (int64_t k = 0; k < depth; k += W) {
      const Vec value = load(x + k), size = value < 0.0f ? -value : value;
      largest = size > largest ? size : largest;
      zero_or_nan += value * 0.0f;
    }
    float max_abs = 0.0f, poison = 0.0f;
    for (int lane = 0; lane < W; ++lane) {
      max_abs = largest[lane] > max_abs ? largest[lane] : max_abs;
      poison += zero_or_nan[lane];
    }
    const float inverse = max_abs > 0.0f ? 127.0f / max_abs : 0.0f;
    const float shift = 12582912.0f;  // rounds to the nearest integer, as in exp
    for (int64_t k = 0; k < depth; k += W) {
      const IntVec rounded = (IntVec)(load(x + k) * inverse + shift);
      *reinterpret_cast<UnalignedByteVec*>(to + k) = __builtin_convertvector(rounded, ByteVec) ^ static_cast<int8_t>(SIGN);
    }
    return max_abs / 127.0f + poison;
  }

#if defined(__AVX512VNNI__)
  static constexpr int SIGN = -128;  // dpbusd takes unsigned bytes: 128 is added here, and subtracted by `offset`
  struct Weight {
    IntVec w;
  };
  static SEQLOOM_INLINE Weight weight(const char* from) { return {load_int(from)}; }
  static SEQLOOM_INLINE void add(Sum& sum, Weight weight, const int8_t* x) {
    int32_t four;
    std::memcpy(&four, x, 4);
    sum = (IntVec)_mm512_dpbusd_epi32((__m512i)sum, _mm512_set1_epi32(four), (__m512i)weight.w);
  }
  static SEQLOOM_INLINE Sum start(const char* offset) { return load_int(offset); }
#else
  static constexpr int SIGN = 0;
  static SEQLOOM_INLINE Sum start(const char*) { return Sum{}; }
#if defined(__AVX2__)
  struct Weight {
    IntVec even, odd;
  };
#if defined(__AVX512BW__)
  static SEQLOOM_INLINE IntVec even(IntVec x) { return (IntVec)_mm512_srai_epi16(_mm512_slli_epi16((__m512i)x, 8), 8); }
  static SEQLOOM_INLINE IntVec odd(IntVec x) { return (IntVec)_mm512_srai_epi16((__m512i)x, 8); }
  static SEQLOOM_INLINE IntVec madd_pairs(IntVec x, IntVec y) { return (IntVec)_mm512_madd_epi16((__m512i)x, (__m512i)y); }
#else
  static SEQLOOM_INLINE IntVec even(IntVec x) { return (IntVec)_mm256_srai_epi16(_mm256_slli_epi16((__m256i)x, 8), 8); }
  static SEQLOOM_INLINE IntVec odd(IntVec x) { return (IntVec)_mm256_srai_epi16((__m256i)x, 8); }
  static SEQLOOM_INLINE IntVec madd_pairs(IntVec x, IntVec y) { return (IntVec)_mm256_madd_epi16((__m256i)x, (__m256i)y); }
#endif
  static SEQLOOM_INLINE Weight weight(const char* from) {
    const IntVec four = load_int(from);
    return {even(four), odd(four)};
  }
  static SEQLOOM_INLINE void add(Sum& sum, Weight weight, const int8_t* x) {
    int32_t four;
    std::memcpy(&four, x, 4);
    const IntVec bytes = broadcast(four);
    sum += madd_pairs(weight.even, even(bytes)) + madd_pairs(weight.odd, odd(bytes));
  }
#else
  struct Weight {
    IntVec w;
  };
  static SEQLOOM_INLINE Weight weight(const char* from) { return {load_int(from)}; }
  static SEQLOOM_INLINE void add(Sum& sum, Weight weight, const int8_t* x) {
    sum += ((weight.w << 24) >> 24) * x[0] + ((weight.w << 16) >> 24) * x[1];
    sum += ((weight.w << 8) >> 24) * x[2] + (weight.w >> 24) * x[3];
  }
#endif
#endif
};

// Bytes of a panel.
template <class P>
int64_t panel_bytes(const Matrix& m) {
  return (P::BEFORE + m.depth / P::GROUP + P::AFTER) * m.panel * W * 4;
}

// One panel times R vectors, plus the bias. Never inlined, so that all registers are its own. Where there is room, each
// row has two accumulators, which hide the latency of the multiply-adds.
template <class P, int N, int R>
SEQLOOM_NOINLINE void gemv_panel(const char* weight, const typename P::Value* x, const float* scales, int64_t stride,
                                 int64_t depth, float* to, int64_t to_stride) {
  constexpr int ACCUMULATORS = N < 4 ? 2 : 1, LINE = N * W * 4;
  typename P::Sum sum[ACCUMULATORS][R][N];
  for (int n = 0; n < N; ++n) {
    for (int r = 0; r < R; ++r) {
      sum[0][r][n] = P::start(weight + n * W * 4);
      if (ACCUMULATORS == 2) sum[ACCUMULATORS - 1][r][n] = typename P::Sum{};
    }
  }
  weight += P::BEFORE * LINE;
  for (int64_t k = 0; k < depth; k += 2 * P::GROUP) {
#pragma GCC unroll 2
    for (int u = 0; u < 2; ++u) {
#pragma GCC unroll 4
      for (int n = 0; n < N; ++n) {
        const typename P::Weight w = P::weight(weight + u * LINE + n * W * 4);
#pragma GCC unroll 4
        for (int r = 0; r < R; ++r) P::add(sum[u % ACCUMULATORS][r][n], w, x + r * stride + k + u * P::GROUP);
      }
    }
    weight += 2 * LINE;
  }
  const float* after = reinterpret_cast<const float*>(weight);
  for (int r = 0; r < R; ++r) {
    for (int n = 0; n < N; ++n) {
      const typename P::Sum total = ACCUMULATORS == 2 ? sum[0][r][n] + sum[ACCUMULATORS - 1][r][n] : sum[0][r][n];
      Vec value = __builtin_convertvector(total, Vec);
      if (P::AFTER == 2) value *= load(after + n * W) * scales[r];
      store(to + r * to_stride + n * W, value + load(after + ((P::AFTER - 1) * N + n) * W));
    }
  }
}

// to[r] = matrix * x[r] + bias for the panels `part` of the matrix. Vectors are `stride` values apart, results `to_stride`
// floats.
template <class P, int N>
void gemv_panels(const Matrix& m, Range part, const typename P::Value* x, const float* scales, int64_t stride, int batch,
                 float* to, int64_t to_stride) {
  const char* weight = static_cast<const char*>(m.weight) + part.begin * panel_bytes<P>(m);
  for (int64_t number = part.begin; number < part.end; ++number, weight += panel_bytes<P>(m)) {
    for (int r = 0; r < batch; r += MAX_VECTORS) {
      const typename P::Value* from = x + r * stride;
      float* out = to + r * to_stride + number * N * W;
      switch (batch - r < MAX_VECTORS ? batch - r : MAX_VECTORS) {
        case 1: gemv_panel<P, N, 1>(weight, from, scales + r, stride, m.depth, out, to_stride); break;
        case 2: gemv_panel<P, N, 2>(weight, from, scales + r, stride, m.depth, out, to_stride); break;
        case 3: gemv_panel<P, N, MAX_VECTORS == 4 ? 3 : 1>(weight, from, scales + r, stride, m.depth, out, to_stride); break;
        default: gemv_panel<P, N, MAX_VECTORS>(weight, from, scales + r, stride, m.depth, out, to_stride); break;
      }
    }
  }
}

template <class P>
void gemv(const Matrix& m, Range part, const typename P::Value* x, const float* scales, int64_t stride, int batch,
          float* to, int64_t to_stride) {
  switch (m.panel) {
    case 2: return gemv_panels<P, 2>(m, part, x, scales, stride, batch, to, to_stride);
    case 3: return gemv_panels<P, 3>(m, part, x, scales, stride, batch, to, to_stride);
    default: return gemv_panels<P, 4>(m, part, x, scales, stride, batch, to, to_stride);
  }
}

}  // namespace
}  // namespace SEQLOOM_VARIANT
}  // namespace seqloom
