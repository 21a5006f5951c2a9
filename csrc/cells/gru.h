// Gated recurrent unit (Cho et al., 2014) with the reset gate after the product, as torch.nn.GRU and cuDNN:
//
//   r  = \sigma(W_{ir} x + b_{ir} + W_{hr} h + b_{hr})
//   z  = \sigma(W_{iz} x + b_{iz} + W_{hz} h + b_{hz})
//   n  = \tanh (W_{in} x + b_{in} + r \odot (W_{hn} h + b_{hn}))
//   h' = (1 - z) \odot n + z \odot h
#pragma once

#include "cells/cell.h"

namespace seqloom {
namespace SEQLOOM_VARIANT {

struct Gru {
  enum Gate { R, Z, N };
  static constexpr int GATES = 3;
  static constexpr int SAVED = 4;  // r z n, and W_hn h + b_hn
  static constexpr bool HAS_C = false;
  static constexpr int SAVED_C = -1;
  static constexpr bool READS_H = true;
  static constexpr int INNER_BIAS_GATE = N;

  template <class Save>
  static SEQLOOM_INLINE CellState forward(const Vec (&wx)[GATES], const Vec (&wh)[GATES], CellState before, Save&& save) {
    const Vec r = sigmoid(wx[R] + wh[R]);
    const Vec z = sigmoid(wx[Z] + wh[Z]);
    const Vec n = tanh(wx[N] + r * wh[N]);
    const Vec h = n + z * (before.h - n);
    save(r, z, n, wh[N]);
    return {h, Vec{}};
  }

  static constexpr bool READS_NEW_H = false;
  // n r z, and n once more within the reset gate: W_ih x takes the first three, W_hh h the last three.
  static constexpr int GRADIENTS = 4;
  static constexpr int input_gate(int gradient) { return (gradient + N) % GATES; }

  template <class StoreGradients>
  static SEQLOOM_INLINE CellState backward(CellState d, CellState before, Vec, const SavedValues<SAVED>& saved,
                                           StoreGradients&& store_gradients) {
    const auto& [r, z, n, wh_n] = saved.values;
    const Vec dn = d.h * (1.0f - z) * (1.0f - n * n);
    const Vec dr = dn * wh_n * r * (1.0f - r);
    const Vec dz = d.h * (before.h - n) * z * (1.0f - z);
    store_gradients(dn, dr, dz, dn * r);
    return {d.h * z, Vec{}};
  }
};

}  // namespace SEQLOOM_VARIANT
}  // namespace seqloom
