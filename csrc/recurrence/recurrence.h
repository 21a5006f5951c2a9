// The functions of recurrence.cpp, which is compiled once for each instruction set.
#pragma once

#include "include/recurrence_api.h"

namespace seqloom {

struct RecurrenceKernels {
  void (*forward)(const Problem&);
  void (*backward)(const Problem&);
};

namespace portable {
extern const RecurrenceKernels recurrence;
}
namespace avx2 {
extern const RecurrenceKernels recurrence;
}
namespace avx512 {
extern const RecurrenceKernels recurrence;
}
namespace avx512_bf16 {
extern const RecurrenceKernels recurrence;
}

}  // namespace seqloom
