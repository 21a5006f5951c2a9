// What a cell is to forward, backward and the decoder. A cell is a struct of constants and two functions on vectors of W
// hidden units; the kernels take it as a template argument.
//
//   GATES            gates, in the order of torch.nn's weights: rows [g * hidden, (g + 1) * hidden) are gate g's
//   SAVED            values that forward saves for backward, for each hidden unit
//   HAS_C            whether there is a cell state c beside h
//   SAVED_C          which of the saved values is the new c; -1 without c
//   READS_H          whether the equation reads h itself, not only its product W_hh h
//   INNER_BIAS_GATE  the gate whose b_hh must stay with W_hh h because a gate multiplies their sum; -1: none, and b_hh is
//                    added to W_ih x + b_ih, which is computed for many steps at once
//   forward          from the two products of a step and the state before it to the state after it; calls
//                    save(values...) with what backward needs. The decoder's step is the same function
//
//   READS_NEW_H      whether backward reads the new h (which is the output, and so need not be saved)
//   GRADIENTS        gradients of pre-activations that backward computes for each unit. The first GATES of them are the
//                    gradients of W_ih x + b_ih, for gates input_gate(0), input_gate(1), ...; the last GATES are those of
//                    W_hh h + b_hh, for gates 0, 1, ... They are the same GATES gradients unless a gate multiplies a
//                    recurrent product
//   backward         from the gradient of the state after a step to those gradients, which it hands to
//                    store_gradients(gradients...), and to the gradient of the state before the step, without the part
//                    that goes through W_hh h
#pragma once

#include "simd/math.h"
#include "simd/vector.h"

namespace seqloom {
namespace SEQLOOM_VARIANT {

// The state of W units, or its gradient. A part that the cell does not have or does not read is ignored.
struct CellState {
  Vec h, c;
};

// What forward has saved of W units.
template <int COUNT>
struct SavedValues {
  Vec values[COUNT];
};
template <>
struct SavedValues<0> {};

}  // namespace SEQLOOM_VARIANT
}  // namespace seqloom
