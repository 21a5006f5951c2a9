// The decoder (include/decoder_api.h): the whole loop of choosing a token, running the layers on it, and the output layer.
// Compiled once for each instruction set.
//
// A small batch does two operations with each weight it reads, so the time of a token is that of reading all weights once.
// Each thread has its own units of every layer and its own rows of the output matrix, which it reads in the order of
// memory. Threads wait for one another once a layer and once for the logits. While the others arrive, a thread computes a
// recurrent product, which needs only the state of the step before. Every thread chooses the tokens for itself, which
// takes less time than waiting for one that does.

#include "decoder/decoder.h"

#include <algorithm>
#include <atomic>
#include <chrono>

#include "cells/cells.h"
#include "decoder/gemv.h"
#include "decoder/sampling.h"
#include "decoder/weights.h"
#include "runtime/scratch.h"
#include "runtime/threads.h"

namespace seqloom {
namespace SEQLOOM_VARIANT {
namespace {

using Clock = std::chrono::steady_clock;

// How far a thread has come: a split barrier, with work between arriving and waiting.
struct alignas(64) Progress {
  std::atomic<int64_t> arrived{0};

  // Waits for `count` arrivals. After a long spin, yields: the thread that is waited for may need this core. Returns the
  // nanoseconds of that, in which the other thread was most likely not running.
  int64_t wait(int64_t count) const {
    for (int spins = 0; spins < MAX_SPINS; ++spins) {
      if (arrived.load(std::memory_order_acquire) >= count) return 0;
      pause();
    }
    const auto begin = Clock::now();
    while (arrived.load(std::memory_order_acquire) < count) yield();
    return std::chrono::nanoseconds(Clock::now() - begin).count();
  }
};

// The working memory of one layer, shared by all threads.
struct LayerState {
  float* h;          // (batch, width)
  float* c;          // (batch, width)
  float* input;      // (batch, rows): products and biases of this step's input
  float* recurrent;  // (batch, rows): of the state before
  int64_t width;     // units and what is read beyond them, a multiple of 64
  int64_t units;     // of a panel
};

// What one thread does. P is the precision of the weights (gemv.h).
template <class P>
class DecoderThread {
 public:
  using Value = typename P::Value;

  DecoderThread(Decoding& d, const LayerState* state, float* logits, Progress* progress)
      : d_(d), state_(state), logits_(logits), progress_(progress) {}

  void allocate(Scratch& scratch, int64_t padded) {
    x_ = scratch.take<Value*>(d_.layers);
    scale_ = scratch.take<float*>(d_.layers);
    for (int l = 0; l < d_.layers; ++l) {
      x_[l] = scratch.take<Value>(d_.batch * state_[l].width);
      scale_[l] = scratch.take<float>(d_.batch);
    }
    token_ = scratch.take<int64_t>(d_.batch);
    ended_ = scratch.take<int32_t>(d_.batch);
    if (d_.table == nullptr) {
      embedded_width_ = d_.layer[0].input.depth + 64;
      embedded_ = scratch.take<float>(embedded_width_);
      std::fill(embedded_, embedded_ + embedded_width_, 0.0f);
      x_embedded_ = scratch.take<Value>(d_.batch * embedded_width_);
      scale_embedded_ = scratch.take<float>(d_.batch);
    }
    sampling_ = {scratch.take<float>(padded), scratch.take<double>(padded), scratch.take<float>(padded),
                 scratch.take<int64_t>(padded)};
  }

  // Nanoseconds of waiting for threads that were not running, for each other thread.
  double waited() const { return threads_ > 1 ? static_cast<double>(waited_) / (threads_ - 1) : 0.0; }

  // Runs as thread `thread` of `threads`.
  void run(int thread, int threads) {
    thread_ = thread;
    threads_ = threads;
    const int last = d_.layers - 1;
    for (int l = 0; l <= last; ++l) prepare_input(l);
    // Before any thread can have finished, which writes `finished`.
    for (int b = 0; b < d_.batch; ++b) ended_[b] = d_.finished == nullptr ? 0 : d_.finished[b];
    arrive();
    recurrent_gemv(0, 0, 2);
    wait();
    int64_t step = 0;
    for (; step < d_.steps; ++step) {
      if (!choose_tokens(step)) break;
      step_first_layer();
      arrive();
      for (int l = 1; l <= last; ++l) {
        recurrent_gemv(l, 0, 2);
        wait();
        prepare_input(l - 1);
        const Matrix& m = d_.layer[l].input;
        gemv<P>(m, own_panels(m), x_[l - 1], scale_[l - 1], state_[l - 1].width, d_.batch, state_[l].input, m.rows);
        step_layer(l, nullptr);
        arrive();
      }
      const bool more = step + 1 < d_.steps;
      if (last > 0 && more) recurrent_gemv(0, 0, 1);
      wait();
      prepare_input(last);
      gemv<P>(d_.output, own_panels(d_.output), x_[last], scale_[last], state_[last].width, d_.batch, logits_,
              d_.output.rows);
      arrive();
      if (more) recurrent_gemv(0, last > 0 ? 1 : 0, 2);
      wait();
    }
    if (thread == 0) {
      d_.done = step;
      for (int b = 0; b < d_.batch && d_.finished != nullptr; ++b) d_.finished[b] = ended_[b];
    }
  }

 private:
  // This thread's panels of a matrix.
  Range own_panels(const Matrix& m) const { return part_of(m.rows / (m.panel * W), thread_, threads_); }

  void arrive() { progress_[thread_].arrived.store(++count_, std::memory_order_release); }

  void wait() {
    for (int other = 0; other < threads_; ++other) {
      if (other != thread_) waited_ += progress_[other].wait(count_);
    }
  }

  // Converts the state of a layer, which all threads have written, for this thread's products.
  void prepare_input(int l) {
    const LayerState& s = state_[l];
    for (int b = 0; b < d_.batch; ++b) scale_[l][b] = P::prepare(s.h + b * s.width, s.width, x_[l] + b * s.width);
  }

  // W_hh h of a layer for the next step: from half `begin` to half `end` of this thread's panels.
  void recurrent_gemv(int l, int begin, int end) {
    const Matrix& m = d_.layer[l].recurrent;
    const Range mine = own_panels(m);
    const int64_t count = mine.end - mine.begin;
    const Range part = {mine.begin + count * begin / 2, mine.begin + count * end / 2};
    gemv<P>(m, part, x_[l], scale_[l], state_[l].width, d_.batch, state_[l].recurrent, m.rows);
  }

  // Chooses the next token of every row; false if no row goes on.
  bool choose_tokens(int64_t step) {
    const int64_t padded = d_.output.rows;
    bool any_active = false;
    for (int b = 0; b < d_.batch; ++b) {
      const float* logits = logits_ + b * padded;
      if (ended_[b] != 0) {
        write_token(b, step, -1);
        continue;
      }
      const RowMax max = row_max(logits, padded);
      if (d_.given != nullptr) {
        token_[b] = d_.given[b * d_.steps + step];
        if (thread_ == 0) {
          const double nan = std::numeric_limits<double>::quiet_NaN();
          const bool valid = !max.invalid && max.value > -INFINITE;
          d_.nats[b * d_.steps + step] =
              valid ? negative_log_likelihood(logits, max.value, padded, token_[b], sampling_) : nan;
        }
        any_active = true;
        continue;
      }
      if (max.invalid) {
        if (thread_ == 0) d_.wrong = 1;
        return false;
      }
      if (max.value == -INFINITE) {
        ended_[b] = 1;
        write_token(b, step, -1);
        continue;
      }
      const double* uniform = d_.uniforms == nullptr ? nullptr : d_.uniforms + b * d_.steps + step;
      token_[b] = sample_token(logits, max.value, d_.vocabulary, padded, uniform, d_.temperature, d_.top_k, d_.top_p,
                               sampling_);
      write_token(b, step, token_[b]);
      for (int64_t i = 0; i < d_.stop_count; ++i) ended_[b] |= d_.stops[i] == token_[b];
      any_active = true;
    }
    return any_active;
  }

  void write_token(int b, int64_t step, int64_t token) {
    if (token < 0) token_[b] = 0;  // the input of a row that has ended does not matter
    if (thread_ == 0 && d_.tokens != nullptr) d_.tokens[b * d_.steps + step] = token;
  }

  // The step of the first layer, on the tokens.
  void step_first_layer() {
    const Matrix& m = d_.layer[0].input;
    if (d_.table != nullptr) {
      step_layer(0, d_.table);
      return;
    }
    for (int b = 0; b < d_.batch; ++b) {
      const float* from = d_.embedding + token_[b] * d_.embedding_size;
      std::copy(from, from + d_.embedding_size, embedded_);
      scale_embedded_[b] = P::prepare(embedded_, embedded_width_ / 64 * 64, x_embedded_ + b * embedded_width_);
    }
    gemv<P>(m, own_panels(m), x_embedded_, scale_embedded_, embedded_width_, d_.batch, state_[0].input, m.rows);
    step_layer(0, nullptr);
  }

  // From the two products to the new state, for this thread's units. `table` takes the place of the input's product.
  void step_layer(int l, const float* table) {
    with_cell(d_.cell, [&](auto cell) { cell_step<decltype(cell)>(l, table); });
  }

  template <class Cell>
  void cell_step(int l, const float* table) {
    constexpr int G = Cell::GATES;
    const LayerState& s = state_[l];
    const int64_t rows = d_.layer[l].recurrent.rows;
    const Range panels = own_panels(d_.layer[l].recurrent);
    for (int b = 0; b < d_.batch; ++b) {
      const float* input = table != nullptr ? table + token_[b] * rows : s.input + b * rows;
      const float* recurrent = s.recurrent + b * rows;
      float* h = s.h + b * s.width;
      float* c = s.c + b * s.width;
      for (int64_t unit = panels.begin * s.units; unit < panels.end * s.units; unit += W) {
        Vec wx[G], wh[G];
#pragma GCC unroll 8
        for (int g = 0; g < G; ++g) {
          wx[g] = load(input + unit * G + g * W);
          wh[g] = load(recurrent + unit * G + g * W);
        }
        const CellState before = {Cell::READS_H ? load(h + unit) : Vec{}, Cell::HAS_C ? load(c + unit) : Vec{}};
        const CellState after = Cell::forward(wx, wh, before, [](auto...) {});
        store(h + unit, after.h);
        if (Cell::HAS_C) store(c + unit, after.c);
      }
    }
  }

  Decoding& d_;
  const LayerState* state_;
  float* logits_;
  Progress* progress_;
  int thread_ = 0, threads_ = 1;
  int64_t count_ = 0, waited_ = 0;
  // Not shared with other threads.
  Value** x_ = nullptr;
  float** scale_ = nullptr;
  Value* x_embedded_ = nullptr;
  float* scale_embedded_ = nullptr;
  float* embedded_ = nullptr;
  int64_t embedded_width_ = 0;
  int64_t* token_ = nullptr;
  int32_t* ended_ = nullptr;
  SamplingWorkspace sampling_ = {};
};

int64_t round_up(int64_t size, int64_t unit) { return (size + unit - 1) / unit * unit; }

// Copies rows of `size` floats to rows of `width` and fills the rest of each.
void pad_rows(const float* from, int64_t size, float* to, int64_t width, int batch, float rest) {
  for (int b = 0; b < batch; ++b) {
    std::fill(std::copy(from + b * size, from + (b + 1) * size, to + b * width), to + (b + 1) * width, rest);
  }
}
void unpad_rows(const float* from, int64_t width, float* to, int64_t size, int batch) {
  for (int b = 0; b < batch; ++b) std::copy(from + b * width, from + b * width + size, to + b * size);
}

template <class P>
void run_with(Decoding& d) {
  ScratchCall call;
  Scratch& scratch = call.scratch;
  LayerState* state = scratch.take<LayerState>(d.layers);
  for (int l = 0; l < d.layers; ++l) {
    const DecoderLayer& layer = d.layer[l];
    const int64_t rows = layer.recurrent.rows, width = round_up(rows / gates_of(d.cell) + DEPTH, 64);
    state[l] = {scratch.take<float>(d.batch * width), scratch.take<float>(d.batch * width),
                 scratch.take<float>(d.batch * rows), scratch.take<float>(d.batch * rows), width,
                 layer.recurrent.panel * W / gates_of(d.cell)};
    pad_rows(layer.h, layer.hidden, state[l].h, width, d.batch, 0.0f);
    if (layer.c != nullptr) pad_rows(layer.c, layer.hidden, state[l].c, width, d.batch, 0.0f);
  }
  const int64_t padded = d.output.rows;
  float* logits = scratch.take<float>(d.batch * padded);
  pad_rows(d.logits, d.vocabulary, logits, padded, d.batch, -INFINITE);
  Progress* progress = new (scratch.take<Progress>(d.threads)) Progress[d.threads]();
  DecoderThread<P>* runs = scratch.take<DecoderThread<P>>(d.threads);
  for (int thread = 0; thread < d.threads; ++thread) {
    new (runs + thread) DecoderThread<P>(d, state, logits, progress);
    runs[thread].allocate(scratch, padded);
  }
  d.done = 0;
  d.wrong = 0;
  const auto begin = Clock::now();
  parallel(d.threads, [runs](int thread, int threads) { runs[thread].run(thread, threads); });
  const double taken = static_cast<double>(std::chrono::nanoseconds(Clock::now() - begin).count());
  d.waited = 0.0;
  for (int thread = 0; thread < d.threads; ++thread) d.waited += runs[thread].waited() / std::max(taken, 1.0);
  for (int l = 0; l < d.layers; ++l) {
    const DecoderLayer& layer = d.layer[l];
    unpad_rows(state[l].h, state[l].width, layer.h, layer.hidden, d.batch);
    if (layer.c != nullptr) unpad_rows(state[l].c, state[l].width, layer.c, layer.hidden, d.batch);
  }
  unpad_rows(logits, padded, d.logits, d.vocabulary, d.batch);
}

void run(Decoding& d) {
  switch (d.precision) {
    case FLOAT32: return run_with<Float32Weights>(d);
    case BFLOAT16: return run_with<Bf16Weights>(d);
    default: return run_with<Int8Weights>(d);
  }
}

}  // namespace

extern const DecoderKernels decoder;
const DecoderKernels decoder = {W, run, time_read, digest};

}  // namespace SEQLOOM_VARIANT
}  // namespace seqloom
