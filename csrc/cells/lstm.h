// Long short-term memory (Hochreiter & Schmidhuber, 1997; forget gate: Gers et al., 2000), as torch.nn.LSTM:
//
//   i  = \sigma(W_{ii} x + b_{ii} + W_{hi} h + b_{hi})
//   f  = \sigma(W_{if} x + b_{if} + W_{hf} h + b_{hf})
//   g  = \tanh (W_{ig} x + b_{ig} + W_{hg} h + b_{hg})
//   o  = \sigma(W_{io} x + b_{io} + W_{ho} h + b_{ho})
//   c' = f \odot c + i \odot g
//   h' = o \odot \tanh(c')
#pragma once

#include "cells/cell.h"

namespace seqloom {
namespace SEQLOOM_VARIANT {

struct Lstm {
  enum Gate { I, F, G, O };
  static constexpr int GATES = 4;
  static constexpr int SAVED = 5;  // i f g o c'
  static constexpr bool HAS_C = true;
  static constexpr int SAVED_C = 4;
  static constexpr bool READS_H = false;
  static constexpr int INNER_BIAS_GATE = -1;

  template <class Save>
  static SEQLOOM_INLINE CellState forward(const Vec (&wx)[GATES], const Vec (&wh)[GATES], CellState before, Save&& save) {
    const Vec i = sigmoid(wx[I] + wh[I]);
    const Vec f = sigmoid(wx[F] + wh[F]);
    const Vec g = tanh(wx[G] + wh[G]);
    const Vec o = sigmoid(wx[O] + wh[O]);
    const Vec c = f * before.c + i * g;
    save(i, f, g, o, c);
    return {o * tanh(c), c};
  }

  static constexpr bool READS_NEW_H = false;
  static constexpr int GRADIENTS = 4;  // i f g o
  static constexpr int input_gate(int gradient) { return gradient; }

  template <class StoreGradients>
  static SEQLOOM_INLINE CellState backward(CellState d, CellState before, Vec, const SavedValues<SAVED>& saved,
                                           StoreGradients&& store_gradients) {
    const auto& [i, f, g, o, c] = saved.values;
    const Vec tanh_c = tanh(c);
    const Vec dc = d.c + d.h * o * (1.0f - tanh_c * tanh_c);
    const Vec di = dc * g * i * (1.0f - i);
    const Vec df = dc * before.c * f * (1.0f - f);
    const Vec dg = dc * i * (1.0f - g * g);
    const Vec d_o = d.h * tanh_c * o * (1.0f - o);
    store_gradients(di, df, dg, d_o);
    return {Vec{}, dc * f};
  }
};

}  // namespace SEQLOOM_VARIANT
}  // namespace seqloom
