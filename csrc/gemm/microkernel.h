// The one inner loop: a few rows of A times a panel of B. Everything else in csrc/ arranges operands for it.
//
//   out[m][v] = sum over k of A[m][k] * B[k][v],   m < M rows, v < V vectors of W columns
//
// Both operands are packed into what the loop reads straight through. Their elements are 32 bits wide: a float, or two
// bfloat16 that are multiplied and added as a pair. k runs in blocks of 16 elements; what is missing is filled with 0.
#pragma once

#include <utility>

#include "simd/vector.h"

namespace seqloom {
namespace SEQLOOM_VARIANT {

constexpr int BLOCK = 16;  // elements of k, a cache line

// How many rows a tile has for V vectors of columns: as many sums as the registers hold.
constexpr int rows_for(int V) {
#if defined(__AVX512F__)
  return V == 2 ? 12 : V == 3 ? 8 : 6;
#elif defined(__AVX2__)
  return V == 2 ? 6 : V == 3 ? 4 : 3;
#else
  return V == 2 ? 4 : V == 3 ? 3 : 2;
#endif
}

// The arithmetic of a product: T is what packed operands are made of, and PER of them are an element.
struct Single {
  using T = float;
  static constexpr int PER = 1;
  static SEQLOOM_INLINE Vec add(Vec sum, float a, Vec b) { return sum + a * b; }
};
struct Pairs {
  using T = bf16;
  static constexpr int PER = 2;
  static SEQLOOM_INLINE Vec add(Vec sum, float a, Vec b) {
#if defined(__AVX512BF16__)
    return (Vec)_mm512_dpbf16_ps((__m512)sum, (__m512bh)b, (__m512bh)all(a));
#else
    return sum + a * b;  // never asked for: kernels/native.py refuses bfloat16 where the processor has no product of it
#endif
  }
};

// Where element k of row m lies within a block of A: a tile's rows side by side, each a cache line (BY_ROW, as states and
// gradients are written), or k by k (BY_K, as operands are that are summed over time).
enum Layout { BY_ROW, BY_K };
constexpr int ROWS_BY_K = W == 16 ? 8 : 4;  // so that a panel of rows is a whole part of a line
template <Layout layout, int V>
constexpr int rows_in() {
  return layout == BY_ROW ? rows_for(V) : ROWS_BY_K;
}
template <Layout layout, int V>
constexpr int place(int m, int k) {
  return layout == BY_ROW ? m * BLOCK + k : k * ROWS_BY_K + m;
}

// Cache lines that will be wanted after a product. It asks for them a few at a time: all at once would hold it up.
struct Ahead {
  static constexpr int MOST = 512;
  const char* lines[MOST];
  int count = 0;

  SEQLOOM_INLINE void add(const void* from, int64_t bytes) {
    const char* line = static_cast<const char*>(from);
    for (const char* end = line + bytes; line < end && count < MOST; line += 64) lines[count++] = line;
  }
};
inline const Ahead NOTHING{};

// Blocks of k that are summed by themselves before they are added to the others: the error of a long sum grows with the
// number of its terms.
template <Layout layout>
constexpr int64_t summed() {
  return layout == BY_ROW ? 8 : 4;
}

// Sums that every element of the result is made in, term by term in turn: a few rows alone have too few sums to keep the
// multipliers busy, each of which waits for the one before it in the same sum.
constexpr int in_turn(int sums) { return sums >= 8 ? 1 : sums >= 4 ? 2 : 4; }

// A function of its own, never inlined: within a larger one the compiler would spill the sums.
template <class Arithmetic, Layout layout, int M, int V>
SEQLOOM_APART void product(const float* a, const float* b, int64_t blocks, float* out, const Ahead& ahead) {
  const char* const* line = ahead.lines;
  const char* const* const last_line = line + ahead.count;
  const int64_t at_once = blocks > 0 ? (ahead.count + blocks - 1) / blocks : 0;
  constexpr int P = in_turn(M * V);
  bool first = true;
  do {
    Vec part[P][M][V] = {};
    const int64_t rest = blocks > summed<layout>() ? blocks - summed<layout>() : 0;
    for (; blocks > rest; --blocks) {
      for (int64_t n = at_once; n > 0 && line < last_line; --n) __builtin_prefetch(*line++);
#pragma GCC unroll 16
      for (int k = 0; k < BLOCK; ++k) {
        Vec column[V];
#pragma GCC unroll 4
        for (int v = 0; v < V; ++v) column[v] = load(b + (k * V + v) * W);
#pragma GCC unroll 12
        for (int m = 0; m < M; ++m) {
          const float row = a[place<layout, V>(m, k)];
#pragma GCC unroll 4
          for (int v = 0; v < V; ++v) part[k % P][m][v] = Arithmetic::add(part[k % P][m][v], row, column[v]);
        }
      }
      a += rows_in<layout, V>() * BLOCK;
      b += V * W * BLOCK;
    }
    Vec(&sum)[M][V] = part[0];
#pragma GCC unroll 4
    for (int n = 1; n < P; ++n) {
#pragma GCC unroll 12
      for (int m = 0; m < M; ++m) {
#pragma GCC unroll 4
        for (int v = 0; v < V; ++v) sum[m][v] += part[n][m][v];
      }
    }
    float* to = out;
    if (first) {
#pragma GCC unroll 12
      for (int m = 0; m < M; ++m) {
#pragma GCC unroll 4
        for (int v = 0; v < V; ++v, to += W) store(to, sum[m][v]);
      }
    } else {
#pragma GCC unroll 12
      for (int m = 0; m < M; ++m) {
#pragma GCC unroll 4
        for (int v = 0; v < V; ++v, to += W) store(to, load(to) + sum[m][v]);
      }
    }
    first = false;
  } while (blocks > 0);
}

// Elements of k that another product takes in beside each block of a single row's.
template <int V>
constexpr int beside_a_block() {
  return V == 2 ? 2 : 4;
}

// A single row times a panel, `blocks` of k, and ROWS_BY_K rows laid out BY_K times another panel of two vectors,
// `blocks` * beside_a_block<V>() elements of k; adds to both results. A single row has to wait for its panel, which comes
// from the second cache at half the speed of the multipliers; what the other product needs is at hand meanwhile.
template <class Arithmetic, int V>
SEQLOOM_APART void product_beside(const float* a, const float* b, int64_t blocks, float* out, const float* other_a,
                                  const float* other_b, float* other_out) {
  constexpr int M = ROWS_BY_K, EVERY = BLOCK / beside_a_block<V>(), P = V == 2 ? 2 : 1;
  Vec part[P][V] = {}, other[M][2] = {};
  for (; blocks > 0; --blocks) {
#pragma GCC unroll 16
    for (int k = 0; k < BLOCK; ++k) {
#pragma GCC unroll 4
      for (int v = 0; v < V; ++v) part[k % P][v] = Arithmetic::add(part[k % P][v], a[k], load(b + (k * V + v) * W));
      if (k % EVERY < EVERY - 1) continue;
      const Vec column[2] = {load(other_b), load(other_b + W)};
#pragma GCC unroll 8
      for (int m = 0; m < M; ++m) {
#pragma GCC unroll 2
        for (int v = 0; v < 2; ++v) other[m][v] = Arithmetic::add(other[m][v], other_a[m], column[v]);
      }
      other_a += M;
      other_b += 2 * W;
    }
    a += rows_in<BY_ROW, V>() * BLOCK;
    b += V * W * BLOCK;
  }
#pragma GCC unroll 4
  for (int v = 0; v < V; ++v) {
#pragma GCC unroll 4
    for (int n = 1; n < P; ++n) part[0][v] += part[n][v];
    store(out + v * W, load(out + v * W) + part[0][v]);
  }
#pragma GCC unroll 8
  for (int m = 0; m < M; ++m) {
#pragma GCC unroll 2
    for (int v = 0; v < 2; ++v) store(other_out + (m * 2 + v) * W, load(other_out + (m * 2 + v) * W) + other[m][v]);
  }
}

using Product = void (*)(const float*, const float*, int64_t, float*, const Ahead&);

template <class Arithmetic, Layout layout, int V, int... M>
constexpr Product product_of(int rows, std::integer_sequence<int, M...>) {
  constexpr Product table[] = {product<Arithmetic, layout, M + 1, V>...};
  return table[rows - 1];
}

// The loop for `rows` rows, 1 to rows_in<layout, V>.
template <class Arithmetic, Layout layout, int V>
inline Product product_for(int rows) {
  return product_of<Arithmetic, layout, V>(rows, std::make_integer_sequence<int, rows_in<layout, V>()>());
}

}  // namespace SEQLOOM_VARIANT
}  // namespace seqloom
