// Forward and backward of a layer: which thread runs which rows, hidden units and direction. Compiled once for each
// instruction set (SEQLOOM_VARIANT).

#include "recurrence/recurrence.h"

#include <algorithm>
#include <vector>

#include "cells/cells.h"
#include "recurrence/backward.h"
#include "recurrence/forward.h"
#include "runtime/scratch.h"

namespace seqloom {
namespace SEQLOOM_VARIANT {
namespace {

// With this many rows for each thread, threads run rows of their own; with fewer, they share all rows and split the units.
constexpr int64_t MIN_ROWS_PER_THREAD = 8;

// How a call is divided among threads. Each of two directions gets a team of half the threads. Within a direction either
// each thread has a row partition of its own, or the team shares the only partition and each has a part of the units.
struct ThreadPlan {
  explicit ThreadPlan(const Problem& p) {
    teams = p.directions == 2 && p.threads >= 2 ? 2 : 1;
    threads = std::max(1, (p.threads + teams - 1) / teams);
    partitions = p.batch >= MIN_ROWS_PER_THREAD * threads ? threads : 1;
  }

  // Calls body(direction, team) for the directions that thread `thread` of `count` works on; `count` may be less than was
  // asked for.
  template <class Body>
  void for_each_direction(int thread, int count, int directions, Barrier* barriers, Body&& body) const {
    const int actual_teams = teams == 2 && count >= 2 ? 2 : 1, half = (count + 1) / 2;
    for (int d = 0; d < directions; ++d) {
      if (actual_teams == 1) {
        body(d, Team{thread, count, &barriers[d]});
      } else if ((thread < half) == (d == 0)) {
        body(d, d == 0 ? Team{thread, half, &barriers[d]} : Team{thread - half, count - half, &barriers[d]});
      }
    }
  }

  // The most threads that a direction can have: all of them, where there are too few for two teams.
  int max_threads() const { return threads * teams; }
  int64_t max_rows(const Problem& p) const { return (p.batch + partitions - 1) / partitions; }

  int teams, threads, partitions;  // threads of a team; partitions of a direction
};

// All working memory of a call, direction by direction. Run is Forward or Backward.
template <class Run>
struct Workspaces {
  std::vector<Run> runs;
  std::vector<RowPartition> partitions;
  std::vector<typename Run::PartitionState> states;    // one for each partition
  std::vector<typename Run::ThreadWorkspace> threads;  // one for each thread
};

// `allocate` is called with each direction's run first.
template <class Run, class Allocate>
Workspaces<Run> make_workspaces(const Problem& p, const RaggedBatch& batch, const ThreadPlan& plan, Scratch& scratch,
                                Allocate&& allocate) {
  Workspaces<Run> memory;
  for (int d = 0; d < p.directions; ++d) {
    memory.runs.emplace_back(p, d, batch);
    Run& run = memory.runs.back();
    allocate(run);
    for (int k = 0; k < plan.partitions; ++k) {
      memory.partitions.push_back(make_partition(batch, run.reverse(), k, plan.partitions));
      memory.states.push_back(run.make_state(scratch, memory.partitions.back()));
    }
    for (int k = 0; k < plan.max_threads(); ++k) memory.threads.push_back(run.make_workspace(scratch, plan.max_rows(p)));
  }
  return memory;
}

template <class Cell, class A, class X>
void forward(const Problem& p) {
  const RaggedBatch batch(p);
  const ThreadPlan plan(p);
  using Run = Forward<Cell, A, X>;
  ScratchCall call;
  auto memory = make_workspaces<Run>(p, batch, plan, call.scratch, [&](Run& run) { run.allocate(call.scratch); });
  Barrier barriers[2];
  parallel(std::max(1, p.threads), [&](int thread, int count) {
    plan.for_each_direction(thread, count, p.directions, barriers, [&](int d, Team team) {
      Run& run = memory.runs[d];
      const RowPartition* rows = &memory.partitions[static_cast<std::size_t>(d * plan.partitions)];
      const auto* state = &memory.states[static_cast<std::size_t>(d * plan.partitions)];
      const auto& workspace = memory.threads[static_cast<std::size_t>(d * plan.max_threads() + team.thread)];
      run.pack(team);
      if (plan.partitions == 1) {
        if (team.thread == 0) run.load_initial_state(*rows, *state);
        team.barrier();
        run.run(*rows, *state, workspace, part_of(run.packed.panels, team.thread, team.threads, 2), team);
        return;
      }
      team.barrier();
      for (int k = team.thread; k < plan.partitions; k += team.threads) {
        run.load_initial_state(rows[k], state[k]);
        run.run(rows[k], state[k], workspace, {0, run.packed.panels}, Team{0, 1, nullptr});
      }
    });
  });
}

// Adds the second direction's gradient of the inputs, (steps, batch, input_size), to the first one's: one thread's part.
template <class X>
void add_input_gradients(const Problem& p, const X* second, int thread, int threads) {
  const Range range = part_of(p.steps * p.batch, thread, threads);
  for (int64_t k = range.begin; k < range.end; ++k) {
    const int64_t t = k / p.batch, row = k % p.batch;
    X* to = static_cast<X*>(p.d_input) + t * p.d_input_step + row * p.d_input_row;
    const X* from = second + k * p.input_size;
    for (int64_t c = 0; c < p.input_size; c += W) {
      const int64_t left = p.input_size - c;
      store_n(to + c, load_n(to + c, left) + load_n(from + c, left), left);
    }
  }
}

// One thread's part of the backward pass of one direction. Run is Backward.
template <class Run>
void run_backward(const Problem& p, const RaggedBatch& batch, const ThreadPlan& plan, const Workspaces<Run>& memory, int d,
                  Team team) {
  const Run& run = memory.runs[d];
  const RowPartition* rows = &memory.partitions[static_cast<std::size_t>(d * plan.partitions)];
  const auto* state = &memory.states[static_cast<std::size_t>(d * plan.partitions)];
  // A workspace for each partition, whose row pointers it holds; or for each thread of the only partition.
  const auto* workspaces = &memory.threads[static_cast<std::size_t>(d * plan.max_threads())];
  const bool own_rows = plan.partitions > 1;
  const Range panels = own_rows ? Range{0, run.packed.panels} : part_of(run.packed.panels, team.thread, team.threads);
  run.pack(team);
  for (int k = team.thread; k < plan.partitions; k += team.threads) run.load_final_gradients(rows[k], state[k]);
  team.barrier();
  const int64_t steps = batch.longest(), chunk_steps = std::max<int64_t>(1, run.packed.chunk_steps);
  // Without any step there is one empty chunk, which writes zeros.
  const int64_t chunks = std::max<int64_t>(1, (steps + chunk_steps - 1) / chunk_steps);
  for (int64_t chunk = chunks - 1; chunk >= 0; --chunk) {
    const int64_t begin = chunk * chunk_steps, end = std::min(steps, begin + chunk_steps);
    int64_t first_k = 0;
    for (int k = 0; k < plan.partitions; ++k) {
      int64_t chunk_rows = 0;
      for (int64_t s = begin; s < end; ++s) chunk_rows += rows[k].active(s);
      if (!own_rows || k % team.threads == team.thread) {
        const auto& workspace = workspaces[own_rows ? k : team.thread];
        run.run(rows[k], state[k], workspace, panels, begin, end, own_rows ? Team{0, 1, nullptr} : team);
        const int64_t tiles = (chunk_rows + Run::ROWS - 1) / Run::ROWS;
        const Range mine = own_rows ? Range{0, tiles} : part_of(tiles, team.thread, team.threads);
        if (p.d_input != nullptr) run.input_gradients(state[k], workspace, mine, chunk_rows);
        if (run.weight_gradients.needed()) {
          run.weight_gradients.pack(state[k].chunk_gates, workspace.inputs, workspace.states, mine.begin * Run::ROWS,
                                    std::min(chunk_rows, mine.end * Run::ROWS), first_k, team.thread);
        }
      }
      first_k += (chunk_rows + Run::VNNI - 1) / Run::VNNI;
    }
    if (run.weight_gradients.needed()) {
      if (team.thread == 0) run.weight_gradients.zero_last_block(first_k);
      team.barrier();
      run.weight_gradients.accumulate(first_k, chunk == chunks - 1, team);
    }
    team.barrier();
  }
  for (int k = own_rows ? team.thread : 0; k < plan.partitions; k += own_rows ? team.threads : 1) {
    run.store_initial_gradients(rows[k], state[k], panels);
  }
  if (run.weight_gradients.needed() && team.thread == 0) run.weight_gradients.store_bias_gradients(plan.max_threads());
}

template <class Cell, class A, class X>
void backward(const Problem& p) {
  const RaggedBatch batch(p);
  const ThreadPlan plan(p);
  using Run = Backward<Cell, A, X>;
  ScratchCall call;
  X* second = nullptr;
  auto memory = make_workspaces<Run>(p, batch, plan, call.scratch, [&](Run& run) {
    if (run.d == 1 && p.d_input != nullptr) {
      second = call.scratch.take<X>(p.steps * p.batch * p.input_size);
      run.d_input = second;
      run.d_input_step = p.batch * p.input_size;
      run.d_input_row = p.input_size;
    }
    run.allocate(call.scratch, plan.partitions, plan.max_threads());
  });
  Barrier barriers[2], end;
  parallel(std::max(1, p.threads), [&](int thread, int count) {
    plan.for_each_direction(thread, count, p.directions, barriers,
                            [&](int d, Team team) { run_backward<Run>(p, batch, plan, memory, d, team); });
    if (second == nullptr) return;
    end.wait(count);
    add_input_gradients(p, second, thread, count);
  });
}

template <class A, class X>
void forward_with(const Problem& p) {
  with_cell(p.cell, [&](auto cell) { forward<decltype(cell), A, X>(p); });
}
template <class A, class X>
void backward_with(const Problem& p) {
  with_cell(p.cell, [&](auto cell) { backward<decltype(cell), A, X>(p); });
}

void forward_any(const Problem& p) {
#if defined(__AVX512BF16__)
  if (p.half != 0) return p.wide_input != 0 ? forward_with<Bf16Pairs, float>(p) : forward_with<Bf16Pairs, bf16>(p);
#endif
  forward_with<Float32, float>(p);
}

void backward_any(const Problem& p) {
#if defined(__AVX512BF16__)
  if (p.half != 0) return p.wide_input != 0 ? backward_with<Bf16Pairs, float>(p) : backward_with<Bf16Pairs, bf16>(p);
#endif
  backward_with<Float32, float>(p);
}

}  // namespace

extern const RecurrenceKernels recurrence;
const RecurrenceKernels recurrence = {forward_any, backward_any};

}  // namespace SEQLOOM_VARIANT
}  // namespace seqloom
