// Replaces runtime/scratch.h, which becomes runtime/pooled.h, when the kernels are compiled for the fuzz program. Every piece
// is an allocation of exactly its size, so that the sanitizer sees an overrun from one into the next, and is filled with
// NaN, so that a read of uninitialised memory shows.
#pragma once

#define Scratch PooledScratch
#define ScratchCall PooledScratchCall
#include "runtime/pooled.h"
#undef Scratch
#undef ScratchCall

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <new>
#include <utility>
#include <vector>

namespace seqloom {

class Scratch {
 public:
  Scratch() = default;
  Scratch(const Scratch&) = delete;
  ~Scratch() { reset(); }

  template <class T>
  T* take(int64_t count) {
    const std::size_t bytes = static_cast<std::size_t>(count) * sizeof(T);
    void* memory = nullptr;
    if (posix_memalign(&memory, 64, bytes) != 0) throw std::bad_alloc();
    std::memset(memory, 0xff, bytes);
    pieces_.push_back(memory);
    return static_cast<T*>(memory);
  }
  void reset() {
    for (void* piece : pieces_) std::free(piece);
    pieces_.clear();
  }

 private:
  std::vector<void*> pieces_;
};

class ScratchCall {
 public:
  Scratch scratch;
};

}  // namespace seqloom
