// The functions of decoder.cpp, which is compiled once for each instruction set.
#pragma once

#include "include/decoder_api.h"

namespace seqloom {

struct DecoderKernels {
  int32_t width;  // floats in a vector
  void (*run)(Decoding&);
  double (*time_read)(const void* data, int64_t bytes, int32_t threads, int32_t times);
  uint64_t (*digest)(const void* data, int64_t count, int32_t threads);
};

namespace portable {
extern const DecoderKernels decoder;
}
namespace avx2 {
extern const DecoderKernels decoder;
}
namespace avx512 {
extern const DecoderKernels decoder;
}
namespace avx512_bf16 {
extern const DecoderKernels decoder;
}

}  // namespace seqloom
