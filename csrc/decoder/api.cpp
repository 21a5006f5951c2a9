// The exported functions of the decoder (include/decoder_api.h).

#include <atomic>
#include <new>

#include "decoder/decoder.h"
#include "include/decoder_api.h"
#include "runtime/cpu_target.h"
#include "runtime/threads.h"

namespace seqloom {
namespace {

const DecoderKernels& decoder() {
  switch (cpu_target()) {
#if SEQLOOM_BEST_TARGET >= 3
    case AVX512_BF16: return avx512_bf16::decoder;
#endif
#if SEQLOOM_BEST_TARGET >= 2
    case AVX512: return avx512::decoder;
#endif
#if SEQLOOM_BEST_TARGET >= 1
    case AVX2: return avx2::decoder;
#endif
    default: break;
  }
  return portable::decoder;
}

}  // namespace
}  // namespace seqloom

// Floats in a vector: the width for which weights must be packed.
SEQLOOM_API int32_t seqloom_decoder_width() { return seqloom::decoder().width; }

// Returns 0; 1 when out of memory; 2 when the weights were packed for another width. The caller has checked the rest.
SEQLOOM_API int32_t seqloom_decode(seqloom::Decoding* decoding) {
  const seqloom::DecoderKernels& decoder = seqloom::decoder();
  if (decoding->width != decoder.width) return 2;
  try {
    decoder.run(*decoding);
    return 0;
  } catch (const std::bad_alloc&) {
    return 1;
  }
}

// A hash of `count` floats: another one after a change of any of them, but for a chance of 2^-32.
SEQLOOM_API uint64_t seqloom_digest(const void* data, int64_t count, int32_t threads) {
  return seqloom::decoder().digest(data, count, threads);
}

// For benchmarks: seconds in which `threads` threads read `bytes` bytes once, averaged over `times` times.
SEQLOOM_API double seqloom_read(const void* data, int64_t bytes, int32_t threads, int32_t times) {
  return seqloom::decoder().time_read(data, bytes, threads, times);
}
