// What the library is asked: one recurrent layer over whole sequences, in one or both directions. kernels/native.py
// has the same structures in the same order. Everything is the caller's; nothing is kept after a call.
#pragma once

#include <cstdint>

// Marks the functions that the library exports; all other symbols are hidden.
#if defined(_WIN32)
#define SEQLOOM_API extern "C" __declspec(dllexport)
#else
#define SEQLOOM_API extern "C" __attribute__((visibility("default")))
#endif

namespace seqloom {

enum Cell : int32_t { RNN_TANH = 0, RNN_RELU = 1, LSTM = 2, GRU = 3 };

// The gates of torch.nn's weights, in its order: LSTM i f g o, GRU r z n.
constexpr int64_t gates_of(int32_t cell) { return cell == LSTM ? 4 : cell == GRU ? 3 : 1; }

// What a step leaves for the backward pass: LSTM i f g o c; GRU r z n and W_hn h + b_hn; a simple RNN nothing but h.
constexpr int64_t values_of(int32_t cell) { return cell == LSTM ? 5 : cell == GRU ? 4 : 0; }

// Hidden units are padded with zeros to a multiple of this in every buffer of our own.
constexpr int64_t PAD = 32;
constexpr int64_t padded(int64_t size) { return (size + PAD - 1) / PAD * PAD; }

// One direction. Contiguous, row-major, float32 whatever the precision of the arithmetic. G is gates_of x hidden.
struct Direction {
  const float* weight_ih;  // (G, input_size)
  const float* weight_hh;  // (G, hidden)
  const float* bias_ih;    // (G), or null
  const float* bias_hh;    // (G), or null
  const float* h0;         // (batch, hidden)
  const float* c0;         // (batch, hidden); null but for an LSTM
  float* hn;               // (batch, hidden): after each row's last step taken
  float* cn;               // (batch, hidden); null but for an LSTM
  void* saved;             // (steps * batch, padded(hidden) * values_of) floats, or bfloat16 where `half`; null: keep nothing
  // The backward pass only. Each may be null: a gradient that is zero, or that nobody wants. What is wanted is written,
  // not added to, and is 0 where no row takes a step.
  const float* d_hn;
  const float* d_cn;
  float* d_h0;
  float* d_c0;
  float* d_weight_ih;  // these four are wanted together or not at all (the biases null where there are none)
  float* d_weight_hh;
  float* d_bias_ih;
  float* d_bias_hh;
};

// All strides count elements. The last dimension of input, output and their gradients is contiguous.
// `half`: those four are bfloat16 and so are the factors of all products; sums are float32. Else all is float32.
struct Problem {
  int32_t cell;
  int32_t half;
  int32_t directions;  // 1, or 2: the second runs from each row's end
  int32_t reverse;     // not 0: the only direction runs from each row's end
  int32_t threads;     // at most so many
  int32_t wide_input;  // not 0: though `half`, input and d_input are float32
  int64_t steps, batch, input_size, hidden;
  const int64_t* lengths;  // (batch), each 0 to steps; null: all steps
  const void* input;       // (steps, batch, input_size)
  int64_t input_step, input_row;
  void* output;  // (steps, batch, directions * hidden); 0 beyond a row's length; in the backward pass, what forward wrote
  int64_t output_step, output_row;
  const void* d_output;  // as output
  int64_t d_output_step, d_output_row;
  void* d_input;  // as input, written, not added to; null: not wanted
  int64_t d_input_step, d_input_row;
  Direction direction[2];
};

}  // namespace seqloom
