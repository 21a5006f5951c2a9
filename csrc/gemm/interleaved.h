// Products of a single row, interleaved with products that are needed only later.
//
// A single row is bound by memory: its panel of B streams from the second-level cache at half the speed of the
// multiply-adds. The operands of the other product are in the first-level cache, so its multiply-adds fill the gaps.
#pragma once

#include <algorithm>
#include <cstring>

#include "gemm/pack.h"

namespace seqloom {
namespace SEQLOOM_VARIANT {

// Elements of k of the later product for each block of k of the single row.
template <int V>
constexpr int interleaved_per_block() {
  return V == 2 ? 2 : 4;
}

// A single row times a panel of V vectors, `blocks` blocks of k; and a K_MAJOR tile times another panel of two vectors,
// `blocks` * interleaved_per_block<V>() elements of k. Adds to both results. Never inlined, as gemm_tile.
template <class Arithmetic, int V>
SEQLOOM_NOINLINE void interleaved_gemm(const float* a, const float* b, int64_t blocks, float* out, const float* later_a,
                                       const float* later_b, float* later_out) {
  constexpr int M = K_MAJOR_ROWS, EVERY = K_BLOCK / interleaved_per_block<V>(), P = V == 2 ? 2 : 1;
  Vec part[P][V] = {}, later[M][2] = {};
  for (; blocks > 0; --blocks) {
#pragma GCC unroll 16
    for (int k = 0; k < K_BLOCK; ++k) {
#pragma GCC unroll 4
      for (int v = 0; v < V; ++v) {
        part[k % P][v] = Arithmetic::multiply_add(part[k % P][v], a[k], load(b + (k * V + v) * W));
      }
      if (k % EVERY < EVERY - 1) continue;
      const Vec column[2] = {load(later_b), load(later_b + W)};
#pragma GCC unroll 8
      for (int m = 0; m < M; ++m) {
#pragma GCC unroll 2
        for (int v = 0; v < 2; ++v) later[m][v] = Arithmetic::multiply_add(later[m][v], later_a[m], column[v]);
      }
      later_a += M;
      later_b += 2 * W;
    }
    a += rows_of_layout<ROW_MAJOR, V>() * K_BLOCK;
    b += V * W * K_BLOCK;
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
    for (int v = 0; v < 2; ++v) store(later_out + (m * 2 + v) * W, load(later_out + (m * 2 + v) * W) + later[m][v]);
  }
}

// The operands of a later product: a K_MAJOR tile, a panel of two vectors, and their elements of k, in whole blocks.
struct LaterOperands {
  const float *a, *b;
  int64_t count;
};

// Products of a single row, with a queue of later products. Queue::next gives the operands of the next one, or false;
// Queue::done takes its sums.
template <class A, class Queue>
class InterleavedGemm {
 public:
  explicit InterleavedGemm(Queue queue) : queue_(queue) {}

  // As gemm_tile<A, ROW_MAJOR, 1, V>.
  template <int V>
  void multiply(const float* a, const float* b, int64_t blocks, float* out, const PrefetchList& prefetch) {
    constexpr int64_t RATIO = interleaved_per_block<V>(), STEP = K_BLOCK / RATIO;  // STEP blocks take one later block
    if (blocks < STEP || !ready()) return gemm_tile<A, ROW_MAJOR, 1, V>(a, b, blocks, out, prefetch);
    for (int n = 0; n < prefetch.count; ++n) __builtin_prefetch(prefetch.lines[n]);
    std::memset(out, 0, V * W * 4);
    while (blocks >= STEP && ready()) {
      const int64_t batch = std::min({blocks, left_.count / RATIO, blocks_per_sum<ROW_MAJOR>()}) / STEP * STEP;
      const int64_t count = batch * RATIO;
      if (!started_) std::memset(sums_, 0, sizeof sums_);
      started_ = true;
      interleaved_gemm<A, V>(a, b, batch, out, left_.a, left_.b, sums_);
      a += batch * rows_of_layout<ROW_MAJOR, V>() * K_BLOCK;
      b += batch * V * W * K_BLOCK;
      blocks -= batch;
      left_ = {left_.a + count * K_MAJOR_ROWS, left_.b + count * 2 * W, left_.count - count};
      if (left_.count == 0) finish();
    }
    if (blocks == 0) return;
    alignas(64) float rest[V * W];
    gemm_tile<A, ROW_MAJOR, 1, V>(a, b, blocks, rest, NO_PREFETCH);
    for (int v = 0; v < V * W; v += W) store(out + v, load(out + v) + load(rest + v));
  }

  // Computes all later products that are left.
  void drain() {
    alignas(64) float rest[K_MAJOR_ROWS * 2 * W];
    while (ready()) {
      float* sums = started_ ? rest : sums_;
      gemm_tile<A, K_MAJOR, K_MAJOR_ROWS, 2>(left_.a, left_.b, left_.count / K_BLOCK, sums, NO_PREFETCH);
      for (int v = 0; started_ && v < K_MAJOR_ROWS * 2 * W; v += W) store(sums_ + v, load(sums_ + v) + load(rest + v));
      finish();
    }
  }

 private:
  // Whether there is a later product at hand.
  bool ready() { return left_.count > 0 || queue_.next(left_); }
  void finish() {
    queue_.done(sums_);
    left_.count = 0;
    started_ = false;
  }

  Queue queue_;
  LaterOperands left_{nullptr, nullptr, 0};  // what is left of the product at hand
  bool started_ = false;                     // whether sums_ has a part of it
  alignas(64) float sums_[K_MAJOR_ROWS * 2 * W];
};

}  // namespace SEQLOOM_VARIANT
}  // namespace seqloom
