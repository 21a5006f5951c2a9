// Products that are not needed yet, made a part at a time beside those of a single row (product_beside).
#pragma once

#include "gemm/pack.h"

namespace seqloom {
namespace SEQLOOM_VARIANT {

// ROWS_BY_K rows laid out BY_K, a panel of two vectors, and how many elements of k they have: whole blocks.
struct Operands {
  const float *a, *b;
  int64_t count;
};

// Work is a list of such products: `next` gives the operands of one, if there is any left; `done` takes its sums.
template <class A, class Work>
class Beside {
 public:
  explicit Beside(Work work) : work_(work) {}

  // A single row of a tile times a panel, as product<A, BY_ROW, 1, V>.
  template <int V>
  void product(const float* a, const float* b, int64_t blocks, float* out, const Ahead& ahead) {
    constexpr int64_t EACH = beside_a_block<V>(), LEAST = BLOCK / EACH;  // what is left stays whole blocks
    if (blocks < LEAST || !ready()) return SEQLOOM_VARIANT::product<A, BY_ROW, 1, V>(a, b, blocks, out, ahead);
    for (int n = 0; n < ahead.count; ++n) __builtin_prefetch(ahead.lines[n]);
    std::memset(out, 0, V * W * 4);
    while (blocks >= LEAST && ready()) {
      const int64_t some = std::min({blocks, left_.count / EACH, summed<BY_ROW>()}) / LEAST * LEAST, count = some * EACH;
      if (!begun_) std::memset(sums_, 0, sizeof sums_);
      begun_ = true;
      product_beside<A, V>(a, b, some, out, left_.a, left_.b, sums_);
      a += some * rows_in<BY_ROW, V>() * BLOCK;
      b += some * V * W * BLOCK;
      blocks -= some;
      left_ = {left_.a + count * ROWS_BY_K, left_.b + count * 2 * W, left_.count - count};
      if (left_.count == 0) end();
    }
    if (blocks == 0) return;
    alignas(64) float rest[V * W];
    SEQLOOM_VARIANT::product<A, BY_ROW, 1, V>(a, b, blocks, rest, NOTHING);
    for (int v = 0; v < V * W; v += W) store(out + v, load(out + v) + load(rest + v));
  }

  // All that is left.
  void drain() {
    alignas(64) float rest[ROWS_BY_K * 2 * W];
    while (ready()) {
      SEQLOOM_VARIANT::product<A, BY_K, ROWS_BY_K, 2>(left_.a, left_.b, left_.count / BLOCK, begun_ ? rest : sums_, NOTHING);
      for (int v = 0; begun_ && v < ROWS_BY_K * 2 * W; v += W) store(sums_ + v, load(sums_ + v) + load(rest + v));
      end();
    }
  }

 private:
  // Whether there is a product at hand.
  bool ready() { return left_.count > 0 || work_.next(left_); }
  void end() {
    work_.done(sums_);
    left_.count = 0;
    begun_ = false;
  }

  Work work_;
  Operands left_{nullptr, nullptr, 0};  // of the product at hand
  bool begun_ = false;
  alignas(64) float sums_[ROWS_BY_K * 2 * W];
};

}  // namespace SEQLOOM_VARIANT
}  // namespace seqloom
