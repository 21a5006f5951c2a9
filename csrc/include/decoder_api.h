// What the decoder is asked: tokens chosen one after the other by a stack of recurrent layers, a small batch side by
// side. kernels/decoder.py has the same structures in the same order, and packs the weights. Everything is the
// caller's; nothing is kept after a call.
#pragma once

#include <cstdint>

#include "include/recurrence_api.h"

namespace seqloom {

enum Precision : int32_t { FLOAT32 = 0, BFLOAT16 = 1, INT8 = 2 };

// Depth is padded with zeros to a multiple of this: two groups of the 4 columns that int8 multiplies at once.
constexpr int64_t DEPTH = 8;

// The vectors of rows that run side by side: all gates of W units; of a simple RNN and the output layer two.
constexpr int64_t panel_of(int32_t cell) { return cell == LSTM ? 4 : cell == GRU ? 3 : 2; }

// A matrix (rows, depth) with a bias for each row, in the order in which it is read: panels of `panel * W` rows. A panel
// has, each a vector of the panel's rows: for int8, -128 times the sum of the row, as int32, for products of unsigned
// bytes; the weights, columns in groups of 1 (float32), 2 (bfloat16) or 4 (int8), so that each row has 4 bytes of each
// group; for int8, as float32, the value of one step; the bias, float32.
struct Matrix {
  const void* weight;  // null: there is no such matrix
  int64_t panel;       // 2, 3 or 4
  int64_t rows;        // a multiple of panel * W
  int64_t depth;       // a multiple of DEPTH
};

// Rows of both matrices are ordered by blocks of W units, in each the gates, in each the units.
struct DecoderLayer {
  Matrix input;      // of the first layer only where there is no table
  Matrix recurrent;  // its bias is what stays inside the reset gate of a GRU, b_hn; else 0
  int64_t hidden;
  float* h;  // (batch, hidden), read and written
  float* c;  // the same; null but for an LSTM
};

struct Decoding {
  int32_t cell;
  int32_t precision;
  int32_t width;    // W for which the weights were packed
  int32_t layers;
  int32_t batch;
  int32_t threads;  // at most so many
  int64_t vocabulary, embedding_size, steps;
  const float* table;      // (vocabulary, rows of the first layer): its input's products and biases; or null
  const float* embedding;  // (vocabulary, embedding_size), read only where there is no table
  const DecoderLayer* layer;
  Matrix output;            // biases of the rows beyond the vocabulary are -inf
  float* logits;            // (batch, vocabulary): what the first token is chosen from; then, what the next would be
  const int64_t* given;     // (batch, steps): tokens that are read instead of choosing any, or null
  double* nats;             // (batch, steps): -log of the probability of each token given; null where none is
  const double* uniforms;   // (batch, steps), each in [0, 1); null: always the most probable token
  double temperature;       // above 0
  double top_p;             // 1: off
  int64_t top_k;            // 0: off
  const int64_t* stops;     // (stop_count) tokens that end a row
  int64_t stop_count;
  int64_t* tokens;    // (batch, steps): written; -1 from a row's end on; null where tokens are given
  int32_t* finished;  // (batch): not 0 where a row has ended, read and written; null where tokens are given
  int64_t done;       // written: steps taken, fewer where all rows have ended
  double waited;      // written: the share of the time in which a thread was waited for that was not running
  int32_t wrong;      // written: not 0 where nan or inf among the logits ended it; they are left in `logits`
  int32_t reserved;
};

struct Decoder {
  int32_t width;
  void (*run)(Decoding&);
  double (*read)(const void*, int64_t, int32_t, int32_t);
  uint64_t (*digest)(const void*, int64_t, int32_t);
};

namespace portable {
extern const Decoder decoder;
}
namespace avx2 {
extern const Decoder decoder;
}
namespace avx512 {
extern const Decoder decoder;
}
namespace avx512_bf16 {
extern const Decoder decoder;
}

}  // namespace seqloom
