// Backward over whole sequences. Some steps at a time, from the last to the first: each is one product of the gate
// gradients of the step after it with W_hh and, while its sums are still in the cache, the derivative of the cell
// (derive); then the gradients of the inputs and of the weights, as products over all those steps at once. Those of the
// weights are weights_gradient.h's.
#pragma once

#include "gemm/unpacked.h"
#include "gemm/pack.h"
#include "recurrence/ragged_batch.h"
#include "runtime/scratch.h"
#include "runtime/threads.h"
#include "recurrence/weight_gradients.h"
#include "simd/math.h"

namespace seqloom {
namespace SEQLOOM_VARIANT {

// Rows (of all steps together) whose gate gradients are kept before the weights' gradients take them up.
constexpr int64_t GATHERED = 1024;
constexpr int64_t KEPT_BYTES = 8 << 20;

// X is what the inputs and their gradients are made of.
template <int CELL, class A, class X>
struct Backward {
  using T = typename A::T;
  static constexpr int G = static_cast<int>(gates_of(CELL));
  static constexpr int VALUES = static_cast<int>(values_of(CELL));
  static constexpr int SLOTS = Slots<CELL>::COUNT;
  static constexpr int FIRST_HIDDEN = Slots<CELL>::FIRST_HIDDEN;
  static constexpr int ROWS = tile_rows(2);
  static constexpr int N = 2 * W;  // columns of a panel

  struct Shared {
    int64_t units, slot_blocks, tile;  // padded units; blocks of k of a slot; size of a tile of all slots
    int64_t panels, input_panels;      // N columns of W_hh, N of W_ih
    int64_t steps_kept;                // steps taken together
    float *hidden, *inputs;            // packed weights; null: they are read as they lie
  };
  // What a strand has.
  struct Own {
    float* gates[2];  // gate gradients of the last two steps, in tiles as the recurrence reads them
    float* kept;      // those of all steps taken together, in full tiles
    float* carry;     // LSTM: gradient of c; GRU: the part of h's gradient that passes by the product, (count, units)
    T* start;         // h0 as T, (count, units)
  };
  // What a thread has.
  struct Bench {
    // Of each row at this step. `outputs` is h, a simple RNN's of this step, else of the one before; `before` what the
    // step before saved, null at the first.
    const T **d_outputs, **outputs, **saved, **before;
    const X** inputs;                         // of each row kept: x, h before it, and the gradient of x
    const T** states;
    X** d_inputs;
  };

  // The two places of a row's gate gradients: in the tiles of this step, and among all that are kept.
  struct Places {
    T *now, *kept;
    int64_t row_now, row_kept;
  };

  const Problem& p;
  const Direction& w;
  const int d;
  const RowOrder& order;
  Shared shared{};
  WeightsGradient<CELL, A, X> weights;
  X* d_input;  // where this direction's part goes, with these strides
  int64_t d_input_step, d_input_row;

  Backward(const Problem& problem, int direction, const RowOrder& rows)
      : p(problem), w(problem.direction[direction]), d(direction), order(rows), weights(problem, w),
        d_input(static_cast<X*>(problem.d_input)), d_input_step(problem.d_input_step), d_input_row(problem.d_input_row) {}

  bool reverse() const { return d == 1 || p.reverse != 0; }

  void prepare(Scratch& scratch, int strands, int threads) {
    const int64_t H = p.hidden, I = p.input_size;
    shared.units = padded(H);
    shared.slot_blocks = shared.units / (K_BLOCK * A::VNNI);
    shared.tile = tile_size<2>(SLOTS * shared.slot_blocks);
    shared.panels = (H + N - 1) / N;
    shared.input_panels = (I + N - 1) / N;
    const int64_t rows = std::min(GATHERED, KEPT_BYTES / (SLOTS * shared.units * static_cast<int64_t>(sizeof(T))));
    shared.steps_kept = std::min(std::max<int64_t>(1, rows / std::max<int64_t>(1, p.batch)), order.longest());
    const bool packed = !use_unpacked(order.longest(), p.batch);
    shared.hidden = packed ? scratch.take<float>(shared.panels * panel_size()) : nullptr;
    shared.inputs = packed && p.d_input != nullptr ? scratch.take<float>(shared.input_panels * panel_size()) : nullptr;
    const int64_t most = blocks_for<A>(shared.steps_kept * p.batch + strands * A::VNNI) * K_BLOCK;
    if (weights.wanted()) weights.prepare(scratch, most, threads);
  }
  int64_t panel_size() const { return G * shared.slot_blocks * K_BLOCK * N; }

  Own own(Scratch& scratch, const Strand& strand) const {
    const int64_t step = Tiles(strand.count, ROWS).count * shared.tile;
    const int64_t kept = (shared.steps_kept * strand.count + ROWS - 1) / ROWS * shared.tile;
    return {{scratch.take<float>(step), scratch.take<float>(step)}, scratch.take<float>(kept),
            scratch.take<float>(strand.count * shared.units), scratch.take<T>(strand.count * shared.units)};
  }

  // For a strand of up to `rows` rows.
  Bench bench(Scratch& scratch, int64_t rows) const {
    const int64_t kept = shared.steps_kept * rows;
    return {scratch.take<const T*>(rows), scratch.take<const T*>(rows), scratch.take<const T*>(rows),
            scratch.take<const T*>(rows), scratch.take<const X*>(kept), scratch.take<const T*>(kept), scratch.take<X*>(kept)};
  }

  static int hidden_gate(int g) { return Slots<CELL>::hidden_gate(g + FIRST_HIDDEN); }
  static int input_gate(int g) { return Slots<CELL>::input_gate(g); }

  void pack(Team team) const {
    const Range hidden = part_of(shared.panels, team.thread, team.threads);
    const Range inputs = part_of(shared.input_panels, team.thread, team.threads);
    if (shared.hidden != nullptr) pack_matrix(w.weight_hh, p.hidden, hidden_gate, hidden, shared.hidden);
    if (shared.inputs != nullptr) pack_matrix(w.weight_ih, p.input_size, input_gate, inputs, shared.inputs);
  }

  // Panels of a matrix (G H, width), its gates in the order of the slots.
  void pack_matrix(const float* weight, int64_t width, int (*gate)(int), Range panels, float* to) const {
    const int64_t H = p.hidden, slot = shared.slot_blocks * K_BLOCK * N;
    for (int64_t q = panels.begin; q < panels.end; ++q) {
      float* panel = to + q * panel_size();
      if (H < shared.units) std::memset(panel, 0, static_cast<std::size_t>(panel_size()) * 4);  // the rest of each slot
      for (int g = 0; g < G; ++g) {
        for (int64_t v = 0, column = q * N; v < 2; ++v, column += W) {
          pack_b<A>(weight + gate(g) * H * width + column, width, H, width - column, N, panel + g * slot + v * W);
        }
      }
    }
  }

  // The gradients that come from beyond the last step, and the padding of the inputs' gradient.
  void begin(const Strand& strand, const Own& o) const {
    const int64_t H = p.hidden, step = Tiles(strand.count, ROWS).count * shared.tile;
    std::memset(o.carry, 0, static_cast<std::size_t>(strand.count * shared.units) * 4);
    for (float* gates : o.gates) std::memset(gates, 0, static_cast<std::size_t>(step) * 4);
    if ((H + W - 1) / W * W < shared.units) {  // what no unit writes must be 0
      const int64_t kept = (shared.steps_kept * strand.count + ROWS - 1) / ROWS * shared.tile;
      std::memset(o.kept, 0, static_cast<std::size_t>(kept) * 4);
    }
    for (int64_t i = 0; i < strand.count; ++i) {
      const int64_t row = strand.row(i);
      for (int64_t u = 0; u < H; u += W) {
        store(o.start + i * shared.units + u, load_n(w.h0 + row * H + u, H - u));
        if (CELL == LSTM) store(o.carry + i * shared.units + u, from_beyond(w.d_cn, row, u, H - u));
      }
      if (d_input == nullptr) continue;
      for (int64_t t = order.length(strand.sorted(i)); t < p.steps; ++t) {
        std::memset(d_input + t * d_input_step + row * d_input_row, 0, static_cast<std::size_t>(p.input_size) * sizeof(X));
      }
    }
  }

  // Steps end - 1 down to `begin` of the strand, for the units of `panels`. Returns how many rows they kept.
  int64_t run(const Strand& strand, const Own& o, const Bench& bench, Range panels, int64_t begin, int64_t end,
              Team team) const {
    const Tiles tiles(strand.count, ROWS);
    int64_t kept = 0;
    alignas(64) float sums[ROWS * N];
    for (int64_t s = end - 1; s >= begin; --s) {
      const int64_t active = strand.active(s), after = strand.active(s + 1);
      point(strand, o, bench, s, active, kept);
      float* gates = o.gates[s % 2];
      const float* next = o.gates[(s + 1) % 2] + FIRST_HIDDEN * tile_size<2>(shared.slot_blocks);
      for (int64_t q = panels.begin; q < panels.end; ++q) {
        for (int64_t tile = 0; tile < tiles.count && tiles.begin(tile) < active; ++tile) {
          const int rows = tiles.active(tile, active), summed = tiles.active(tile, after);
          PrefetchList prefetch;
          for (int m = 0; m < rows; ++m) want(o, bench, tiles.begin(tile) + m, kept + tiles.begin(tile) + m, q * N, prefetch);
          if (summed > 0) hidden_product(next + tile * shared.tile, q, summed, sums, prefetch);
          T* to = reinterpret_cast<T*>(gates + tile * shared.tile);
          for (int m = 0; m < rows; ++m) {
            const int64_t i = tiles.begin(tile) + m, r = kept + i;
            T* keep = reinterpret_cast<T*>(o.kept + r / ROWS * shared.tile);
            for (int v = 0; v < 2; ++v) {
              const int64_t unit = q * N + v * W, left = p.hidden - unit;
              if (left <= 0) break;
              Vec dh = m < summed ? load(sums + m * N + v * W) : from_beyond(w.d_hn, strand.row(i), unit, left);
              if (p.d_output != nullptr) dh += load_n(bench.d_outputs[i] + unit, left);
              derive(o, bench, strand, i, unit, left, dh, Places{to, keep, m, r % ROWS});
            }
          }
        }
      }
      kept += active;
      team.barrier();
    }
    return kept;
  }

  // What `derive` will want of row i, the N units from `unit` on, and where it will write them, as row r of those kept.
  void want(const Own& o, const Bench& bench, int64_t i, int64_t r, int64_t unit, PrefetchList& prefetch) const {
    constexpr int64_t BYTES = N * sizeof(T);
    if (p.d_output != nullptr) prefetch.add(bench.d_outputs[i] + unit, BYTES);
    if (VALUES > 0) prefetch.add(bench.saved[i] + unit * VALUES, BYTES * VALUES);
    if (CELL != LSTM) prefetch.add(bench.outputs[i] + unit, BYTES);
    if (CELL == LSTM && bench.before[i] != nullptr) {
      for (int64_t u = unit; u < unit + N; u += W) prefetch.add(bench.before[i] + u * VALUES + 4 * W, 64);
    }
    const T* keep = reinterpret_cast<const T*>(o.kept + r / ROWS * shared.tile);
    for (int64_t slot = 0; slot < SLOTS; ++slot) {
      for (int64_t u = unit; u < unit + N; u += K_BLOCK * A::VNNI) {
        prefetch.add(keep + tile_index<A, 2>(slot * shared.units + u, r % ROWS), 64);
      }
    }
  }

  // `rows` rows of a tile times a panel of W_hh, from the first slot that it is for; and of W_ih.
  void hidden_product(const float* gates, int64_t panel, int rows, float* sums, const PrefetchList& prefetch) const {
    product(rows, gates, shared.hidden, w.weight_hh, p.hidden, hidden_gate, panel, sums, prefetch);
  }
  void input_product(const float* gates, int64_t panel, int rows, float* sums) const {
    product(rows, gates, shared.inputs, w.weight_ih, p.input_size, input_gate, panel, sums, NO_PREFETCH);
  }
  void product(int rows, const float* gates, const float* packed, const float* weight, int64_t width, int (*gate)(int),
               int64_t panel, float* sums, const PrefetchList& prefetch) const {
    if (packed != nullptr) {
      return gemm_tile_for<A, ROW_MAJOR, 2>(rows)(gates, packed + panel * panel_size(), G * shared.slot_blocks, sums, prefetch);
    }
    const int64_t H = p.hidden, column = panel * N;
    std::memset(sums, 0, static_cast<std::size_t>(rows) * N * 4);
    for (int g = 0; g < G; ++g) {
      unpacked_gemm_nn<A>(rows, gates, g * shared.units, weight + gate(g) * H * width + column, H, width, width - column, sums);
    }
  }

  Vec from_beyond(const float* gradient, int64_t row, int64_t unit, int64_t left) const {
    return gradient == nullptr ? Vec{} : load_n(gradient + row * p.hidden + unit, left);
  }

  const T* output(int64_t t, int64_t row) const {
    return static_cast<const T*>(p.output) + t * p.output_step + row * p.output_row + d * p.hidden;
  }

  // Where the values of step s lie, for each row; and, from `kept` on, what its gate gradients will be multiplied with.
  void point(const Strand& strand, const Own& o, const Bench& bench, int64_t s, int64_t active, int64_t kept) const {
    for (int64_t i = 0; i < active; ++i) {
      const int64_t row = strand.row(i), t = strand.time(s, i);
      const T* before = s == 0 ? o.start + i * shared.units : output(strand.time(s - 1, i), row);
      if (p.d_output != nullptr) {
        bench.d_outputs[i] =
            static_cast<const T*>(p.d_output) + t * p.d_output_step + row * p.d_output_row + d * p.hidden;
      }
      bench.outputs[i] = G == 1 ? output(t, row) : before;
      if (VALUES > 0) bench.saved[i] = saved(strand, s, i);
      if (CELL == LSTM) bench.before[i] = s == 0 ? nullptr : saved(strand, s - 1, i);
      bench.states[kept + i] = before;
      bench.inputs[kept + i] = static_cast<const X*>(p.input) + t * p.input_step + row * p.input_row;
      bench.d_inputs[kept + i] = d_input + t * d_input_step + row * d_input_row;
    }
  }

  const T* saved(const Strand& strand, int64_t s, int64_t i) const {
    return static_cast<const T*>(w.saved) + strand.position(s, i) * shared.units * VALUES;
  }

  // From dh, the gradient of h (W units of row i), to those of the gates before their nonlinearities.
  SEQLOOM_INLINE void derive(const Own& o, const Bench& bench, const Strand& strand, int64_t i, int64_t unit,
                             int64_t left, Vec dh, Places to) const {
    if constexpr (G == 1) {
      const Vec h = load_n(bench.outputs[i] + unit, left);
      const Vec da = CELL == RNN_TANH ? dh * (1.0f - h * h) : (Vec)(h <= 0.0f ? Vec{} : dh);
      put(to, unit, left, da);
    } else if constexpr (CELL == LSTM) {
      const T* was = bench.saved[i] + unit * VALUES;
      const Vec gate_i = load(was), gate_f = load(was + W), g = load(was + 2 * W), gate_o = load(was + 3 * W);
      const Vec c = tanh(load(was + 4 * W));
      const Vec before = bench.before[i] == nullptr ? load_n(w.c0 + strand.row(i) * p.hidden + unit, left)
                                                    : load(bench.before[i] + unit * VALUES + 4 * W);
      float* carry = o.carry + i * shared.units + unit;
      const Vec dc = load(carry) + dh * gate_o * (1.0f - c * c);
      store(carry, dc * gate_f);
      put(to, unit, left, dc * g * gate_i * (1.0f - gate_i), dc * before * gate_f * (1.0f - gate_f),
          dc * gate_i * (1.0f - g * g), dh * c * gate_o * (1.0f - gate_o));
    } else {
      const T* was = bench.saved[i] + unit * VALUES;
      const Vec r = load(was), z = load(was + W), n = load(was + 2 * W), hidden = load(was + 3 * W);
      const Vec before = load_n(bench.outputs[i] + unit, left);
      float* carry = o.carry + i * shared.units + unit;
      dh += load(carry);
      store(carry, dh * z);
      const Vec dn = dh * (1.0f - z) * (1.0f - n * n);
      put(to, unit, left, dn, dn * hidden * r * (1.0f - r), dh * (before - n) * z * (1.0f - z), dn * r);
    }
  }

  template <class... Gradients>
  SEQLOOM_INLINE void put(Places to, int64_t unit, int64_t left, Gradients... gradients) const {
    int64_t k = unit;
    ((put_one(to, k, left < W ? first_n(gradients, left) : gradients), k += shared.units), ...);
  }
  static SEQLOOM_INLINE void put_one(Places to, int64_t k, Vec gradient) {
    store(to.now + tile_index<A, 2>(k, to.row_now), gradient);
    store(to.kept + tile_index<A, 2>(k, to.row_kept), gradient);
  }

  // After the first step: the gradients of the state that the sequences started from.
  void finish(const Strand& strand, const Own& o, Range panels) const {
    const Tiles tiles(strand.count, ROWS);
    const int64_t H = p.hidden, active = strand.active(0);
    const float* gates = o.gates[0] + FIRST_HIDDEN * tile_size<2>(shared.slot_blocks);
    alignas(64) float sums[ROWS * N];
    for (int64_t q = panels.begin; q < panels.end; ++q) {
      for (int64_t tile = 0; tile < tiles.count; ++tile) {
        const int summed = tiles.active(tile, active), rows = tiles.active(tile, strand.count);
        if (summed > 0 && w.d_h0 != nullptr) hidden_product(gates + tile * shared.tile, q, summed, sums, NO_PREFETCH);
        for (int m = 0; m < rows; ++m) {
          const int64_t i = tiles.begin(tile) + m, row = strand.row(i);
          for (int64_t v = 0, unit = q * N; v < 2 && unit < H; ++v, unit += W) {
            const Vec carried = load(o.carry + i * shared.units + unit);
            if (w.d_h0 != nullptr) {
              Vec dh = m < summed ? load(sums + m * N + v * W) : from_beyond(w.d_hn, row, unit, H - unit);
              if (CELL == GRU) dh += carried;
              store_n(w.d_h0 + row * H + unit, dh, H - unit);
            }
            if (CELL == LSTM && w.d_c0 != nullptr) store_n(w.d_c0 + row * H + unit, carried, H - unit);
          }
        }
      }
    }
  }

  // The gradients of the inputs of the kept rows that lie in `tiles`.
  void inputs(const Own& o, const Bench& bench, Range tiles, int64_t kept) const {
    // So many tiles at a time that they stay in the second cache while all panels pass.
    const int64_t some = std::max<int64_t>(1, (512 << 10) / (shared.tile * 4));
    const int64_t I = p.input_size;
    alignas(64) float sums[ROWS * N];
    for (int64_t begin = tiles.begin; begin < tiles.end; begin += some) {
      for (int64_t q = 0; q < shared.input_panels; ++q) {
        for (int64_t tile = begin; tile < std::min(tiles.end, begin + some); ++tile) {
          const int rows = static_cast<int>(std::min<int64_t>(ROWS, kept - tile * ROWS));
          input_product(o.kept + tile * shared.tile, q, rows, sums);
          for (int m = 0; m < rows; ++m) {
            X* to = bench.d_inputs[tile * ROWS + m];
            for (int64_t v = 0, column = q * N; v < 2 && column < I; ++v, column += W) {
              store_n(to + column, load(sums + m * N + v * W), I - column);
            }
          }
        }
      }
    }
  }
};

}  // namespace SEQLOOM_VARIANT
}  // namespace seqloom
