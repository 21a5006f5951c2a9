// A batch of sequences of different lengths. Rows are sorted by length, longest first, so that at every step the rows
// still running (active) come first. Step s is a row's s-th step in running order, whichever direction that is.
#pragma once

#include <algorithm>
#include <cstdint>
#include <numeric>
#include <vector>

#include "include/recurrence_api.h"

namespace seqloom {

struct RaggedBatch {
  explicit RaggedBatch(const Problem& p) : steps(p.steps), batch(p.batch) {
    if (p.lengths == nullptr) return;
    rows.resize(static_cast<std::size_t>(batch));
    std::iota(rows.begin(), rows.end(), 0);
    std::stable_sort(rows.begin(), rows.end(), [&](int64_t a, int64_t b) { return p.lengths[a] > p.lengths[b]; });
    lengths.resize(rows.size());
    for (std::size_t j = 0; j < rows.size(); ++j) lengths[j] = p.lengths[rows[j]];
    active_rows.resize(static_cast<std::size_t>(steps) + 1);
    offsets.resize(active_rows.size());
    int64_t active = batch, offset = 0;
    for (int64_t s = 0; s <= steps; ++s) {
      while (active > 0 && lengths[static_cast<std::size_t>(active - 1)] <= s) --active;
      active_rows[static_cast<std::size_t>(s)] = active;
      offsets[static_cast<std::size_t>(s)] = offset;
      offset += active;
    }
  }

  // The j-th row in sorted order: its index in the batch, and its length.
  int64_t row(int64_t j) const { return rows.empty() ? j : rows[static_cast<std::size_t>(j)]; }
  int64_t length(int64_t j) const { return rows.empty() ? steps : lengths[static_cast<std::size_t>(j)]; }
  // Rows that take step s.
  int64_t active(int64_t s) const {
    return s >= steps ? 0 : rows.empty() ? batch : active_rows[static_cast<std::size_t>(s)];
  }
  // Rows that took the steps before s, all steps together.
  int64_t offset(int64_t s) const { return rows.empty() ? s * batch : offsets[static_cast<std::size_t>(s)]; }
  int64_t longest() const { return batch == 0 ? 0 : length(0); }

  int64_t steps, batch;
  std::vector<int64_t> rows, lengths, active_rows, offsets;  // empty without lengths
};

// The rows that one thread, or one team, runs through all steps: every `stride`th in sorted order, from `first` on.
struct RowPartition {
  const RaggedBatch* batch;
  int64_t first, stride, count;
  bool reverse;

  // Row i of the partition, in sorted order and in the batch.
  int64_t sorted(int64_t i) const { return first + i * stride; }
  int64_t row(int64_t i) const { return batch->row(sorted(i)); }
  int64_t active(int64_t s) const {
    const int64_t active = batch->active(s);
    if (batch->rows.empty()) return active == 0 ? 0 : count;
    return active <= first ? 0 : (active - first + stride - 1) / stride;
  }
  // The time index at which row i takes step s, and where the step's saved values are.
  int64_t time(int64_t s, int64_t i) const { return reverse ? batch->length(sorted(i)) - 1 - s : s; }
  int64_t position(int64_t s, int64_t i) const { return batch->offset(s) + sorted(i); }
};

// Partition `part` of `parts`. Rows of different lengths are dealt out in turn, so that all partitions have as much to do.
inline RowPartition make_partition(const RaggedBatch& batch, bool reverse, int part, int parts) {
  const int64_t B = batch.batch;
  if (batch.rows.empty()) {
    const int64_t begin = B * part / parts, end = B * (part + 1) / parts;
    return {&batch, begin, 1, end - begin, reverse};
  }
  return {&batch, part, parts, B <= part ? 0 : (B - part + parts - 1) / parts, reverse};
}

// Rows in tiles of at most `max_rows`, as even as possible.
struct RowTiles {
  RowTiles(int64_t num_rows, int64_t max_rows) : rows(num_rows), count((num_rows + max_rows - 1) / max_rows) {}
  int64_t begin(int64_t tile) const { return rows * tile / count; }
  int64_t tile_of(int64_t row) const { return ((row + 1) * count - 1) / rows; }
  // How many of the first `active` rows are in a tile.
  int active(int64_t tile, int64_t active) const {
    return static_cast<int>(std::max<int64_t>(0, std::min(begin(tile + 1), active) - begin(tile)));
  }
  int64_t rows, count;
};

}  // namespace seqloom
