// Forward and backward of a layer: which threads take which rows, units and direction. Compiled once for each
// instruction set (SEQLOOM_VARIANT); product.h has the inner loop, forward.h and backward.h the recurrences.

#include "recurrence/recurrence.h"

#include <algorithm>
#include <vector>

#include "recurrence/backward.h"
#include "recurrence/forward.h"
#include "runtime/scratch.h"

namespace seqloom {
namespace SEQLOOM_VARIANT {
namespace {

// Rows that a thread should have to run alone; with fewer, threads share rows and split the hidden units.
constexpr int64_t ROWS_ALONE = 8;

// How a call is divided. Two directions go to two halves of the threads. Within a direction either each thread has
// rows of its own (strands), or all share one strand and each has a part of the units.
struct Division {
  explicit Division(const Problem& p) {
    teams = p.directions == 2 && p.threads >= 2 ? 2 : 1;
    threads = std::max(1, (p.threads + teams - 1) / teams);
    strands = p.batch >= ROWS_ALONE * threads ? threads : 1;
  }

  // The part of thread `thread` of `count`, which may be fewer than asked for; `directions` are those it works on.
  template <class Body>
  void for_each_direction(int thread, int count, int directions, Barrier* barriers, Body&& body) const {
    const int now = teams == 2 && count >= 2 ? 2 : 1, half = (count + 1) / 2;
    for (int d = 0; d < directions; ++d) {
      if (now == 1) {
        body(d, Team{thread, count, &barriers[d]});
      } else if ((thread < half) == (d == 0)) {
        body(d, d == 0 ? Team{thread, half, &barriers[d]} : Team{thread - half, count - half, &barriers[d]});
      }
    }
  }

  // Of a direction, where one team gets all the work because there are fewer threads than were asked for.
  int most_threads() const { return threads * teams; }
  int64_t most_rows(const Problem& p) const { return (p.batch + strands - 1) / strands; }

  int teams, threads, strands;  // threads of a team; strands of a direction
};

// What a call works with, direction by direction. Run is Forward or Backward.
template <class Run>
struct Setup {
  std::vector<Run> runs;
  std::vector<Strand> strands;
  std::vector<typename Run::Own> owns;       // of each strand
  std::vector<typename Run::Bench> benches;  // of each thread
};

// `prepare` gets each direction's run before it is asked for anything.
template <class Run, class Prepare>
Setup<Run> set_up(const Problem& p, const RowOrder& order, const Division& division, Scratch& scratch,
                  Prepare&& prepare) {
  Setup<Run> setup;
  for (int d = 0; d < p.directions; ++d) {
    setup.runs.emplace_back(p, d, order);
    Run& run = setup.runs.back();
    prepare(run);
    for (int k = 0; k < division.strands; ++k) {
      setup.strands.push_back(strand_of(order, run.reverse(), k, division.strands));
      setup.owns.push_back(run.own(scratch, setup.strands.back()));
    }
    for (int k = 0; k < division.most_threads(); ++k) setup.benches.push_back(run.bench(scratch, division.most_rows(p)));
  }
  return setup;
}

template <int CELL, class A, class X>
void forward(const Problem& p) {
  const RowOrder order(p);
  const Division division(p);
  using Run = Forward<CELL, A, X>;
  ScratchCall call;
  Setup<Run> setup = set_up<Run>(p, order, division, call.scratch, [&](Run& run) { run.prepare(call.scratch); });
  Barrier barriers[2];
  parallel(std::max(1, p.threads), [&](int thread, int count) {
    division.for_each_direction(thread, count, p.directions, barriers, [&](int d, Team team) {
      Run& run = setup.runs[d];
      const Strand* strand = &setup.strands[static_cast<std::size_t>(d * division.strands)];
      const auto* own = &setup.owns[static_cast<std::size_t>(d * division.strands)];
      const auto& bench = setup.benches[static_cast<std::size_t>(d * division.most_threads() + team.thread)];
      run.pack(team);
      if (division.strands == 1) {
        if (team.thread == 0) run.begin(*strand, *own);
        team.barrier();
        run.run(*strand, *own, bench, part_of(run.shared.panels, team.thread, team.threads, 2), team);
        return;
      }
      team.barrier();
      for (int k = team.thread; k < division.strands; k += team.threads) {
        run.begin(strand[k], own[k]);
        run.run(strand[k], own[k], bench, {0, run.shared.panels}, Team{0, 1, nullptr});
      }
    });
  });
}

template <int CELL, class A, class X>
void backward(const Problem& p) {
  const RowOrder order(p);
  const Division division(p);
  using Run = Backward<CELL, A, X>;
  ScratchCall call;
  X* second = nullptr;
  Setup<Run> setup = set_up<Run>(p, order, division, call.scratch, [&](Run& run) {
    if (run.d == 1 && p.d_input != nullptr) {  // the inputs' gradient is a sum over directions
      second = call.scratch.take<X>(p.steps * p.batch * p.input_size);
      run.d_input = second;
      run.d_input_step = p.batch * p.input_size;
      run.d_input_row = p.input_size;
    }
    run.prepare(call.scratch, division.strands, division.most_threads());
  });
  Barrier barriers[2], end;
  parallel(std::max(1, p.threads), [&](int thread, int count) {
    division.for_each_direction(thread, count, p.directions, barriers, [&](int d, Team team) {
      Run& run = setup.runs[d];
      const Strand* strand = &setup.strands[static_cast<std::size_t>(d * division.strands)];
      const auto* own = &setup.owns[static_cast<std::size_t>(d * division.strands)];
      // One for each strand, whose rows it remembers, or for each of the threads that share the only one.
      const auto* bench = &setup.benches[static_cast<std::size_t>(d * division.most_threads())];
      const bool alone = division.strands > 1;
      const Range panels = alone ? Range{0, run.shared.panels} : part_of(run.shared.panels, team.thread, team.threads);
      run.pack(team);
      for (int k = team.thread; k < division.strands; k += team.threads) run.begin(strand[k], own[k]);
      team.barrier();
      const int64_t steps = order.longest(), most = std::max<int64_t>(1, run.shared.steps_kept);
      const int64_t chunks = std::max<int64_t>(1, (steps + most - 1) / most);  // one of no steps writes zeros
      for (int64_t chunk = chunks - 1; chunk >= 0; --chunk) {
        const int64_t from = chunk * most, to = std::min(steps, from + most);
        int64_t k_first = 0;
        for (int k = 0; k < division.strands; ++k) {
          int64_t rows = 0;
          for (int64_t s = from; s < to; ++s) rows += strand[k].active(s);
          if (!alone || k % team.threads == team.thread) {
            const auto& b = bench[alone ? k : team.thread];
            run.run(strand[k], own[k], b, panels, from, to, alone ? Team{0, 1, nullptr} : team);
            const int64_t tiles = (rows + Run::ROWS - 1) / Run::ROWS;
            const Range mine = alone ? Range{0, tiles} : part_of(tiles, team.thread, team.threads);
            if (p.d_input != nullptr) run.inputs(own[k], b, mine, rows);
            if (run.weights.wanted()) {
              run.weights.gather(own[k].kept, b.inputs, b.states, mine.begin * Run::ROWS,
                                 std::min(rows, mine.end * Run::ROWS), k_first, team.thread);
            }
          }
          k_first += (rows + A::VNNI - 1) / A::VNNI;
        }
        if (run.weights.wanted()) {
          if (team.thread == 0) run.weights.fill(k_first);
          team.barrier();
          run.weights.accumulate(k_first, chunk == chunks - 1, team);
        }
        team.barrier();
      }
      for (int k = alone ? team.thread : 0; k < division.strands; k += alone ? team.threads : 1) {
        run.finish(strand[k], own[k], panels);
      }
      if (run.weights.wanted() && team.thread == 0) run.weights.biases(division.most_threads());
    });
    if (second == nullptr) return;
    end.wait(count);
    const Range mine = part_of(p.steps * p.batch, thread, count);
    for (int64_t place = mine.begin; place < mine.end; ++place) {
      const int64_t t = place / p.batch, row = place % p.batch;
      X* to = static_cast<X*>(p.d_input) + t * p.d_input_step + row * p.d_input_row;
      const X* from = second + place * p.input_size;
      for (int64_t c = 0; c < p.input_size; c += W) {
        const int64_t left = p.input_size - c;
        store_n(to + c, load_n(to + c, left) + load_n(from + c, left), left);
      }
    }
  });
}

template <class A, class X>
void forward_of(const Problem& p) {
  switch (p.cell) {
    case RNN_TANH: return forward<RNN_TANH, A, X>(p);
    case RNN_RELU: return forward<RNN_RELU, A, X>(p);
    case LSTM: return forward<LSTM, A, X>(p);
    default: return forward<GRU, A, X>(p);
  }
}

template <class A, class X>
void backward_of(const Problem& p) {
  switch (p.cell) {
    case RNN_TANH: return backward<RNN_TANH, A, X>(p);
    case RNN_RELU: return backward<RNN_RELU, A, X>(p);
    case LSTM: return backward<LSTM, A, X>(p);
    default: return backward<GRU, A, X>(p);
  }
}

void forward_any(const Problem& p) {
#if defined(__AVX512BF16__)
  if (p.half != 0) return p.wide_input != 0 ? forward_of<Bf16Pairs, float>(p) : forward_of<Bf16Pairs, bf16>(p);
#endif
  forward_of<Float32, float>(p);
}

void backward_any(const Problem& p) {
#if defined(__AVX512BF16__)
  if (p.half != 0) return p.wide_input != 0 ? backward_of<Bf16Pairs, float>(p) : backward_of<Bf16Pairs, bf16>(p);
#endif
  backward_of<Float32, float>(p);
}

}  // namespace

extern const Recurrence recurrence;
const Recurrence recurrence = {forward_any, backward_any};

}  // namespace SEQLOOM_VARIANT
}  // namespace seqloom
