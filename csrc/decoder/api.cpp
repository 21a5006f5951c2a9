// The C interface of decoding (decode.h).

#include <atomic>
#include <new>

#include "include/recurrence_api.h"
#include "include/decoder_api.h"
#include "runtime/cpu_target.h"
#include "runtime/threads.h"

namespace seqloom {
namespace {

const Decoder& decoder() {
#if defined(SEQLOOM_X86)
  switch (cpu_target()) {
    case AVX512_BF16: return avx512_bf16::decoder;
    case AVX512: return avx512::decoder;
    case AVX2: return avx2::decoder;
    default: break;
  }
#endif
  return portable::decoder;
}

}  // namespace
}  // namespace seqloom

// Floats in a vector, which is how weights must be packed.
SEQLOOM_API int32_t seqloom_decoder_width() { return seqloom::decoder().width; }

// 0: done; 1: out of memory; 2: the weights were packed for another instruction set. All else the caller has checked.
SEQLOOM_API int32_t seqloom_decode(seqloom::Decoding* decoding) {
  const seqloom::Decoder& decoder = seqloom::decoder();
  if (decoding->width != decoder.width) return 2;
  try {
    decoder.run(*decoding);
    return 0;
  } catch (const std::bad_alloc&) {
    return 1;
  }
}

// A number that changes where any of `count` floats does, but for a chance of 2 to the -32.
SEQLOOM_API uint64_t seqloom_digest(const void* data, int64_t count, int32_t threads) {
  return seqloom::decoder().digest(data, count, threads);
}

// For benchmarks: seconds in which `threads` threads read so many bytes once, of `times` times.
SEQLOOM_API double seqloom_read(const void* data, int64_t bytes, int32_t threads, int32_t times) {
  return seqloom::decoder().read(data, bytes, threads, times);
}
