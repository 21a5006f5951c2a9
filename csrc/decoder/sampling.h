// From logits to a token, exactly as seqloom.decoding defines it in Python: the same operations in the same order and
// types, so that the same logits and the same uniform number give the same token.
//
// Logits are (padded) float32, -inf beyond the vocabulary; `padded` is a multiple of W.
#pragma once

#include <algorithm>
#include <cmath>
#include <limits>

#include "simd/math.h"

namespace seqloom {
namespace SEQLOOM_VARIANT {
namespace {

constexpr float INFINITE = std::numeric_limits<float>::infinity();

// The maximum of a row, and whether the row has a NaN or +inf.
struct RowMax {
  float value;
  bool invalid;
};
inline RowMax row_max(const float* logits, int64_t padded) {
  Vec largest = broadcast(-INFINITE);
  IntVec invalid = {};
  for (int64_t v = 0; v < padded; v += W) {
    const Vec x = load(logits + v);
    invalid |= ~(x < INFINITE);
    largest = x > largest ? x : largest;
  }
  RowMax result = {-INFINITE, false};
  for (int lane = 0; lane < W; ++lane) {
    result.value = largest[lane] > result.value ? largest[lane] : result.value;
    result.invalid = result.invalid || invalid[lane] != 0;
  }
  return result;
}

// masses[v] = e^(x[v] - max), in float64; returns their sum, added from first to last.
inline double unnormalized_softmax(const float* x, float max, int64_t padded, double* masses) {
  for (int64_t v = 0; v < padded; v += DOUBLES) {
    const UnalignedHalfVec part = *reinterpret_cast<const UnalignedHalfVec*>(x + v);
    const DoubleVec mass = exp(__builtin_convertvector(part, DoubleVec) - static_cast<double>(max));
    *reinterpret_cast<UnalignedDoubleVec*>(masses + v) = mass;
  }
  double total = 0.0;
  for (int64_t v = 0; v < padded; ++v) total += masses[v];
  return total;
}

// Working memory of one thread.
struct SamplingWorkspace {
  float* shaped;    // (padded)
  double* masses;   // (padded)
  float* ordered;   // (padded)
  int64_t* tokens;  // (padded)
};

// top-k: keeps the `count` largest, and those equal to the smallest of them; the others become -inf.
inline void apply_top_k(float* x, int64_t vocabulary, int64_t count, float* ordered) {
  if (count >= vocabulary) return;
  std::copy(x, x + vocabulary, ordered);
  std::nth_element(ordered, ordered + (count - 1), ordered + vocabulary, [](float a, float b) { return a > b; });
  const float smallest = ordered[count - 1];
  for (int64_t v = 0; v < vocabulary; ++v) x[v] = x[v] < smallest ? -INFINITE : x[v];
}

// top-p (nucleus): keeps tokens in the order of their probabilities until those before them sum to `top_p`.
inline void apply_top_p(float* x, int64_t vocabulary, int64_t padded, float max, double top_p,
                        const SamplingWorkspace& work) {
  const double total = unnormalized_softmax(x, max, padded, work.masses);
  for (int64_t v = 0; v < vocabulary; ++v) work.tokens[v] = v;
  const auto less_probable = [x](int64_t a, int64_t b) { return x[a] < x[b] || (x[a] == x[b] && a > b); };
  std::make_heap(work.tokens, work.tokens + vocabulary, less_probable);
  double cumulative = 0.0;
  int64_t left = vocabulary;
  while (left > 0 && cumulative < top_p) {
    std::pop_heap(work.tokens, work.tokens + left, less_probable);
    cumulative += work.masses[work.tokens[--left]] / total;
  }
  for (int64_t i = 0; i < left; ++i) x[work.tokens[i]] = -INFINITE;
}

// The token whose interval of the cumulative distribution `uniform` is in; without `uniform` the most probable one, the
// lowest number among equals. `max` is finite.
inline int64_t sample_token(const float* logits, float max, int64_t vocabulary, int64_t padded, const double* uniform,
                            double temperature, int64_t top_k, double top_p, const SamplingWorkspace& work) {
  if (uniform == nullptr) {
    int64_t token = 0;
    while (logits[token] != max) ++token;
    return token;
  }
  const float* shaped = logits;
  if (temperature != 1.0 || top_k != 0 || top_p < 1.0) {
    if (temperature != 1.0) {
      for (int64_t v = 0; v < padded; ++v) {
        const float shifted = logits[v] - max;
        work.shaped[v] = static_cast<float>(static_cast<double>(shifted) / temperature);
      }
      max = 0.0f;
    } else {
      std::copy(logits, logits + padded, work.shaped);
    }
    if (top_k != 0) apply_top_k(work.shaped, vocabulary, top_k, work.ordered);
    if (top_p < 1.0) apply_top_p(work.shaped, vocabulary, padded, max, top_p, work);
    shaped = work.shaped;
  }
  const double target = *uniform * unnormalized_softmax(shaped, max, padded, work.masses);
  double sum = 0.0;
  int64_t last = 0;
  for (int64_t token = 0; token < vocabulary; ++token) {
    sum += work.masses[token];
    if (sum > target) return token;
    if (work.masses[token] > 0.0) last = token;
  }
  return last;  // by rounding, the sum has not passed the target
}

// -log of the probability of `token`.
inline double negative_log_likelihood(const float* logits, float max, int64_t padded, int64_t token,
                                      const SamplingWorkspace& work) {
  const double total = unnormalized_softmax(logits, max, padded, work.masses);
  return std::log(total) - (static_cast<double>(logits[token]) - static_cast<double>(max));
}

}  // namespace
}  // namespace SEQLOOM_VARIANT
}  // namespace seqloom
