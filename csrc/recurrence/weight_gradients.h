// The gradients of the weights and biases. They are sums over all steps and rows: for a matrix one product, of the gate
// gradients with the inputs, or with the states before the steps. backward.h has both for a chunk of steps at a time; here
// they are packed while they are in the cache, and multiplied. k of this product runs over steps and rows.
#pragma once

#include "cells/cells.h"
#include "gemm/pack.h"
#include "runtime/scratch.h"
#include "runtime/threads.h"

namespace seqloom {
namespace SEQLOOM_VARIANT {

// The units of a gate in tiles of gate gradients: whole vectors; and whole blocks of k, where the gradients that W_hh is
// multiplied with are not the first ones, or elements are pairs.
template <class Cell, class A>
constexpr int64_t gate_units(int64_t hidden) {
  constexpr int64_t UNIT = Cell::GRADIENTS == Cell::GATES && A::VNNI == 1 ? W : K_BLOCK * A::VNNI;
  return (hidden + UNIT - 1) / UNIT * UNIT;
}

// The weights of one direction of one layer. X is the type of the inputs.
template <class Cell, class A, class X>
struct WeightGradients {
  using T = typename A::T;
  static constexpr int G = Cell::GATES;
  static constexpr int GRADIENTS = Cell::GRADIENTS;
  static constexpr int FIRST_HIDDEN = GRADIENTS - G;  // the first gradient that belongs to W_hh
  static constexpr int ROWS = tile_rows(2);           // of a tile of gate gradients
  static constexpr int N = 2 * W;                     // columns of a panel of B

  // Shared by all threads of the direction.
  struct Buffers {
    int64_t units, tile;                        // gate_units; size of a tile of all gradients
    int64_t panels, input_panels, gate_panels;  // N columns of the states, N of the inputs; K_MAJOR_ROWS units of a gate
    int64_t max_k;                              // elements of k that there is room for
    float *a, *b;                               // packed gate gradients; packed inputs and states
    float* bias;  // for each thread the total, and the sum of what it packs: (threads, 2, GRADIENTS, units)
  };

  const Problem& p;
  const Direction& w;
  Buffers buffers{};

  WeightGradients(const Problem& problem, const Direction& direction) : p(problem), w(direction) {}

  bool needed() const { return w.d_weight_ih != nullptr; }

  // For up to `max_k` elements of k at a time.
  void allocate(Scratch& scratch, int64_t max_k, int threads) {
    buffers.units = gate_units<Cell, A>(p.hidden);
    buffers.tile = tile_size<2>(blocks_for<A>(GRADIENTS * buffers.units));
    buffers.panels = (p.hidden + N - 1) / N;
    buffers.input_panels = (p.input_size + N - 1) / N;
    buffers.gate_panels = (p.hidden + K_MAJOR_ROWS - 1) / K_MAJOR_ROWS;
    buffers.max_k = max_k;
    buffers.a = scratch.take<float>(GRADIENTS * buffers.gate_panels * a_panel_size());
    buffers.b = scratch.take<float>((buffers.input_panels + buffers.panels) * b_panel_size());
    buffers.bias = scratch.take<float>(threads * 2 * bias_size());
    std::memset(buffers.bias, 0, static_cast<std::size_t>(threads * 2 * bias_size()) * 4);
  }
  // Panels are padded by a cache line: otherwise all of them would map to the same few sets of the caches.
  int64_t a_panel_size() const { return buffers.max_k * K_MAJOR_ROWS + K_BLOCK; }
  int64_t b_panel_size() const { return buffers.max_k * N + K_BLOCK; }
  int64_t bias_size() const { return GRADIENTS * buffers.units; }

  // Packs rows begin to end (from the start of a tile) of a partition's chunk: row r becomes part of element
  // first_k + r / VNNI of k. `gates` has the gate gradients in tiles; `inputs` and `states` point to each row's x and to
  // the h before its step.
  void pack(const float* gates, const X* const* inputs, const T* const* states, int64_t begin, int64_t end,
            int64_t first_k, int thread) const {
    float* bias = buffers.bias + thread * 2 * bias_size();
    float* sum = bias + bias_size();
    std::memset(sum, 0, static_cast<std::size_t>(bias_size()) * 4);
    for (int64_t r = begin; r < end; r += ROWS) {
      const int rows = static_cast<int>(std::min<int64_t>(ROWS, end - r));
      const int64_t k = first_k + r / A::VNNI;
      pack_gates(reinterpret_cast<const T*>(gates + r / ROWS * buffers.tile), rows, k, sum);
      pack_columns(inputs + r, rows, p.input_size, buffers.b, k);
      pack_columns(states + r, rows, p.hidden, buffers.b + buffers.input_panels * b_panel_size(), k);
    }
    for (int64_t c = 0; c < bias_size(); c += W) store(bias + c, load(bias + c) + load(sum + c));
  }

  // Makes elements of k from one vector of each row, absent rows being 0; returns the sum over the rows.
  template <class Load, class Store>
  static SEQLOOM_INLINE Vec for_each_element(int rows, Load&& load_row, Store&& store_element) {
    Vec sum{};
    for (int m = 0; m < rows; m += A::VNNI) {
      const Vec first = load_row(m);
      if constexpr (A::VNNI == 1) {
        store_element(m, first);
        sum += first;
      } else {
        const Vec second = m + 1 < rows ? load_row(m + 1) : Vec{};
        store_element(m / 2, interleave_bf16(first, second));
        sum += first + second;
      }
    }
    return sum;
  }

  void pack_gates(const T* tile, int rows, int64_t k, float* bias) const {
    for (int64_t g = 0; g < GRADIENTS; ++g) {
      for (int64_t unit = 0; unit < p.hidden; unit += W) {
        const int64_t c = g * buffers.units + unit;
        const T* from = tile + tile_index<A, 2>(c, 0);
        float* to = buffers.a + (g * buffers.gate_panels + unit / K_MAJOR_ROWS) * a_panel_size() + k * K_MAJOR_ROWS;
        const int64_t panels = std::min<int64_t>(W, p.hidden - unit + K_MAJOR_ROWS - 1) / K_MAJOR_ROWS;
        const Vec sum = for_each_element(
            rows, [&](int m) { return load(from + m * K_BLOCK * A::VNNI); },
            [&](int j, Vec element) {
              float parts[W];
              store(parts, element);
              for (int64_t q = 0; q < panels; ++q) {
                std::memcpy(to + q * a_panel_size() + j * K_MAJOR_ROWS, parts + q * K_MAJOR_ROWS, K_MAJOR_ROWS * 4);
              }
            });
        store(bias + c, load(bias + c) + sum);
      }
    }
  }

  template <class Value>
  void pack_columns(const Value* const* from, int rows, int64_t count, float* panels, int64_t k) const {
    for (int64_t column = 0; column < count; column += W) {
      const int64_t stride = panel_vectors(column / N, count) * W;
      float* to = panels + column / N * b_panel_size() + k * stride + column % N;
      for_each_element(
          rows, [&](int m) { return round_operand<A>(load_n(from[m] + column, count - column)); },
          [&](int j, Vec element) { store(to + j * stride, element); });
    }
  }

  // Sets the elements of k from `from` to the end of its block to 0.
  void zero_last_block(int64_t from) const {
    const int64_t rest = (K_BLOCK - from % K_BLOCK) % K_BLOCK;
    for (int64_t q = 0; q < GRADIENTS * buffers.gate_panels; ++q) {
      float* to = buffers.a + q * a_panel_size() + from * K_MAJOR_ROWS;
      std::memset(to, 0, static_cast<std::size_t>(rest) * K_MAJOR_ROWS * 4);
    }
    for (int64_t q = 0; q < buffers.input_panels + buffers.panels; ++q) {
      const int64_t stride = vectors_of(q) * W;
      std::memset(buffers.b + q * b_panel_size() + from * stride, 0, static_cast<std::size_t>(rest * stride) * 4);
    }
  }

  // Adds this thread's share of the products of all that was packed, `count` elements of k, to the weights' gradients.
  void accumulate(int64_t count, bool first_time, Team team) const {
    const int64_t panels = G * buffers.gate_panels, blocks = (count + K_BLOCK - 1) / K_BLOCK;
    const int64_t panel_bytes = std::max<int64_t>(1, blocks) * K_BLOCK * K_MAJOR_ROWS * 4;
    const Range mine = part_of(panels, team.thread, team.threads);
    // As many panels of A at a time as stay in the second-level cache while all of B are read.
    const int64_t panels_at_once = std::max<int64_t>(1, (384 << 10) / panel_bytes);
    for (int64_t begin = mine.begin; begin < mine.end; begin += panels_at_once) {
      const int64_t end = std::min(mine.end, begin + panels_at_once);
      for (int64_t q = 0; q < buffers.input_panels + buffers.panels; ++q) {
        for (int64_t rows = begin; rows < end; ++rows) add_product(q, rows, blocks, first_time);
      }
    }
  }

  // The vectors of panel q of B: of the inputs, or after those of the states.
  int vectors_of(int64_t q) const {
    return q < buffers.input_panels ? panel_vectors(q, p.input_size) : panel_vectors(q - buffers.input_panels, p.hidden);
  }

  // K_MAJOR_ROWS units of one gate times one panel of inputs or states.
  void add_product(int64_t panel, int64_t gate_panel, int64_t blocks, bool first_time) const {
    const bool of_inputs = panel < buffers.input_panels;
    const int gate = static_cast<int>(gate_panel / buffers.gate_panels);  // in the order of the gradients
    const int64_t unit = gate_panel % buffers.gate_panels * K_MAJOR_ROWS, gradient = gate + (of_inputs ? 0 : FIRST_HIDDEN);
    const int64_t H = p.hidden, width = of_inputs ? p.input_size : H;
    const int64_t column = (of_inputs ? panel : panel - buffers.input_panels) * N;
    const int rows = static_cast<int>(std::min<int64_t>(K_MAJOR_ROWS, H - unit));
    float* to = (of_inputs ? w.d_weight_ih + Cell::input_gate(gate) * H * width : w.d_weight_hh + gate * H * width) +
                unit * width + column;
    PrefetchList prefetch;
    for (int m = 0; m < rows; ++m) prefetch.add(to + m * width, N * 4);
    alignas(64) float sums[K_MAJOR_ROWS * N];
    const float* a = buffers.a + (gradient * buffers.gate_panels + unit / K_MAJOR_ROWS) * a_panel_size();
    const int vectors = vectors_of(panel);
    const GemmTile gemm = vectors == 1 ? gemm_tile_for<A, K_MAJOR, 1>(rows) : gemm_tile_for<A, K_MAJOR, 2>(rows);
    gemm(a, buffers.b + panel * b_panel_size(), blocks, sums, prefetch);
    for (int m = 0; m < rows; ++m) {
      for (int64_t v = 0; v < vectors && column + v * W < width; ++v) {
        float* weights = to + m * width + v * W;
        const int64_t left = width - column - v * W;
        const Vec sum = load(sums + (m * vectors + v) * W);
        store_n(weights, first_time ? sum : sum + load_n(weights, left), left);
      }
    }
  }

  // The biases' gradients, from the sums of `threads` threads.
  void store_bias_gradients(int threads) const {
    const int64_t H = p.hidden;
    for (int g = 0; g < GRADIENTS; ++g) {
      for (int64_t u = 0; u < H; ++u) {
        float sum = 0;
        for (int t = 0; t < threads; ++t) sum += buffers.bias[t * 2 * bias_size() + g * buffers.units + u];
        if (w.d_bias_ih != nullptr && g < G) w.d_bias_ih[Cell::input_gate(g) * H + u] = sum;
        if (w.d_bias_hh != nullptr && g >= FIRST_HIDDEN) w.d_bias_hh[(g - FIRST_HIDDEN) * H + u] = sum;
      }
    }
  }
};

}  // namespace SEQLOOM_VARIANT
}  // namespace seqloom
