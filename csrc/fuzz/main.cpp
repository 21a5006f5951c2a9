// Runs the library on random problems under sanitizers and compares its results with the equations in float64:
//
//   fuzz recurrence|decoder FIRST COUNT THREADS TARGET...
//
// Runs the seeds FIRST to FIRST + COUNT - 1, in turn on the instruction sets TARGET... (runtime/cpu_target.h). With THREADS
// above 1, that many threads of the program call the library at once, all on the first TARGET. Exit code 1: a result is
// wrong; its seed is printed. tests/kernels/test_fuzz.py compiles the program together with the library's sources.

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
// ThreadSanitizer does not see how libgomp synchronises its threads, so here the pool is made of std::thread.
thread_local int own_number = 0, own_count = 1;
int omp_get_thread_num() { return own_number; }
int omp_get_num_threads() { return own_count; }
void GOMP_parallel(void (*body)(void*), void* argument, unsigned num_threads, unsigned) {
  const auto work = [=](unsigned number) {
    own_number = static_cast<int>(number);
    own_count = static_cast<int>(num_threads);
    body(argument);
    own_number = 0;
    own_count = 1;
  };
  std::vector<std::thread> others;
  for (unsigned number = 1; number < num_threads; ++number) others.emplace_back(work, number);
  work(0);
  for (std::thread& other : others) other.join();
}
#endif

using Fuzzed = fuzz::Report (*)(uint64_t, int);

struct Seeds {
  Fuzzed run;
  uint64_t first, count;
  int threads;
  std::vector<int> targets;
  std::atomic<uint64_t> next{0};
  std::atomic<bool> failed{false};

  void work() {
    for (uint64_t k = next++; k < count && !failed; k = next++) {
      const uint64_t seed = first + k;
      const int target = threads == 1 ? targets[seed % targets.size()] : targets[0];
      if (threads == 1) seqloom_use_level(target);
      const fuzz::Report report = run(seed, target);
      if (report.wrong.empty()) continue;
      std::printf("seed %llu, target %d, %s: %s\n", static_cast<unsigned long long>(seed), target, report.about.c_str(),
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
    seeds.targets.push_back(std::atoi(arguments[k]));
  }
  seqloom_use_level(seeds.targets[0]);
  std::vector<std::thread> others;
  for (int thread = 1; thread < seeds.threads; ++thread) others.emplace_back([&] { seeds.work(); });
  seeds.work();
  for (std::thread& other : others) other.join();
  if (!seeds.failed) std::printf("%llu problems\n", static_cast<unsigned long long>(problems));
  return seeds.failed ? 1 : 0;
}
