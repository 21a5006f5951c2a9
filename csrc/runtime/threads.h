// Threads. The pool is torch's: the OpenMP runtime that the process has loaded already, called by the addresses of its
// entry points, so that no second runtime is ever loaded and none is needed to build. Without one everything runs on the
// caller's thread.
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

// GOMP_parallel, omp_get_thread_num and omp_get_num_threads of that runtime, from seqloom_use_openmp; null: there is none.
struct OpenMP {
  void (*parallel)(void (*)(void*), void*, unsigned, unsigned);
  int (*thread_num)();
  int (*num_threads)();
};
extern OpenMP openmp;

constexpr int MAX_SPINS = 4000;  // of a thread that waits, before it yields its core

inline void pause() {
#if defined(__x86_64__) || defined(__i386__)
  _mm_pause();
#endif
}
inline void yield() {
#if defined(_WIN32)
  SwitchToThread();
#else
  sched_yield();
#endif
}

// A reusable barrier of `count` threads, always the same number.
class alignas(64) Barrier {
 public:
  void wait(int count) {
    const uint32_t round = round_.load(std::memory_order_acquire);
    if (arrived_.fetch_add(1, std::memory_order_acq_rel) + 1 == count) {
      arrived_.store(0, std::memory_order_relaxed);
      round_.store(round + 1, std::memory_order_release);
      return;
    }
    // After a long spin, yield: the thread that is waited for may need this core.
    for (int spins = 0; round_.load(std::memory_order_acquire) == round; ++spins) {
      if (spins < MAX_SPINS) pause();
      else yield();
    }
  }

 private:
  alignas(64) std::atomic<int> arrived_{0};
  alignas(64) std::atomic<uint32_t> round_{0};
};

// Calls body(thread, threads) on up to `max_threads` threads; within another parallel region that is one thread.
template <class Body>
void parallel(int max_threads, Body&& body) {
  if (max_threads <= 1 || openmp.parallel == nullptr) {
    body(0, 1);
    return;
  }
  openmp.parallel(
      [](void* function) { (*static_cast<Body*>(function))(openmp.thread_num(), openmp.num_threads()); },
      const_cast<void*>(static_cast<const void*>(&body)), static_cast<unsigned>(max_threads), 0);
}

// The range of 0..count that belongs to part `part` of `parts`, in multiples of `unit`.
struct Range {
  int64_t begin, end;
};
inline Range part_of(int64_t count, int part, int parts, int64_t unit = 1) {
  const int64_t units = (count + unit - 1) / unit;
  const int64_t begin = units * part / parts * unit, end = units * (part + 1) / parts * unit;
  return {begin < count ? begin : count, end < count ? end : count};
}

// The threads that work on one direction together, as one of them sees it.
struct Team {
  int thread, threads;
  Barrier* shared_barrier;

  void barrier() const {
    if (threads > 1) shared_barrier->wait(threads);
  }
};

}  // namespace seqloom
