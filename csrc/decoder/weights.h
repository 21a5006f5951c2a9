// Passes over all weights of a decoder: how long it takes to read them once, which is a lower bound of the time of a token,
// and a digest, which tells whether any of them has changed.
#pragma once

#include <atomic>
#include <chrono>

#include "decoder/gemv.h"
#include "runtime/threads.h"
#include "simd/vector.h"

namespace seqloom {
namespace SEQLOOM_VARIANT {
namespace {

SEQLOOM_NOINLINE float sum_of(const float* from, int64_t count) {
  Vec sum[4] = {};
  for (int64_t k = 0; k + 4 * W <= count; k += 4 * W) {
    for (int n = 0; n < 4; ++n) sum[n] += load(from + k + n * W);
  }
  return ((sum[0] + sum[1]) + (sum[2] + sum[3]))[0];
}

// Seconds in which the threads read `bytes` bytes once, each its own part.
double time_read(const void* data, int64_t bytes, int32_t threads, int32_t times) {
  std::atomic<int64_t> longest{0};
  parallel(threads, [&](int thread, int count) {
    const Range part = part_of(bytes / 4, thread, count, 4 * W);
    const float* from = static_cast<const float*>(data) + part.begin;
    volatile float sum = sum_of(from, part.end - part.begin);
    const auto begin = std::chrono::steady_clock::now();
    for (int32_t i = 0; i < times; ++i) sum = sum_of(from, part.end - part.begin);
    (void)sum;
    const int64_t elapsed = std::chrono::nanoseconds(std::chrono::steady_clock::now() - begin).count();
    for (int64_t max = longest.load(); max < elapsed && !longest.compare_exchange_weak(max, elapsed);) continue;
  });
  return static_cast<double>(longest.load()) * 1e-9 / times;
}

typedef uint32_t UintVec __attribute__((vector_size(W * 4), may_alias));

SEQLOOM_INLINE uint64_t mix(uint64_t digest, uint64_t value) {
  digest = (digest ^ value) * 0x9e3779b97f4a7c15u;
  return digest ^ (digest >> 29);
}

SEQLOOM_NOINLINE uint64_t digest_part(const char* from, int64_t count) {
  UintVec lanes[4] = {};
  int64_t k = 0;
  for (; k + 4 * W <= count; k += 4 * W) {
    for (int n = 0; n < 4; ++n) lanes[n] = (lanes[n] ^ (UintVec)load_int(from + (k + n * W) * 4)) * 0x01000193u;
  }
  uint64_t result = static_cast<uint64_t>(count);
  for (const UintVec& part : lanes) {
    for (int lane = 0; lane < W; ++lane) result = mix(result, part[lane]);
  }
  for (; k < count; ++k) {
    uint32_t value;
    std::memcpy(&value, from + k * 4, 4);
    result = mix(result, value);
  }
  return result;
}

// Depends on every value and its position, not on the number of threads: the parts are always the same.
uint64_t digest(const void* data, int64_t count, int32_t threads) {
  constexpr int PARTS = 16;
  uint64_t parts[PARTS];
  parallel(count < 65536 ? 1 : threads, [&](int thread, int team) {
    for (int part = thread; part < PARTS; part += team) {
      const Range range = part_of(count, part, PARTS);
      parts[part] = digest_part(static_cast<const char*>(data) + range.begin * 4, range.end - range.begin);
    }
  });
  uint64_t result = 0;
  for (const uint64_t part : parts) result = mix(result, part);
  return result;
}

}  // namespace
}  // namespace SEQLOOM_VARIANT
}  // namespace seqloom
