// The gradients of the weights and biases. They are sums over all steps and rows: for a matrix one product, of the gate
// gradients with the inputs, or the states before, that the gates were computed from. backward.h has both for some steps
// at a time; here they are gathered while they are in the cache, packed by k, and multiplied.
#pragma once

#include "gemm/pack.h"
#include "runtime/scratch.h"
#include "runtime/threads.h"

namespace seqloom {
namespace SEQLOOM_VARIANT {

// Gradients kept of each unit, one in each slot. A GRU has n twice, before and after its reset gate: n r z n'. The
// products with W_ih take the first three, those with W_hh the last three; of the other cells both take all.
template <int CELL>
struct Slots {
  static constexpr int COUNT = CELL == GRU ? 4 : static_cast<int>(gates_of(CELL));
  static constexpr int FIRST_HIDDEN = CELL == GRU ? 1 : 0;

  // The gate of torch.nn's weights that a slot is for.
  static int input_gate(int slot) { return CELL == GRU ? (slot + 2) % 3 : slot; }
  static int hidden_gate(int slot) { return slot - FIRST_HIDDEN; }
};

// Of one direction. X is what the inputs are made of.
template <int CELL, class A, class X>
struct WeightsGradient {
  using T = typename A::T;
  static constexpr int G = static_cast<int>(gates_of(CELL));
  static constexpr int SLOTS = Slots<CELL>::COUNT;
  static constexpr int FIRST_HIDDEN = Slots<CELL>::FIRST_HIDDEN;
  static constexpr int ROWS = tile_rows(2);  // of a tile
  static constexpr int N = 2 * W;           // columns of a panel

  // What all threads of a direction share.
  struct Shared {
    int64_t units, tile;                        // padded units; size of a tile of all slots
    int64_t panels, input_panels, gate_panels;  // N columns of the states, N of the inputs; K_MAJOR_ROWS units of a gate
    int64_t most;                               // elements of k that can be gathered
    float *left, *right;                        // gate gradients; inputs and states
    float* bias;  // of each thread a sum of all, and one of what it gathers: (threads, 2, SLOTS, units)
  };

  const Problem& p;
  const Direction& w;
  Shared shared{};

  WeightsGradient(const Problem& problem, const Direction& direction) : p(problem), w(direction) {}

  bool wanted() const { return w.d_weight_ih != nullptr; }

  // For up to `most` elements of k at a time.
  void prepare(Scratch& scratch, int64_t most, int threads) {
    shared.units = padded(p.hidden);
    shared.tile = tile_size<2>(SLOTS * shared.units / (K_BLOCK * A::VNNI));
    shared.panels = (p.hidden + N - 1) / N;
    shared.input_panels = (p.input_size + N - 1) / N;
    shared.gate_panels = (p.hidden + K_MAJOR_ROWS - 1) / K_MAJOR_ROWS;
    shared.most = most;
    shared.left = scratch.take<float>(SLOTS * shared.gate_panels * left_panel());
    shared.right = scratch.take<float>((shared.input_panels + shared.panels) * right_panel());
    shared.bias = scratch.take<float>(threads * 2 * bias_size());
    std::memset(shared.bias, 0, static_cast<std::size_t>(threads * 2 * bias_size()) * 4);
  }
  // Panels a line further apart than they are long: else all would begin in the same use_unpacked sets of the caches.
  int64_t left_panel() const { return shared.most * K_MAJOR_ROWS + K_BLOCK; }
  int64_t right_panel() const { return shared.most * N + K_BLOCK; }
  int64_t bias_size() const { return SLOTS * shared.units; }

  // Packs rows begin..end (from the start of a tile) of those that a strand has kept: row r is element first_k + r / VNNI
  // of k. `kept` has gate gradients in tiles; `inputs` and `states` say where each row's x and h before it lie. Panel by
  // panel within a tile, so that each is written in one go.
  void gather(const float* kept, const X* const* inputs, const T* const* states, int64_t begin, int64_t end,
              int64_t first_k, int thread) const {
    float* bias = shared.bias + thread * 2 * bias_size();
    float* here = bias + bias_size();
    std::memset(here, 0, static_cast<std::size_t>(bias_size()) * 4);
    for (int64_t r = begin; r < end; r += ROWS) {
      const int rows = static_cast<int>(std::min<int64_t>(ROWS, end - r));
      const int64_t k = first_k + r / A::VNNI;
      gather_gates(reinterpret_cast<const T*>(kept + r / ROWS * shared.tile), rows, k, here);
      gather_columns(inputs + r, rows, p.input_size, shared.right + k * N);
      gather_columns(states + r, rows, p.hidden, shared.right + shared.input_panels * right_panel() + k * N);
    }
    for (int64_t c = 0; c < bias_size(); c += W) store(bias + c, load(bias + c) + load(here + c));
  }

  // Rows (of a multiple of A::VNNI, what is missing being 0) of one vector each, as elements of k.
  template <class Load, class Store>
  static SEQLOOM_INLINE Vec each_element(int rows, Load&& load_row, Store&& store_element) {
    Vec sum{};
    for (int m = 0; m < rows; m += A::VNNI) {
      const Vec one = load_row(m);
      if constexpr (A::VNNI == 1) {
        store_element(m, one);
        sum += one;
      } else {
        const Vec two = m + 1 < rows ? load_row(m + 1) : Vec{};
        store_element(m / 2, interleave_bf16(one, two));
        sum += one + two;
      }
    }
    return sum;
  }

  void gather_gates(const T* tile, int rows, int64_t k, float* bias) const {
    for (int64_t slot = 0; slot < SLOTS; ++slot) {
      for (int64_t unit = 0; unit < p.hidden; unit += W) {
        const int64_t c = slot * shared.units + unit;
        const T* from = tile + tile_index<A, 2>(c, 0);
        float* to = shared.left + (slot * shared.gate_panels + unit / K_MAJOR_ROWS) * left_panel() + k * K_MAJOR_ROWS;
        const int64_t panels = std::min<int64_t>(W, p.hidden - unit + K_MAJOR_ROWS - 1) / K_MAJOR_ROWS;
        const Vec sum = each_element(
            rows, [&](int m) { return load(from + m * K_BLOCK * A::VNNI); },
            [&](int j, Vec element) {
              float parts[W];
              store(parts, element);
              for (int64_t q = 0; q < panels; ++q) {
                std::memcpy(to + q * left_panel() + j * K_MAJOR_ROWS, parts + q * K_MAJOR_ROWS, K_MAJOR_ROWS * 4);
              }
            });
        store(bias + c, load(bias + c) + sum);
      }
    }
  }

  template <class Value>
  void gather_columns(const Value* const* from, int rows, int64_t count, float* to) const {
    for (int64_t column = 0; column < count; column += W) {
      float* panel = to + column / N * right_panel() + column % N;
      each_element(
          rows, [&](int m) { return round_operand<A>(load_n(from[m] + column, count - column)); },
          [&](int j, Vec element) { store(panel + j * N, element); });
    }
  }

  // Elements `from` on of k, up to a whole block, become 0.
  void fill(int64_t from) const {
    const int64_t more = (K_BLOCK - from % K_BLOCK) % K_BLOCK;
    for (int64_t q = 0; q < SLOTS * shared.gate_panels; ++q) {
      std::memset(shared.left + q * left_panel() + from * K_MAJOR_ROWS, 0, static_cast<std::size_t>(more) * K_MAJOR_ROWS * 4);
    }
    for (int64_t q = 0; q < shared.input_panels + shared.panels; ++q) {
      std::memset(shared.right + q * right_panel() + from * N, 0, static_cast<std::size_t>(more) * N * 4);
    }
  }

  // Adds this thread's share of the products of all that was gathered, `count` elements of k, to the weights' gradients.
  void accumulate(int64_t count, bool first_time, Team team) const {
    const int64_t panels = G * shared.gate_panels, blocks = (count + K_BLOCK - 1) / K_BLOCK;
    const int64_t bytes = std::max<int64_t>(1, blocks) * K_BLOCK * K_MAJOR_ROWS * 4;  // of a panel
    const Range mine = part_of(panels, team.thread, team.threads);
    // So many panels of gate gradients at a time that they stay in the second cache while all of the right pass.
    const int64_t some = std::max<int64_t>(1, (384 << 10) / bytes);
    for (int64_t begin = mine.begin; begin < mine.end; begin += some) {
      const int64_t end = std::min(mine.end, begin + some);
      for (int64_t q = 0; q < shared.input_panels + shared.panels; ++q) {
        for (int64_t rows = begin; rows < end; ++rows) add_product(q, rows, blocks, first_time);
      }
    }
  }

  // One panel of inputs or states, and K_MAJOR_ROWS units of one of the gates that it is multiplied with.
  void add_product(int64_t panel, int64_t gate_panel, int64_t blocks, bool first_time) const {
    const bool of_inputs = panel < shared.input_panels;
    const int gate = static_cast<int>(gate_panel / shared.gate_panels);  // in the order of the slots
    const int64_t unit = gate_panel % shared.gate_panels * K_MAJOR_ROWS, slot = gate + (of_inputs ? 0 : FIRST_HIDDEN);
    const int64_t H = p.hidden, width = of_inputs ? p.input_size : H;
    const int64_t column = (of_inputs ? panel : panel - shared.input_panels) * N;
    const int rows = static_cast<int>(std::min<int64_t>(K_MAJOR_ROWS, H - unit));
    float* to = (of_inputs ? w.d_weight_ih + Slots<CELL>::input_gate(gate) * H * width : w.d_weight_hh + gate * H * width) +
                unit * width + column;
    PrefetchList prefetch;
    for (int m = 0; m < rows; ++m) prefetch.add(to + m * width, N * 4);
    alignas(64) float sums[K_MAJOR_ROWS * N];
    gemm_tile_for<A, K_MAJOR, 2>(rows)(shared.left + (slot * shared.gate_panels + unit / K_MAJOR_ROWS) * left_panel(),
                                  shared.right + panel * right_panel(), blocks, sums, prefetch);
    for (int m = 0; m < rows; ++m) {
      for (int64_t v = 0; v < 2 && column + v * W < width; ++v) {
        float* place = to + m * width + v * W;
        const int64_t left = width - column - v * W;
        const Vec sum = load(sums + m * N + v * W);
        store_n(place, first_time ? sum : sum + load_n(place, left), left);
      }
    }
  }

  // The biases' gradients, from the sums of `threads` threads.
  void biases(int threads) const {
    const int64_t H = p.hidden;
    for (int slot = 0; slot < SLOTS; ++slot) {
      for (int64_t u = 0; u < H; ++u) {
        float sum = 0;
        for (int t = 0; t < threads; ++t) sum += shared.bias[t * 2 * bias_size() + slot * shared.units + u];
        if (w.d_bias_ih != nullptr && slot < G) w.d_bias_ih[Slots<CELL>::input_gate(slot) * H + u] = sum;
        if (w.d_bias_hh != nullptr && slot >= FIRST_HIDDEN) w.d_bias_hh[Slots<CELL>::hidden_gate(slot) * H + u] = sum;
      }
    }
  }
};

}  // namespace SEQLOOM_VARIANT
}  // namespace seqloom
