// From logits to a token, as decoding/sampling.py and decoding/logits.py define it: in the same order, with the same
// types, so that the same logits and the same number give the same token.
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

// The greatest of a row, and whether it has a nan or +inf.
struct Greatest {
  float value;
  bool wrong;
};
inline Greatest greatest(const float* logits, int64_t padded) {
  Vec most = broadcast(-INFINITE);
  IntVec numbers = {};
  for (int64_t v = 0; v < padded; v += W) {
    const Vec x = load(logits + v);
    numbers |= ~(x < INFINITE);
    most = x > most ? x : most;
  }
  Greatest found = {-INFINITE, false};
  for (int lane = 0; lane < W; ++lane) {
    found.value = most[lane] > found.value ? most[lane] : found.value;
    found.wrong = found.wrong || numbers[lane] != 0;
  }
  return found;
}

// masses[v] = e^(x[v] - most), in float64; returns their sum, first to last.
inline double masses_of(const float* x, float most, int64_t padded, double* masses) {
  for (int64_t v = 0; v < padded; v += DOUBLES) {
    const UnalignedHalfVec part = *reinterpret_cast<const UnalignedHalfVec*>(x + v);
    const DoubleVec mass = exp(__builtin_convertvector(part, DoubleVec) - static_cast<double>(most));
    *reinterpret_cast<UnalignedDoubleVec*>(masses + v) = mass;
  }
  double total = 0.0;
  for (int64_t v = 0; v < padded; ++v) total += masses[v];
  return total;
}

// What one thread needs to choose.
struct Choosing {
  float* shaped;    // (padded)
  double* masses;   // (padded)
  float* ordered;   // (padded)
  int64_t* tokens;  // (padded)
};

// Keeps the `count` greatest, and those equal to the last of them.
inline void keep_greatest(float* x, int64_t vocabulary, int64_t count, float* ordered) {
  if (count >= vocabulary) return;
  std::copy(x, x + vocabulary, ordered);
  std::nth_element(ordered, ordered + (count - 1), ordered + vocabulary, [](float a, float b) { return a > b; });
  const float least = ordered[count - 1];
  for (int64_t v = 0; v < vocabulary; ++v) x[v] = x[v] < least ? -INFINITE : x[v];
}

// Keeps the nucleus: in the order of their probabilities, tokens until those before have `top_p` together.
inline void keep_nucleus(float* x, int64_t vocabulary, int64_t padded, float most, double top_p, const Choosing& work) {
  const double total = masses_of(x, most, padded, work.masses);
  for (int64_t v = 0; v < vocabulary; ++v) work.tokens[v] = v;
  const auto later = [x](int64_t a, int64_t b) { return x[a] < x[b] || (x[a] == x[b] && a > b); };
  std::make_heap(work.tokens, work.tokens + vocabulary, later);
  double before = 0.0;
  int64_t left = vocabulary;
  while (left > 0 && before < top_p) {
    std::pop_heap(work.tokens, work.tokens + left, later);
    before += work.masses[work.tokens[--left]] / total;
  }
  for (int64_t i = 0; i < left; ++i) x[work.tokens[i]] = -INFINITE;
}

// The token that `uniform` falls on, or without one the most probable, the lowest number among equals. `most` is
// a finite number.
inline int64_t choose(const float* logits, float most, int64_t vocabulary, int64_t padded, const double* uniform,
                      double temperature, int64_t top_k, double top_p, const Choosing& work) {
  if (uniform == nullptr) {
    int64_t token = 0;
    while (logits[token] != most) ++token;
    return token;
  }
  const float* shaped = logits;
  if (temperature != 1.0 || top_k != 0 || top_p < 1.0) {
    if (temperature != 1.0) {
      for (int64_t v = 0; v < padded; ++v) {
        const float shifted = logits[v] - most;
        work.shaped[v] = static_cast<float>(static_cast<double>(shifted) / temperature);
      }
      most = 0.0f;
    } else {
      std::copy(logits, logits + padded, work.shaped);
    }
    if (top_k != 0) keep_greatest(work.shaped, vocabulary, top_k, work.ordered);
    if (top_p < 1.0) keep_nucleus(work.shaped, vocabulary, padded, most, top_p, work);
    shaped = work.shaped;
  }
  const double target = *uniform * masses_of(shaped, most, padded, work.masses);
  double sum = 0.0;
  int64_t last = 0;
  for (int64_t token = 0; token < vocabulary; ++token) {
    sum += work.masses[token];
    if (sum > target) return token;
    if (work.masses[token] > 0.0) last = token;
  }
  return last;  // rounding has left the sum at the target
}

// -log of the probability of `token`.
inline double nats_of(const float* logits, float most, int64_t padded, int64_t token, const Choosing& work) {
  const double total = masses_of(logits, most, padded, work.masses);
  return std::log(total) - (static_cast<double>(logits[token]) - static_cast<double>(most));
}

}  // namespace
}  // namespace SEQLOOM_VARIANT
}  // namespace seqloom
