// Instruction sets. The kernels are compiled once for each; the best one that the processor supports is used.
#pragma once

#include <cstdint>

namespace seqloom {

enum CpuTarget : int32_t { PORTABLE = 0, AVX2 = 1, AVX512 = 2, AVX512_BF16 = 3 };

// The one in use: the processor's best, or the one set by seqloom_use_level.
CpuTarget cpu_target();

}  // namespace seqloom
