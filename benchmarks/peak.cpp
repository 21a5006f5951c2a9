// What this machine can do at most: products and sums that depend on nothing but their own accumulator.
// Compiled with -O3 -march=native when a benchmark starts (peak.py).

#include <atomic>
#include <chrono>
#include <cstdint>
#include <thread>
#include <vector>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#if defined(__AVX512F__)
constexpr int W = 16;
#elif defined(__AVX__)
constexpr int W = 8;
#else
constexpr int W = 4;
#endif
typedef float Vec __attribute__((vector_size(W * 4)));

// As many as hide the latency of two units; all of them fit into registers.
constexpr int ACCUMULATORS = W == 16 ? 24 : 12;
constexpr int64_t ROUNDS = 20000;

static volatile float sink;
static volatile float factor = 0.999f, term = 0.001f;

static void fma_rounds() {
  Vec sums[ACCUMULATORS];
  const Vec x = Vec{} + factor, y = Vec{} + term;
  // Each begins with another value: of equal sums the compiler would compute one.
  for (int k = 0; k < ACCUMULATORS; ++k) sums[k] = y * static_cast<float>(k + 1);
  for (int64_t round = 0; round < ROUNDS; ++round) {
#pragma GCC unroll 24
    for (Vec& sum : sums) sum = sum * x + y;
  }
  Vec total = y;
  for (Vec& sum : sums) total += sum;
  sink = total[0];
}

#if defined(__AVX512BF16__)
static void bf16_rounds() {
  __m512 sums[ACCUMULATORS];
  const __m512bh x = (__m512bh)_mm512_set1_epi32(static_cast<int>(0x3c003c00 + static_cast<int>(factor)));
  for (__m512& sum : sums) sum = _mm512_set1_ps(term);
  for (int64_t round = 0; round < ROUNDS; ++round) {
#pragma GCC unroll 24
    for (__m512& sum : sums) sum = _mm512_dpbf16_ps(sum, x, x);
  }
  __m512 total = _mm512_set1_ps(0);
  for (__m512& sum : sums) total = _mm512_add_ps(total, sum);
  sink = _mm512_cvtss_f32(total);
}
constexpr double BF16_FLOPS = 2.0 * 2 * W * ACCUMULATORS * ROUNDS;
#else
static void bf16_rounds() {}
constexpr double BF16_FLOPS = 0;
#endif

// Floating-point operations a second of all threads together, the best of `tries`: whoever else runs can only
// slow it down. 0: the machine has no such instruction.
extern "C" double peak(int32_t half, int32_t threads, int32_t tries) {
  const double flops = half ? BF16_FLOPS : 2.0 * W * ACCUMULATORS * ROUNDS;
  if (flops == 0) return 0;
  std::vector<double> seconds(static_cast<std::size_t>(threads) * tries);
  std::atomic<int> waiting{0};
  const auto work = [&](int thread) {
    for (int k = 0; k < tries; ++k) {
      waiting.fetch_add(1);
      while (waiting.load() < threads * (k + 1)) std::this_thread::yield();
      const auto started = std::chrono::steady_clock::now();
      half ? bf16_rounds() : fma_rounds();
      const std::chrono::duration<double> taken = std::chrono::steady_clock::now() - started;
      seconds[static_cast<std::size_t>(k) * threads + thread] = taken.count();
    }
  };
  std::vector<std::thread> others;
  for (int thread = 1; thread < threads; ++thread) others.emplace_back(work, thread);
  work(0);
  for (std::thread& other : others) other.join();
  double best = 0;
  for (int k = 0; k < tries; ++k) {
    double rate = 0;
    for (int thread = 0; thread < threads; ++thread) rate += flops / seconds[static_cast<std::size_t>(k) * threads + thread];
    best = rate > best ? rate : best;
  }
  return best;
}
