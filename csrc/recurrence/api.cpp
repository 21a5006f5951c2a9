// The exported functions of the recurrences (include/recurrence_api.h), and the choice of the instruction set.

#include <algorithm>
#include <new>

#include "include/recurrence_api.h"
#include "recurrence/recurrence.h"
#include "runtime/cpu_target.h"
#include "runtime/threads.h"

namespace seqloom {

OpenMP openmp = {nullptr, nullptr, nullptr};

namespace {

CpuTarget best_cpu_target() {
  return std::min(processors_best(), static_cast<CpuTarget>(SEQLOOM_BEST_TARGET));
}

CpuTarget target_in_use = best_cpu_target();

const RecurrenceKernels& recurrence() {
  switch (target_in_use) {
#if SEQLOOM_BEST_TARGET >= 3
    case AVX512_BF16: return avx512_bf16::recurrence;
#endif
#if SEQLOOM_BEST_TARGET >= 2
    case AVX512: return avx512::recurrence;
#endif
#if SEQLOOM_BEST_TARGET >= 1
    case AVX2: return avx2::recurrence;
#endif
    default: break;
  }
  return portable::recurrence;
}

// Returns 0, or 1 when out of memory; the caller has checked everything else.
template <class Function>
int32_t guarded(Function function, const Problem& problem) {
  try {
    function(problem);
    return 0;
  } catch (const std::bad_alloc&) {
    return 1;
  }
}

}  // namespace

CpuTarget cpu_target() { return target_in_use; }

}  // namespace seqloom

// Raised with every change of a signature or a structure; Python refuses a library with another number.
SEQLOOM_API int32_t seqloom_abi_version() { return 3; }

SEQLOOM_API int32_t seqloom_level() { return seqloom::target_in_use; }

// Sets the instruction set to use; returns 0, and changes nothing, if the processor does not support it.
SEQLOOM_API int32_t seqloom_use_level(int32_t level) {
  if (level < 0 || level > seqloom::best_cpu_target()) return 0;
  seqloom::target_in_use = static_cast<seqloom::CpuTarget>(level);
  return 1;
}

// Sets the OpenMP runtime: the addresses of its GOMP_parallel, omp_get_thread_num and omp_get_num_threads.
SEQLOOM_API void seqloom_use_openmp(void (*parallel)(void (*)(void*), void*, unsigned, unsigned), int (*thread_num)(),
                                    int (*num_threads)()) {
  seqloom::openmp = {parallel, thread_num, num_threads};
}

SEQLOOM_API int32_t seqloom_forward(const seqloom::Problem* problem) {
  return seqloom::guarded(seqloom::recurrence().forward, *problem);
}

// Reads what forward has read and written (input, output, weights, h0, c0, saved), and d_output, d_hn, d_cn.
SEQLOOM_API int32_t seqloom_backward(const seqloom::Problem* problem) {
  return seqloom::guarded(seqloom::recurrence().backward, *problem);
}
