// All weights of a decoder read once: how long that takes, which is the least that a token could take, and a number that
// tells whether any of them has changed.
//
// Included within a namespace of its own for each instruction set, as vector.h.
#pragma once

#include <atomic>
#include <chrono>

#include "decoder/gemv.h"
#include "runtime/threads.h"
#include "simd/vector.h"

namespace seqloom {
namespace SEQLOOM_VARIANT {
namespace {

SEQLOOM_NOINLINE float read_through(const float* from, int64_t count) {
  Vec sum[4] = {};
  for (int64_t k = 0; k + 4 * W <= count; k += 4 * W) {
    for (int n = 0; n < 4; ++n) sum[n] += load(from + k + n * W);
  }
  return ((sum[0] + sum[1]) + (sum[2] + sum[3]))[0];
}

// Seconds to read so many bytes once, each thread its own part.
double read(const void* data, int64_t bytes, int32_t threads, int32_t times) {
  std::atomic<int64_t> longest{0};
  parallel(threads, [&](int thread, int count) {
    const Range part = part_of(bytes / 4, thread, count, 4 * W);
    const float* from = static_cast<const float*>(data) + part.begin;
    volatile float sum = read_through(from, part.end - part.begin);
    const auto begin = std::chrono::steady_clock::now();
    for (int32_t i = 0; i < times; ++i) sum = read_through(from, part.end - part.begin);
    (void)sum;
    const int64_t taken = std::chrono::nanoseconds(std::chrono::steady_clock::now() - begin).count();
    for (int64_t most = longest.load(); most < taken && !longest.compare_exchange_weak(most, taken);) continue;
  });
  return static_cast<double>(longest.load()) * 1e-9 / times;
}

typedef uint32_t UintVec __attribute__((vector_size(W * 4), may_alias));

SEQLOOM_INLINE uint64_t mixed(uint64_t digest, uint64_t value) {
  digest = (digest ^ value) * 0x9e3779b97f4a7c15u;
  return digest ^ (digest >> 29);
}

SEQLOOM_NOINLINE uint64_t digest_part(const char* from, int64_t count) {
  UintVec lanes[4] = {};
  int64_t k = 0;
  for (; k + 4 * W <= count; k += 4 * W) {
    for (int n = 0; n < 4; ++n) lanes[n] = (lanes[n] ^ (UintVec)load_int(from + (k + n * W) * 4)) * 0x01000193u;
  }
  uint64_t found = static_cast<uint64_t>(count);
  for (const UintVec& part : lanes) {
    for (int lane = 0; lane < W; ++lane) found = mixed(found, part[lane]);
  }
  for (; k < count; ++k) {
    uint32_t value;
    std::memcpy(&value, from + k * 4, 4);
    found = mixed(found, value);
  }
  return found;
}

// Every value counts, and where it stands; how many threads there are does not.
uint64_t digest(const void* data, int64_t count, int32_t threads) {
  constexpr int PARTS = 16;
  uint64_t parts[PARTS];
  parallel(count < 65536 ? 1 : threads, [&](int thread, int team) {
    for (int part = thread; part < PARTS; part += team) {
      const Range range = part_of(count, part, PARTS);
      parts[part] = digest_part(static_cast<const char*>(data) + range.begin * 4, range.end - range.begin);
    }
  });
  uint64_t found = 0;
  for (const uint64_t part : parts) found = mixed(found, part);
  return found;
}

}  // namespace
}  // namespace SEQLOOM_VARIANT
}  // namespace seqloom
