// A random language model that decodes, or reads given tokens, against the equations in float64.

#include <algorithm>

#include "fuzz.h"
#include "include/decoder_api.h"
#include "reference.h"

extern "C" {
int32_t seqloom_decoder_width();
int32_t seqloom_decode(seqloom::Decoding* decoding);
}

namespace fuzz {
namespace {

using seqloom::DecoderLayer;
using seqloom::Decoding;
using seqloom::Matrix;

int64_t round_up(int64_t size, int64_t unit) { return (size + unit - 1) / unit * unit; }

// A matrix with its bias, packed as Python does it, and its values after rounding.
struct Packed {
  Matrix matrix{};
  Numbers values, biases;  // (rows, columns) after rounding, in the order before packing; of each row packed
  Array<float> memory;     // whatever it holds: 4 bytes an element

  // `order[r]`: which row comes r-th, or -1 for one of zeros.
  void pack(const Array<float>& weight, int64_t columns, const std::vector<int64_t>& order, Numbers bias, int64_t panel,
            int width, int precision, Random& random) {
    const int64_t rows = static_cast<int64_t>(order.size()), depth = round_up(columns, seqloom::DEPTH), side = panel * width;
    const int64_t group = precision == seqloom::FLOAT32 ? 1 : precision == seqloom::BFLOAT16 ? 2 : 4;
    const int64_t extra = precision == seqloom::INT8 ? 1 : 0, lines = extra + depth / group + extra + 1;
    values.assign(static_cast<std::size_t>(weight.size()), 0);
    biases = std::move(bias);
    memory = Array<float>(rows / side * lines * side, random);
    for (int64_t r = 0; r < rows; ++r) {
      const int64_t row = order[r];
      char* place = reinterpret_cast<char*>(memory.data() + r / side * lines * side + r % side);
      const auto line = [&](int64_t number) { return place + number * side * 4; };
      float most = 0;
      for (int64_t k = 0; row >= 0 && k < columns; ++k) most = std::max(most, std::fabs(weight[row * columns + k]));
      const float step = most / 127;
      int32_t sum = 0;
      for (int64_t k = 0; k < depth; ++k) {
        const float value = row >= 0 && k < columns ? weight[row * columns + k] : 0;
        char* to = line(extra + k / group) + k % group * (4 / group);
        double kept = value;
        if (precision == seqloom::FLOAT32) std::memcpy(to, &value, 4);
        if (precision == seqloom::BFLOAT16) {
          const uint16_t half = to_bf16(value);
          std::memcpy(to, &half, 2);
          kept = from_bf16(half);
        }
        if (precision == seqloom::INT8) {
          const auto near = static_cast<int8_t>(step > 0 ? std::nearbyint(value / step) : 0);
          std::memcpy(to, &near, 1);
          sum += near;
          kept = static_cast<double>(near) * step;
        }
        if (row >= 0 && k < columns) values[row * columns + k] = kept;
      }
      const int32_t offset = -128 * sum;
      const auto single = static_cast<float>(biases[r]);
      if (extra) std::memcpy(line(0), &offset, 4);
      if (extra) std::memcpy(line(lines - 2), &step, 4);
      std::memcpy(line(lines - 1), &single, 4);
    }
    matrix.weight = memory.data();
    matrix.panel = panel;
    matrix.rows = rows;
    matrix.depth = depth;
  }
};

struct Layer {
  int64_t inputs, hidden;
  Array<float> weight_ih, weight_hh, h, c;
  Numbers outer, inner;  // biases: added to the input's product; to the state's (b_hn of a GRU)
  Packed input, recurrent;
  Numbers h_before, c_before;
};

class Case {
 public:
  explicit Case(Random& random) : random_(random), width_(seqloom_decoder_width()) {
    d_.cell = static_cast<int32_t>(random.integer(0, 3));
    d_.precision = static_cast<int32_t>(random.integer(0, 2));
    d_.width = width_;
    d_.layers = static_cast<int32_t>(random.integer(1, 3));
    d_.batch = static_cast<int32_t>(random.chance(0.6) ? random.integer(1, 3) : random.integer(4, 9));
    d_.threads = static_cast<int32_t>(random.integer(1, 3));
    d_.vocabulary = random.integer(1, random.chance(0.8) ? 70 : 300);
    d_.embedding_size = random.integer(1, 50);
    d_.steps = random.integer(0, 10);
    lstm_ = d_.cell == seqloom::LSTM;
    G_ = gates_of(d_.cell);
    embedding_ = random_array(d_.vocabulary * d_.embedding_size, 1, random);
    layers_.resize(static_cast<std::size_t>(d_.layers));
    for (int l = 0; l < d_.layers; ++l) make_layer(l);
    for (Layer& layer : layers_) {
      given_.push_back({layer.input.matrix, layer.recurrent.matrix, layer.hidden, layer.h.data(), lstm_ ? layer.c.data() : nullptr});
    }
    d_.layer = given_.data();
    make_output();
    make_choice();
  }

  Report run() {
    Report report;
    char text[200];
    std::snprintf(text, sizeof text, "cell %d precision %d layers %d batch %d threads %d V %ld E %ld steps %ld%s%s%s", d_.cell,
                  d_.precision, d_.layers, d_.batch, d_.threads, static_cast<long>(d_.vocabulary),
                  static_cast<long>(d_.embedding_size), static_cast<long>(d_.steps), d_.table ? " table" : "",
                  d_.given ? " given" : "", wrong_row_ >= 0 ? " wrong" : "");
    report.about = text;
    report.expect(seqloom_decode(&d_) == 0, "it did not run");
    if (!report.wrong.empty()) return report;
    if (d_.given == nullptr && wrong_row_ >= 0 && d_.steps > 0) {
      report.expect(d_.wrong != 0 && d_.done == 0, "nan among the logits was not noticed");
      return report;
    }
    report.expect(d_.wrong == 0, "something is said to be wrong");
    for (int b = 0; b < d_.batch; ++b) follow(b, report);
    return report;
  }

 private:
  // The rows of a layer's matrix in the order of packing: blocks of `width_` units, in each the gates.
  std::vector<int64_t> order_of(int64_t hidden) const {
    const int64_t unit = width_ * vectors_per_panel() / G_, padded = round_up(hidden, unit);
    std::vector<int64_t> order;
    for (int64_t r = 0; r < G_ * padded; ++r) {
      const int64_t gate = r / width_ % G_, u = r / (width_ * G_) * width_ + r % width_;
      order.push_back(u < hidden ? gate * hidden + u : -1);
    }
    return order;
  }

  // All gates of a block of units; two blocks of a simple RNN.
  int64_t vectors_per_panel() const { return G_ == 1 ? 2 : G_; }

  static Numbers in_order(const Numbers& numbers, const std::vector<int64_t>& order) {
    Numbers ordered;
    for (int64_t row : order) ordered.push_back(row < 0 ? 0 : numbers[row]);
    return ordered;
  }

  void make_layer(int l) {
    Layer& layer = layers_[l];
    layer.inputs = l == 0 ? d_.embedding_size : layers_[l - 1].hidden;
    layer.hidden = random_.integer(1, random_.chance(0.8) ? 40 : 90);
    const int64_t H = layer.hidden, rows = G_ * H;
    layer.weight_ih = random_array(rows * layer.inputs, 1 / std::sqrt(static_cast<float>(layer.inputs)), random_);
    layer.weight_hh = random_array(rows * H, 1 / std::sqrt(static_cast<float>(H)), random_);
    layer.h = random_array(d_.batch * H, 1, random_);
    layer.h_before = layer.h.values();
    if (lstm_) layer.c_before = (layer.c = random_array(d_.batch * H, 1, random_)).values();
    for (int64_t r = 0; r < rows; ++r) {
      layer.outer.push_back(random_.between(-1, 1));
      layer.inner.push_back(d_.cell == seqloom::GRU && r >= 2 * H ? random_.between(-1, 1) : 0);
    }
    const std::vector<int64_t> order = order_of(H);
    const int64_t panel = vectors_per_panel();
    if (l == 0 && random_.chance(0.5)) {
      make_table(layer, order);
    } else {
      layer.input.pack(layer.weight_ih, layer.inputs, order, in_order(layer.outer, order), panel, width_, d_.precision, random_);
    }
    layer.recurrent.pack(layer.weight_hh, H, order, in_order(layer.inner, order), panel, width_, d_.precision, random_);
    if (l == 0 && d_.table == nullptr) d_.embedding = embedding_.data();
  }

  void make_table(Layer& layer, const std::vector<int64_t>& order) {
    const auto rows = static_cast<int64_t>(order.size());
    table_ = Array<float>(d_.vocabulary * rows, random_);
    for (int64_t token = 0; token < d_.vocabulary; ++token) {
      for (int64_t r = 0; r < rows; ++r) {
        double sum = order[r] < 0 ? 0 : layer.outer[order[r]];
        for (int64_t k = 0; order[r] >= 0 && k < layer.inputs; ++k) {
          sum += static_cast<double>(layer.weight_ih[order[r] * layer.inputs + k]) * embedding_[token * layer.inputs + k];
        }
        table_[token * rows + r] = static_cast<float>(sum);
      }
    }
    layer.input.values = layer.weight_ih.values();
    d_.table = table_.data();
  }

  void make_output() {
    const int64_t H = layers_.back().hidden, rows = round_up(d_.vocabulary, 2 * width_);
    const Array<float> weight = random_array(d_.vocabulary * H, 1, random_);
    std::vector<int64_t> order;
    Numbers biases;
    for (int64_t r = 0; r < rows; ++r) {
      order.push_back(r < d_.vocabulary ? r : -1);
      biases.push_back(r < d_.vocabulary ? random_.between(-1, 1) : -std::numeric_limits<double>::infinity());
    }
    output_.pack(weight, H, order, biases, 2, width_, d_.precision, random_);
    d_.output = output_.matrix;
    logits_ = random_array(d_.batch * d_.vocabulary, 3, random_);
    if (random_.chance(0.1)) {
      wrong_row_ = random_.integer(0, d_.batch - 1);
      logits_[wrong_row_ * d_.vocabulary + random_.integer(0, d_.vocabulary - 1)] = static_cast<float>(NOT_A_NUMBER);
    }
    logits_before_ = logits_.values();
    d_.logits = logits_.data();
  }

  void make_choice() {
    const int64_t count = d_.batch * d_.steps;
    d_.temperature = random_.chance(0.5) ? 1 : random_.between(0.3f, 2);
    d_.top_p = random_.chance(0.7) ? 1 : random_.between(0.05f, 1);
    d_.top_k = random_.chance(0.7) ? 0 : random_.integer(1, d_.vocabulary + 3);
    if (random_.chance(0.4)) {
      tokens_ = Array<int64_t>(count, random_);
      for (int64_t k = 0; k < count; ++k) tokens_[k] = random_.integer(0, d_.vocabulary - 1);
      d_.given = tokens_.data();
      d_.nats = (nats_ = Array<double>(count, random_)).data();
      return;
    }
    d_.tokens = (tokens_ = Array<int64_t>(count, random_)).data();
    finished_ = Array<int32_t>(d_.batch, random_);
    for (int b = 0; b < d_.batch; ++b) finished_before_.push_back(finished_[b] = b != wrong_row_ && random_.chance(0.1));
    d_.finished = finished_.data();
    d_.stop_count = random_.integer(0, 2);
    stops_ = Array<int64_t>(d_.stop_count, random_);
    for (int64_t k = 0; k < d_.stop_count; ++k) stops_[k] = random_.integer(0, d_.vocabulary - 1);
    d_.stops = stops_.data();
    if (random_.chance(0.3)) return;
    uniforms_ = Array<double>(count, random_);
    for (int64_t k = 0; k < count; ++k) uniforms_[k] = random_.real();
    d_.uniforms = uniforms_.data();
  }

  // The error of products: of float32 sums; of bfloat16; with int8 the vectors are quantised too, with one scale each.
  double slack() const { return d_.precision == seqloom::INT8 ? 0.08 : d_.precision == seqloom::BFLOAT16 ? 2e-2 : 1e-4; }

  // The row again in float64, with the tokens that it chose or was given.
  void follow(int b, Report& report) const {
    const int64_t V = d_.vocabulary;
    Numbers logits(logits_before_.begin() + b * V, logits_before_.begin() + (b + 1) * V);
    std::vector<Numbers> h, c;
    for (const Layer& layer : layers_) {
      h.emplace_back(layer.h_before.begin() + b * layer.hidden, layer.h_before.begin() + (b + 1) * layer.hidden);
      c.emplace_back();
      if (lstm_) c.back().assign(layer.c_before.begin() + b * layer.hidden, layer.c_before.begin() + (b + 1) * layer.hidden);
    }
    bool ended = d_.given == nullptr && finished_before_[b] != 0;
    Numbers nats, wanted;
    for (int64_t t = 0; t < (d_.given ? d_.steps : d_.done); ++t) {
      const int64_t token = tokens_[b * d_.steps + t];
      if (ended) {
        report.expect(token == -1, "a token after a row's end");
        continue;
      }
      report.expect(token >= 0 && token < V, "a token that is none");
      if (!report.wrong.empty()) return;
      double most = -std::numeric_limits<double>::infinity(), total = 0;
      for (double logit : logits) most = std::max(most, logit);
      for (double logit : logits) total += std::exp(logit - most);
      if (d_.given) {
        nats.push_back(nats_[b * d_.steps + t]);
        wanted.push_back(b == wrong_row_ && t == 0 ? NOT_A_NUMBER : std::log(total) - logits[token] + most);
      } else {
        judge(b, t, token, logits, most, report);
      }
      ended = std::find(stops_.data(), stops_.data() + stops_.size(), token) != stops_.data() + stops_.size();
      one_step(token, h, c, logits);
    }
    report.compare("nats", nats, wanted, 3 * slack());
    if (d_.given == nullptr) report.expect((finished_[b] != 0) == ended || d_.done == 0, "finished is not what it was");
    if (ended) return;
    report.compare("logits", part(logits_, b, V), logits, slack());
    for (std::size_t l = 0; l < layers_.size(); ++l) {
      report.compare("h", part(layers_[l].h, b, layers_[l].hidden), h[l], slack());
      if (lstm_) report.compare("c", part(layers_[l].c, b, layers_[l].hidden), c[l], slack());
    }
  }

  static Numbers part(const Array<float>& array, int64_t b, int64_t count) {
    return Numbers(array.data() + b * count, array.data() + (b + 1) * count);
  }

  // Checks a chosen token: greedy, the most probable; without top-k and top-p, the one whose interval the number is in.
  void judge(int b, int64_t t, int64_t token, const Numbers& logits, double most, Report& report) const {
    const double near = slack() * std::max(1.0, std::fabs(most));
    if (d_.uniforms == nullptr) {
      report.expect(logits[token] >= most - 2 * near, "greedy took a token that is not the likeliest");
      return;
    }
    if (d_.top_k == 1) report.expect(logits[token] >= most - 2 * near, "top_k=1 took a token that is not the likeliest");
    if (d_.top_k != 0 || d_.top_p < 1 || d_.precision == seqloom::INT8) return;
    double below = 0, mass = 0, total = 0;
    for (std::size_t v = 0; v < logits.size(); ++v) {
      const double weight = std::exp((logits[v] - most) / d_.temperature);
      if (static_cast<int64_t>(v) < token) below += weight;
      if (static_cast<int64_t>(v) == token) mass = weight;
      total += weight;
    }
    const double at = uniforms_[b * d_.steps + t], off = 10 * near / d_.temperature;
    report.expect(at >= below / total - off && at <= (below + mass) / total + off, "a token that its number does not fall on");
  }

  void one_step(int64_t token, std::vector<Numbers>& h, std::vector<Numbers>& c, Numbers& logits) const {
    Numbers x(embedding_.data() + token * d_.embedding_size, embedding_.data() + (token + 1) * d_.embedding_size);
    for (std::size_t l = 0; l < layers_.size(); ++l) {
      const Layer& layer = layers_[l];
      Reference step{};
      step.cell = d_.cell;
      step.steps = step.batch = 1;
      step.inputs = layer.inputs;
      step.hidden = layer.hidden;
      step.lengths = {1};
      step.weight_ih = layer.input.values;
      step.weight_hh = layer.recurrent.values;
      step.bias_ih = layer.outer;
      step.bias_hh = layer.inner;
      step.x = x;
      step.h0 = h[l];
      step.c0 = c[l];
      step.dy = step.d_hn = step.d_cn = step.given_y = Numbers(static_cast<std::size_t>(layer.hidden), 0);
      step.run();
      x = h[l] = step.hn;
      c[l] = step.cn;
    }
    for (int64_t v = 0; v < d_.vocabulary; ++v) {
      logits[v] = output_.biases[v];
      for (std::size_t k = 0; k < x.size(); ++k) logits[v] += output_.values[v * x.size() + k] * x[k];
    }
  }

  Random& random_;
  int width_;
  Decoding d_{};
  bool lstm_ = false;
  int64_t G_ = 1, wrong_row_ = -1;
  std::vector<Layer> layers_;
  std::vector<DecoderLayer> given_;
  Packed output_;
  Array<float> embedding_, table_, logits_;
  Array<int64_t> tokens_, stops_;
  Array<double> nats_, uniforms_;
  Array<int32_t> finished_;
  std::vector<int32_t> finished_before_;
  Numbers logits_before_;
};

}  // namespace

Report decoder(uint64_t seed, int) {
  Random random(seed);
  return Case(random).run();
}

}  // namespace fuzz
