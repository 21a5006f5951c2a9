// A random layer over random sequences, forward and backward, against the equations in float64.

#include "fuzz.h"
#include "include/recurrence_api.h"
#include "reference.h"
#include "runtime/cpu_target.h"

extern "C" {
int32_t seqloom_forward(const seqloom::Problem* problem);
int32_t seqloom_backward(const seqloom::Problem* problem);
}

namespace fuzz {
namespace {

using seqloom::Direction;
using seqloom::Problem;

// (steps, batch, width) of float32 or bfloat16 with any strides a tensor with rows can have: time or batch first, and
// gaps between rows as in a part of a wider tensor.
class Plane {
 public:
  Plane() = default;
  Plane(int64_t steps, int64_t batch, int64_t width, bool half, Random& random)
      : steps_(steps), batch_(batch), width_(width), half_(half) {
    const int64_t apart = width + (random.chance(0.3) ? random.integer(1, 5) : 0);
    const bool batch_first = random.chance(0.4);
    step = batch_first ? apart : apart * batch;
    row = batch_first ? apart * steps : apart;
    const int64_t count = steps * batch == 0 ? 0 : (steps - 1) * step + (batch - 1) * row + width;
    if (half) halves_ = Array<uint16_t>(count, random);
    else floats_ = Array<float>(count, random);
  }
  void* data() { return half_ ? static_cast<void*>(halves_.data()) : floats_.data(); }
  void set(int64_t t, int64_t b, int64_t k, float value) {
    if (half_) halves_[t * step + b * row + k] = to_bf16(value);
    else floats_[t * step + b * row + k] = value;
  }
  double get(int64_t t, int64_t b, int64_t k) const {
    return half_ ? from_bf16(halves_[t * step + b * row + k]) : floats_[t * step + b * row + k];
  }
  // Columns first to first + count - 1, dense.
  Numbers values(int64_t first, int64_t count) const {
    Numbers numbers;
    for (int64_t t = 0; t < steps_; ++t) {
      for (int64_t b = 0; b < batch_; ++b) {
        for (int64_t k = first; k < first + count; ++k) numbers.push_back(get(t, b, k));
      }
    }
    return numbers;
  }
  // Whether nothing was written between its rows.
  bool gaps_untouched() const {
    std::vector<bool> inside(static_cast<std::size_t>(half_ ? halves_.size() : floats_.size()));
    for (int64_t t = 0; t < steps_; ++t) {
      for (int64_t b = 0; b < batch_; ++b) {
        for (int64_t k = 0; k < width_; ++k) inside[t * step + b * row + k] = true;
      }
    }
    for (std::size_t k = 0; k < inside.size(); ++k) {
      const bool filled = half_ ? halves_[k] == 0xffff : floats_[k] != floats_[k];
      if (!inside[k] && !filled) return false;
    }
    return true;
  }
  int64_t step = 0, row = 0;

 private:
  int64_t steps_ = 0, batch_ = 0, width_ = 0;
  bool half_ = false;
  Array<uint16_t> halves_;
  Array<float> floats_;
};

struct Weights {
  Array<float> weight_ih, weight_hh, bias_ih, bias_hh, h0, c0, hn, cn, d_hn, d_cn;
  Array<float> d_h0, d_c0, d_weight_ih, d_weight_hh, d_bias_ih, d_bias_hh;
  Array<uint16_t> saved_half;
  Array<float> saved;
};

class Case {
 public:
  Case(Random& random, int target) : random_(random) {
    const auto size = [&](int64_t low, int64_t usual, int64_t high) { return random.integer(low, random.chance(0.7) ? usual : high); };
    p_.cell = static_cast<int32_t>(random.integer(0, 3));
    p_.half = target == seqloom::AVX512_BF16 && random.chance(0.4);
    p_.wide_input = p_.half && random.chance(0.4);
    p_.directions = random.chance(0.4) ? 2 : 1;
    p_.reverse = p_.directions == 1 && random.chance(0.4);
    p_.threads = static_cast<int32_t>(random.integer(1, 3));
    p_.steps = size(0, 8, 30);
    p_.batch = size(0, 9, 40);
    p_.input_size = size(1, 24, 70);
    p_.hidden = size(1, 24, 70);
    if (random.chance(0.05)) {  // so many rows and steps that there are several chunks
      p_.steps = random.integer(30, 90);
      p_.batch = random.integer(25, 40);
      p_.input_size = random.integer(1, 9);
      p_.hidden = random.integer(1, 9);
    } else if (random.chance(0.03)) {  // a single row, whose input products are interleaved
      p_.steps = random.integer(33, 80);
      p_.batch = 1;
      p_.hidden = random.integer(60, 270);
    }
    lstm_ = p_.cell == seqloom::LSTM;
    make_lengths();
    const bool half_input = p_.half && !p_.wide_input;
    input_ = Plane(p_.steps, p_.batch, p_.input_size, half_input, random);
    d_input_ = Plane(p_.steps, p_.batch, p_.input_size, half_input, random);
    output_ = Plane(p_.steps, p_.batch, p_.directions * p_.hidden, p_.half, random);
    d_output_ = Plane(p_.steps, p_.batch, p_.directions * p_.hidden, p_.half, random);
    fill_within_lengths(input_, p_.input_size);
    fill_within_lengths(d_output_, p_.directions * p_.hidden);
    for (int d = 0; d < p_.directions; ++d) make_direction(d);
    poison();
    p_.input = input_.data();
    p_.input_step = input_.step;
    p_.input_row = input_.row;
    p_.output = output_.data();
    p_.output_step = output_.step;
    p_.output_row = output_.row;
  }

  Report run() {
    Report report;
    char text[200];
    std::snprintf(text, sizeof text, "cell %d half %d%s directions %d reverse %d threads %d T %ld B %ld I %ld H %ld%s%s", p_.cell,
                  p_.half, p_.wide_input ? " wide" : "", p_.directions, p_.reverse, p_.threads, static_cast<long>(p_.steps), static_cast<long>(p_.batch),
                  static_cast<long>(p_.input_size), static_cast<long>(p_.hidden), p_.lengths ? " lengths" : "",
                  poisoned_row_ >= 0 ? " poisoned" : "");
    report.about = text;
    report.expect(seqloom_forward(&p_) == 0, "forward found no memory");
    const bool after = p_.cell < seqloom::LSTM || p_.direction[0].saved != nullptr;
    if (after) request_gradients();
    if (after) report.expect(seqloom_backward(&p_) == 0, "backward found no memory");
    if (after) report.about += requested();
    Numbers d_input(static_cast<std::size_t>(p_.steps * p_.batch * p_.input_size), 0);
    for (int d = 0; d < p_.directions; ++d) compare(d, after, report, d_input);
    report.expect(output_.gaps_untouched() && d_input_.gaps_untouched(), "something was written between rows");
    if (after && p_.d_input != nullptr) report.compare("d_input", rows_of(d_input_.values(0, p_.input_size), p_.input_size), rows_of(d_input, p_.input_size), slack());
    return report;
  }

 private:
  void make_lengths() {
    lengths_.assign(static_cast<std::size_t>(p_.batch), p_.steps);
    if (random_.chance(0.4)) return;
    given_lengths_ = Array<int64_t>(p_.batch, random_);
    for (int64_t row = 0; row < p_.batch; ++row) {
      given_lengths_[row] = lengths_[row] = random_.chance(0.2) ? 0 : random_.integer(0, p_.steps);
    }
    p_.lengths = given_lengths_.data();
  }

  // Beyond a row's length a plane stays full of NaN, which the library must not read.
  void fill_within_lengths(Plane& plane, int64_t width) {
    for (int64_t b = 0; b < p_.batch; ++b) {
      for (int64_t t = 0; t < lengths_[b]; ++t) {
        for (int64_t k = 0; k < width; ++k) plane.set(t, b, k, random_.between(-1, 1));
      }
    }
  }

  // In some cases one row has a NaN or infinity, which must not reach other rows.
  void poison() {
    if (!random_.chance(0.2) || p_.batch == 0) return;
    poisoned_row_ = random_.integer(0, p_.batch - 1);
    if (lengths_[poisoned_row_] == 0) return;
    const float infinite = std::numeric_limits<float>::infinity();
    const float wrong[] = {static_cast<float>(NOT_A_NUMBER), infinite, -infinite};
    const int64_t t = random_.integer(0, lengths_[poisoned_row_] - 1), k = random_.integer(0, p_.input_size - 1);
    input_.set(t, poisoned_row_, k, wrong[random_.integer(0, 2)]);
    if (random_.chance(0.3)) weights_[0].h0[poisoned_row_ * p_.hidden] = static_cast<float>(NOT_A_NUMBER);
  }

  void make_direction(int d) {
    const int64_t H = p_.hidden, I = p_.input_size, G = gates_of(p_.cell) * H, states = p_.batch * H;
    const float spread = 1 / std::sqrt(static_cast<float>(H)), wide = 1 / std::sqrt(static_cast<float>(I));
    Weights& w = weights_[d];
    Direction& to = p_.direction[d];
    w.weight_ih = random_array(G * I, wide, random_);
    w.weight_hh = random_array(G * H, spread, random_);
    w.h0 = random_array(states, 1, random_);
    w.hn = Array<float>(states, random_);
    to.weight_ih = w.weight_ih.data();
    to.weight_hh = w.weight_hh.data();
    to.h0 = w.h0.data();
    to.hn = w.hn.data();
    const double with_biases = random_.chance(0.5) ? 1 : random_.chance(0.5) ? 0 : 0.5;
    if (random_.chance(with_biases)) to.bias_ih = (w.bias_ih = random_array(G, 1, random_)).data();
    if (random_.chance(with_biases)) to.bias_hh = (w.bias_hh = random_array(G, 1, random_)).data();
    if (lstm_) {
      w.c0 = random_array(states, 1, random_);
      w.cn = Array<float>(states, random_);
      to.c0 = w.c0.data();
      to.cn = w.cn.data();
    }
    if (d == 0) keep_ = random_.chance(0.85);
    const int64_t count = p_.steps * p_.batch * seqloom::padded(H) * saved_values_of(p_.cell);
    if (!keep_ || saved_values_of(p_.cell) == 0) return;
    if (p_.half) to.saved = (w.saved_half = Array<uint16_t>(count, random_, 64)).data();
    else to.saved = (w.saved = Array<float>(count, random_, 64)).data();
  }

  void request_gradients() {
    if (random_.chance(0.85)) {
      p_.d_output = d_output_.data();
      p_.d_output_step = d_output_.step;
      p_.d_output_row = d_output_.row;
    }
    if (random_.chance(0.85)) {
      p_.d_input = d_input_.data();
      p_.d_input_step = d_input_.step;
      p_.d_input_row = d_input_.row;
    }
    const bool states = random_.chance(0.8), weights = random_.chance(0.85);
    const double probability = random_.chance(0.5) ? 1 : 0.5;
    for (int d = 0; d < p_.directions; ++d) {
      Weights& w = weights_[d];
      Direction& to = p_.direction[d];
      const int64_t each = p_.batch * p_.hidden;
      if (random_.chance(probability)) to.d_hn = (w.d_hn = random_array(each, 1, random_)).data();
      if (lstm_ && random_.chance(probability)) to.d_cn = (w.d_cn = random_array(each, 1, random_)).data();
      if (states) to.d_h0 = (w.d_h0 = Array<float>(each, random_)).data();
      if (states && lstm_) to.d_c0 = (w.d_c0 = Array<float>(each, random_)).data();
      if (!weights) continue;
      to.d_weight_ih = (w.d_weight_ih = Array<float>(w.weight_ih.size(), random_)).data();
      to.d_weight_hh = (w.d_weight_hh = Array<float>(w.weight_hh.size(), random_)).data();
      if (to.bias_ih) to.d_bias_ih = (w.d_bias_ih = Array<float>(w.bias_ih.size(), random_)).data();
      if (to.bias_hh) to.d_bias_hh = (w.d_bias_hh = Array<float>(w.bias_hh.size(), random_)).data();
    }
  }

  // Which pointers were given, for the report.
  std::string requested() const {
    std::string text = p_.d_output ? " d_output" : "";
    text += p_.d_input ? " d_input" : "";
    for (int d = 0; d < p_.directions; ++d) {
      const Direction& w = p_.direction[d];
      const std::pair<const char*, const void*> pointers[] = {{" d_hn", w.d_hn}, {" d_cn", w.d_cn}, {" d_h0", w.d_h0},
                                                           {" d_weights", w.d_weight_ih}};
      for (const auto& [name, pointer] : pointers) text += pointer ? name : "";
    }
    return text;
  }

  // Sums of up to 1200 products in float32; bfloat16 rounds every factor to 8 bits.
  double slack() const { return p_.half ? 0.06 : 3e-5; }

  static Numbers or_zeros(const Array<float>& array, int64_t count) {
    return array.data() != nullptr ? array.values() : Numbers(static_cast<std::size_t>(count), 0);
  }

  // Gradients with those of the poisoned row set to 0: the others must not be affected.
  Numbers rows_of(Numbers numbers, int64_t width) const {
    for (std::size_t k = 0; k < numbers.size(); ++k) {
      if (static_cast<int64_t>(k) / width % p_.batch == poisoned_row_) numbers[k] = 0;
    }
    return numbers;
  }

  void compare(int d, bool after, Report& report, Numbers& d_input) const {
    const Weights& w = weights_[d];
    const int64_t H = p_.hidden, G = gates_of(p_.cell) * H, each = p_.batch * H, states = lstm_ ? each : 0;
    Reference r{};
    r.cell = p_.cell;
    r.steps = p_.steps;
    r.batch = p_.batch;
    r.inputs = p_.input_size;
    r.hidden = H;
    r.reverse = d == 1 || p_.reverse != 0;
    r.lengths = lengths_;
    r.weight_ih = w.weight_ih.values();
    r.weight_hh = w.weight_hh.values();
    r.bias_ih = or_zeros(w.bias_ih, G);
    r.bias_hh = or_zeros(w.bias_hh, G);
    r.h0 = w.h0.values();
    r.c0 = or_zeros(w.c0, states);
    r.x = input_.values(0, p_.input_size);
    r.dy = p_.d_output != nullptr ? d_output_.values(d * H, H) : Numbers(static_cast<std::size_t>(p_.steps * each), 0);
    r.d_hn = or_zeros(w.d_hn, each);
    r.d_cn = or_zeros(w.d_cn, states);
    r.given_y = output_.values(d * H, H);
    r.run();
    report.compare("output", r.given_y, r.y, slack());
    report.compare("hn", w.hn.values(), r.hn, slack());
    if (lstm_) report.compare("cn", w.cn.values(), r.cn, slack());
    if (!after) return;
    for (std::size_t k = 0; k < d_input.size(); ++k) d_input[k] += r.dx[k];
    if (w.d_h0.data()) report.compare("d_h0", rows_of(w.d_h0.values(), H), rows_of(r.d_h0, H), slack());
    if (w.d_c0.data()) report.compare("d_c0", rows_of(w.d_c0.values(), H), rows_of(r.d_c0, H), slack());
    if (poisoned_row_ >= 0) return;  // sums over rows
    if (w.d_weight_ih.data()) report.compare("d_weight_ih", w.d_weight_ih.values(), r.d_weight_ih, slack());
    if (w.d_weight_hh.data()) report.compare("d_weight_hh", w.d_weight_hh.values(), r.d_weight_hh, slack());
    if (w.d_bias_ih.data()) report.compare("d_bias_ih", w.d_bias_ih.values(), r.d_bias_ih, slack());
    if (w.d_bias_hh.data()) report.compare("d_bias_hh", w.d_bias_hh.values(), r.d_bias_hh, slack());
  }

  Random& random_;
  Problem p_{};
  bool lstm_ = false, keep_ = false;
  int64_t poisoned_row_ = -1;
  std::vector<int64_t> lengths_;
  Array<int64_t> given_lengths_;
  Plane input_, d_input_, output_, d_output_;
  Weights weights_[2];
};

}  // namespace

Report recurrence(uint64_t seed, int target) {
  Random random(seed);
  return Case(random, target).run();
}

}  // namespace fuzz
