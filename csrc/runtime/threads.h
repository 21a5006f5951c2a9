// Threads: the process's own OpenMP pool, which is torch's, asked by the address of its entry points, so that no second
// runtime is ever loaded and none is needed to build. Without it everything runs on the caller's thread.
#pragma once

#include <atomic>
#include <cstdint>

#if defined(__x86_64__) || defined(__i386__)
#include <immintrin.h>
#endif
#if defined(_WIN32)
#include <windows.h>
#else
#include <sched.h>
#endif

namespace seqloom {

// GOMP_parallel, omp_get_thread_num and omp_get_num_threads of the runtime in the process; kernels/native.py finds them.
struct OpenMP {
  void (*parallel)(void (*)(void*), void*, unsigned, unsigned);
  int (*thread_num)();
  int (*num_threads)();
};
extern OpenMP openmp;

// `count` threads meet here and go on together. Several times in turn, always as many.
class alignas(64) Barrier {
 public:
  void wait(int count) {
    const uint32_t round = round_.load(std::memory_order_acquire);
    if (arrived_.fetch_add(1, std::memory_order_acq_rel) + 1 == count) {
      arrived_.store(0, std::memory_order_relaxed);
      round_.store(round + 1, std::memory_order_release);
      return;
    }
    // A thread that waits long gives its core away: somebody else may need it to arrive.
    for (int spins = 0; round_.load(std::memory_order_acquire) == round; ++spins) {
      if (spins < 4000) pause();
      else yield();
    }
  }

 private:
  static void pause() {
#if defined(__x86_64__) || defined(__i386__)
    _mm_pause();
#endif
  }
  static void yield() {
#if defined(_WIN32)
    SwitchToThread();
#else
    sched_yield();
#endif
  }
  alignas(64) std::atomic<int> arrived_{0};
  alignas(64) std::atomic<uint32_t> round_{0};
};

// Calls body(thread, threads) on up to `wanted` threads at once; within another parallel region that is one thread.
template <class Body>
void parallel(int wanted, Body&& body) {
  if (wanted <= 1 || openmp.parallel == nullptr) {
    body(0, 1);
    return;
  }
  openmp.parallel(
      [](void* given) { (*static_cast<Body*>(given))(openmp.thread_num(), openmp.num_threads()); },
      const_cast<void*>(static_cast<const void*>(&body)), static_cast<unsigned>(wanted), 0);
}

// The part of 0..count that one of `parts` takes, in multiples of `unit`.
struct Range {
  int64_t begin, end;
};
inline Range part_of(int64_t count, int part, int parts, int64_t unit = 1) {
  const int64_t units = (count + unit - 1) / unit;
  const int64_t begin = units * part / parts * unit, end = units * (part + 1) / parts * unit;
  return {begin < count ? begin : count, end < count ? end : count};
}

// Threads that work on one direction, and how they share it.
struct Team {
  int thread, threads;
  Barrier* barrier;
  void meet() const {
    if (threads > 1) barrier->wait(threads);
  }
};

}  // namespace seqloom
