// The plain RNN with tanh over a whole sequence, in float32: h_t = tanh(x_t + h_{t-1} W_hh^T).
//
// x_t is the input after its projection, W_ih input_t + b_ih + b_hh: one large matrix product over all steps
// that torch does best. Here is the rest: the steps, one after another, in one call.
//
// Every array is contiguous, row-major and the caller's; nothing is allocated, nothing can throw.

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>

#if defined(_WIN32)
#define SEQLOOM_API extern "C" __declspec(dllexport)
#else
#define SEQLOOM_API extern "C" __attribute__((visibility("default")))
#endif

// Raised with every change of a signature here; kernels/native.py refuses a library of another number.
SEQLOOM_API int32_t seqloom_abi_version() { return 1; }

// projected  (steps, batch, hidden)  x above
// weight     (hidden, hidden)        W_hh transposed: row k holds what unit k gives to every unit
// initial    (batch, hidden)         the state that the recurrence starts from
// lengths    (batch)                 real steps of each row, or null where every row has them all
// reverse                            not 0: from each row's own last step to its first
// outputs    (steps, batch, hidden)  h of every step, each at its own time; 0 from a row's length on
// final      (batch, hidden)         h after the row's last step taken; the initial one where there is none
SEQLOOM_API void seqloom_rnn_tanh_forward_f32(const float* projected, const float* weight, const float* initial,
                                              const int64_t* lengths, int32_t reverse, float* outputs,
                                              float* final, int64_t steps, int64_t batch, int64_t hidden) {
  if (batch == 0 || hidden == 0) return;
  const auto row_bytes = static_cast<std::size_t>(hidden) * sizeof(float);
  std::memcpy(final, initial, static_cast<std::size_t>(batch) * row_bytes);
  for (int64_t taken = 0; taken < steps; ++taken) {
    const int64_t t = reverse != 0 ? steps - 1 - taken : taken;
    for (int64_t b = 0; b < batch; ++b) {
      float* h = final + b * hidden;
      float* out = outputs + (t * batch + b) * hidden;
      if (lengths != nullptr && t >= lengths[b]) {
        std::memset(out, 0, row_bytes);
        continue;
      }
      std::memcpy(out, projected + (t * batch + b) * hidden, row_bytes);
      // The inner loop runs along memory and sums nothing across, so that a compiler may vectorise it
      // without leave to reorder floating-point sums.
      for (int64_t k = 0; k < hidden; ++k) {
        const float h_k = h[k];
        const float* row = weight + k * hidden;
        for (int64_t j = 0; j < hidden; ++j) out[j] += h_k * row[j];
      }
      for (int64_t j = 0; j < hidden; ++j) out[j] = std::tanh(out[j]);
      std::memcpy(h, out, row_bytes);
    }
  }
}
