// The recurrences by their equations in float64, unit by unit: what the kernels are compared with.
#pragma once

#include <algorithm>
#include <cmath>
#include <vector>

#include "include/recurrence_api.h"

namespace fuzz {

using Numbers = std::vector<double>;

// Independently of cells/: gates of a cell, and values that forward saves of a unit.
constexpr int64_t gates_of(int32_t cell) { return cell == seqloom::LSTM ? 4 : cell == seqloom::GRU ? 3 : 1; }
constexpr int64_t saved_values_of(int32_t cell) { return cell == seqloom::LSTM ? 5 : cell == seqloom::GRU ? 4 : 0; }

// One direction of one layer. Inputs and outputs are dense: (steps, batch, ...).
struct Reference {
  int cell;
  int64_t steps, batch, inputs, hidden;
  bool reverse;
  std::vector<int64_t> lengths;
  Numbers weight_ih, weight_hh, bias_ih, bias_hh, h0, c0;
  Numbers x, dy, d_hn, d_cn;
  Numbers given_y;  // the output of the kernel: decides on which side of 0 a relu was

  Numbers y, hn, cn;
  Numbers dx, d_h0, d_c0, d_weight_ih, d_weight_hh, d_bias_ih, d_bias_hh;

  int64_t gates() const { return fuzz::gates_of(cell); }
  int64_t time(int64_t row, int64_t s) const { return reverse ? lengths[row] - 1 - s : s; }

  void run() {
    const int64_t G = gates() * hidden;
    y.assign(steps * batch * hidden, 0);
    hn = h0;
    cn = c0;
    dx.assign(steps * batch * inputs, 0);
    d_weight_ih.assign(G * inputs, 0);
    d_weight_hh.assign(G * hidden, 0);
    d_bias_ih.assign(G, 0);
    d_bias_hh.assign(G, 0);
    d_h0 = d_hn;
    d_c0 = d_cn;
    for (int64_t row = 0; row < batch; ++row) one_row(row);
  }

 private:
  static double sigmoid(double a) { return 1 / (1 + std::exp(-a)); }

  // What a step computes, for its gradient: sums of the input's and of the state's products, gates, and both states.
  struct Step {
    Numbers of_x, of_h, gate, h, c;
  };

  void one_row(int64_t row) {
    const int64_t H = hidden, length = lengths[row];
    std::vector<Step> taken(static_cast<std::size_t>(length));
    Numbers h(h0.begin() + row * H, h0.begin() + (row + 1) * H), c;
    if (cell == seqloom::LSTM) c.assign(c0.begin() + row * H, c0.begin() + (row + 1) * H);
    for (int64_t s = 0; s < length; ++s) {
      Step& now = taken[s];
      now.h = h;
      now.c = c;
      products(&x[(time(row, s) * batch + row) * inputs], now);
      advance(now, h, c);
      std::copy(h.begin(), h.end(), y.begin() + (time(row, s) * batch + row) * H);
    }
    std::copy(h.begin(), h.end(), hn.begin() + row * H);
    std::copy(c.begin(), c.end(), cn.begin() + (cell == seqloom::LSTM ? row * H : 0));
    Numbers dh(d_hn.begin() + row * H, d_hn.begin() + (row + 1) * H), dc;
    if (cell == seqloom::LSTM) dc.assign(d_cn.begin() + row * H, d_cn.begin() + (row + 1) * H);
    for (int64_t s = length - 1; s >= 0; --s) {
      const int64_t place = time(row, s) * batch + row;
      for (int64_t u = 0; u < H; ++u) dh[u] += dy[place * H + u];
      back(taken[s], place, dh, dc);
    }
    std::copy(dh.begin(), dh.end(), d_h0.begin() + row * H);
    std::copy(dc.begin(), dc.end(), d_c0.begin() + (cell == seqloom::LSTM ? row * H : 0));
  }

  void products(const double* input, Step& now) const {
    const int64_t G = gates() * hidden;
    now.of_x = bias_ih;
    now.of_h = bias_hh;
    for (int64_t g = 0; g < G; ++g) {
      for (int64_t k = 0; k < inputs; ++k) now.of_x[g] += weight_ih[g * inputs + k] * input[k];
      for (int64_t k = 0; k < hidden; ++k) now.of_h[g] += weight_hh[g * hidden + k] * now.h[k];
    }
  }

  void advance(Step& now, Numbers& h, Numbers& c) const {
    const int64_t H = hidden;
    Numbers a(now.of_x.size());
    for (std::size_t g = 0; g < a.size(); ++g) a[g] = now.of_x[g] + now.of_h[g];
    now.gate.resize(a.size());
    for (int64_t u = 0; u < H; ++u) {
      double* gate = &now.gate[u];
      if (cell == seqloom::RNN_TANH) {
        h[u] = gate[0] = std::tanh(a[u]);
      } else if (cell == seqloom::RNN_RELU) {
        h[u] = gate[0] = a[u] < 0 ? 0 : a[u];
      } else if (cell == seqloom::LSTM) {
        for (int k : {0, 1, 3}) gate[k * H] = sigmoid(a[k * H + u]);
        gate[2 * H] = std::tanh(a[2 * H + u]);
        c[u] = gate[H] * c[u] + gate[0] * gate[2 * H];
        h[u] = gate[3 * H] * std::tanh(c[u]);
      } else {
        gate[0] = sigmoid(a[u]);
        gate[H] = sigmoid(a[H + u]);
        gate[2 * H] = std::tanh(now.of_x[2 * H + u] + gate[0] * now.of_h[2 * H + u]);
        h[u] = (1 - gate[H]) * gate[2 * H] + gate[H] * now.h[u];
      }
    }
  }

  // From the gradients of h and c after a step to those before it.
  void back(const Step& now, int64_t place, Numbers& dh, Numbers& dc) {
    const int64_t H = hidden, G = gates() * H;
    Numbers da(G), db(G), before(H, 0);  // of W_ih x + b_ih and of W_hh h + b_hh; of h without what goes through W_hh h
    for (int64_t u = 0; u < H; ++u) {
      const double* gate = &now.gate[u];
      if (cell == seqloom::RNN_TANH) {
        da[u] = dh[u] * (1 - gate[0] * gate[0]);
      } else if (cell == seqloom::RNN_RELU) {
        da[u] = given_y[place * H + u] > 0 ? dh[u] : 0;
      } else if (cell == seqloom::LSTM) {
        const double i = gate[0], f = gate[H], g = gate[2 * H], o = gate[3 * H], t = std::tanh(f * now.c[u] + i * g);
        const double d = dc[u] + dh[u] * o * (1 - t * t);
        da[u] = d * g * i * (1 - i);
        da[H + u] = d * now.c[u] * f * (1 - f);
        da[2 * H + u] = d * i * (1 - g * g);
        da[3 * H + u] = dh[u] * t * o * (1 - o);
        dc[u] = d * f;
      } else {
        const double r = gate[0], z = gate[H], n = gate[2 * H], dn = dh[u] * (1 - z) * (1 - n * n);
        da[u] = dn * now.of_h[2 * H + u] * r * (1 - r);
        da[H + u] = dh[u] * (now.h[u] - n) * z * (1 - z);
        da[2 * H + u] = dn;
        db[2 * H + u] = dn * r;
        before[u] = dh[u] * z;
      }
    }
    const int64_t same = cell == seqloom::GRU ? 2 * H : G;
    std::copy(da.begin(), da.begin() + same, db.begin());
    const double* input = &x[place * inputs];
    for (int64_t g = 0; g < G; ++g) {
      d_bias_ih[g] += da[g];
      d_bias_hh[g] += db[g];
      for (int64_t k = 0; k < inputs; ++k) {
        d_weight_ih[g * inputs + k] += da[g] * input[k];
        dx[place * inputs + k] += da[g] * weight_ih[g * inputs + k];
      }
      for (int64_t k = 0; k < H; ++k) {
        d_weight_hh[g * H + k] += db[g] * now.h[k];
        before[k] += db[g] * weight_hh[g * H + k];
      }
    }
    dh = before;
  }
};

}  // namespace fuzz
