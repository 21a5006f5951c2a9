// Rows of a batch as the recurrences see them: longest first, so that at every step those still running come first.
// Step s is a row's s-th step taken, in either direction; a place (position) is a pair of a step and a running row.
#pragma once

#include <algorithm>
#include <cstdint>
#include <numeric>
#include <vector>

#include "include/recurrence_api.h"

namespace seqloom {

struct RowOrder {
  explicit RowOrder(const Problem& p) : steps(p.steps), batch(p.batch) {
    if (p.lengths == nullptr) return;
    rows.resize(static_cast<std::size_t>(batch));
    std::iota(rows.begin(), rows.end(), 0);
    std::stable_sort(rows.begin(), rows.end(), [&](int64_t a, int64_t b) { return p.lengths[a] > p.lengths[b]; });
    lengths.resize(rows.size());
    for (std::size_t j = 0; j < rows.size(); ++j) lengths[j] = p.lengths[rows[j]];
    running.resize(static_cast<std::size_t>(steps) + 1);
    starts.resize(running.size());
    int64_t left = batch, start = 0;
    for (int64_t s = 0; s <= steps; ++s) {
      while (left > 0 && lengths[static_cast<std::size_t>(left - 1)] <= s) --left;
      running[static_cast<std::size_t>(s)] = left;
      starts[static_cast<std::size_t>(s)] = start;
      start += left;
    }
  }

  int64_t row(int64_t j) const { return rows.empty() ? j : rows[static_cast<std::size_t>(j)]; }
  int64_t length(int64_t j) const { return rows.empty() ? steps : lengths[static_cast<std::size_t>(j)]; }
  int64_t active(int64_t s) const { return s >= steps ? 0 : rows.empty() ? batch : running[static_cast<std::size_t>(s)]; }
  int64_t start(int64_t s) const { return rows.empty() ? s * batch : starts[static_cast<std::size_t>(s)]; }
  // The steps that any row takes.
  int64_t longest() const { return batch == 0 ? 0 : length(0); }

  int64_t steps, batch;
  std::vector<int64_t> rows, lengths, running, starts;
};

// The rows that one thread, or several together, run through all steps: every `stride`th from `first` on.
struct Strand {
  const RowOrder* order;
  int64_t first, stride, count;
  bool reverse;

  int64_t sorted(int64_t i) const { return first + i * stride; }
  int64_t row(int64_t i) const { return order->row(sorted(i)); }
  int64_t active(int64_t s) const {
    const int64_t running = order->active(s);
    if (order->rows.empty()) return running == 0 ? 0 : count;
    return running <= first ? 0 : (running - first + stride - 1) / stride;
  }
  int64_t time(int64_t s, int64_t i) const { return reverse ? order->length(sorted(i)) - 1 - s : s; }
  int64_t position(int64_t s, int64_t i) const { return order->start(s) + sorted(i); }
};

// One of `parts` strands; where rows end at different steps each gets every `parts`th, so that all have as much to do.
inline Strand strand_of(const RowOrder& order, bool reverse, int part, int parts) {
  const int64_t B = order.batch;
  if (order.rows.empty()) {
    const int64_t begin = B * part / parts, end = B * (part + 1) / parts;
    return {&order, begin, 1, end - begin, reverse};
  }
  return {&order, part, parts, B <= part ? 0 : (B - part + parts - 1) / parts, reverse};
}

// Rows in tiles of at most `most`, as even as can be.
struct Tiles {
  Tiles(int64_t all, int64_t most) : rows(all), count((all + most - 1) / most) {}
  int64_t begin(int64_t tile) const { return rows * tile / count; }
  int64_t of(int64_t row) const { return ((row + 1) * count - 1) / rows; }
  // How many of the first `active` rows are in it.
  int active(int64_t tile, int64_t active) const {
    return static_cast<int>(std::max<int64_t>(0, std::min(begin(tile + 1), active) - begin(tile)));
  }
  int64_t rows, count;
};

}  // namespace seqloom
