// Instruction sets. The kernels are compiled once for each, up to SEQLOOM_BEST_TARGET (CMakeLists.txt); the best one that the
// processor supports is used.
#pragma once

#include <cstdint>

namespace seqloom {

enum CpuTarget : int32_t { PORTABLE = 0, AVX2 = 1, AVX512 = 2, AVX512_BF16 = 3 };

// The best one that this processor has, compiled or not.
inline CpuTarget processors_best() {
#if defined(__x86_64__)
  __builtin_cpu_init();
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
      __builtin_cpu_supports("avx512vl")) {
    return __builtin_cpu_supports("avx512bf16") && __builtin_cpu_supports("avx512vnni") ? AVX512_BF16 : AVX512;
  }
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return AVX2;
#endif
  return PORTABLE;
}

// The one in use: the best that can be used here, or the one set by seqloom_use_level.
CpuTarget cpu_target();

}  // namespace seqloom
