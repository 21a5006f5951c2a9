// Forward over whole sequences. The products of the inputs are made for some steps at a time; then those steps run, each
// one product of the state before it and, while its sums are still in the cache, the equation of the cell (`cell`).
#pragma once

#include "gemm/unpacked.h"
#include "gemm/interleaved.h"
#include "gemm/pack.h"
#include "recurrence/ragged_batch.h"
#include "runtime/scratch.h"
#include "runtime/threads.h"
#include "simd/math.h"

namespace seqloom {
namespace SEQLOOM_VARIANT {

// Rows of input whose products are made together; and of a single row, interleaved those of its state.
constexpr int64_t PROJECTED = 96;
constexpr int64_t PROJECTED_BESIDE = 32;

// X is what the inputs are made of.
template <int CELL, class A, class X>
struct Forward {
  using T = typename A::T;
  static constexpr int G = static_cast<int>(gates_of(CELL));
  static constexpr int V = G == 1 ? 2 : G;         // vectors of a panel: all gates of W units, or 2 W units
  static constexpr int U = G == 1 ? 2 * W : W;     // units of a panel
  static constexpr int VALUES = static_cast<int>(values_of(CELL));
  static constexpr int ROWS = tile_rows(V);

  // What all threads of a direction share.
  struct Shared {
    int64_t panels, units, blocks_h, blocks_x;  // units: padded
    float *hidden, *inputs;                     // packed weights; null: they are read as they lie
    float *bias, *bias_n;                       // in the order of the vectors
  };
  // What a strand has for itself.
  struct Own {
    float *now, *next;  // h in tiles, as the next product reads it
    float *cells;       // LSTM: c; GRU: h in float32, (count, units)
  };
  // What a thread has for itself.
  struct Bench {
    float *inputs, *projected;
    float *later_inputs, *later_projected;  // of the steps after those, where there is a single row
    T **outputs, **saved;                   // where each row's values of this step go
  };

  // The products of the inputs of later steps, for InterleavedGemm.
  struct Projection {
    const Forward* run;
    const float* inputs;  // in tiles of K_MAJOR_ROWS rows, K_MAJOR
    float* to;
    int64_t rows, first, last, width;  // vectors from `first` to `last`; rows of `to` are `width` apart
    int64_t g, r;                      // the vector and the row of the product at hand

    bool next(LaterOperands& operands) const {
      if (g >= last || rows == 0) return false;
      const int64_t count = run->shared.blocks_x * K_BLOCK;
      operands = {inputs + r * count, run->shared.inputs + g / 2 * run->input_panel_size(), count};
      return true;
    }
    void done(const float* sums) {
      run->put_projected(sums, g, last, static_cast<int>(std::min<int64_t>(K_MAJOR_ROWS, rows - r)),
                        to + r * width + (g - first) * W, width);
      r += K_MAJOR_ROWS;
      if (r < rows) return;
      r = 0;
      g += 2;
    }
  };

  const Problem& p;
  const Direction& w;
  const int d;
  const RowOrder& order;
  Shared shared{};

  Forward(const Problem& problem, int direction, const RowOrder& rows)
      : p(problem), w(problem.direction[direction]), d(direction), order(rows) {}

  bool reverse() const { return d == 1 || p.reverse != 0; }

  void prepare(Scratch& scratch) {
    if (w.saved != nullptr) prefer_large_pages(w.saved, sizeof(T) * p.steps * p.batch * padded(p.hidden) * VALUES);
    shared.panels = (p.hidden + U - 1) / U;
    shared.units = padded(p.hidden);
    shared.blocks_h = blocks_for<A>(p.hidden);
    shared.blocks_x = blocks_for<A>(p.input_size);
    const int64_t vectors = shared.panels * V;
    const bool packed = !use_unpacked(order.longest(), p.batch);
    shared.hidden = packed ? scratch.take<float>(shared.panels * panel_size()) : nullptr;
    shared.inputs = packed ? scratch.take<float>((vectors + 1) / 2 * input_panel_size()) : nullptr;
    shared.bias = scratch.take<float>((vectors + 1) * W);
    shared.bias_n = scratch.take<float>(shared.panels * U);
  }
  int64_t panel_size() const { return shared.blocks_h * K_BLOCK * V * W; }
  int64_t input_panel_size() const { return shared.blocks_x * K_BLOCK * 2 * W; }

  // The first unit and the gate of vector v of panel q.
  static int64_t unit_of(int64_t q, int v) { return G == 1 ? (q * 2 + v) * W : q * W; }
  static int gate_of(int v) { return G == 1 ? 0 : v; }

  void pack(Team team) {
    const int64_t H = p.hidden, I = p.input_size, vectors = shared.panels * V;
    const Range mine = part_of(shared.panels, team.thread, team.threads);
    for (int64_t q = mine.begin; q < mine.end; ++q) {
      for (int v = 0; v < V; ++v) {
        const int64_t unit = unit_of(q, v), row = gate_of(v) * H + unit, lanes = std::max<int64_t>(0, H - unit);
        if (shared.hidden != nullptr) {
          pack_b_transposed<A>(w.weight_hh + row * H, lanes, H, V * W, shared.hidden + q * panel_size() + v * W);
        }
        const bool candidate = CELL == GRU && v == 2;
        Vec bias{};
        if (w.bias_ih != nullptr) bias += load_n(w.bias_ih + row, lanes);
        if (w.bias_hh != nullptr && !candidate) bias += load_n(w.bias_hh + row, lanes);
        store(shared.bias + (q * V + v) * W, bias);
        if (candidate) store(shared.bias_n + q * W, w.bias_hh == nullptr ? Vec{} : load_n(w.bias_hh + row, lanes));
      }
    }
    const Range ours = part_of((vectors + 1) / 2, team.thread, team.threads);
    for (int64_t g = 2 * ours.begin; g < 2 * ours.end; ++g) {
      const int64_t q = g / V, unit = unit_of(q, g % V), row = gate_of(g % V) * H + unit;
      const int64_t lanes = g < vectors ? std::max<int64_t>(0, H - unit) : 0;
      if (g == vectors) store(shared.bias + g * W, Vec{});
      if (shared.inputs != nullptr) {
        pack_b_transposed<A>(w.weight_ih + row * I, lanes, I, 2 * W, shared.inputs + g / 2 * input_panel_size() + g % 2 * W);
      }
    }
  }

  // Steps whose inputs are multiplied together, where a strand has `count` rows.
  static int64_t chunk(int64_t count) { return std::max<int64_t>(1, PROJECTED / std::max<int64_t>(1, count)); }

  // For a strand of up to `count` rows.
  Bench bench(Scratch& scratch, int64_t count) const {
    const int64_t rows = std::max(PROJECTED, count), tiles = (rows + tile_rows(2) - 1) / tile_rows(2);
    Bench bench{};
    bench.inputs = scratch.take<float>(tiles * tile_size<2>(shared.blocks_x));
    bench.projected = scratch.take<float>(rows * shared.panels * V * W);
    if (count == 1) {
      bench.later_inputs = scratch.take<float>(PROJECTED_BESIDE * shared.blocks_x * K_BLOCK + W);
      bench.later_projected = scratch.take<float>(PROJECTED_BESIDE * shared.panels * V * W);
    }
    bench.outputs = scratch.take<T*>(count);
    bench.saved = scratch.take<T*>(count);
    return bench;
  }

  Own own(Scratch& scratch, const Strand& strand) const {
    const int64_t state = Tiles(strand.count, ROWS).count * tile_size<V>(shared.blocks_h);
    const bool cells = CELL == LSTM || CELL == GRU;
    return {scratch.take<float>(state), scratch.take<float>(state),
            cells ? scratch.take<float>(strand.count * shared.units) : nullptr};
  }

  // The state that the strand starts from, zeros in its padding; and what its rows without steps end with.
  void begin(const Strand& strand, const Own& o) const {
    const int64_t H = p.hidden;
    const Tiles tiles(strand.count, ROWS);
    const std::size_t state = static_cast<std::size_t>(tiles.count * tile_size<V>(shared.blocks_h)) * 4;
    std::memset(o.now, 0, state);
    std::memset(o.next, 0, state);
    for (int64_t i = 0; i < strand.count; ++i) {
      const int64_t row = strand.row(i);
      const float* h0 = w.h0 + row * H;
      const int64_t tile_of_row = tiles.of(i), m = i - tiles.begin(tile_of_row);
      T* tile = reinterpret_cast<T*>(o.now + tile_of_row * tile_size<V>(shared.blocks_h));
      for (int64_t u = 0; u < H; u += W) {
        store_n(tile + tile_index<A, V>(u, m), load_n(h0 + u, H - u), H - u);
        if (CELL == LSTM) store(o.cells + i * shared.units + u, load_n(w.c0 + row * H + u, H - u));
        if (CELL == GRU) store(o.cells + i * shared.units + u, load_n(h0 + u, H - u));
      }
      const int64_t length = order.length(strand.sorted(i));
      if (length == 0) {
        std::memcpy(w.hn + row * H, h0, static_cast<std::size_t>(H) * 4);
        if (CELL == LSTM) std::memcpy(w.cn + row * H, w.c0 + row * H, static_cast<std::size_t>(H) * 4);
      }
      for (int64_t t = length; t < p.steps; ++t) std::memset(output(t, row), 0, static_cast<std::size_t>(H) * sizeof(T));
    }
  }

  T* output(int64_t t, int64_t row) const {
    return static_cast<T*>(p.output) + t * p.output_step + row * p.output_row + d * p.hidden;
  }

  // Runs the strand through all steps for the units of `panels`; threads that share a strand barrier after each step.
  void run(const Strand& strand, Own o, Bench bench, Range panels, Team team) const {
    const bool single = strand.count == 1 && shared.inputs != nullptr;
    const int64_t steps = order.longest(), most = single ? PROJECTED_BESIDE : chunk(strand.count);
    project(strand, bench, panels, 0, std::min(steps, most));
    for (int64_t s = 0; s < steps; s += most) {
      const int64_t end = std::min(steps, s + most), later = std::min(steps, end + most);
      InterleavedGemm<A, Projection> interleaved(projection(strand, bench, panels, end, single ? later : end));
      const float* x = bench.projected;
      for (int64_t now = s; now < end; ++now) {
        const int64_t active = strand.active(now);
        step(strand, o, bench, x, panels, now, active, interleaved);
        x += active * row_size(panels);
        finish(strand, o, panels, strand.active(now + 1), active);
        team.barrier();
        std::swap(o.now, o.next);
      }
      interleaved.drain();
      if (single) std::swap(bench.projected, bench.later_projected);
      else project(strand, bench, panels, end, later);
    }
  }

  static int64_t row_size(Range panels) { return (panels.end - panels.begin) * V * W; }

  // W_ih x + b for the running rows of some steps.
  void project(const Strand& strand, const Bench& bench, Range panels, int64_t begin, int64_t end) const {
    constexpr int R = tile_rows(2);
    const int64_t size = tile_size<2>(shared.blocks_x), width = row_size(panels);
    int64_t rows = 0;
    for (int64_t s = begin; s < end; ++s) {
      for (int64_t i = 0, active = strand.active(s); i < active; ++i, ++rows) {
        pack_a_row<A>(input(strand, s, i), p.input_size, rows % R, bench.inputs + rows / R * size);
      }
    }
    const int64_t first = panels.begin * V, last = panels.end * V;
    alignas(64) float sums[R * 2 * W];
    for (int64_t g = first; g < last; g += 2) {
      for (int64_t r = 0; r < rows; r += R) {
        const int count = static_cast<int>(std::min<int64_t>(R, rows - r));
        input_product(count, bench.inputs + r / R * size, g, last - g >= 2 ? 2 : 1, sums);
        put_projected(sums, g, last, count, bench.projected + r * width + (g - first) * W, width);
      }
    }
  }

  // The same of a single row, to be made interleaved other products.
  Projection projection(const Strand& strand, const Bench& bench, Range panels, int64_t begin, int64_t end) const {
    for (int64_t s = begin; s < end; s += K_MAJOR_ROWS) {
      const X* rows[K_MAJOR_ROWS];
      const int have = static_cast<int>(std::min<int64_t>(K_MAJOR_ROWS, end - s));
      for (int m = 0; m < have; ++m) rows[m] = input(strand, s + m, 0);
      pack_a_k_major<A>(rows, have, p.input_size, bench.later_inputs + (s - begin) * shared.blocks_x * K_BLOCK);
    }
    const int64_t first = panels.begin * V, last = panels.end * V;
    return {this, bench.later_inputs, bench.later_projected, end - begin, first, last, row_size(panels), first, 0};
  }

  const X* input(const Strand& strand, int64_t s, int64_t i) const {
    return static_cast<const X*>(p.input) + strand.time(s, i) * p.input_step + strand.row(i) * p.input_row;
  }

  // Adds the biases of vectors g and g + 1, if that is before `last`, and puts them where rows are `width` apart.
  void put_projected(const float* sums, int64_t g, int64_t last, int rows, float* to, int64_t width) const {
    for (int v = 0; v < 2 && g + v < last; ++v) {
      const Vec bias = load(shared.bias + (g + v) * W);
      for (int m = 0; m < rows; ++m) store(to + m * width + v * W, load(sums + (m * 2 + v) * W) + bias);
    }
  }

  // Of `columns` vectors from vector g on, 1 or 2.
  void input_product(int count, const float* tile, int64_t g, int columns, float* sums) const {
    if (shared.inputs != nullptr) {
      const float* panel = shared.inputs + g / 2 * input_panel_size();
      return gemm_tile_for<A, ROW_MAJOR, 2>(count)(tile, panel, shared.blocks_x, sums, NO_PREFETCH);
    }
    for (int v = 0; v < columns; ++v) {
      const int gate = static_cast<int>((g + v) % V);
      dots_as_they_lie<2>(count, tile, w.weight_ih, p.input_size, (g + v) / V, gate, sums + v * W);
    }
  }

  void hidden_product(int count, const float* tile, int64_t q, float* sums, const PrefetchList& prefetch,
                      InterleavedGemm<A, Projection>& interleaved) const {
    if (shared.hidden != nullptr) {
      const float* panel = shared.hidden + q * panel_size();
      if (count == 1) return interleaved.template multiply<V>(tile, panel, shared.blocks_h, sums, prefetch);
      return gemm_tile_for<A, ROW_MAJOR, V>(count)(tile, panel, shared.blocks_h, sums, prefetch);
    }
    for (int v = 0; v < V; ++v) dots_as_they_lie<V>(count, tile, w.weight_hh, p.hidden, q, v, sums + v * W);
  }

  // Vector v of panel q of a matrix (G H, K), with a tile for VECTORS vectors.
  template <int VECTORS>
  void dots_as_they_lie(int count, const float* tile, const float* weight, int64_t K, int64_t q, int v, float* sums) const {
    const int64_t unit = unit_of(q, v), lanes = std::min<int64_t>(W, p.hidden - unit);
    if (lanes > 0) unpacked_gemm_nt<A, VECTORS>(count, tile, weight + (gate_of(v) * p.hidden + unit) * K, lanes, K, sums);
    else for (int m = 0; m < count; ++m) store(sums + m * VECTORS * W, Vec{});
  }

  // One step of the active rows: h W_hh^T tile by tile, and what the cell makes of it.
  void step(const Strand& strand, const Own& o, const Bench& bench, const float* x, Range panels, int64_t s,
            int64_t active, InterleavedGemm<A, Projection>& interleaved) const {
    const Tiles tiles(strand.count, ROWS);
    const int64_t size = tile_size<V>(shared.blocks_h), width = row_size(panels);
    for (int64_t i = 0; i < active; ++i) {
      bench.outputs[i] = output(strand.time(s, i), strand.row(i));
      if (w.saved != nullptr) bench.saved[i] = static_cast<T*>(w.saved) + strand.position(s, i) * shared.units * VALUES;
    }
    alignas(64) float sums[ROWS * V * W];
    for (int64_t q = panels.begin; q < panels.end; ++q) {
      for (int64_t tile = 0; tile < tiles.count && tiles.begin(tile) < active; ++tile) {
        const int rows = tiles.active(tile, active);
        PrefetchList prefetch;
        for (int m = 0; m < rows && w.saved != nullptr; ++m) {
          prefetch.add(bench.saved[tiles.begin(tile) + m] + unit_of(q, 0) * VALUES, static_cast<int64_t>(sizeof(T)) * W * VALUES);
        }
        hidden_product(rows, o.now + tile * size, q, sums, prefetch, interleaved);
        const float* projected = x + tiles.begin(tile) * width + (q - panels.begin) * V * W;
        T* next = reinterpret_cast<T*>(o.next + tile * size);
        for (int m = 0; m < rows; ++m) cell(o, bench, sums + m * V * W, projected + m * width, q, tiles.begin(tile) + m, next, m);
      }
    }
  }

  // The equation, for W units (a simple RNN: 2 W) of row i, which is row m of its tile.
  SEQLOOM_INLINE void cell(const Own& o, const Bench& bench, const float* sums, const float* x, int64_t q, int64_t i,
                           T* next, int m) const {
    const int64_t unit = unit_of(q, 0), left = p.hidden - unit;
    if constexpr (G == 1) {
      for (int v = 0; v < 2; ++v) {
        const Vec a = load(x + v * W) + load(sums + v * W);
        const Vec h = CELL == RNN_TANH ? tanh(a) : clamp_min(a, 0.0f);
        put(bench, next, i, m, unit + v * W, left - v * W, h);
      }
    } else if constexpr (CELL == LSTM) {
      const Vec gate_i = sigmoid(load(x) + load(sums)), gate_f = sigmoid(load(x + W) + load(sums + W));
      const Vec g = tanh(load(x + 2 * W) + load(sums + 2 * W)), gate_o = sigmoid(load(x + 3 * W) + load(sums + 3 * W));
      float* cells = o.cells + i * shared.units + unit;
      const Vec c = gate_f * load(cells) + gate_i * g;
      store(cells, c);
      if (w.saved != nullptr) keep(bench.saved[i] + unit * VALUES, gate_i, gate_f, g, gate_o, c);
      put(bench, next, i, m, unit, left, gate_o * tanh(c));
    } else {
      const Vec hidden = load(sums + 2 * W) + load(shared.bias_n + unit);
      const Vec r = sigmoid(load(x) + load(sums)), z = sigmoid(load(x + W) + load(sums + W));
      const Vec n = tanh(load(x + 2 * W) + r * hidden);
      float* before = o.cells + i * shared.units + unit;
      const Vec h = n + z * (load(before) - n);
      store(before, h);
      if (w.saved != nullptr) keep(bench.saved[i] + unit * VALUES, r, z, n, hidden);
      put(bench, next, i, m, unit, left, h);
    }
  }

  template <class... Values>
  static SEQLOOM_INLINE void keep(T* to, Values... values) {
    int v = 0;
    (store(to + v++ * W, values), ...);
  }

  // h of W units: where the next step reads it, and out.
  SEQLOOM_INLINE void put(const Bench& bench, T* next, int64_t i, int m, int64_t unit, int64_t left, Vec h) const {
    if (left <= 0) return;
    if (left < W) h = first_n(h, left);
    store(next + tile_index<A, V>(unit, m), h);
    store_n(bench.outputs[i] + unit, h, left);
  }

  // The state of rows that took their last step.
  void finish(const Strand& strand, const Own& o, Range panels, int64_t begin, int64_t end) const {
    const int64_t H = p.hidden, first = panels.begin * U, last = std::min(H, panels.end * U);
    const Tiles tiles(strand.count, ROWS);
    for (int64_t i = begin; i < end; ++i) {
      const int64_t row = strand.row(i);
      const int64_t tile_of_row = tiles.of(i), m = i - tiles.begin(tile_of_row);
      const T* tile = reinterpret_cast<const T*>(o.next + tile_of_row * tile_size<V>(shared.blocks_h));
      for (int64_t u = first; u < last; u += W) {
        store_n(w.hn + row * H + u, load(tile + tile_index<A, V>(u, m)), last - u);
        if (CELL == LSTM) store_n(w.cn + row * H + u, load(o.cells + i * shared.units + u), last - u);
      }
    }
  }
};

}  // namespace SEQLOOM_VARIANT
}  // namespace seqloom
