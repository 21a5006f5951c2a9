// The C interface of the recurrences: one recurrent layer over whole sequences, in one or both directions. The ctypes
// structures of seqloom.kernels have the same fields in the same order. All memory is the caller's; no pointer is
// retained after a call.
#pragma once

#include <cstdint>

// Marks the functions that the library exports; all other symbols are hidden.
#if defined(_WIN32)
#define SEQLOOM_API extern "C" __declspec(dllexport)
#else
#define SEQLOOM_API extern "C" __attribute__((visibility("default")))
#endif

namespace seqloom {

// The cells: name, number in this interface (`native_id` in Python's table of cells), and type in cells/.
#define SEQLOOM_CELLS(CELL)  \
  CELL(RNN_TANH, 0, RnnTanh) \
  CELL(RNN_RELU, 1, RnnRelu) \
  CELL(LSTM, 2, Lstm)        \
  CELL(GRU, 3, Gru)

#define SEQLOOM_ENUMERATOR(name, number, Type) name = number,
enum Cell : int32_t { SEQLOOM_CELLS(SEQLOOM_ENUMERATOR) };
#undef SEQLOOM_ENUMERATOR

// In the buffers that we lay out ourselves, hidden units are padded with zeros to a multiple of this.
constexpr int64_t PAD = 32;
constexpr int64_t padded(int64_t size) { return (size + PAD - 1) / PAD * PAD; }

// One direction. Contiguous, row-major, float32 whatever the precision of the arithmetic. G is gates * hidden.
struct Direction {
  const float* weight_ih;  // (G, input_size)
  const float* weight_hh;  // (G, hidden)
  const float* bias_ih;    // (G), or null
  const float* bias_hh;    // (G), or null
  const float* h0;         // (batch, hidden)
  const float* c0;         // (batch, hidden); null for a cell without c
  float* hn;               // (batch, hidden): the state after each row's last valid step
  float* cn;               // (batch, hidden); null for a cell without c
  // (steps * batch, padded(hidden) * the cell's SAVED) of float, or of bfloat16 if `half`, for backward; null: not saved
  void* saved;
  // For backward only. Each may be null: an incoming gradient that is zero, or an outgoing one that is not needed.
  // Outgoing gradients are overwritten, not accumulated, and are 0 for rows without a valid step.
  const float* d_hn;
  const float* d_cn;
  float* d_h0;
  float* d_c0;
  float* d_weight_ih;  // these four are needed together or not at all (those of absent biases are null)
  float* d_weight_hh;
  float* d_bias_ih;
  float* d_bias_hh;
};

// All strides count elements. The last dimension of input, output and their gradients is contiguous.
// `half`: those four are bfloat16, and so are the operands of all products; sums are float32. Otherwise all is float32.
struct Problem {
  int32_t cell;
  int32_t half;
  int32_t directions;  // 1, or 2: the second runs from each row's last valid step to its first
  int32_t reverse;     // not 0: so does the only direction
  int32_t threads;     // at most this many
  int32_t wide_input;  // not 0: input and d_input are float32 although `half` is set
  int64_t steps, batch, input_size, hidden;
  const int64_t* lengths;  // (batch), valid steps of each row, 0 to `steps`; null: all
  const void* input;       // (steps, batch, input_size)
  int64_t input_step, input_row;
  void* output;  // (steps, batch, directions * hidden), 0 beyond a row's length; for backward, what forward wrote
  int64_t output_step, output_row;
  const void* d_output;  // as output; null: zero
  int64_t d_output_step, d_output_row;
  void* d_input;  // as input, overwritten; null: not needed
  int64_t d_input_step, d_input_row;
  Direction direction[2];
};

}  // namespace seqloom
