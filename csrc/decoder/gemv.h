// A packed matrix (decode.h) times a few vectors: each weight is read once, in the order in which it lies, and used for
// up to ROWS vectors while it is in a register. A vector's result does not depend on who shares its batch.
//
// Included within a namespace of its own for each instruction set, as vector.h.
#pragma once

#include "include/decoder_api.h"
#include "runtime/threads.h"
#include "simd/bfloat16.h"

namespace seqloom {
namespace SEQLOOM_VARIANT {
namespace {

constexpr int ROWS = W == 16 ? 4 : 2;  // what the registers hold beside four vectors of weights

typedef int8_t ByteVec __attribute__((vector_size(W), may_alias));
typedef int8_t UnalignedByteVec __attribute__((vector_size(W), aligned(1), may_alias));

// Of each precision: how a vector is prepared for products, and what 4 bytes of each of W rows add to their sums.

struct Single {
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

// Where the processor multiplies pairs of bfloat16, vectors are rounded to it; elsewhere weights are widened.
struct Brain {
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
  static float prepare(const float* x, int64_t depth, float* to) { return Single::prepare(x, depth, to); }
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

// A vector becomes bytes from -127 to 127 with one scale of its own; sums are exact, so the same on every machine.
struct Bytes {
  static constexpr int GROUP = 4, BEFORE = 1, AFTER = 2;
  typedef int8_t Value;
  typedef IntVec Sum;
  static float prepare(const float* x, int64_t depth, int8_t* to) {
    Vec greatest = {}, nothing = {};  // nothing: 0, or nan where a value is no number
    for (int64_t k = 0; k < depth; k += W) {
      const Vec value = load(x + k), size = value < 0.0f ? -value : value;
      greatest = size > greatest ? size : greatest;
      nothing += value * 0.0f;
    }
    float top = 0.0f, poison = 0.0f;
    for (int lane = 0; lane < W; ++lane) {
      top = greatest[lane] > top ? greatest[lane] : top;
      poison += nothing[lane];
    }
    const float inverse = top > 0.0f ? 127.0f / top : 0.0f;
    const float shift = 12582912.0f;  // as in exp
    for (int64_t k = 0; k < depth; k += W) {
      const IntVec near = (IntVec)(load(x + k) * inverse + shift);
      *reinterpret_cast<UnalignedByteVec*>(to + k) = __builtin_convertvector(near, ByteVec) ^ static_cast<int8_t>(SIGN);
    }
    return top / 127.0f + poison;
  }

#if defined(__AVX512VNNI__)
  static constexpr int SIGN = -128;  // the instruction wants unsigned bytes: 128 is added, and taken back by `offset`
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
  static SEQLOOM_INLINE IntVec pairs(IntVec x, IntVec y) { return (IntVec)_mm512_madd_epi16((__m512i)x, (__m512i)y); }
#else
  static SEQLOOM_INLINE IntVec even(IntVec x) { return (IntVec)_mm256_srai_epi16(_mm256_slli_epi16((__m256i)x, 8), 8); }
  static SEQLOOM_INLINE IntVec odd(IntVec x) { return (IntVec)_mm256_srai_epi16((__m256i)x, 8); }
  static SEQLOOM_INLINE IntVec pairs(IntVec x, IntVec y) { return (IntVec)_mm256_madd_epi16((__m256i)x, (__m256i)y); }
#endif
  static SEQLOOM_INLINE Weight weight(const char* from) {
    const IntVec four = load_int(from);
    return {even(four), odd(four)};
  }
  static SEQLOOM_INLINE void add(Sum& sum, Weight weight, const int8_t* x) {
    int32_t four;
    std::memcpy(&four, x, 4);
    const IntVec bytes = broadcast(four);
    sum += pairs(weight.even, even(bytes)) + pairs(weight.odd, odd(bytes));
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

// A panel's bytes.
template <class P>
int64_t size_of(const Matrix& m) {
  return (P::BEFORE + m.depth / P::GROUP + P::AFTER) * m.panel * W * 4;
}

// One panel times R vectors, plus the bias. Of itself, so that nothing else wants its registers. There are two sums for
// each row where there is room, or they would wait for one another.
template <class P, int N, int R>
SEQLOOM_NOINLINE void panel(const char* weight, const typename P::Value* x, const float* scales, int64_t stride,
                         int64_t depth, float* to, int64_t to_stride) {
  constexpr int CHAINS = N < 4 ? 2 : 1, LINE = N * W * 4;
  typename P::Sum sum[CHAINS][R][N];
  for (int n = 0; n < N; ++n) {
    for (int r = 0; r < R; ++r) {
      sum[0][r][n] = P::start(weight + n * W * 4);
      if (CHAINS == 2) sum[CHAINS - 1][r][n] = typename P::Sum{};
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
        for (int r = 0; r < R; ++r) P::add(sum[u % CHAINS][r][n], w, x + r * stride + k + u * P::GROUP);
      }
    }
    weight += 2 * LINE;
  }
  const float* after = reinterpret_cast<const float*>(weight);
  for (int r = 0; r < R; ++r) {
    for (int n = 0; n < N; ++n) {
      const typename P::Sum both = CHAINS == 2 ? sum[0][r][n] + sum[CHAINS - 1][r][n] : sum[0][r][n];
      Vec value = __builtin_convertvector(both, Vec);
      if (P::AFTER == 2) value *= load(after + n * W) * scales[r];
      store(to + r * to_stride + n * W, value + load(after + ((P::AFTER - 1) * N + n) * W));
    }
  }
}

// to[row] = matrix x[row] + bias, of the matrix the panels `part`. Vectors lie `stride` values apart, results
// `to_stride` floats.
template <class P, int N>
void product_of(const Matrix& m, Range part, const typename P::Value* x, const float* scales, int64_t stride, int batch,
                float* to, int64_t to_stride) {
  const char* weight = static_cast<const char*>(m.weight) + part.begin * size_of<P>(m);
  for (int64_t number = part.begin; number < part.end; ++number, weight += size_of<P>(m)) {
    for (int row = 0; row < batch; row += ROWS) {
      const typename P::Value* from = x + row * stride;
      float* into = to + row * to_stride + number * N * W;
      switch (batch - row < ROWS ? batch - row : ROWS) {
        case 1: panel<P, N, 1>(weight, from, scales + row, stride, m.depth, into, to_stride); break;
        case 2: panel<P, N, 2>(weight, from, scales + row, stride, m.depth, into, to_stride); break;
        case 3: panel<P, N, ROWS == 4 ? 3 : 1>(weight, from, scales + row, stride, m.depth, into, to_stride); break;
        default: panel<P, N, ROWS>(weight, from, scales + row, stride, m.depth, into, to_stride); break;
      }
    }
  }
}

template <class P>
void product(const Matrix& m, Range part, const typename P::Value* x, const float* scales, int64_t stride, int batch,
             float* to, int64_t to_stride) {
  switch (m.panel) {
    case 2: return product_of<P, 2>(m, part, x, scales, stride, batch, to, to_stride);
    case 3: return product_of<P, 3>(m, part, x, scales, stride, batch, to, to_stride);
    default: return product_of<P, 4>(m, part, x, scales, stride, batch, to, to_stride);
  }
}

}  // namespace
}  // namespace SEQLOOM_VARIANT
}  // namespace seqloom
