// What the fuzz programs share: random numbers, arrays of exactly their size on the heap, and comparisons.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <random>
#include <string>
#include <vector>

namespace fuzz {

constexpr double NOT_A_NUMBER = std::numeric_limits<double>::quiet_NaN();

class Random {
 public:
  explicit Random(uint64_t seed) : engine_(seed * 0x9e3779b97f4a7c15u + 1) {}
  // An integer from low to high, both included.
  int64_t integer(int64_t low, int64_t high) { return low + static_cast<int64_t>(engine_() % static_cast<uint64_t>(high - low + 1)); }
  bool chance(double probability) { return real() < probability; }
  double real() { return static_cast<double>(engine_() >> 11) / 9007199254740992.0; }
  float between(float low, float high) { return low + (high - low) * static_cast<float>(real()); }

 private:
  std::mt19937_64 engine_;
};

// `count` elements with nothing before or after them, aligned to the size of an element and often no more. Filled with
// bytes that are NaN as float and as bfloat16, so that a read of uninitialised elements shows.
template <class T>
class Array {
 public:
  Array() = default;
  Array(int64_t count, Random& random, std::size_t alignment = 0) : count_(count) {
    // malloc aligns to 16 bytes: a shift by a few elements takes that away. The sanitizer does not see reads of those.
    const std::size_t shift = alignment != 0 || random.chance(0.5) ? 0 : static_cast<std::size_t>(random.integer(1, 3)) * sizeof(T);
    const std::size_t bytes = static_cast<std::size_t>(count) * sizeof(T) + shift;
    void* memory = nullptr;
    if (alignment != 0) {
      if (posix_memalign(&memory, alignment, bytes) != 0) std::abort();
    } else {
      memory = std::malloc(bytes);
    }
    if (memory == nullptr && bytes != 0) std::abort();
    std::memset(memory, 0xff, bytes);
    memory_ = memory;
    data_ = reinterpret_cast<T*>(static_cast<char*>(memory) + shift);
  }
  Array(Array&& other) noexcept { swap(other); }
  Array& operator=(Array&& other) noexcept {
    swap(other);
    return *this;
  }
  ~Array() { std::free(memory_); }

  T* data() { return data_; }
  const T* data() const { return data_; }
  T& operator[](int64_t k) { return data_[k]; }
  const T& operator[](int64_t k) const { return data_[k]; }
  int64_t size() const { return count_; }

  std::vector<double> values() const { return std::vector<double>(data_, data_ + count_); }

 private:
  void swap(Array& other) {
    std::swap(memory_, other.memory_);
    std::swap(data_, other.data_);
    std::swap(count_, other.count_);
  }
  void* memory_ = nullptr;
  T* data_ = nullptr;
  int64_t count_ = 0;
};

inline Array<float> random_array(int64_t count, float size, Random& random) {
  Array<float> array(count, random);
  for (int64_t k = 0; k < count; ++k) array[k] = random.between(-size, size);
  return array;
}

inline float from_bf16(uint16_t bits) {
  const uint32_t wide = static_cast<uint32_t>(bits) << 16;
  float value;
  std::memcpy(&value, &wide, 4);
  return value;
}
inline uint16_t to_bf16(float value) {
  uint32_t bits;
  std::memcpy(&bits, &value, 4);
  if (value != value) return static_cast<uint16_t>(bits >> 16 | 0x40);
  return static_cast<uint16_t>((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

// The first mistake; `wrong` is empty if there is none.
class Report {
 public:
  // `slack`: the absolute tolerance, relative to the largest expected number (at least 1).
  void compare(const std::string& name, const std::vector<double>& got, const std::vector<double>& expected, double slack) {
    if (!wrong.empty()) return;
    double largest = 1;
    for (double value : expected) {
      if (std::isfinite(value) && std::fabs(value) > largest) largest = std::fabs(value);
    }
    for (std::size_t k = 0; k < expected.size(); ++k) {
      const bool same = std::isfinite(expected[k]) ? std::fabs(got[k] - expected[k]) <= slack * largest
                                               : (std::isnan(expected[k]) ? std::isnan(got[k]) : got[k] == expected[k]);
      if (same) continue;
      char text[200];
      std::snprintf(text, sizeof text, "%s[%zu] of %zu is %.9g, not %.9g (slack %.3g)", name.c_str(), k, expected.size(),
                    got[k], expected[k], slack * largest);
      wrong = text;
      return;
    }
  }
  void expect(bool holds, const char* what) {
    if (!holds && wrong.empty()) wrong = what;
  }
  std::string wrong, about;
};

// One random problem, on the instruction set that is in use.
Report recurrence(uint64_t seed, int target);
Report decoder(uint64_t seed, int target);

}  // namespace fuzz
