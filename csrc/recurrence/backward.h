// Backward over whole sequences, some steps (a chunk) at a time, from the last to the first. Each step is the product of
// the next step's gate gradients with W_hh and, while a tile's sums are still in the first-level cache, Cell::backward.
// Then follow the gradients of the inputs and of the weights (weight_gradients.h), as products over the whole chunk.
#pragma once

#include "cells/cells.h"
#include "gemm/pack.h"
#include "gemm/unpacked.h"
#include "recurrence/ragged_batch.h"
#include "recurrence/weight_gradients.h"
#include "runtime/scratch.h"
#include "runtime/threads.h"

namespace seqloom {
namespace SEQLOOM_VARIANT {

// The most of a chunk: rows, all steps together, and bytes of their gate gradients.
constexpr int64_t MAX_CHUNK_ROWS = 1024;
constexpr int64_t MAX_CHUNK_BYTES = 8 << 20;

// One direction of one layer. X is the type of the inputs and of their gradients.
template <class Cell, class A, class X>
struct Backward {
  using T = typename A::T;
  static constexpr int G = Cell::GATES;
  static constexpr int SAVED = Cell::SAVED;
  static constexpr int GRADIENTS = Cell::GRADIENTS;
  static constexpr int VNNI = A::VNNI;
  static constexpr int FIRST_HIDDEN = GRADIENTS - G;  // the first gradient that W_hh is multiplied with
  static constexpr int ROWS = tile_rows(2);
  static constexpr int N = 2 * W;  // columns of a panel

  // Shared by all threads of the direction.
  struct PackedWeights {
    int64_t units, gate_units;     // padded units; units of a gate in a tile of gate gradients
    int64_t blocks, tile;          // blocks of k of the G gradients of a product; size of a tile of all gradients
    int64_t panels, input_panels;  // N columns of W_hh, N of W_ih
    int64_t chunk_steps;
    float *hidden, *inputs;        // null: the weights are read unpacked
  };
  // One for each row partition.
  struct PartitionState {
    float* gates[2];     // gate gradients of the last two steps, in tiles as the recurrent product reads them
    float* chunk_gates;  // those of the whole chunk, in full tiles
    float *d_h, *d_c;    // gradient of the state that bypasses the product, (count, units); null where there is none
    T* h0;               // h0 as T, (count, units)
  };
  // One for each thread: pointers for every active row at this step (`saved_before` is null at the first step), and for
  // every row of the chunk to x, the h before its step, and the gradient of x.
  struct ThreadWorkspace {
    const T **d_outputs, **h_before, **h_after, **saved, **saved_before;
    const X** inputs;
    const T** states;
    X** d_inputs;
  };

  // Where a row's gate gradients go: into the tiles of this step and into those of the chunk.
  struct GateGradientRows {
    T *step, *chunk;
    int64_t step_row, chunk_row;
  };

  const Problem& p;
  const Direction& w;
  const int d;
  const RaggedBatch& batch;
  PackedWeights packed{};
  WeightGradients<Cell, A, X> weight_gradients;
  X* d_input;  // of this direction, with these strides
  int64_t d_input_step, d_input_row;

  Backward(const Problem& problem, int direction, const RaggedBatch& rows)
      : p(problem), w(problem.direction[direction]), d(direction), batch(rows), weight_gradients(problem, w),
        d_input(static_cast<X*>(problem.d_input)), d_input_step(problem.d_input_step), d_input_row(problem.d_input_row) {}

  bool reverse() const { return d == 1 || p.reverse != 0; }

  void allocate(Scratch& scratch, int partitions, int threads) {
    const int64_t H = p.hidden, I = p.input_size;
    packed.units = padded(H);
    packed.gate_units = gate_units<Cell, A>(H);
    packed.blocks = blocks_for<A>(G * packed.gate_units);
    packed.tile = tile_size<2>(blocks_for<A>(GRADIENTS * packed.gate_units));
    packed.panels = (H + N - 1) / N;
    packed.input_panels = (I + N - 1) / N;
    const int64_t row_bytes = GRADIENTS * packed.units * static_cast<int64_t>(sizeof(T));
    const int64_t rows = std::min(MAX_CHUNK_ROWS, MAX_CHUNK_BYTES / row_bytes);
    packed.chunk_steps = std::min(std::max<int64_t>(1, rows / std::max<int64_t>(1, p.batch)), batch.longest());
    const bool pack = !use_unpacked(batch.longest(), p.batch);
    packed.hidden = pack ? scratch.take<float>(packed.panels * panel_size()) : nullptr;
    packed.inputs = pack && p.d_input != nullptr ? scratch.take<float>(packed.input_panels * panel_size()) : nullptr;
    const int64_t max_k = blocks_for<A>(packed.chunk_steps * p.batch + partitions * A::VNNI) * K_BLOCK;
    if (weight_gradients.needed()) weight_gradients.allocate(scratch, max_k, threads);
  }
  int64_t panel_size() const { return packed.blocks * K_BLOCK * N; }
  int64_t chunk_size(const RowPartition& rows) const {
    return (packed.chunk_steps * rows.count + ROWS - 1) / ROWS * packed.tile;
  }

  PartitionState make_state(Scratch& scratch, const RowPartition& rows) const {
    const int64_t step = RowTiles(rows.count, ROWS).count * packed.tile, size = rows.count * packed.units;
    return {{scratch.take<float>(step), scratch.take<float>(step)}, scratch.take<float>(chunk_size(rows)),
            Cell::READS_H ? scratch.take<float>(size) : nullptr, Cell::HAS_C ? scratch.take<float>(size) : nullptr,
            scratch.take<T>(size)};
  }

  // For partitions of up to `rows` rows.
  ThreadWorkspace make_workspace(Scratch& scratch, int64_t rows) const {
    const int64_t chunk_rows = packed.chunk_steps * rows;
    return {scratch.take<const T*>(rows), scratch.take<const T*>(rows), scratch.take<const T*>(rows),
            scratch.take<const T*>(rows), scratch.take<const T*>(rows), scratch.take<const X*>(chunk_rows),
            scratch.take<const T*>(chunk_rows), scratch.take<X*>(chunk_rows)};
  }

  // The gate of torch.nn's weights that the g-th gradient multiplied with W_hh belongs to, and with W_ih.
  static int hidden_gate(int g) { return g; }
  static int input_gate(int g) { return Cell::input_gate(g); }

  // Packs this thread's part of the weights.
  void pack(Team team) const {
    const Range hidden = part_of(packed.panels, team.thread, team.threads);
    const Range inputs = part_of(packed.input_panels, team.thread, team.threads);
    if (packed.hidden != nullptr) pack_matrix(w.weight_hh, p.hidden, hidden_gate, hidden, packed.hidden);
    if (packed.inputs != nullptr) pack_matrix(w.weight_ih, p.input_size, input_gate, inputs, packed.inputs);
  }

  // Panels of a matrix (G H, width), its gates in the order of the gradients.
  void pack_matrix(const float* weight, int64_t width, int (*gate)(int), Range panels, float* to) const {
    const int64_t H = p.hidden;
    const bool padded = G * H < packed.blocks * K_BLOCK * A::VNNI;
    for (int64_t q = panels.begin; q < panels.end; ++q) {
      float* panel = to + q * panel_size();
      const int64_t stride = panel_vectors(q, width) * W, gate_size = packed.gate_units / A::VNNI * stride;
      if (padded) std::memset(panel, 0, static_cast<std::size_t>(panel_size()) * 4);
      for (int g = 0; g < G; ++g) {
        for (int64_t v = 0, column = q * N; v < stride; v += W, column += W) {
          const float* from = weight + gate(g) * H * width + column;
          pack_b<A>(from, width, H, width - column, stride, panel + g * gate_size + v);
        }
      }
    }
  }

  // The gradients from beyond the last step, and zeros beyond the lengths in the gradient of the inputs.
  void load_final_gradients(const RowPartition& rows, const PartitionState& state) const {
    const int64_t H = p.hidden, step = RowTiles(rows.count, ROWS).count * packed.tile;
    const std::size_t state_bytes = static_cast<std::size_t>(rows.count * packed.units) * 4;
    if (Cell::READS_H) std::memset(state.d_h, 0, state_bytes);
    if (Cell::HAS_C) std::memset(state.d_c, 0, state_bytes);
    for (float* gates : state.gates) std::memset(gates, 0, static_cast<std::size_t>(step) * 4);
    if ((H + W - 1) / W * W * GRADIENTS * tile_rows(2) < packed.tile * A::VNNI) {  // values that no step writes
      std::memset(state.chunk_gates, 0, static_cast<std::size_t>(chunk_size(rows)) * 4);
    }
    for (int64_t i = 0; i < rows.count; ++i) {
      const int64_t row = rows.row(i);
      for (int64_t u = 0; u < H; u += W) {
        store(state.h0 + i * packed.units + u, load_n(w.h0 + row * H + u, H - u));
        if (Cell::HAS_C) store(state.d_c + i * packed.units + u, final_gradient(w.d_cn, row, u, H - u));
      }
      if (d_input == nullptr) continue;
      for (int64_t t = batch.length(rows.sorted(i)); t < p.steps; ++t) {
        std::memset(d_input + t * d_input_step + row * d_input_row, 0, static_cast<std::size_t>(p.input_size) * sizeof(X));
      }
    }
  }

  Vec final_gradient(const float* gradient, int64_t row, int64_t unit, int64_t left) const {
    return gradient == nullptr ? Vec{} : load_n(gradient + row * p.hidden + unit, left);
  }

  // Steps end - 1 down to `begin`, for the units of `panels`.
  void run(const RowPartition& rows, const PartitionState& state, const ThreadWorkspace& workspace, Range panels,
           int64_t begin, int64_t end, Team team) const {
    const RowTiles tiles(rows.count, ROWS);
    int64_t chunk_row = 0;  // rows of the chunk before this step's
    alignas(64) float sums[ROWS * N];
    for (int64_t s = end - 1; s >= begin; --s) {
      const int64_t active = rows.active(s), active_after = rows.active(s + 1);
      set_row_pointers(rows, state, workspace, s, active, chunk_row);
      float* gates = state.gates[s % 2];
      const float* gates_after = state.gates[(s + 1) % 2] + first_hidden();
      for (int64_t q = panels.begin; q < panels.end; ++q) {
        for (int64_t tile = 0; tile < tiles.count && tiles.begin(tile) < active; ++tile) {
          const int count = tiles.active(tile, active), multiplied = tiles.active(tile, active_after);
          const int64_t first = tiles.begin(tile);
          PrefetchList prefetch;
          for (int m = 0; m < count; ++m) prefetch_row(state, workspace, first + m, chunk_row + first + m, q * N, prefetch);
          const int64_t stride =
              multiplied > 0 ? hidden_product(gates_after + tile * packed.tile, q, multiplied, sums, prefetch) : 0;
          T* step = reinterpret_cast<T*>(gates + tile * packed.tile);
          for (int m = 0; m < count; ++m) {
            const int64_t i = first + m, r = chunk_row + i;
            T* chunk = reinterpret_cast<T*>(state.chunk_gates + r / ROWS * packed.tile);
            for (int v = 0; v < 2; ++v) {
              const int64_t unit = q * N + v * W, left = p.hidden - unit;
              if (left <= 0) break;
              Vec dh = m < multiplied ? load(sums + m * stride + v * W) : final_gradient(w.d_hn, rows.row(i), unit, left);
              if (p.d_output != nullptr) dh += load_n(workspace.d_outputs[i] + unit, left);
              cell_backward(state, workspace, rows, i, unit, left, dh, {step, chunk, m, r % ROWS});
            }
          }
        }
      }
      chunk_row += active;
      team.barrier();
    }
  }

  // What cell_backward reads and writes for N units from `unit` on, of row i, which is row r of the chunk.
  void prefetch_row(const PartitionState& state, const ThreadWorkspace& workspace, int64_t i, int64_t r, int64_t unit,
                    PrefetchList& prefetch) const {
    constexpr int64_t BYTES = N * sizeof(T);
    if (p.d_output != nullptr) prefetch.add(workspace.d_outputs[i] + unit, BYTES);
    if (SAVED > 0) prefetch.add(workspace.saved[i] + unit * SAVED, BYTES * SAVED);
    if (Cell::READS_NEW_H) prefetch.add(workspace.h_after[i] + unit, BYTES);
    if (Cell::READS_H) prefetch.add(workspace.h_before[i] + unit, BYTES);
    if (Cell::HAS_C && workspace.saved_before[i] != nullptr) {
      for (int64_t u = unit; u < unit + N; u += W) {
        prefetch.add(workspace.saved_before[i] + u * SAVED + Cell::SAVED_C * W, 64);
      }
    }
    const T* chunk = reinterpret_cast<const T*>(state.chunk_gates + r / ROWS * packed.tile);
    constexpr int64_t BLOCK = K_BLOCK * A::VNNI;
    const int64_t step = packed.gate_units % BLOCK == 0 ? BLOCK : W;
    for (int64_t g = 0; g < GRADIENTS; ++g) {
      for (int64_t u = unit; u < unit + N; u += step) {
        prefetch.add(chunk + tile_index<A, 2>(g * packed.gate_units + u, r % ROWS), 64);
      }
    }
  }

  // Where the gradients that W_hh is multiplied with begin in a tile.
  int64_t first_hidden() const { return tile_size<2>(blocks_for<A>(FIRST_HIDDEN * packed.gate_units)); }

  // `rows` rows of a tile of gate gradients times a panel of W_hh, from its first gradient on; and of W_ih. They return how
  // far apart the rows of `sums` are.
  int64_t hidden_product(const float* gates, int64_t panel, int rows, float* sums, const PrefetchList& prefetch) const {
    return product(rows, gates, packed.hidden, w.weight_hh, p.hidden, hidden_gate, panel, sums, prefetch);
  }
  int64_t input_product(const float* gates, int64_t panel, int rows, float* sums) const {
    return product(rows, gates, packed.inputs, w.weight_ih, p.input_size, input_gate, panel, sums, NO_PREFETCH);
  }
  int64_t product(int rows, const float* gates, const float* panels, const float* weight, int64_t width, int (*gate)(int),
                  int64_t panel, float* sums, const PrefetchList& prefetch) const {
    if (panels != nullptr) {
      const float* b = panels + panel * panel_size();
      const int vectors = panel_vectors(panel, width);
      const GemmTile gemm = vectors == 1 ? gemm_tile_for<A, ROW_MAJOR, 1>(rows) : gemm_tile_for<A, ROW_MAJOR, 2>(rows);
      gemm(gates, b, packed.blocks, sums, prefetch);
      return vectors * W;
    }
    const int64_t H = p.hidden, column = panel * N;
    std::memset(sums, 0, static_cast<std::size_t>(rows) * N * 4);
    for (int g = 0; g < G; ++g) {
      const float* from = weight + gate(g) * H * width + column;
      unpacked_gemm_nn<A>(rows, gates, g * packed.gate_units, from, H, width, width - column, sums);
    }
    return N;
  }

  const T* output(int64_t t, int64_t row) const {
    return static_cast<const T*>(p.output) + t * p.output_step + row * p.output_row + d * p.hidden;
  }
  const T* saved(const RowPartition& rows, int64_t s, int64_t i) const {
    return static_cast<const T*>(w.saved) + rows.position(s, i) * packed.units * SAVED;
  }

  // Where the active rows' values of step s are, and those that the chunk's gate gradients will be multiplied with.
  void set_row_pointers(const RowPartition& rows, const PartitionState& state, const ThreadWorkspace& workspace, int64_t s,
                        int64_t active, int64_t chunk_row) const {
    for (int64_t i = 0; i < active; ++i) {
      const int64_t row = rows.row(i), t = rows.time(s, i);
      const T* h_before = s == 0 ? state.h0 + i * packed.units : output(rows.time(s - 1, i), row);
      if (p.d_output != nullptr) {
        workspace.d_outputs[i] =
            static_cast<const T*>(p.d_output) + t * p.d_output_step + row * p.d_output_row + d * p.hidden;
      }
      if (Cell::READS_H) workspace.h_before[i] = h_before;
      if (Cell::READS_NEW_H) workspace.h_after[i] = output(t, row);
      if (SAVED > 0) workspace.saved[i] = saved(rows, s, i);
      if (Cell::HAS_C) workspace.saved_before[i] = s == 0 ? nullptr : saved(rows, s - 1, i);
      workspace.states[chunk_row + i] = h_before;
      workspace.inputs[chunk_row + i] = static_cast<const X*>(p.input) + t * p.input_step + row * p.input_row;
      workspace.d_inputs[chunk_row + i] = d_input + t * d_input_step + row * d_input_row;
    }
  }

  // From dh, the gradient of h (W units of row i) without what bypasses the product, to the gate gradients.
  SEQLOOM_INLINE void cell_backward(const PartitionState& state, const ThreadWorkspace& workspace, const RowPartition& rows,
                                    int64_t i, int64_t unit, int64_t left, Vec dh, GateGradientRows to) const {
    SavedValues<SAVED> saved;
    if constexpr (SAVED > 0) {
      const T* from = workspace.saved[i] + unit * SAVED;
#pragma GCC unroll 8
      for (int k = 0; k < SAVED; ++k) saved.values[k] = load(from + k * W);
    }
    const Vec h_after = Cell::READS_NEW_H ? load_n(workspace.h_after[i] + unit, left) : Vec{};
    CellState before{};
    if (Cell::READS_H) before.h = load_n(workspace.h_before[i] + unit, left);
    if (Cell::HAS_C) {
      const T* saved_before = workspace.saved_before[i];
      before.c = saved_before == nullptr ? load_n(w.c0 + rows.row(i) * p.hidden + unit, left)
                                         : load(saved_before + unit * SAVED + Cell::SAVED_C * W);
    }
    const int64_t at = i * packed.units + unit;
    CellState gradient = {dh, Vec{}};
    if (Cell::READS_H) gradient.h += load(state.d_h + at);
    if (Cell::HAS_C) gradient.c = load(state.d_c + at);
    gradient = Cell::backward(gradient, before, h_after, saved, [&](auto... gradients) {
      store_gate_gradients(to, unit, left, gradients...);
    });
    if (Cell::READS_H) store(state.d_h + at, gradient.h);
    if (Cell::HAS_C) store(state.d_c + at, gradient.c);
  }

  template <class... Gradients>
  SEQLOOM_INLINE void store_gate_gradients(GateGradientRows to, int64_t unit, int64_t left, Gradients... gradients) const {
    int64_t k = unit;
    ((store_gate_gradient(to, k, left < W ? first_n(gradients, left) : gradients), k += packed.gate_units), ...);
  }
  static SEQLOOM_INLINE void store_gate_gradient(GateGradientRows to, int64_t k, Vec gradient) {
    store(to.step + tile_index<A, 2>(k, to.step_row), gradient);
    store(to.chunk + tile_index<A, 2>(k, to.chunk_row), gradient);
  }

  // After the first step: the gradients of the initial state.
  void store_initial_gradients(const RowPartition& rows, const PartitionState& state, Range panels) const {
    const RowTiles tiles(rows.count, ROWS);
    const int64_t H = p.hidden, active = rows.active(0);
    const float* gates = state.gates[0] + first_hidden();
    alignas(64) float sums[ROWS * N];
    for (int64_t q = panels.begin; q < panels.end; ++q) {
      for (int64_t tile = 0; tile < tiles.count; ++tile) {
        const int multiplied = tiles.active(tile, active), count = tiles.active(tile, rows.count);
        const int64_t stride = multiplied > 0 && w.d_h0 != nullptr
                                   ? hidden_product(gates + tile * packed.tile, q, multiplied, sums, NO_PREFETCH)
                                   : 0;
        for (int m = 0; m < count; ++m) {
          const int64_t i = tiles.begin(tile) + m, row = rows.row(i);
          for (int64_t v = 0, unit = q * N; v < 2 && unit < H; ++v, unit += W) {
            const int64_t at = i * packed.units + unit;
            if (w.d_h0 != nullptr) {
              Vec dh = m < multiplied ? load(sums + m * stride + v * W) : final_gradient(w.d_hn, row, unit, H - unit);
              if (Cell::READS_H) dh += load(state.d_h + at);
              store_n(w.d_h0 + row * H + unit, dh, H - unit);
            }
            if (Cell::HAS_C && w.d_c0 != nullptr) store_n(w.d_c0 + row * H + unit, load(state.d_c + at), H - unit);
          }
        }
      }
    }
  }

  // The gradients of the inputs of the chunk's rows in `tiles`; the chunk has `rows` rows.
  void input_gradients(const PartitionState& state, const ThreadWorkspace& workspace, Range tiles, int64_t rows) const {
    // As many tiles at a time as stay in the second-level cache while all panels are read.
    const int64_t tiles_at_once = std::max<int64_t>(1, (512 << 10) / (packed.tile * 4));
    const int64_t I = p.input_size;
    alignas(64) float sums[ROWS * N];
    for (int64_t begin = tiles.begin; begin < tiles.end; begin += tiles_at_once) {
      for (int64_t q = 0; q < packed.input_panels; ++q) {
        for (int64_t tile = begin; tile < std::min(tiles.end, begin + tiles_at_once); ++tile) {
          const int count = static_cast<int>(std::min<int64_t>(ROWS, rows - tile * ROWS));
          const int64_t stride = input_product(state.chunk_gates + tile * packed.tile, q, count, sums);
          for (int m = 0; m < count; ++m) {
            X* to = workspace.d_inputs[tile * ROWS + m];
            for (int64_t v = 0, column = q * N; v < 2 && column < I; ++v, column += W) {
              store_n(to + column, load(sums + m * stride + v * W), I - column);
            }
          }
        }
      }
    }
  }
};

}  // namespace SEQLOOM_VARIANT
}  // namespace seqloom
