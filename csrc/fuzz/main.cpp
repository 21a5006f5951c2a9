// Runs what the library does on random problems, under the sanitizers, and compares:
//
//   fuzz recurrence|decoder FIRST COUNT THREADS LEVEL...
//
// The seeds FIRST to FIRST + COUNT - 1, each on another of the instruction sets LEVEL... (level.h). Where THREADS is more
// than 1, so many threads of the program's own call the library at once, all on the first of the levels. Exit code 1:
// something is wrong, and is said with its seed. tests/kernels/test_fuzz.py compiles it with the library's sources.

#include <atomic>
#include <thread>

#include "fuzz.h"

extern "C" {
#if !defined(__SANITIZE_THREAD__)
void GOMP_parallel(void (*)(void*), void*, unsigned, unsigned);
int omp_get_thread_num();
int omp_get_num_threads();
#endif
void seqloom_use_openmp(void (*)(void (*)(void*), void*, unsigned, unsigned), int (*)(), int (*)());
int32_t seqloom_use_level(int32_t level);
}

namespace {

#if defined(__SANITIZE_THREAD__)
// ThreadSanitizer does not know how libgomp's threads wait for each other, so here the pool is a few threads of our own.
thread_local int own_number = 0, own_count = 1;
int omp_get_thread_num() { return own_number; }
int omp_get_num_threads() { return own_count; }
void GOMP_parallel(void (*body)(void*), void* argument, unsigned wanted, unsigned) {
  const auto work = [=](unsigned number) {
    own_number = static_cast<int>(number);
    own_count = static_cast<int>(wanted);
    body(argument);
    own_number = 0;
    own_count = 1;
  };
  std::vector<std::thread> others;
  for (unsigned number = 1; number < wanted; ++number) others.emplace_back(work, number);
  work(0);
  for (std::thread& other : others) other.join();
}
#endif

using Fuzzed = fuzz::Report (*)(uint64_t, int);

struct Seeds {
  Fuzzed run;
  uint64_t first, count;
  int threads;
  std::vector<int> levels;
  std::atomic<uint64_t> next{0};
  std::atomic<bool> failed{false};

  void work() {
    for (uint64_t k = next++; k < count && !failed; k = next++) {
      const uint64_t seed = first + k;
      const int level = threads == 1 ? levels[seed % levels.size()] : levels[0];
      if (threads == 1) seqloom_use_level(level);
      const fuzz::Report report = run(seed, level);
      if (report.wrong.empty()) continue;
      std::printf("seed %llu, level %d, %s: %s\n", static_cast<unsigned long long>(seed), level, report.about.c_str(),
                  report.wrong.c_str());
      failed = true;
    }
  }
};

}  // namespace

int main(int count, char** arguments) {
  if (count < 6) return 2;
  seqloom_use_openmp(GOMP_parallel, omp_get_thread_num, omp_get_num_threads);
  const Fuzzed run = std::string(arguments[1]) == "decoder" ? fuzz::decoder : fuzz::recurrence;
  const uint64_t first = std::strtoull(arguments[2], nullptr, 10), problems = std::strtoull(arguments[3], nullptr, 10);
  Seeds seeds{run, first, problems, std::atoi(arguments[4]), {}};
  for (int k = 5; k < count; ++k) {
    if (seqloom_use_level(std::atoi(arguments[k])) == 0) return 2;
    seeds.levels.push_back(std::atoi(arguments[k]));
  }
  seqloom_use_level(seeds.levels[0]);
  std::vector<std::thread> others;
  for (int thread = 1; thread < seeds.threads; ++thread) others.emplace_back([&] { seeds.work(); });
  seeds.work();
  for (std::thread& other : others) other.join();
  if (!seeds.failed) std::printf("%llu problems\n", static_cast<unsigned long long>(problems));
  return seeds.failed ? 1 : 0;
}
