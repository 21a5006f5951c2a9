// Working memory of a call: a bump allocator, released all at once. Each calling thread keeps one block between calls,
// because page faults on fresh memory would cost a large part of a short call.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <new>
#include <utility>
#include <vector>

#if defined(__linux__)
#include <sys/mman.h>
#endif

namespace seqloom {

class Scratch {
 public:
  Scratch() = default;
  Scratch(const Scratch&) = delete;
  ~Scratch() { release(); }

  // `count` uninitialised elements, aligned to a cache line.
  template <class T>
  T* take(int64_t count) {
    const std::size_t bytes = (static_cast<std::size_t>(count) * sizeof(T) + 127) / 64 * 64;
    if (blocks_.empty() || used_ + bytes > blocks_.back().second) grow(bytes);
    T* piece = reinterpret_cast<T*>(blocks_.back().first + used_);
    used_ += bytes;
    return piece;
  }

  // Frees everything. Where several blocks were needed, they become one for the next call.
  void reset() {
    if (blocks_.size() > 1) {
      std::size_t total = 0;
      for (const auto& block : blocks_) total += block.second;
      release();
      if (total <= MAX_RETAINED) grow(total);
    } else if (!blocks_.empty() && blocks_.back().second > MAX_RETAINED) {
      release();
    }
    used_ = 0;
  }

 private:
  static constexpr std::size_t MAX_RETAINED = std::size_t{64} << 20;
  static constexpr std::size_t PAGE = std::size_t{2} << 20;

  void grow(std::size_t bytes) {
    const std::size_t size = (bytes + PAGE - 1) / PAGE * PAGE;
    void* memory = nullptr;
#if defined(_WIN32)
    memory = _aligned_malloc(size, 4096);
#else
    if (posix_memalign(&memory, PAGE, size) != 0) memory = nullptr;
#endif
    if (memory == nullptr) throw std::bad_alloc();
#if defined(__linux__)
    madvise(memory, size, MADV_HUGEPAGE);
#endif
    blocks_.emplace_back(static_cast<char*>(memory), size);
    used_ = 0;
  }

  void release() {
    for (const auto& block : blocks_) {
#if defined(_WIN32)
      _aligned_free(block.first);
#else
      std::free(block.first);
#endif
    }
    blocks_.clear();
    used_ = 0;
  }

  std::vector<std::pair<char*, std::size_t>> blocks_;
  std::size_t used_ = 0;
};

// Asks for large pages for fresh memory that is about to be filled: far fewer page faults.
inline void prefer_large_pages(void* memory, std::size_t bytes) {
#if defined(__linux__)
  constexpr std::size_t LARGE = std::size_t{2} << 20;
  if (bytes < 2 * LARGE) return;
  const std::size_t begin = (reinterpret_cast<std::size_t>(memory) + 4095) / 4096 * 4096;
  const std::size_t end = (reinterpret_cast<std::size_t>(memory) + bytes) / 4096 * 4096;
  madvise(reinterpret_cast<void*>(begin), end - begin, MADV_HUGEPAGE);
#else
  (void)memory, (void)bytes;
#endif
}

// The calling thread's Scratch, for the length of one call.
class ScratchCall {
 public:
  ScratchCall() : scratch(thread_scratch()) {}
  ScratchCall(const ScratchCall&) = delete;
  ~ScratchCall() { scratch.reset(); }
  Scratch& scratch;

 private:
  static Scratch& thread_scratch() {
    static thread_local Scratch scratch;
    return scratch;
  }
};

}  // namespace seqloom
