// The two functions that recurrence.cpp is compiled to, once for each instruction set.
#pragma once

#include "include/recurrence_api.h"

namespace seqloom {

struct Recurrence {
  void (*forward)(const Problem&);
  void (*backward)(const Problem&);
};

namespace portable {
extern const Recurrence recurrence;
}
namespace avx2 {
extern const Recurrence recurrence;
}
namespace avx512 {
extern const Recurrence recurrence;
}
namespace avx512_bf16 {
extern const Recurrence recurrence;
}

}  // namespace seqloom
