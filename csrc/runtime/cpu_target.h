// Instruction sets: every source of kernels is compiled once for each, and the best that the processor has is taken.
#pragma once

#include <cstdint>

namespace seqloom {

enum Level : int32_t { PORTABLE = 0, AVX2 = 1, AVX512 = 2, AVX512_BF16 = 3 };

// What runs: the processor's best, or what was asked for by seqloom_use_level.
Level level();

}  // namespace seqloom
