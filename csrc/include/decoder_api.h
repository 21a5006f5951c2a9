// The C interface of the decoder: tokens chosen one after the other by a stack of recurrent layers, for a small batch. The
// ctypes structures of seqloom.kernels have the same fields in the same order, and Python packs the weights. All memory is
// the caller's; no pointer is retained after a call.
#pragma once

#include <cstdint>

#include "include/recurrence_api.h"

namespace seqloom {

enum Precision : int32_t { FLOAT32 = 0, BFLOAT16 = 1, INT8 = 2 };

// Depth is padded with zeros to a multiple of this: two groups of the 4 columns that int8 multiplies at once.
constexpr int64_t DEPTH = 8;

// A matrix (rows, depth) with a bias for each row, packed in the order in which it is read: panels of `panel * W` rows,
// where W is the width of a vector. A panel is a sequence of vectors over its rows:
//   int8 only: the offset, -128 times the sum of the row's weights, int32 (for products of unsigned bytes);
//   the weights: groups of 1 (float32), 2 (bfloat16) or 4 (int8) columns, which are 4 bytes of each row;
//   int8 only: the scale of the row, float32;
//   the bias, float32.
struct Matrix {
  const void* weight;  // null: there is no such matrix
  int64_t panel;       // 2, 3 or 4
  int64_t rows;        // a multiple of panel * W
  int64_t depth;       // a multiple of DEPTH
};

// Rows of both matrices are ordered by blocks of W units, within a block by gates, within a gate by units. A panel has all
// gates of W units; with a single gate, 2 W units.
struct DecoderLayer {
  Matrix input;      // absent in the first layer where there is a table
  Matrix recurrent;  // its bias is b_hh of the cell's INNER_BIAS_GATE (a GRU's b_hn), else 0; `input` has all others
  int64_t hidden;
  float* h;  // (batch, hidden), read and written
  float* c;  // the same; null for a cell without c
};

struct Decoding {
  int32_t cell;
  int32_t precision;
  int32_t width;    // W for which the weights were packed
  int32_t layers;
  int32_t batch;
  int32_t threads;  // at most this many
  int64_t vocabulary, embedding_size, steps;
  const float* table;      // (vocabulary, rows of the first layer): W_ih x + b for each token; or null
  const float* embedding;  // (vocabulary, embedding_size), read only where there is no table
  const DecoderLayer* layer;
  Matrix output;            // biases of the rows beyond the vocabulary are -inf
  float* logits;            // (batch, vocabulary): the first token is chosen from these; written: those of the next token
  const int64_t* given;     // (batch, steps): tokens to read instead of choosing any, or null
  double* nats;             // (batch, steps): written: -log of the probability of each given token; null without `given`
  const double* uniforms;   // (batch, steps), in [0, 1), to sample with; null: greedy
  double temperature;       // above 0
  double top_p;             // 1: off
  int64_t top_k;            // 0: off
  const int64_t* stops;     // (stop_count) tokens that end a row
  int64_t stop_count;
  int64_t* tokens;    // (batch, steps): written; -1 after a row's end; null with `given`
  int32_t* finished;  // (batch): not 0 where a row has ended, read and written; null with `given`
  int64_t done;       // written: steps taken, fewer than `steps` if all rows have ended
  double waited;      // written: the share of the time in which threads waited for one that was most likely not running
  int32_t wrong;      // written: not 0 if NaN or inf among the logits ended it; they are left in `logits`
  int32_t reserved;
};

}  // namespace seqloom
