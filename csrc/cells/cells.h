// All cells, and the one place where a cell's number becomes its type.
#pragma once

#include "cells/gru.h"
#include "cells/lstm.h"
#include "cells/rnn.h"
#include "include/recurrence_api.h"

namespace seqloom {
namespace SEQLOOM_VARIANT {

// Calls body(Type{}) for the cell of this number (SEQLOOM_CELLS of recurrence_api.h); the caller has checked that there
// is one.
template <class Body>
inline void with_cell(int32_t cell, Body&& body) {
  switch (cell) {
#define SEQLOOM_CASE(name, number, Type) \
  case name: return body(Type{});
    SEQLOOM_CELLS(SEQLOOM_CASE)
#undef SEQLOOM_CASE
    default: break;
  }
}

// Gates of the cell of this number.
inline int64_t gates_of(int32_t cell) {
  int64_t gates = 1;
  with_cell(cell, [&](auto type) { gates = decltype(type)::GATES; });
  return gates;
}

}  // namespace SEQLOOM_VARIANT
}  // namespace seqloom
