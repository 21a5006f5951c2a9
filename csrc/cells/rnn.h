// Elman's recurrent network (Elman, 1990), as torch.nn.RNN, with \phi = tanh or relu:
//
//   h' = \phi(W_{ih} x + b_{ih} + W_{hh} h + b_{hh})
#pragma once

#include "cells/cell.h"

namespace seqloom {
namespace SEQLOOM_VARIANT {

// \phi, and its derivative as a function of h' = \phi(a).
struct TanhActivation {
  static SEQLOOM_INLINE Vec forward(Vec a) { return tanh(a); }
  static SEQLOOM_INLINE Vec backward(Vec dh, Vec h) { return dh * (1.0f - h * h); }
};
struct ReluActivation {
  static SEQLOOM_INLINE Vec forward(Vec a) { return relu(a); }
  static SEQLOOM_INLINE Vec backward(Vec dh, Vec h) { return (Vec)(h <= 0.0f ? Vec{} : dh); }
};

template <class Activation>
struct Rnn {
  static constexpr int GATES = 1;
  static constexpr int SAVED = 0;
  static constexpr bool HAS_C = false;
  static constexpr int SAVED_C = -1;
  static constexpr bool READS_H = false;
  static constexpr int INNER_BIAS_GATE = -1;

  template <class Save>
  static SEQLOOM_INLINE CellState forward(const Vec (&wx)[GATES], const Vec (&wh)[GATES], CellState, Save&&) {
    const Vec h = Activation::forward(wx[0] + wh[0]);
    return {h, Vec{}};
  }

  static constexpr bool READS_NEW_H = true;
  static constexpr int GRADIENTS = 1;
  static constexpr int input_gate(int gradient) { return gradient; }

  template <class StoreGradients>
  static SEQLOOM_INLINE CellState backward(CellState d, CellState, Vec h, const SavedValues<SAVED>&,
                                           StoreGradients&& store_gradients) {
    const Vec da = Activation::backward(d.h, h);
    store_gradients(da);
    return {Vec{}, Vec{}};
  }
};

using RnnTanh = Rnn<TanhActivation>;
using RnnRelu = Rnn<ReluActivation>;

}  // namespace SEQLOOM_VARIANT
}  // namespace seqloom
