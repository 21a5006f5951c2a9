// Forward over whole sequences. W_ih x + b is computed for many steps at a time; then those steps run one after the other:
// each is the product W_hh h, tile by tile, and while a tile's sums are still in the first-level cache, Cell::forward.
#pragma once

#include "cells/cells.h"
#include "gemm/interleaved.h"
#include "gemm/pack.h"
#include "gemm/unpacked.h"
#include "recurrence/ragged_batch.h"
#include "runtime/scratch.h"
#include "runtime/threads.h"

namespace seqloom {
namespace SEQLOOM_VARIANT {

// Rows of input that are projected together: more where W_ih does not stay in the second-level cache beside W_hh, and
// each projection reads it from further away. On AVX-512 that has not been measured.
constexpr int64_t PROJECTION_ROWS = 96, WIDE_PROJECTION_ROWS = W < 16 ? 256 : PROJECTION_ROWS;
constexpr int64_t WIDE_PROJECTION_BYTES = 2 << 20;
// Steps of a single row, whose projections are interleaved with its recurrence.
constexpr int64_t INTERLEAVED_STEPS = 32;

// One direction of one layer. X is the type of the inputs.
template <class Cell, class A, class X>
struct Forward {
  using T = typename A::T;
  static constexpr int G = Cell::GATES;
  // A panel of weights has all gates of W units; with a single gate, 2 W units.
  static constexpr int UNITS = G == 1 ? 2 * W : W;
  static constexpr int V = UNITS / W * G;
  static constexpr int SAVED = Cell::SAVED;
  static constexpr int ROWS = tile_rows(V);

  // Shared by all threads of the direction.
  struct PackedWeights {
    int64_t panels, units, blocks_h, blocks_x;  // units: padded
    float *hidden, *inputs;                     // W_hh and W_ih; null: they are read unpacked
    float *bias, *inner_bias;                   // b_ih (+ b_hh) in the order of the panels; b_hh of INNER_BIAS_GATE
  };
  // One for each row partition.
  struct PartitionState {
    float *h_tiles, *next_h_tiles;  // h of this step and the next, in tiles as the product reads it
    float *h, *c;                   // in float32, (count, units); null where the cell does not read h, has no c
  };
  // One for each thread.
  struct ThreadWorkspace {
    float *inputs, *projected;              // x in tiles; W_ih x + b
    float *later_inputs, *later_projected;  // of the next INTERLEAVED_STEPS steps, for a single row
    T **outputs, **saved;                   // where each row's values of this step go
  };

  // The projections of later steps of a single row, as the queue of InterleavedGemm.
  struct LaterProjections {
    const Forward* run;
    const float* inputs;  // K_MAJOR tiles
    float* to;
    int64_t rows, first, last, width;  // vectors from `first` to `last`; rows of `to` are `width` apart
    int64_t g, r;                      // the vector and the row of the next product

    bool next(LaterOperands& operands) const {
      if (g >= last || rows == 0) return false;
      const int64_t count = run->packed.blocks_x * K_BLOCK;
      operands = {inputs + r * count, run->packed.inputs + g / 2 * run->input_panel_size(), count};
      return true;
    }
    void done(const float* sums) {
      run->store_projection(sums, g, last, static_cast<int>(std::min<int64_t>(K_MAJOR_ROWS, rows - r)),
                            to + r * width + (g - first) * W, width);
      r += K_MAJOR_ROWS;
      if (r < rows) return;
      r = 0;
      g += 2;
    }
  };
  using Interleaved = InterleavedGemm<A, LaterProjections>;

  const Problem& p;
  const Direction& w;
  const int d;
  const RaggedBatch& batch;
  PackedWeights packed{};

  Forward(const Problem& problem, int direction, const RaggedBatch& rows)
      : p(problem), w(problem.direction[direction]), d(direction), batch(rows) {}

  bool reverse() const { return d == 1 || p.reverse != 0; }

  void allocate(Scratch& scratch) {
    if (w.saved != nullptr) prefer_large_pages(w.saved, sizeof(T) * p.steps * p.batch * padded(p.hidden) * SAVED);
    packed.panels = (p.hidden + UNITS - 1) / UNITS;
    packed.units = padded(p.hidden);
    packed.blocks_h = blocks_for<A>(p.hidden);
    packed.blocks_x = blocks_for<A>(p.input_size);
    const int64_t vectors = packed.panels * V;
    const bool pack = !use_unpacked(batch.longest(), p.batch);
    packed.hidden = pack ? scratch.take<float>(packed.panels * panel_size()) : nullptr;
    packed.inputs = pack ? scratch.take<float>((vectors + 1) / 2 * input_panel_size()) : nullptr;
    packed.bias = scratch.take<float>((vectors + 1) * W);
    packed.inner_bias = scratch.take<float>(packed.panels * UNITS);
  }
  int64_t panel_size() const { return packed.blocks_h * K_BLOCK * V * W; }
  int64_t input_panel_size() const { return packed.blocks_x * K_BLOCK * 2 * W; }

  // The gate and the first unit of vector v of panel q.
  static int gate_of(int v) { return v % G; }
  static int64_t unit_of(int64_t q, int v) { return q * UNITS + v / G * W; }

  // Packs this thread's part of the weights.
  void pack(Team team) {
    const int64_t H = p.hidden, I = p.input_size, vectors = packed.panels * V;
    const Range panels = part_of(packed.panels, team.thread, team.threads);
    for (int64_t q = panels.begin; q < panels.end; ++q) {
      for (int v = 0; v < V; ++v) {
        const int64_t unit = unit_of(q, v), row = gate_of(v) * H + unit, lanes = std::max<int64_t>(0, H - unit);
        if (packed.hidden != nullptr) {
          pack_b_transposed<A>(w.weight_hh + row * H, lanes, H, V * W, packed.hidden + q * panel_size() + v * W);
        }
        const bool inner = gate_of(v) == Cell::INNER_BIAS_GATE;
        const Vec bias_hh = w.bias_hh == nullptr ? Vec{} : load_n(w.bias_hh + row, lanes);
        Vec bias{};
        if (w.bias_ih != nullptr) bias += load_n(w.bias_ih + row, lanes);
        if (!inner) bias += bias_hh;
        store(packed.bias + (q * V + v) * W, bias);
        if (inner) store(packed.inner_bias + unit, bias_hh);
      }
    }
    const Range pairs = part_of((vectors + 1) / 2, team.thread, team.threads);
    for (int64_t g = 2 * pairs.begin; g < 2 * pairs.end; ++g) {
      const int v = static_cast<int>(g % V);
      const int64_t unit = unit_of(g / V, v), row = gate_of(v) * H + unit;
      const int64_t lanes = g < vectors ? std::max<int64_t>(0, H - unit) : 0;
      if (g == vectors) store(packed.bias + g * W, Vec{});
      if (packed.inputs != nullptr) {
        float* panel = packed.inputs + g / 2 * input_panel_size();
        pack_b_transposed<A>(w.weight_ih + row * I, lanes, I, 2 * W, panel + g % 2 * W);
      }
    }
  }

  // Rows, and steps of a partition of `count` rows, that are projected together.
  int64_t projection_rows() const {
    const int64_t bytes = packed.panels * V * W * p.input_size * 4;
    return bytes > WIDE_PROJECTION_BYTES ? WIDE_PROJECTION_ROWS : PROJECTION_ROWS;
  }
  int64_t chunk_steps(int64_t count) const {
    return std::max<int64_t>(1, projection_rows() / std::max<int64_t>(1, count));
  }

  // For partitions of up to `count` rows.
  ThreadWorkspace make_workspace(Scratch& scratch, int64_t count) const {
    const int64_t rows = std::max(projection_rows(), count), tiles = (rows + tile_rows(2) - 1) / tile_rows(2);
    ThreadWorkspace workspace{};
    workspace.inputs = scratch.take<float>(tiles * tile_size<2>(packed.blocks_x));
    workspace.projected = scratch.take<float>(rows * packed.panels * V * W);
    if (count == 1) {
      workspace.later_inputs = scratch.take<float>(INTERLEAVED_STEPS * packed.blocks_x * K_BLOCK + W);
      workspace.later_projected = scratch.take<float>(INTERLEAVED_STEPS * packed.panels * V * W);
    }
    workspace.outputs = scratch.take<T*>(count);
    workspace.saved = scratch.take<T*>(count);
    return workspace;
  }

  PartitionState make_state(Scratch& scratch, const RowPartition& rows) const {
    const int64_t tiles = RowTiles(rows.count, ROWS).count * tile_size<V>(packed.blocks_h);
    const int64_t size = rows.count * packed.units;
    return {scratch.take<float>(tiles), scratch.take<float>(tiles), Cell::READS_H ? scratch.take<float>(size) : nullptr,
            Cell::HAS_C ? scratch.take<float>(size) : nullptr};
  }

  // The initial state, with zeros in its padding; and the results of rows and steps beyond the lengths.
  void load_initial_state(const RowPartition& rows, const PartitionState& state) const {
    const int64_t H = p.hidden;
    const RowTiles tiles(rows.count, ROWS);
    const std::size_t bytes = static_cast<std::size_t>(tiles.count * tile_size<V>(packed.blocks_h)) * 4;
    std::memset(state.h_tiles, 0, bytes);
    std::memset(state.next_h_tiles, 0, bytes);
    for (int64_t i = 0; i < rows.count; ++i) {
      const int64_t row = rows.row(i);
      const float* h0 = w.h0 + row * H;
      const float* c0 = Cell::HAS_C ? w.c0 + row * H : nullptr;
      const int64_t tile = tiles.tile_of(i), m = i - tiles.begin(tile);
      T* h_tile = reinterpret_cast<T*>(state.h_tiles + tile * tile_size<V>(packed.blocks_h));
      for (int64_t u = 0; u < H; u += W) {
        store_n(h_tile + tile_index<A, V>(u, m), load_n(h0 + u, H - u), H - u);
        if (Cell::READS_H) store(state.h + i * packed.units + u, load_n(h0 + u, H - u));
        if (Cell::HAS_C) store(state.c + i * packed.units + u, load_n(c0 + u, H - u));
      }
      const int64_t length = batch.length(rows.sorted(i));
      if (length == 0) {
        std::memcpy(w.hn + row * H, h0, static_cast<std::size_t>(H) * 4);
        if (Cell::HAS_C) std::memcpy(w.cn + row * H, c0, static_cast<std::size_t>(H) * 4);
      }
      for (int64_t t = length; t < p.steps; ++t) std::memset(output(t, row), 0, static_cast<std::size_t>(H) * sizeof(T));
    }
  }

  T* output(int64_t t, int64_t row) const {
    return static_cast<T*>(p.output) + t * p.output_step + row * p.output_row + d * p.hidden;
  }
  const X* input(const RowPartition& rows, int64_t s, int64_t i) const {
    return static_cast<const X*>(p.input) + rows.time(s, i) * p.input_step + rows.row(i) * p.input_row;
  }

  // Runs a partition through all steps, for the units of `panels`; threads that share the partition synchronise after
  // each step.
  void run(const RowPartition& rows, PartitionState state, ThreadWorkspace workspace, Range panels, Team team) const {
    const bool interleave = rows.count == 1 && packed.inputs != nullptr;
    const int64_t steps = batch.longest(), chunk = interleave ? INTERLEAVED_STEPS : chunk_steps(rows.count);
    project(rows, workspace, panels, 0, std::min(steps, chunk));
    for (int64_t begin = 0; begin < steps; begin += chunk) {
      const int64_t end = std::min(steps, begin + chunk), later = std::min(steps, end + chunk);
      Interleaved interleaved(later_projections(rows, workspace, panels, end, interleave ? later : end));
      const float* x = workspace.projected;
      for (int64_t s = begin; s < end; ++s) {
        const int64_t active = rows.active(s);
        step(rows, state, workspace, x, panels, s, active, interleaved);
        x += active * projection_width(panels);
        store_final_state(rows, state, panels, rows.active(s + 1), active);
        team.barrier();
        std::swap(state.h_tiles, state.next_h_tiles);
      }
      interleaved.drain();
      if (interleave) std::swap(workspace.projected, workspace.later_projected);
      else project(rows, workspace, panels, end, later);
    }
  }

  static int64_t projection_width(Range panels) { return (panels.end - panels.begin) * V * W; }

  // W_ih x + b for the active rows of steps begin to end.
  void project(const RowPartition& rows, const ThreadWorkspace& workspace, Range panels, int64_t begin, int64_t end) const {
    constexpr int R = tile_rows(2);
    const int64_t size = tile_size<2>(packed.blocks_x), width = projection_width(panels);
    int64_t count = 0;
    for (int64_t s = begin; s < end; ++s) {
      for (int64_t i = 0, active = rows.active(s); i < active; ++i, ++count) {
        pack_a_row<A>(input(rows, s, i), p.input_size, count % R, workspace.inputs + count / R * size);
      }
    }
    const int64_t first = panels.begin * V, last = panels.end * V;
    alignas(64) float sums[R * 2 * W];
    for (int64_t g = first; g < last; g += 2) {
      for (int64_t r = 0; r < count; r += R) {
        const int tile_count = static_cast<int>(std::min<int64_t>(R, count - r));
        input_product(tile_count, workspace.inputs + r / R * size, g, last - g >= 2 ? 2 : 1, sums);
        store_projection(sums, g, last, tile_count, workspace.projected + r * width + (g - first) * W, width);
      }
    }
  }

  // The same for a single row, to be interleaved with other products.
  LaterProjections later_projections(const RowPartition& rows, const ThreadWorkspace& workspace, Range panels,
                                     int64_t begin, int64_t end) const {
    for (int64_t s = begin; s < end; s += K_MAJOR_ROWS) {
      const X* inputs[K_MAJOR_ROWS];
      const int count = static_cast<int>(std::min<int64_t>(K_MAJOR_ROWS, end - s));
      for (int m = 0; m < count; ++m) inputs[m] = input(rows, s + m, 0);
      pack_a_k_major<A>(inputs, count, p.input_size, workspace.later_inputs + (s - begin) * packed.blocks_x * K_BLOCK);
    }
    const int64_t first = panels.begin * V, last = panels.end * V;
    return {this, workspace.later_inputs, workspace.later_projected, end - begin, first, last, projection_width(panels),
            first, 0};
  }

  // Adds the biases of vectors g and g + 1, if that is before `last`, and stores them to rows that are `width` apart.
  void store_projection(const float* sums, int64_t g, int64_t last, int rows, float* to, int64_t width) const {
    for (int v = 0; v < 2 && g + v < last; ++v) {
      const Vec bias = load(packed.bias + (g + v) * W);
      for (int m = 0; m < rows; ++m) store(to + m * width + v * W, load(sums + (m * 2 + v) * W) + bias);
    }
  }

  // W_ih x for `columns` vectors, 1 or 2, from vector g on.
  void input_product(int count, const float* tile, int64_t g, int columns, float* sums) const {
    if (packed.inputs != nullptr) {
      const float* panel = packed.inputs + g / 2 * input_panel_size();
      return gemm_tile_for<A, ROW_MAJOR, 2>(count)(tile, panel, packed.blocks_x, sums, NO_PREFETCH);
    }
    for (int v = 0; v < columns; ++v) {
      unpacked_product<2>(count, tile, w.weight_ih, p.input_size, (g + v) / V, static_cast<int>((g + v) % V), sums + v * W);
    }
  }

  // W_hh h for panel q.
  void hidden_product(int count, const float* tile, int64_t q, float* sums, const PrefetchList& prefetch,
                      Interleaved& interleaved) const {
    if (packed.hidden != nullptr) {
      const float* panel = packed.hidden + q * panel_size();
      if (count == 1) return interleaved.template multiply<V>(tile, panel, packed.blocks_h, sums, prefetch);
      return gemm_tile_for<A, ROW_MAJOR, V>(count)(tile, panel, packed.blocks_h, sums, prefetch);
    }
    for (int v = 0; v < V; ++v) unpacked_product<V>(count, tile, w.weight_hh, p.hidden, q, v, sums + v * W);
  }

  // Vector v of panel q of a matrix (G H, K), with a tile for panels of VECTORS vectors.
  template <int VECTORS>
  void unpacked_product(int count, const float* tile, const float* weight, int64_t K, int64_t q, int v, float* sums) const {
    const int64_t unit = unit_of(q, v), lanes = std::min<int64_t>(W, p.hidden - unit);
    if (lanes > 0) unpacked_gemm_nt<A, VECTORS>(count, tile, weight + (gate_of(v) * p.hidden + unit) * K, lanes, K, sums);
    else for (int m = 0; m < count; ++m) store(sums + m * VECTORS * W, Vec{});
  }

  // One step of the active rows: W_hh h, tile by tile, and the cell.
  void step(const RowPartition& rows, const PartitionState& state, const ThreadWorkspace& workspace, const float* x,
            Range panels, int64_t s, int64_t active, Interleaved& interleaved) const {
    const RowTiles tiles(rows.count, ROWS);
    const int64_t size = tile_size<V>(packed.blocks_h), width = projection_width(panels);
    for (int64_t i = 0; i < active; ++i) {
      workspace.outputs[i] = output(rows.time(s, i), rows.row(i));
      if (w.saved != nullptr) {
        workspace.saved[i] = static_cast<T*>(w.saved) + rows.position(s, i) * packed.units * SAVED;
      }
    }
    alignas(64) float sums[ROWS * V * W];
    for (int64_t q = panels.begin; q < panels.end; ++q) {
      for (int64_t tile = 0; tile < tiles.count && tiles.begin(tile) < active; ++tile) {
        const int count = tiles.active(tile, active);
        const int64_t first = tiles.begin(tile);
        PrefetchList prefetch;
        for (int m = 0; m < count && w.saved != nullptr; ++m) {
          prefetch.add(workspace.saved[first + m] + q * UNITS * SAVED, static_cast<int64_t>(sizeof(T)) * UNITS * SAVED);
        }
        const float* projected = x + first * width + (q - panels.begin) * V * W;
        // On AVX-512 this has not been measured.
        for (int m = 0; m < count && count > 1 && W < 16; ++m) prefetch.add(projected + m * width, V * W * 4);
        hidden_product(count, state.h_tiles + tile * size, q, sums, prefetch, interleaved);
        T* next = reinterpret_cast<T*>(state.next_h_tiles + tile * size);
        for (int m = 0; m < count; ++m) {
          cell_forward(state, workspace, projected + m * width, sums + m * V * W, q, first + m, next, m);
        }
      }
    }
  }

  // The cell for the units of panel q of row i, which is row m of its tile.
  SEQLOOM_INLINE void cell_forward(const PartitionState& state, const ThreadWorkspace& workspace, const float* x,
                                   const float* sums, int64_t q, int64_t i, T* next, int m) const {
    const int64_t first = q * UNITS, left = p.hidden - first;
    for (int v = 0; v < V; v += G) {
      const int64_t unit = first + v / G * W;
      Vec wx[G], wh[G];
#pragma GCC unroll 8
      for (int g = 0; g < G; ++g) {
        wx[g] = load(x + (v + g) * W);
        wh[g] = load(sums + (v + g) * W);
        if (g == Cell::INNER_BIAS_GATE) wh[g] += load(packed.inner_bias + unit);
      }
      const int64_t at = i * packed.units + unit;
      const CellState before = {Cell::READS_H ? load(state.h + at) : Vec{}, Cell::HAS_C ? load(state.c + at) : Vec{}};
      const CellState after = Cell::forward(wx, wh, before, [&](auto... values) {
        if (w.saved != nullptr) save_gates(workspace.saved[i] + unit * SAVED, values...);
      });
      if (Cell::READS_H) store(state.h + at, after.h);
      if (Cell::HAS_C) store(state.c + at, after.c);
      store_output(workspace, next, i, m, unit, left - v / G * W, after.h);
    }
  }

  template <class... Values>
  static SEQLOOM_INLINE void save_gates(T* to, Values... values) {
    int v = 0;
    (store(to + v++ * W, values), ...);
  }

  // h of W units: to the output, and to where the next step reads it.
  SEQLOOM_INLINE void store_output(const ThreadWorkspace& workspace, T* next, int64_t i, int m, int64_t unit,
                                   int64_t left, Vec h) const {
    if (left <= 0) return;
    if (left < W) h = first_n(h, left);
    store(next + tile_index<A, V>(unit, m), h);
    store_n(workspace.outputs[i] + unit, h, left);
  }

  // The final state of rows begin to end, which have taken their last step.
  void store_final_state(const RowPartition& rows, const PartitionState& state, Range panels, int64_t begin,
                         int64_t end) const {
    const int64_t H = p.hidden, first = panels.begin * UNITS, last = std::min(H, panels.end * UNITS);
    const RowTiles tiles(rows.count, ROWS);
    for (int64_t i = begin; i < end; ++i) {
      const int64_t row = rows.row(i), tile = tiles.tile_of(i), m = i - tiles.begin(tile);
      const T* h_tile = reinterpret_cast<const T*>(state.next_h_tiles + tile * tile_size<V>(packed.blocks_h));
      for (int64_t u = first; u < last; u += W) {
        store_n(w.hn + row * H + u, load(h_tile + tile_index<A, V>(u, m)), last - u);
        if (Cell::HAS_C) store_n(w.cn + row * H + u, load(state.c + i * packed.units + u), last - u);
      }
    }
  }
};

}  // namespace SEQLOOM_VARIANT
}  // namespace seqloom
